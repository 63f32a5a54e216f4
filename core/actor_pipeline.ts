/**
 * What happens to the messages of an actor between its mailbox and the answer.
 *
 * A message is **begun** in the order of the mailbox: with event sourcing its handler decides on
 * the state that includes the events of all messages before, durable or not, and the events are
 * applied and handed to the journal; with command sourcing the message itself is. None of that waits
 * for the disk, so what is begun while a commit is in flight shares the next one.
 *
 * A message is **released** in the same order, when everything up to it is durable: then it is
 * answered, its effects are delivered, and with command sourcing it is handled. So nobody is
 * ever told of a state that could still be lost, not even by an error or by a message that only
 * reads.
 *
 * Every append states the sequence number that it expects, and waits for the one before it (see
 * `actor_writer.ts`). So the journal never holds what was decided on events that were lost. Where an
 * append fails the actor **goes back**: it recovers the state from the journal, and begins anew, in
 * order, with the messages that were lost; the first of them is rejected instead where the failure is
 * its own or does not pass. The same makes it safe that another process writes the same actor:
 * whoever comes second gets `CONFLICT`, goes back to a state that includes what the other wrote, and
 * decides again.
 *
 * @module
 */

import type { EffectPlace, PendingEffect } from "./actor_entry.ts";
import type { CheckedActorOptions, Directive } from "./actor_options.ts";
import type { ActorRecovery, ActorState, RecoveryWatch } from "./actor_state.ts";
import type { Consequences } from "./behavior.ts";
import { PersistenceError } from "./errors.ts";
import type { MessageJournal } from "./journal.ts";
import { Fifo, Letter } from "./mailbox.ts";
import { ActorWriter, type Part } from "./actor_writer.ts";
import { isTransient, retry, retryDelayMs, sleep } from "./retry.ts";
import type { Capture } from "./snapshot_saver.ts";

/**
 * So often in a row somebody else may be faster before a message is rejected. Each time the other one
 * has made progress, so it is a matter of luck, not of time.
 */
const MAX_CONFLICTS = 20;
const CONFLICT_DELAY_MS = 5;

/** Something that the actor has to do in its place in the order. */
export type Control =
  | { readonly type: "confirm"; readonly places: readonly EffectPlace[] }
  | {
    readonly type: "snapshot";
    /** Called with the state when all that it includes is durable. */
    save(capture: Capture): void;
    /** Called where there is nothing to save, or it cannot be saved. */
    end(error?: unknown): void;
  };

/** What waits in the mailbox. */
export type Task<Message, Reply> = Letter<Message, Reply> | Control;

/** What the handler of a message threw, and what follows from it. */
export interface Refusal {
  readonly error: unknown;
  readonly directive: Directive;
}

/** A task that has been begun and is not released. */
export interface Flight<Message, Reply> extends Part {
  readonly task: Task<Message, Reply>;
  /** What it appends, if anything. */
  readonly stored: readonly unknown[];
  /** The sequence number of the last entry up to it. */
  last: number;
  status: "appending" | "durable" | "failed";
  /** What its handler threw when it was begun. */
  refusal: Refusal | undefined;
  /** The answer, where it is known already. */
  reply: Reply | undefined;
  /** Effects that can be delivered when it is released. */
  effects: readonly PendingEffect[];
  afterPersist: Consequences<unknown, unknown, unknown>["afterPersist"];
  /** The state behind it, which is to be saved when it is released. */
  capture: Capture | undefined;
}

/** What a pipeline tells its actor. */
export interface PipelineHost {
  /** The state has been recovered, at the beginning or because the actor had to go back. */
  recovered(recovery: ActorRecovery): void;
  /** Entries have been journaled. Whether the state is to be saved. */
  observe(stored: readonly unknown[], sequenceNumber: number): boolean;
  /** A state is to be saved; all of it is durable. It is encoded before the call returns. */
  save(capture: Capture): void;
  /** Effects are durable. */
  deliver(effects: readonly PendingEffect[]): void;
  /** Confirmations are durable. */
  confirmed(places: readonly EffectPlace[]): void;
  /** Nothing waits any more. */
  idle(): void;
  /** The pipeline has ended by itself. */
  ended(error: unknown): void;
}

/** What a pipeline works with. */
export interface PipelineParts<State, Message, Stored, Reply, Effect> {
  readonly actorId: string;
  readonly journal: MessageJournal<unknown>;
  readonly state: ActorState<State, Message, Stored, Reply, Effect>;
  readonly options: CheckedActorOptions<Message>;
  readonly host: PipelineHost;
  /** Whether there is somebody who delivers effects. */
  readonly hasOutbox: boolean;
  /** Who watches the first recovery. */
  readonly watch: RecoveryWatch;
}

/** The way of messages from the mailbox to the answer. What differs between the modes is abstract. */
export abstract class ActorPipeline<State, Message, Stored, Reply, Effect> {
  /** What it works with. */
  protected readonly parts: PipelineParts<State, Message, Stored, Reply, Effect>;
  /** The sequence number behind all that has been begun. */
  protected next = 0;
  /** The sequence number of the last entry that has been released. */
  protected released = -1;

  readonly #mailbox = new Fifo<Task<Message, Reply>>();
  readonly #flights = new Fifo<Flight<Message, Reply>>();
  /** Nothing is begun while there are any: during recovery, and behind a handler that has thrown. */
  #holds = 1;
  #beginning = false;
  /** A handler that is under way. */
  #busy: Promise<void> | undefined;
  #releasing = false;
  readonly #writer: ActorWriter<Flight<Message, Reply>>;
  /** An append has failed, and the actor has not gone back yet. */
  #crash: { readonly error: unknown; readonly flights: number } | undefined;
  /** How often in a row an append has failed. */
  #failures = 0;
  /** What is called when all is durable and has not ended yet. */
  #afterwards = 0;
  #ended = false;
  /** What whoever waits is told, where it has ended by itself. */
  #endedWith: unknown;
  #drained: (() => void)[] = [];

  /** @param parts What it works with. */
  constructor(parts: PipelineParts<State, Message, Stored, Reply, Effect>) {
    this.parts = parts;
    this.#writer = new ActorWriter(parts.actorId, parts.journal, {
      landed: (flights) => this.#land(flights),
      crashed: (flights, error) => this.#fail(flights, error),
    });
  }

  /** How many tasks have been accepted and not released. */
  get pending(): number {
    return this.#mailbox.length + this.#flights.length + (this.#busy ? 1 : 0) + this.#afterwards;
  }

  /** Whether there is nothing to do. */
  get isIdle(): boolean {
    return this.#mailbox.length === 0 && this.#flights.length === 0 && this.#afterwards === 0 &&
      this.#holds === 0 && !this.#beginning && !this.#releasing;
  }

  /** Recovers the state, and begins with what waits. */
  async start(): Promise<ActorRecovery> {
    const recovery = await this.#recoverAll(this.parts.watch);
    this.unhold();
    return recovery;
  }

  /** Puts a task behind all others. */
  post(task: Task<Message, Reply>): void {
    if (this.#ended) return;
    this.#mailbox.push(task);
    if (this.#holds === 0) this.#begin();
  }

  /** Resolves when there is nothing to do, or the pipeline has ended. */
  drained(): Promise<void> {
    if (this.#ended || this.isIdle) return Promise.resolve();
    return new Promise((resolve) => this.#drained.push(resolve));
  }

  /**
   * Ends in order, when nothing waits any more.
   *
   * @throws {PersistenceError} What storing the end rejects with.
   */
  async close(): Promise<void> {
    if (this.#ended) return;
    this.#ended = true;
    await this.noteEnd();
  }

  /** Stores what a later recovery must know about the end. */
  protected abstract noteEnd(): Promise<void>;

  /** Ends at once: all that waits is rejected. */
  end(error: unknown): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#holds++;
    const tasks = [...this.#flights.takeAll().map(({ task }) => task), ...this.#mailbox.takeAll()];
    const { actorId, host } = this.parts;
    this.#endedWith = endedError(actorId, `handle message of actor "${actorId}"`, error);
    for (const task of tasks) endTask(task, this.#endedWith);
    for (const resolve of this.#drained.splice(0)) resolve();
    host.ended(error);
  }

  /** Begins a message: makes a flight of it and submits that. It does not throw, nor reject. */
  protected abstract beginLetter(letter: Letter<Message, Reply>): Promise<void> | undefined;
  /** Begins something else. */
  protected abstract beginControl(control: Control): void;
  /** Releases a flight that is durable. It may take its time, and rejects only by a defect. */
  protected abstract release(flight: Flight<Message, Reply>): Promise<void> | undefined;

  /** Stores what a recovery has found out and a later one must know. */
  protected abstract note(recovery: ActorRecovery): Promise<void>;

  /**
   * Stores something for later recoveries, before what has been begun and is not being appended.
   *
   * @returns Whether it stands right behind what was appended before.
   */
  protected async append(stored: unknown): Promise<boolean> {
    const isNext = await retry(() => this.#writer.appendFirst(stored), this.parts.options.retry);
    if (isNext) this.next++;
    return isNext;
  }

  /** A flight that has not been submitted. */
  protected flight(
    task: Task<Message, Reply>,
    stored: readonly unknown[] = [],
  ): Flight<Message, Reply> {
    return {
      task,
      stored,
      last: this.next + stored.length - 1,
      status: stored.length === 0 ? "durable" : "appending",
      refusal: undefined,
      reply: undefined,
      effects: [],
      afterPersist: undefined,
      capture: undefined,
    };
  }

  /** Hands what a flight stores to the journal, and puts it behind all others that are under way. */
  protected submit(flight: Flight<Message, Reply>): void {
    // Its handler took its time, and the actor has stopped by itself meanwhile.
    if (this.#ended) return endTask(flight.task, this.#endedWith);
    this.#flights.push(flight);
    this.next += flight.stored.length;
    // Decided on a state that is lost: it will be begun anew.
    if (this.#crash) flight.status = "failed";
    else if (flight.stored.length > 0) this.#writer.push(flight);
    if (flight.status !== "appending") this.#releaseAll();
  }

  /** Holds back what has not been begun. */
  protected hold(): void {
    this.#holds++;
  }

  /** The opposite of {@linkcode ActorPipeline.hold}. */
  protected unhold(): void {
    this.#holds--;
    if (this.#holds === 0) this.#begin();
  }

  /** Answers a message that has been released. */
  protected answer(
    letter: Letter<Message, Reply>,
    reply: Reply | undefined,
    afterPersist: Flight<Message, Reply>["afterPersist"],
  ): void {
    // Whoever gives no answer has declared `void` as its type.
    if (!afterPersist) return letter.resolve(reply as Reply);
    this.#afterwards++;
    const call = async () => await afterPersist();
    call().then(() => letter.resolve(reply as Reply), (error) => letter.reject(error))
      .finally(() => {
        this.#afterwards--;
        this.#tellIfIdle();
      });
  }

  /** What is to be done about what a handler has thrown. */
  protected supervise(error: unknown, message: Message): Refusal {
    const { actorId, options } = this.parts;
    try {
      return { error, directive: options.supervise(error, { actorId, message }) };
    } catch (cause) {
      // A supervisor that fails itself decides nothing; to stop is the safe side.
      return { error: cause, directive: "stop" };
    }
  }

  /**
   * Carries out what was decided about a handler that has thrown, while the pipeline is held.
   *
   * @returns Whether it goes on, on a state that can be relied on.
   */
  protected async obey({ directive, error }: Refusal, to?: number): Promise<boolean> {
    try {
      if (directive === "stop") throw error;
      if (directive === "restart" && to !== undefined) await this.#recover(to);
      else if (directive === "restart") await this.#recoverAll();
    } catch (failure) {
      this.end(failure);
      return false;
    }
    this.unhold();
    return true;
  }

  #land(flights: readonly Flight<Message, Reply>[]): void {
    for (const flight of flights) flight.status = "durable";
    this.#failures = 0;
    this.#releaseAll();
  }

  #fail(flights: readonly Flight<Message, Reply>[], error: unknown): void {
    for (const flight of flights) flight.status = "failed";
    this.#crash = { error, flights: flights.length };
    this.hold();
    this.#releaseAll();
  }

  #begin(): void {
    if (this.#beginning) return;
    this.#beginning = true;
    while (this.#holds === 0) {
      const task = this.#mailbox.shift();
      if (!task) break;
      const busy = this.#beginTask(task);
      if (!busy) continue;
      this.#busy = busy.then(() => this.#continue(), (error) => this.end(error));
      return;
    }
    this.#beginning = false;
    this.#tellIfIdle();
  }

  #beginTask(task: Task<Message, Reply>): Promise<void> | undefined {
    if (!(task instanceof Letter)) return void this.beginControl(task);
    // Whoever waited has gone, before anything was done about it.
    if (task.ended) return undefined;
    task.begun = true;
    return this.beginLetter(task);
  }

  #continue(): void {
    this.#busy = undefined;
    this.#beginning = false;
    if (this.#holds === 0) this.#begin();
  }

  #releaseAll(): void {
    if (this.#releasing || this.#ended) return;
    this.#releasing = true;
    for (let next = this.#flights.first; next; next = this.#flights.first) {
      if (next.status === "appending") break;
      const busy = next.status === "failed" ? this.#goBack() : this.#releaseFirst(next);
      if (!busy) continue;
      void busy.catch((error) => this.end(error)).then(() => {
        this.#releasing = false;
        this.#releaseAll();
      });
      return;
    }
    this.#releasing = false;
    this.#tellIfIdle();
  }

  #releaseFirst(flight: Flight<Message, Reply>): Promise<void> | undefined {
    this.#flights.shift();
    if (flight.stored.length > 0) this.released = flight.last;
    return this.release(flight);
  }

  /** An append has failed: see the module's text. */
  async #goBack(): Promise<void> {
    // A handler that is under way decides on a state that is lost. It ends first.
    await this.#busy;
    const error = this.#crash?.error;
    const verdict = await this.#judge(error, this.#crash?.flights ?? 1);
    const flights = this.#flights.takeAll();
    // What the actor itself must store, and cannot, nobody else can be told of.
    const isOwn = verdict === "reject first" && !(flights[0]?.task instanceof Letter);
    if (this.#ended || verdict === "end" || isOwn) {
      for (const { task } of flights) endTask(task, error);
      return this.end(error);
    }
    const again: Task<Message, Reply>[] = [];
    for (const flight of flights) {
      const isRejected = (verdict === "reject first" && flight === flights[0]) ||
        (verdict === "reject writes" && flight.stored.length > 0);
      if (flight.refusal && flight.refusal.directive !== "resume") this.#holds--;
      if (isRejected && flight.task instanceof Letter) endTask(flight.task, error);
      else again.push(flight.task);
    }
    this.#mailbox.putBack(again);
    await this.#recoverAll();
    this.#crash = undefined;
    this.unhold();
  }

  /** What a failed append means for the messages that were under way. */
  async #judge(
    error: unknown,
    flights: number,
  ): Promise<"again" | "reject first" | "reject writes" | "end"> {
    const { retry: policy } = this.parts.options;
    const failures = ++this.#failures;
    const code = error instanceof PersistenceError ? error.code : undefined;
    if (code === "CONFLICT") {
      if (failures > 1) await sleep(CONFLICT_DELAY_MS * failures * Math.random());
      return failures > MAX_CONFLICTS ? "reject first" : "again";
    }
    if (isTransient(error) && failures <= policy.maxRetries) {
      await sleep(retryDelayMs(policy, failures));
      return "again";
    }
    this.#failures = 0;
    if (isTransient(error) || code === "STORAGE_FULL") return "reject writes";
    if (code !== undefined && ENDING_CODES.has(code)) return "end";
    // Something cannot be stored, or not together. Shorter runs find out what it is.
    return this.#writer.shorten(flights) ? "again" : "reject first";
  }

  async #recoverAll(watch?: RecoveryWatch): Promise<ActorRecovery> {
    const recovery = await this.#recover(undefined, watch);
    await this.#writer.idle;
    this.next = recovery.sequenceNumber + 1;
    this.released = recovery.sequenceNumber;
    this.#writer.reset(this.next);
    await this.note(recovery);
    this.parts.host.recovered(recovery);
    return recovery;
  }

  #recover(to: number | undefined, watch: RecoveryWatch = {}): Promise<ActorRecovery> {
    const { state, options } = this.parts;
    return retry(() => state.recover(to, watch), options.retry, watch.signal);
  }

  #tellIfIdle(): void {
    if (!this.isIdle) return;
    for (const resolve of this.#drained.splice(0)) resolve();
    this.parts.host.idle();
  }
}

/** After these nothing more can be stored, or nothing that is stored can be relied on. */
const ENDING_CODES: ReadonlySet<string> = new Set([
  "CLOSED",
  "CORRUPT",
  "READ_ONLY",
  "REOPEN_REQUIRED",
  "UNSUPPORTED_FORMAT",
  "CODEC_MISMATCH",
]);

/**
 * The error of whoever is not served because the actor has stopped by itself.
 *
 * @param actorId The actor.
 * @param operation What was to be done.
 * @param reason Why it has stopped.
 * @returns An error with the code of the reason, `CLOSED` where it has none.
 */
export function endedError(actorId: string, operation: string, reason: unknown): PersistenceError {
  const code = reason instanceof PersistenceError ? reason.code : "CLOSED";
  const text = reason instanceof Error ? reason.message : String(reason);
  return new PersistenceError(code, `Cannot ${operation}: the actor has stopped: ${text}`, {
    cause: reason,
    actorId,
    ...(reason instanceof PersistenceError && reason.sequenceNumber !== undefined &&
      { sequenceNumber: reason.sequenceNumber }),
  });
}

function endTask<Message, Reply>(task: Task<Message, Reply>, error: unknown): void {
  if (task instanceof Letter) task.reject(error);
  else if (task.type === "snapshot") task.end(error);
}
