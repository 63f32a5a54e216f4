/**
 * Any number of actors of one kind, of which only those are in memory that have something to do.
 *
 * @module
 */

import { checkInteger, checkOptions, checkSignal } from "../errors/arguments.ts";
import { ArgumentTypeError, type PersistenceError } from "../errors/persistence_error.ts";
import type { JournalEntry } from "../ports/journal.ts";
import type { FollowOptions } from "../ports/journal_options.ts";
import { MAX_TIMER_MS } from "../util/deadlines.ts";
import { rejected } from "../util/promises.ts";
import { messageOf } from "../util/text.ts";
import type { AskOptions, StopOptions, TellOptions } from "./actor_handle.ts";
import { ActiveActors, type ActiveLimits, CONCURRENT_RECOVERIES } from "./active_actors.ts";
import { ActorHost, type Host } from "./actor_host.ts";
import { certainCircle } from "./call_chain.ts";
import { ACTOR_OPTION_NAMES, type ActorOptions } from "./options.ts";
import type { Outbox } from "./outbox.ts";
import type { ReplyTo } from "./replies.ts";
import { callAndForget } from "../util/settled.ts";
import { tellAndReport } from "./stateful_actor.ts";
import { checkStop, stopWithin } from "./stop.ts";
import { Turns } from "./turns.ts";
import type { OptionNames } from "../util/option_names.ts";

const DEFAULT_PASSIVATE_AFTER_MS = 60_000;
const DEFAULT_MAX_ACTIVE = 10_000;

/** How a set of actors works. */
export interface StatefulActorsOptions<State, Message, Stored, Reply = void, Effect = never>
  extends ActorOptions<State, Message, Stored, Reply, Effect> {
  /**
   * How long an actor stays in memory without a message, in milliseconds: an integer from 1 to
   * 2^31 - 1, or Infinity.
   *
   * @default {60_000}
   */
  passivateAfterMs?: number;
  /**
   * How many actors may be in memory before those that were used least recently, and are idle, leave
   * it early: an integer of at least 1. Those that are busy stay.
   *
   * @default {10_000}
   */
  maxActive?: number;
}

/** The names of {@linkcode StatefulActorsOptions}. */
const STATEFUL_ACTORS_OPTION_NAMES: OptionNames<
  StatefulActorsOptions<unknown, unknown, unknown>
> = { ...ACTOR_OPTION_NAMES, passivateAfterMs: true, maxActive: true };

/** How far the recovery of many actors has come. */
export interface ActorsProgress {
  /** How many have been recovered. */
  readonly recovered: number;
  /** How many could not be. */
  readonly failed: number;
}

/** How many actors are recovered. */
export interface RecoverAllOptions {
  /**
   * Ends it: no further actor is begun, and the promise rejects with the signal's reason.
   *
   * @default {undefined} It takes as long as it takes.
   */
  signal?: AbortSignal;
  /**
   * Called after each actor. What it throws is reported to `onProblem`.
   *
   * @param progress How many have been recovered.
   * @default {undefined} Nothing is called.
   */
  onProgress?: (progress: ActorsProgress) => void;
}

/** The names of {@linkcode RecoverAllOptions}. */
const RECOVER_ALL_OPTION_NAMES: OptionNames<RecoverAllOptions> = { signal: true, onProgress: true };

/**
 * Any number of actors of one kind. An actor is recovered when it gets its first message, and leaves
 * memory when it has been idle for a while; the next message brings it back. One that has stopped by
 * itself is started anew by the next message, too.
 *
 * At most 64 actors are recovered at once, however many get messages; the others wait their turn.
 *
 * Effects are delivered whether their actors are in memory or not, also after a restart, as soon as
 * the set has been started.
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
 *   provider,
 *   kind: "account",
 *   behavior: commandSourced({
 *     initialState: 0,
 *     handle: (balance: number, amount: number) => ({
 *       state: balance + amount,
 *       reply: (balance: number) => balance,
 *     }),
 *   }),
 *   passivateAfterMs: 10_000,
 * });
 * await accounts.tell("1", 10);
 * await accounts.passivate("1"); // it is no longer in memory
 * console.log(await accounts.ask("1", 5)); // 15
 * ```
 */
export class StatefulActors<State, Message, Reply = void> implements AsyncDisposable {
  readonly #host: Host<State, Message, Reply>;
  readonly #active: ActiveActors<State, Message, Reply>;
  #stopped: Promise<void> | undefined;

  private constructor(host: Host<State, Message, Reply>, limits: ActiveLimits) {
    if (!(host instanceof ActorHost)) {
      throw new ArgumentTypeError("Cannot make actors: call StatefulActors.start({ … }) instead");
    }
    this.#host = host;
    this.#active = new ActiveActors(host, limits);
  }

  /**
   * Makes a set of actors. None is in memory before it gets its first message.
   *
   * @param options Where the actors are stored, and how each of them works.
   * @returns The actors.
   * @throws {ArgumentTypeError | ArgumentRangeError} `INVALID_ARGUMENT` if an option is bad.
   * @throws {PersistenceError} `UNENCODABLE` if `initialState` is a value that cannot be stored;
   *   `CLOSED` if the provider is closed.
   */
  static start<State, Message, Stored, Reply = void, Effect = never>(
    options: StatefulActorsOptions<State, Message, Stored, Reply, Effect>,
  ): StatefulActors<State, Message, Reply> {
    const operation = "start actors";
    checkOptions(options, operation, STATEFUL_ACTORS_OPTION_NAMES);
    const {
      passivateAfterMs = DEFAULT_PASSIVATE_AFTER_MS,
      maxActive = DEFAULT_MAX_ACTIVE,
    } = options;
    if (passivateAfterMs !== Infinity) {
      checkInteger(passivateAfterMs, "passivateAfterMs", 1, MAX_TIMER_MS, operation);
    }
    checkInteger(maxActive, "maxActive", 1, Number.MAX_SAFE_INTEGER, operation);
    const host = new ActorHost(options, operation);
    host.start();
    return new StatefulActors(host, { passivateAfterMs, maxActive });
  }

  /** The kind of the actors. */
  get kind(): string {
    return this.#host.kind;
  }

  /** How many actors are in memory. */
  get active(): number {
    return this.#active.size;
  }

  /** The effects of the actors that have not been delivered. */
  get outbox(): Outbox {
    return this.#host.outbox;
  }

  /**
   * Asks an actor. See {@linkcode StatefulActor.ask}.
   *
   * @param actorId The actor.
   * @param message The message.
   * @param options Time limit, signal and metadata.
   * @returns The answer, when everything that it is based on is durable.
   * @throws As {@linkcode StatefulActor.ask} (`TIMEOUT`, `CLOSED` and so on).
   */
  ask<const Sent extends Message>(
    actorId: string,
    message: Sent,
    options: AskOptions = {},
  ): Promise<ReplyTo<Message, Sent, Reply>> {
    try {
      const answer = this.#active.use(actorId, "ask actor").ask(message, options);
      // Which message is answered with what is declared by the user.
      return answer as Promise<ReplyTo<Message, Sent, Reply>>;
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /**
   * Sends an actor a message. See {@linkcode StatefulActor.tell}: the promise need not be awaited.
   *
   * @param actorId The actor.
   * @param message The message.
   * @param options Signal and metadata.
   * @returns When it has been handled, and all that it changed is durable.
   * @throws As {@linkcode StatefulActor.tell} (`CLOSED` and so on).
   */
  tell(actorId: string, message: Message, options: TellOptions = {}): Promise<void> {
    const tell = async () => await this.#active.use(actorId, "tell actor").tell(message, options);
    return tellAndReport(this.#host, messageOf(actorId), tell());
  }

  /**
   * Saves the state of an actor after all messages that were sent to it before.
   *
   * @param actorId The actor. It is brought into memory if it is not there.
   * @returns When the snapshot is durable.
   * @throws {ArgumentTypeError | ArgumentRangeError} `INVALID_ARGUMENT` if the id is bad.
   * @throws {PersistenceError} As {@linkcode StatefulActor.snapshot} (`CLOSED` and so on).
   */
  snapshot(actorId: string): Promise<void> {
    try {
      return this.#active.use(actorId, "save snapshot of actor").snapshot();
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /**
   * Iterates over what an actor has journaled, and then over what it journals, without a gap and
   * without an end. See {@linkcode MessageJournal.follow}. The actor is not brought into memory.
   *
   * @typeParam Stored The type of what is journaled: the events, or with command sourcing the messages.
   * @param actorId The actor.
   * @param fromSequenceNumber The lowest sequence number, inclusive: a safe integer.
   * @param options A signal, and how often to look for what other processes have appended.
   * @returns The entries in ascending order. The iteration throws all errors, including those about
   *   arguments; `CLOSED` as soon as the actors have stopped.
   * @throws {ArgumentTypeError | ArgumentRangeError} `INVALID_ARGUMENT` if an argument is invalid.
   * @throws {PersistenceError} As {@linkcode MessageJournal.follow}.
   */
  follow<Stored = unknown>(
    actorId: string,
    fromSequenceNumber: number,
    options: FollowOptions = {},
  ): AsyncIterable<JournalEntry<Stored>> {
    // The caller declares the type of what is journaled.
    const entries = this.#host.follow(actorId, fromSequenceNumber, options);
    return entries as AsyncIterable<JournalEntry<Stored>>;
  }

  /**
   * Brings actors into memory, so that their first message finds them there. If there are more than
   * `maxActive`, the first ones leave again.
   *
   * @param actorIds The actors, such as `provider.actorIds({ kind })`.
   * @param options Signal and progress.
   * @returns How many were recovered, and how many could not be; why is reported to `onProblem`.
   * @throws {ArgumentTypeError | ArgumentRangeError} `INVALID_ARGUMENT` if an id is bad.
   * @throws {PersistenceError} `CLOSED`; `DEADLOCK` if a handler of an actor that is leaving waits for
   *   its successor. What the iteration over the ids throws. The signal's reason after an abort.
   */
  async recover(
    actorIds: Iterable<string> | AsyncIterable<string>,
    options: RecoverAllOptions = {},
  ): Promise<ActorsProgress> {
    const operation = "recover actors";
    checkOptions(options, operation, RECOVER_ALL_OPTION_NAMES);
    checkSignal(options.signal, operation);
    const counts = { recovered: 0, failed: 0 };
    const count = (outcome: keyof ActorsProgress) => {
      counts[outcome]++;
      this.#tellProgress(options, counts);
    };
    const underWay = new Set<Promise<void>>();
    // Not by a race of all that are under way, which costs each of them as much as one recovery.
    const turns = new Turns(CONCURRENT_RECOVERIES);
    for await (const actorId of actorIds) {
      const endTurn = await turns.next();
      options.signal?.throwIfAborted();
      const actor = this.#active.use(actorId, "recover actor");
      const circle = this.#circleOf(actorId, "recover");
      // Only a successor has still to recover: it waits until the handler has ended.
      if (circle && actor.status === "recovering") throw circle;
      const { recovered } = actor;
      const done: Promise<void> = recovered.then(() => count("recovered"), () => count("failed"))
        .then(() => {
          underWay.delete(done);
          endTurn();
        });
      underWay.add(done);
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
   * @throws {PersistenceError} `DEADLOCK` if the actor's own handler calls it: it leaves, but the
   *   handler cannot wait for that.
   */
  passivate(actorId: string): Promise<void> {
    const left = this.#active.dismiss(actorId);
    if (!left) return Promise.resolve();
    const circle = this.#circleOf(actorId, "passivate");
    return circle ? rejected(circle) : left;
  }

  /**
   * Refuses new messages, and stops all actors, each when it has handled what it accepted.
   *
   * @param options How long to wait.
   * @returns When all have stopped, and no effect is being delivered.
   * @throws {ArgumentTypeError | ArgumentRangeError} `INVALID_ARGUMENT` if an option is bad.
   * @throws {PersistenceError} `DEADLOCK` if a callback of one of the actors calls it: they stop, but
   *   the callback cannot wait for that.
   */
  stop(options: StopOptions = {}): Promise<void> {
    const operation = `stop actors of kind "${this.kind}"`;
    let timeoutMs: number;
    try {
      timeoutMs = checkStop(options, operation);
    } catch (error) {
      return Promise.reject(error);
    }
    this.#stopped ??= this.#stop();
    const circle = certainCircle(
      this.#host.callContext?.get(),
      (link) => this.#host.delaysStop(link),
      operation,
    );
    if (circle) return rejected(circle);
    return stopWithin(
      this.#stopped,
      timeoutMs,
      this.#host.clock,
      (error) => this.#abandon(error),
      operation,
    );
  }

  /** Stops all actors. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  /** The error of a handler of an actor that waits until that actor has left. */
  #circleOf(actorId: string, operation: string): PersistenceError | undefined {
    return certainCircle(
      this.#host.callContext?.get(),
      (link) => link.role === "handler" && this.#host.owns(link) && link.actorId === actorId,
      `${operation} actor "${actorId}" of kind "${this.kind}"`,
    );
  }

  async #stop(): Promise<void> {
    await this.#active.stop();
    await this.#host.close();
  }

  #abandon(error: unknown): void {
    this.#active.abandon(error);
    this.#host.options.report({ type: "stop", kind: this.kind, actorId: "", error });
  }

  #tellProgress({ onProgress }: RecoverAllOptions, counts: ActorsProgress): void {
    const { kind } = this;
    callAndForget(
      () => onProgress?.({ ...counts }),
      (error) =>
        this.#host.options.report({
          type: "callback",
          callback: "onProgress",
          kind,
          actorId: "",
          error,
        }),
    );
  }
}
