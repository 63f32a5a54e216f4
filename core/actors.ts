/**
 * Any number of actors of one kind, of which only those are in memory that have something to do.
 *
 * @module
 */

import { type AskOptions, StatefulActor, type TellOptions } from "./actor.ts";
import { ActorEngine } from "./actor_engine.ts";
import { type ActorOptions, checkActorOptions } from "./actor_options.ts";
import { checkInteger, checkOptions, checkSignal } from "./arguments.ts";
import { PersistenceError } from "./errors.ts";
import { Fifo } from "./mailbox.ts";

const DEFAULT_PASSIVATE_AFTER_MS = 60_000;
const DEFAULT_MAX_ACTIVE = 10_000;
const MAX_TIMER_MS = 2 ** 31 - 1;
/** So many are recovered at once: enough to keep a disk busy, and few enough to bound memory. */
const CONCURRENT_RECOVERIES = 64;
/** So many times within its time an actor's idleness is looked at. */
const CHECKS_PER_PASSIVATION = 4;

/** How a set of actors works. */
export interface StatefulActorsOptions<State, Message, Stored, Reply = void, Effect = never>
  extends ActorOptions<State, Message, Stored, Reply, Effect> {
  /**
   * How long an actor stays in memory without a message, in milliseconds: an integer from 1 to
   * 2^31 - 1, or Infinity. Default: 60,000.
   */
  passivateAfterMs?: number;
  /**
   * How many actors may be in memory before those that were used least recently, and are idle, leave
   * it early: an integer of at least 1. Those that are busy stay. Default: 10,000.
   */
  maxActive?: number;
}

/** How far the recovery of many actors has come. */
export interface ActorsProgress {
  /** How many have been recovered. */
  readonly recovered: number;
  /** How many could not be. */
  readonly failed: number;
}

/** How many actors are recovered. */
export interface RecoverAllOptions {
  /** Ends it: no further actor is begun, and the promise rejects with the signal's reason. */
  signal?: AbortSignal;
  /** Told after each actor. It must not throw. */
  onProgress?: (progress: ActorsProgress) => void;
}

/**
 * Any number of actors of one kind. An actor is recovered when it gets its first message, and leaves
 * memory when it has been idle for a while; the next message brings it back. One that has stopped by
 * itself is started anew by the next message, too.
 *
 * At most 64 actors are recovered at once, however many get messages; the others wait their turn.
 *
 * An actor with effects that are not confirmed stays in memory. After a restart of the process its
 * effects are delivered from the moment that the actor gets a message, or is named to `recover()`.
 *
 * @typeParam State The state of each.
 * @typeParam Message What is sent to them.
 * @typeParam Reply What they answer.
 *
 * @example Accounts
 * ```ts
 * import { commandSourced, StatefulActors } from "@cajun/persistence";
 * import { MemoryPersistenceProvider } from "@cajun/persistence/memory";
 *
 * await using provider = await MemoryPersistenceProvider.open();
 * await using accounts = StatefulActors.start({
 *   journal: provider.createMessageJournal<number>(),
 *   snapshots: provider.createSnapshotStore<number>(),
 *   behavior: commandSourced<number, number, number>({
 *     initialState: 0,
 *     handle: (balance, amount) => ({ state: balance + amount, reply: (balance) => balance }),
 *   }),
 *   passivateAfterMs: 10_000,
 * });
 * await accounts.tell("account-1", 10);
 * await accounts.passivate("account-1"); // it is no longer in memory
 * console.log(await accounts.ask("account-1", 5)); // 15
 * ```
 */
export class StatefulActors<State, Message, Reply = void> implements AsyncDisposable {
  readonly #start: StartActor<State, Message, Reply>;
  readonly #limits: Limits;
  /** Those in memory; the least recently used first. */
  readonly #active = new Map<string, Active<State, Message, Reply>>();
  /** Those that are leaving memory: a successor waits for them. */
  readonly #leaving = new Map<string, Promise<void>>();
  readonly #turns = new Turns(CONCURRENT_RECOVERIES);
  #timer: ReturnType<typeof setTimeout> | undefined;
  #stopping: Promise<void> | undefined;

  private constructor(start: StartActor<State, Message, Reply>, limits: Limits) {
    this.#start = start;
    this.#limits = limits;
  }

  /**
   * Makes a set of actors. None is in memory before it gets its first message.
   *
   * @param options Where the actors are stored, and how each of them works.
   * @returns The actors.
   * @throws {ArgumentTypeError | ArgumentRangeError} `INVALID_ARGUMENT` where an option is bad.
   */
  static start<State, Message, Stored, Reply = void, Effect = never>(
    options: StatefulActorsOptions<State, Message, Stored, Reply, Effect>,
  ): StatefulActors<State, Message, Reply> {
    const operation = "start actors";
    checkOptions(options, operation);
    const example = { ...options, actorId: "any" };
    // What is wrong is to be told now, and not by the first message.
    new ActorEngine(example, checkActorOptions(example), () => {});
    const {
      passivateAfterMs = DEFAULT_PASSIVATE_AFTER_MS,
      maxActive = DEFAULT_MAX_ACTIVE,
      ...shared
    } = options;
    if (passivateAfterMs !== Infinity) {
      checkInteger(passivateAfterMs, "passivateAfterMs", 1, MAX_TIMER_MS, operation);
    }
    checkInteger(maxActive, "maxActive", 1, Number.MAX_SAFE_INTEGER, operation);
    return new StatefulActors(
      (actorId, after) => StatefulActor.start({ ...shared, actorId }, after),
      { passivateAfterMs, maxActive },
    );
  }

  /** How many actors are in memory. */
  get active(): number {
    return this.#active.size;
  }

  /**
   * Asks an actor. See {@linkcode StatefulActor.ask}.
   *
   * @param actorId The actor.
   * @param message The message.
   * @param options Time limit and signal.
   * @returns The answer, when everything that it is based on is durable.
   * @throws As {@linkcode StatefulActor.ask}.
   */
  ask(actorId: string, message: Message, options?: AskOptions): Promise<Reply> {
    try {
      return this.#use(actorId).ask(message, options);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /**
   * Sends an actor a message. See {@linkcode StatefulActor.tell}.
   *
   * @param actorId The actor.
   * @param message The message.
   * @param options Signal.
   * @returns When it has been handled, and all that it changed is durable.
   * @throws As {@linkcode StatefulActor.tell}.
   */
  tell(actorId: string, message: Message, options?: TellOptions): Promise<void> {
    try {
      return this.#use(actorId).tell(message, options);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /**
   * Brings actors into memory, so that their first message finds them there, and their effects that
   * are not confirmed are delivered. Where there are more than `maxActive`, the first ones leave
   * again.
   *
   * @param actorIds The actors, such as `provider.actorIds()`.
   * @param options Signal, and who is told of progress.
   * @returns How many were recovered, and how many could not be; why is told to `onProblem`.
   * @throws {ArgumentTypeError | ArgumentRangeError} `INVALID_ARGUMENT` where an id is bad.
   * @throws {PersistenceError} `CLOSED`. What the iteration over the ids throws. The signal's reason
   *   after an abort.
   */
  async recover(
    actorIds: Iterable<string> | AsyncIterable<string>,
    options: RecoverAllOptions = {},
  ): Promise<ActorsProgress> {
    const operation = "recover actors";
    checkOptions(options, operation);
    checkSignal(options.signal, operation);
    const counts = { recovered: 0, failed: 0 };
    const count = (outcome: keyof ActorsProgress) => {
      counts[outcome]++;
      options.onProgress?.({ ...counts });
    };
    const underWay = new Set<Promise<void>>();
    for await (const actorId of actorIds) {
      options.signal?.throwIfAborted();
      const { recovered } = this.#use(actorId);
      const done: Promise<void> = recovered.then(() => count("recovered"), () => count("failed"))
        .then(() => void underWay.delete(done));
      underWay.add(done);
      if (underWay.size >= CONCURRENT_RECOVERIES) await Promise.race(underWay);
    }
    await Promise.all(underWay);
    options.signal?.throwIfAborted();
    return counts;
  }

  /**
   * Lets an actor finish what it has accepted and leave memory. The next message brings it back.
   *
   * @param actorId The actor. One that is not in memory stays so.
   * @returns When it has left.
   */
  async passivate(actorId: string): Promise<void> {
    const active = this.#active.get(actorId);
    await (active ? this.#dismiss(actorId, active) : this.#leaving.get(actorId));
  }

  /** Refuses new messages, and stops all actors, each when it has handled what it accepted. */
  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  /** Stops all actors. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  async #stop(): Promise<void> {
    clearTimeout(this.#timer);
    for (const [actorId, active] of this.#active) void this.#dismiss(actorId, active);
    while (this.#leaving.size > 0) await Promise.all(this.#leaving.values());
  }

  /** The actor, in memory, as the one that was used last. */
  #use(actorId: string): StatefulActor<State, Message, Reply> {
    if (this.#stopping) {
      throw new PersistenceError("CLOSED", `Cannot use actor "${actorId}": all have been stopped`, {
        actorId,
      });
    }
    const known = this.#active.get(actorId);
    if (known && known.actor.status !== "stopped") {
      known.usedAtMs = performance.now();
      this.#active.delete(actorId);
      this.#active.set(actorId, known);
      return known.actor;
    }
    return this.#activate(actorId);
  }

  #activate(actorId: string): StatefulActor<State, Message, Reply> {
    const turn = this.#turns.next();
    const predecessor = this.#leaving.get(actorId);
    let actor;
    try {
      actor = this.#start(actorId, predecessor ? predecessor.then(() => turn.begins) : turn.begins);
    } catch (error) {
      turn.end();
      throw error;
    }
    const active = { actor, usedAtMs: performance.now() };
    this.#active.set(actorId, active);
    actor.recovered.then(turn.end, turn.end);
    // Only where it stops by itself is it still here.
    void actor.terminated.then(() => {
      if (this.#active.get(actorId) === active) this.#active.delete(actorId);
    });
    if (this.#active.size > this.#limits.maxActive) this.#makeRoom();
    this.#startTimer();
    return actor;
  }

  /** Lets those leave that are idle, from the one on that was used least recently. */
  #makeRoom(): void {
    let excess = this.#active.size - this.#limits.maxActive;
    let looked = 0;
    for (const [actorId, active] of this.#active) {
      // Where nearly all are busy, not every newcomer looks at all of them.
      if (excess === 0 || ++looked > MAX_LOOKED_AT) return;
      if (!active.actor.isIdle) continue;
      excess--;
      void this.#dismiss(actorId, active);
    }
  }

  #dismiss(actorId: string, active: Active<State, Message, Reply>): Promise<void> {
    this.#active.delete(actorId);
    const left = active.actor.stop().then(() => {
      if (this.#leaving.get(actorId) === left) this.#leaving.delete(actorId);
    });
    this.#leaving.set(actorId, left);
    return left;
  }

  #startTimer(): void {
    const { passivateAfterMs } = this.#limits;
    if (this.#timer !== undefined || passivateAfterMs === Infinity) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#passivateIdle(performance.now() - passivateAfterMs);
      if (this.#active.size > 0 && !this.#stopping) this.#startTimer();
    }, Math.max(1, passivateAfterMs / CHECKS_PER_PASSIVATION));
  }

  #passivateIdle(usedBeforeMs: number): void {
    for (const [actorId, active] of this.#active) {
      if (active.usedAtMs > usedBeforeMs) return;
      if (active.actor.isIdle) void this.#dismiss(actorId, active);
    }
  }
}

/** So many that were used least recently are looked at when there are too many. */
const MAX_LOOKED_AT = 64;

type StartActor<State, Message, Reply> = (
  actorId: string,
  after: Promise<void>,
) => StatefulActor<State, Message, Reply>;

interface Limits {
  readonly passivateAfterMs: number;
  readonly maxActive: number;
}

/** An actor in memory. */
interface Active<State, Message, Reply> {
  readonly actor: StatefulActor<State, Message, Reply>;
  usedAtMs: number;
}

/** A turn: it begins when there is room, and ends when whoever has it says so. */
interface Turn {
  readonly begins: Promise<void>;
  readonly end: () => void;
}

const AT_ONCE: Promise<void> = Promise.resolve();

/** Lets a bounded number go on at once, the others in order. */
class Turns {
  #free: number;
  readonly #waiting = new Fifo<() => void>();

  constructor(atOnce: number) {
    this.#free = atOnce;
  }

  next(): Turn {
    const end = () => {
      const next = this.#waiting.shift();
      if (next) next();
      else this.#free++;
    };
    if (this.#free > 0) {
      this.#free--;
      return { begins: AT_ONCE, end };
    }
    return { begins: new Promise((resolve) => this.#waiting.push(resolve)), end };
  }
}
