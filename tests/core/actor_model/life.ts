/**
 * One life of a process: a storage that fails and crashes, and the actors of two kinds on it.
 *
 * @module
 */

import assert from "node:assert/strict";
import { setImmediate } from "node:timers/promises";
import { runtime } from "../../../adapters/runtime.ts";
import type { Behavior } from "../../../core/actors/behavior.ts";
import type { SupervisionDirective } from "../../../core/actors/options.ts";
import type { EffectDelivery } from "../../../core/actors/outbox_options.ts";
import {
  StatefulActors,
  type StatefulActorsOptions,
} from "../../../core/actors/stateful_actors.ts";
import { PersistenceError } from "../../../core/errors/persistence_error.ts";
import { PersistenceProvider } from "../../../core/provider.ts";
import { CrashingStorage } from "../crashing_storage.ts";
import {
  commandsBehavior,
  type Effect,
  type Event,
  eventsBehavior,
  type Message,
  type State,
  type Surroundings,
  Trouble,
} from "./behaviors.ts";
import { fateAfter, isExpected } from "./fates.ts";
import type {
  ActorIndex,
  AfterPersistQuirk,
  Content,
  HandleQuirk,
  Removal,
  Step,
} from "./history.ts";
import type { Call } from "./ledger.ts";
import { NO_QUIRKS } from "./letters.ts";
import { Removals } from "./removals.ts";
import { IDS, KINDS, type World } from "./world.ts";

/** How long a stop may take, of the time that the test lets pass. */
const STOP_MS = 10_000;
/** After this long a stop that nothing holds up is taken to hang: real time, on a busy machine. */
const MAX_REAL_MS = 30_000;

/** What a life is for: `"wild"` as the history says; `"calm"`: nothing fails; `"look"`: only to look. */
export type Mood = "wild" | "calm" | "look";

type Actors = StatefulActors<State, Message, State>;
type Send = Extract<Step, { type: "send" }>;

/** One life of a process. */
export class Life {
  readonly provider: PersistenceProvider;
  readonly #world: World;
  readonly #storage: CrashingStorage;
  readonly #mood: Mood;
  readonly #actors: readonly Actors[];
  /** What a failed assertion in a callback has thrown. */
  #defect: unknown;
  /** How many callbacks never settle. */
  #hanging = 0;
  readonly #removals: Removals;
  /** How many calls have not settled. */
  #unsettled = 0;
  /** Whether the process has ended: what happens then counts for nothing. */
  #isOver = false;

  private constructor(
    world: World,
    storage: CrashingStorage,
    provider: PersistenceProvider,
    mood: Mood,
  ) {
    this.#world = world;
    this.#storage = storage;
    this.#mood = mood;
    this.provider = provider;
    const process = {
      provider,
      isOver: () => this.#isOver,
      passivate: (actor: ActorIndex) => this.#actorsOf(actor).passivate(IDS[actor.id]),
      look: (actor: ActorIndex) => lookAt(world, actor),
      fail: (error: unknown) => void (this.#defect ??= error),
    };
    this.#removals = new Removals(world, process);
    this.#actors = KINDS.map((_, kind) => this.#start(kind === 0 ? 0 : 1));
  }

  /** Begins a life. `undefined` if the storage does not even let it begin. */
  static async begin(world: World, mood: Mood): Promise<Life | undefined> {
    const { disk, random, history, clock } = world;
    const rates = mood === "wild" ? history.rates : { failedCommits: 0, failedReads: 0 };
    const storage = new CrashingStorage(disk, random, rates);
    try {
      const provider = await PersistenceProvider.openOn(storage, {
        runtime: { ...runtime, clock },
      });
      return new Life(world, storage, provider, mood);
    } catch (error) {
      assert.ok(mood === "wild" && isExpected(error), String(error));
      return undefined;
    }
  }

  /** Sends a message. The promise resolves when it has been answered, whatever the answer is. */
  send(
    actor: ActorIndex,
    content: Content,
    { how = "ask", ...quirks }: Partial<Pick<Send, "how" | "handle" | "reply" | "afterPersist">> =
      {},
  ): Promise<void> {
    if (this.isLeaving(actor)) return Promise.resolve();
    const { letters } = this.#world;
    const { message, call } = letters.make(actor, content, { ...NO_QUIRKS, ...quirks });
    if (how !== "tell" && this.#world.history.askTimeoutMs === Infinity) letters.answers(message.n);
    this.#world.ledgerOf(actor).sent(call);
    return this.#watch(actor, message, call, how);
  }

  /** Sends a message that the ledger knows as that of another process. */
  async sendAsRival(actor: ActorIndex): Promise<void> {
    const { message, call } = this.#world.letters.make(actor, { type: "add", count: 1 }, NO_QUIRKS);
    this.#world.ledgerOf(actor).sentByRival(call);
    await this.#watch(actor, message, call, "ask");
  }

  /** What is there of an actor. */
  async read(actor: ActorIndex): Promise<State> {
    const { message } = this.#world.letters.make(actor, { type: "read" }, NO_QUIRKS);
    return await this.#actorsOf(actor).ask(IDS[actor.id], message);
  }

  snapshot(actor: ActorIndex): void {
    if (this.isLeaving(actor)) return;
    this.#expect(this.#actorsOf(actor).snapshot(IDS[actor.id]));
  }

  passivate(actor: ActorIndex): void {
    this.#expect(this.#actorsOf(actor).passivate(IDS[actor.id]));
  }

  /** See {@linkcode Removals.isLeaving}. */
  isLeaving(actor: ActorIndex): boolean {
    return this.#removals.isLeaving(actor);
  }

  /** See {@linkcode Removals.begin}. */
  remove(actor: ActorIndex, mode: Removal): Promise<void> {
    return this.#removals.begin(actor, mode);
  }

  /** Waits until nothing is open in the outboxes. */
  async drained(): Promise<void> {
    for (const { outbox } of this.#actors) {
      await this.#within(outbox.drained(), "the outbox is not drained");
      assert.deepEqual(await outbox.counts(), { open: 0, dead: 0 });
    }
  }

  /** Ends this life, by a crash or in peace. In both cases nothing may hang. */
  async end(isCrash: boolean): Promise<void> {
    if (isCrash) {
      this.#isOver = true;
      await this.#storage.crash();
    }
    await this.#within(this.#removals.end(), "a removal hangs");
    const stopped = Promise.all(this.#actors.map((actors) => actors.stop({ timeoutMs: STOP_MS })));
    await this.#within(stopped, "a stop hangs");
    // For answers that never come their askers wait until their time is over.
    const { askTimeoutMs } = this.#world.history;
    if (this.#unsettled > 0 && askTimeoutMs !== Infinity) {
      await this.#world.clock.advance(askTimeoutMs);
    }
    for (let left = 20; left > 0 && this.#unsettled > 0; left--) await setImmediate();
    if (!this.#defect) assert.equal(this.#unsettled, 0, "calls that never settle");
    this.#isOver = true;
    if (!isCrash) {
      await this.provider.close();
      await this.#storage.crash();
    }
    if (this.#defect) throw this.#defect;
  }

  #actorsOf({ kind }: ActorIndex): Actors {
    const actors = this.#actors[kind];
    assert.ok(actors);
    return actors;
  }

  #start(kind: 0 | 1): Actors {
    const { history, letters } = this.#world;
    const isWild = this.#mood === "wild";
    const surroundings: Surroundings = {
      quirksOf: (n: number) => isWild ? letters.quirksOf(n) : NO_QUIRKS,
      takeHandleQuirk: (n: number) => isWild ? letters.takeHandleQuirk(n) : undefined,
      handle: (quirk: HandleQuirk, n: number) => this.#handle(quirk, n),
      reply: (quirk: "later" | "hang") => quirk === "hang" ? this.#hang() : this.#later(),
      afterPersist: (quirk: AfterPersistQuirk, n: number) => this.#afterPersist(quirk, n),
      initialState: () => {
        if (this.#isTrouble(3)) throw new Trouble("other");
      },
    };
    return kind === 1 && history.second === "commands"
      ? this.#startWith(kind, commandsBehavior(surroundings))
      : this.#startWith(kind, eventsBehavior(surroundings));
  }

  #startWith<Stored extends Message | Event>(
    kind: 0 | 1,
    behavior: Behavior<State, Message, Stored, State, Effect>,
  ): Actors {
    const { history } = this.#world;
    const isWild = this.#mood === "wild";
    const options: StatefulActorsOptions<State, Message, Stored, State, Effect> = {
      provider: this.provider,
      kind: KINDS[kind],
      behavior,
      keepSnapshots: 2,
      snapshotPolicy: isWild
        ? {
          everyMessages: history.snapshotEvery,
          everyMs: 1_000,
          when: () => {
            if (this.#isTrouble()) throw new Trouble("other");
            return false;
          },
        }
        : "manual",
      retry: { initialDelayMs: 0, maxDelayMs: 0, maxRetries: 2 },
      supervision: (error) => {
        const directive = this.#supervise(error);
        // A handler of commands may have spoilt the state, so only a recovery helps.
        return directive === "resume" && behavior.type === "commands" ? "restart" : directive;
      },
      askTimeoutMs: isWild ? history.askTimeoutMs : Infinity,
      passivateAfterMs: 500,
      maxActive: history.maxActive,
      debug: history.debug,
      onProblem: ({ error, type }) => {
        if (!isExpected(error)) this.#defect ??= error;
        assert.ok(type);
      },
    };
    if (isWild) options.retention = history.retention;
    if (this.#mood !== "look") {
      options.outbox = {
        deliver: (effect, delivery) => this.#deliver(kind, effect, delivery),
        initialDelayMs: 10,
        maxDelayMs: 100,
        timeoutMs: 50,
        maxAttempts: Infinity,
      };
    }
    return StatefulActors.start(options);
  }

  #watch(
    actor: ActorIndex,
    message: Message,
    call: Call,
    how: Send["how"],
  ): Promise<void> {
    const actors = this.#actorsOf(actor);
    const id = IDS[actor.id];
    const controller = new AbortController();
    const metadata = { sent: message.n };
    const answer: Promise<State | void> = how === "tell"
      ? actors.tell(id, message, { metadata })
      : actors.ask(id, message, {
        metadata,
        ...(how === "ask and abort" && { signal: controller.signal }),
      });
    if (how === "ask and abort") {
      void this.#later().then(() => controller.abort(new Trouble("abort")));
    }
    this.#unsettled++;
    return answer.then(
      (reply) => this.#acknowledged(call, reply ?? undefined),
      (error) => this.#rejected(call, error),
    ).then(() => {
      this.#unsettled--;
      // Until then it must not be changed.
      if (call.fate !== "there" && call.fate !== "not there") return;
      message.note.text = "changed later";
      for (const thing of message.things) thing.bumps = 99;
    });
  }

  #acknowledged(call: Call, reply: State | undefined): void {
    if (this.#isOver) return;
    this.#check(() => assert.ok(!call.isRefused, "what is refused is not acknowledged"));
    call.fate = "there";
    if (reply) call.reply = reply;
  }

  #rejected(call: Call, error: unknown): void {
    if (this.#isOver) return;
    if (!isExpected(error)) this.#defect ??= error;
    if (call.fate === "open") call.fate = fateAfter(error);
  }

  async #handle(quirk: HandleQuirk, n: number): Promise<void> {
    if (this.#isOver) return;
    const actor = this.#world.letters.actorOf(n);
    const id = IDS[actor.id];
    switch (quirk) {
      case "later":
        return await this.#later();
      case "timer":
        return await new Promise((resolve) => this.#world.clock.setTimer(resolve, 20, true));
      case "hang":
        return await this.#hang();
      case "ask other":
        // One way only: two that ask each other would wait for ever.
        if (actor.kind === 0) await this.send({ ...actor, kind: 1 }, { type: "read" });
        return;
      case "ask itself":
        // It is refused, but may bring the actor back, which must have left to be removed.
        if (this.isLeaving(actor)) return;
        return await this.#expectRefusal(this.read(actor));
      case "passivate itself":
        return await this.#expectRefusal(this.#actorsOf(actor).passivate(id));
      case "tell itself":
        return void this.send(actor, { type: "add", count: 1 }, { how: "tell" });
    }
  }

  async #afterPersist(quirk: AfterPersistQuirk, n: number): Promise<void> {
    if (this.#isOver) return;
    const { letters } = this.#world;
    this.#check(() => letters.persisted(n));
    const actor = letters.actorOf(n);
    switch (quirk) {
      case "return":
        return;
      case "throw":
      case "reject":
        throw new Trouble("afterPersist");
      case "hang":
        return await this.#hang();
      case "tell itself":
        return void this.send(actor, { type: "add", count: 1 }, { how: "tell" });
      case "ask itself":
        return await this.send(actor, { type: "add", count: 1 });
    }
  }

  async #deliver(kind: 0 | 1, effect: Effect, { id, actorId, signal }: EffectDelivery) {
    if (this.#isOver) return;
    const actor: ActorIndex = { kind, id: actorId === IDS[0] ? 0 : 1 };
    const done = this.#check(() => this.#world.ledgerOf(actor).delivering(effect, id, this));
    if (this.#isTrouble()) {
      switch (this.#world.random.below(3)) {
        case 0:
          throw new Trouble("other");
        case 1:
          return await this.#later().then(() => Promise.reject(new Trouble("other")));
        case 2:
          // Until its time is over.
          return await new Promise<void>(() => {});
      }
    }
    const how = this.#world.random.below(4);
    if (how === 1) await this.#later();
    if (how === 2 && this.#mood === "wild") await this.send(actor, { type: "read" });
    if (!signal.aborted && !this.#isOver) done?.();
  }

  #supervise(error: unknown): SupervisionDirective {
    if (!isExpected(error)) this.#defect ??= error;
    const { history, random } = this.#world;
    const supervision = this.#mood === "wild" ? history.supervision : "resume";
    const directives = ["resume", "restart", "stop"] as const;
    switch (supervision) {
      case "throw":
        throw new Trouble("other");
      case "promise":
        return Promise.reject(new Trouble("other")) as unknown as SupervisionDirective;
      case "random":
        return directives[random.below(3)] ?? "resume";
      default:
        return supervision;
    }
  }

  /** Whether something goes wrong now: as often as the history says, or so many times more seldom. */
  #isTrouble(moreSeldom = 1): boolean {
    const { random, history } = this.#world;
    return this.#mood === "wild" && random.below(100 * moreSeldom) < history.troubles;
  }

  async #later(): Promise<void> {
    for (let left = this.#world.random.below(30); left > 0; left--) await undefined;
  }

  #hang(): Promise<never> {
    this.#hanging++;
    return new Promise(() => {});
  }

  #check<Result>(assertion: () => Result): Result | undefined {
    try {
      return assertion();
    } catch (error) {
      this.#defect ??= error;
      return undefined;
    }
  }

  #expect(promise: Promise<unknown>): void {
    promise.catch((error) => {
      if (!isExpected(error)) this.#defect ??= error;
    });
  }

  /** What a handler awaits of its own actor is refused at once, unless that is on its way out. */
  async #expectRefusal(promise: Promise<unknown>): Promise<void> {
    const outcome = await promise.then(() => undefined, (error) => error);
    if (this.#isOver) return;
    this.#check(() => {
      assert.ok(outcome instanceof PersistenceError, "a handler has waited for itself");
      assert.ok(outcome.code === "DEADLOCK" || outcome.code === "CLOSED", outcome.message);
    });
  }

  /** Waits for something that must come, and lets time pass as far as that is needed. */
  async #within(promise: Promise<unknown>, otherwise: string): Promise<void> {
    let isDone = false;
    const done = promise.then(() => (isDone = true));
    const endMs = performance.now() + MAX_REAL_MS;
    for (let passedMs = 0; !isDone;) {
      for (let left = 100; left > 0 && !isDone; left--) await setImmediate();
      if (isDone) break;
      // Only a callback that never settles makes a stop wait until its time is over.
      const stepMs = this.#hanging > 0 ? STOP_MS : passedMs < STOP_MS / 2 ? 100 : 0;
      await this.#world.clock.advance(stepMs);
      passedMs += stepMs;
      assert.ok(performance.now() < endMs, otherwise);
    }
    await done;
  }
}

/**
 * Compares what another process would find of an actor that is not in memory.
 *
 * @returns The number that its next entry gets.
 */
export async function lookAt(world: World, actor: ActorIndex): Promise<number> {
  const life = await Life.begin(world, "look");
  assert.ok(life);
  const journal = life.provider.createMessageJournal<Event | Message>({
    kind: KINDS[actor.kind],
  });
  const state = await life.read(actor);
  const { entries, highest } = await journal.read(IDS[actor.id]);
  const next = highest + 1;
  await life.end(false);
  world.ledgerOf(actor).compare({ state, entries, next });
  return next;
}
