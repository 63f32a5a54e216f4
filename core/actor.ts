/**
 * Stateful actors: actors that are always as good as their journal.
 *
 * @module
 */

import { ActorEngine, type Engine } from "./actor_engine.ts";
import {
  checkActorOptions,
  type CheckedActorOptions,
  checkTimeout,
  type StatefulActorOptions,
} from "./actor_options.ts";
import { endedError } from "./actor_pipeline.ts";
import { checkOptions, checkSignal } from "./arguments.ts";
import { Deadlines } from "./deadlines.ts";
import { PersistenceError } from "./errors.ts";
import { Letter } from "./mailbox.ts";
import type { Recovery } from "./recovery.ts";

/** How a message is sent. */
export interface TellOptions {
  /**
   * Takes back a message whose handling has not begun: it rejects with the signal's reason, and
   * certainly has no effect. Where it has begun it rejects, too, but the message takes effect.
   */
  signal?: AbortSignal;
}

/** How a question is asked. */
export interface AskOptions extends TellOptions {
  /**
   * How long to wait for the answer in milliseconds: an integer from 1 to 2^31 - 1, or Infinity.
   * Then it rejects with `TIMEOUT`, and the same holds as behind an abort. Default: `askTimeoutMs`
   * of the actor, which is 30,000 by default.
   */
  timeoutMs?: number;
}

/** What an actor is doing. */
export type ActorStatus = "recovering" | "running" | "stopping" | "stopped";

/**
 * An actor that is always as good as its journal: whatever it has answered is durable, and after a
 * restart it is recovered from its newest snapshot and the journal behind it.
 *
 * Messages are handled strictly in the order in which they were sent. What is sent before recovery is
 * done waits. While a write is in flight the mailbox goes on, so a busy actor commits in groups.
 * A message must not be changed after it was sent.
 *
 * An actor may be written by several processes: whoever comes second decides again on what the other
 * one wrote. That costs a recovery each time, so one process at a time is what it is made for.
 *
 * @typeParam State The state.
 * @typeParam Message What is sent to it.
 * @typeParam Reply What it answers.
 *
 * @example An account, event-sourced
 * ```ts
 * import { eventSourced, StatefulActor } from "@cajun/persistence";
 * import { MemoryPersistenceProvider } from "@cajun/persistence/memory";
 *
 * type Command = { type: "deposit"; amount: number } | { type: "balance" };
 * type Event = { deposited: number };
 *
 * await using provider = await MemoryPersistenceProvider.open();
 * await using account = StatefulActor.start({
 *   actorId: "account-1",
 *   journal: provider.createMessageJournal<Event>(),
 *   snapshots: provider.createSnapshotStore<number>(),
 *   behavior: eventSourced<number, Command, Event, number>({
 *     initialState: 0,
 *     handle(_balance, command) {
 *       if (command.type === "balance") return { reply: (balance) => balance };
 *       return { events: [{ deposited: command.amount }], reply: (balance) => balance };
 *     },
 *     apply: (balance, event) => balance + event.deposited,
 *   }),
 * });
 * await account.tell({ type: "deposit", amount: 10 }); // durable when it resolves
 * console.log(await account.ask({ type: "deposit", amount: 5 })); // 15
 * ```
 */
export class StatefulActor<State, Message, Reply = void> implements AsyncDisposable {
  /** The actor's id. */
  readonly actorId: string;
  /**
   * How the actor was recovered. It rejects where that fails; the actor has stopped then. It need not
   * be awaited.
   */
  readonly recovered: Promise<Omit<Recovery<State>, "state">>;
  /** Resolves when the actor has stopped, whether it was told to or did so by itself. */
  readonly terminated: Promise<void>;

  readonly #options: CheckedActorOptions<Message>;
  readonly #engine: Engine<Message, Reply>;
  readonly #deadlines: Deadlines;
  #stopping: Promise<void> | undefined;

  private constructor(
    actorId: string,
    options: CheckedActorOptions<Message>,
    engine: Engine<Message, Reply>,
    deadlines: Deadlines,
    after: Promise<void> | undefined,
  ) {
    this.actorId = actorId;
    this.#options = options;
    this.#engine = engine;
    this.#deadlines = deadlines;
    this.terminated = engine.terminated;
    this.recovered = engine.start(after);
    // Whoever asks is told; nobody has to look at this promise.
    this.recovered.catch(() => {});
  }

  /**
   * Starts an actor. It can be used at once; what is sent waits until it has been recovered.
   *
   * @param options The actor, where it is stored, and how it works.
   * @param after What its recovery waits for, if anything, such as the end of a predecessor.
   * @returns The actor.
   * @throws {ArgumentTypeError | ArgumentRangeError} `INVALID_ARGUMENT` where an option is bad.
   */
  static start<State, Message, Stored, Reply = void, Effect = never>(
    options: StatefulActorOptions<State, Message, Stored, Reply, Effect>,
    after?: Promise<void>,
  ): StatefulActor<State, Message, Reply> {
    const checked = checkActorOptions(options);
    const deadlines = new Deadlines();
    const engine = new ActorEngine(options, checked, () => deadlines.clear());
    return new StatefulActor(options.actorId, checked, engine, deadlines, after);
  }

  /** What the actor is doing. */
  get status(): ActorStatus {
    const { status } = this.#engine;
    return this.#stopping && status !== "stopped" ? "stopping" : status;
  }

  /** How many messages have been accepted and not been answered. */
  get pending(): number {
    return this.#engine.pending;
  }

  /** Whether it has nothing to do: no message, no effect to deliver, no snapshot being saved. */
  get isIdle(): boolean {
    return this.#engine.isIdle;
  }

  /**
   * Sends a message and waits for the answer.
   *
   * @param message The message.
   * @param options Time limit and signal.
   * @returns The answer, when everything that it is based on is durable.
   * @throws What the handler throws.
   * @throws {PersistenceError} `TIMEOUT`; `BACKPRESSURE` where too much waits; `CLOSED` where the
   *   actor has stopped; what the journal rejects with; `RECOVERY_FAILED` and the like, where it
   *   could not be recovered. The signal's reason after an abort.
   */
  ask(message: Message, options: AskOptions = {}): Promise<Reply> {
    try {
      const operation = `ask actor "${this.actorId}"`;
      checkOptions(options, operation);
      const timeoutMs = options.timeoutMs === undefined
        ? this.#options.askTimeoutMs
        : checkTimeout(options.timeoutMs, operation);
      const letter = this.#post(message, options, operation);
      if (timeoutMs === Infinity) return letter.answer;
      letter.onExpire = () => letter.reject(this.#late(letter.begun, timeoutMs));
      this.#deadlines.watch(letter, timeoutMs);
      return letter.answer;
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /**
   * Sends a message. The promise need not be awaited: where it rejects, `onProblem` is told, too.
   *
   * @param message The message.
   * @param options Signal.
   * @returns When it has been handled, and all that it changed is durable.
   * @throws As {@linkcode StatefulActor.ask}, but for the time limit.
   */
  tell(message: Message, options: TellOptions = {}): Promise<void> {
    const told = this.#tell(message, options);
    told.catch((error) =>
      this.#options.onProblem({ type: "message", actorId: this.actorId, error })
    );
    return told;
  }

  /**
   * Saves the state behind all messages that were sent before.
   *
   * @returns When the snapshot is durable.
   * @throws {PersistenceError} What the snapshot store rejects with; `CLOSED`.
   */
  async snapshot(): Promise<void> {
    this.#assertOpen(`save snapshot of actor "${this.actorId}"`);
    await this.#engine.snapshot();
  }

  /**
   * Refuses new messages, handles those that were accepted, and waits for what is under way, however
   * long a handler takes. Effects that are not confirmed by then are delivered after the next start. Idempotent.
   */
  stop(): Promise<void> {
    this.#stopping ??= this.#engine.stop();
    return this.#stopping;
  }

  /** Stops the actor. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  async #tell(message: Message, options: TellOptions): Promise<void> {
    await this.#post(message, options, `tell actor "${this.actorId}"`).answer;
  }

  #post(message: Message, options: TellOptions, operation: string): Letter<Message, Reply> {
    checkOptions(options, operation);
    const { signal } = options;
    checkSignal(signal, operation);
    signal?.throwIfAborted();
    this.#assertOpen(operation);
    if (this.#engine.pending >= this.#options.capacity) throw this.#tooMuch(operation);
    const letter = new Letter<Message, Reply>(message);
    if (signal) letter.watch(signal);
    this.#engine.post(letter);
    return letter;
  }

  #assertOpen(operation: string): void {
    if (!this.#stopping && this.#engine.status !== "stopped") return;
    const reason = this.#engine.failure;
    if (reason !== undefined) throw endedError(this.actorId, operation, reason);
    throw new PersistenceError("CLOSED", `Cannot ${operation}: the actor has been stopped`, {
      actorId: this.actorId,
    });
  }

  #tooMuch(operation: string): PersistenceError {
    return new PersistenceError(
      "BACKPRESSURE",
      `Cannot ${operation}: ${this.#engine.pending} messages wait already`,
      { actorId: this.actorId },
    );
  }

  #late(begun: boolean, timeoutMs: number): PersistenceError {
    const known = begun ? "the message may still take effect" : "the message was not handled";
    return new PersistenceError(
      "TIMEOUT",
      `Cannot answer for actor "${this.actorId}": it took longer than ${timeoutMs} ms, ${known}`,
      { actorId: this.actorId },
    );
  }
}
