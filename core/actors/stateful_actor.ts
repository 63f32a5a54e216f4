/**
 * Stateful actors: actors that are always as good as their journal.
 *
 * @module
 */

import { ArgumentTypeError } from "../errors/persistence_error.ts";
import { ActorHandle, type ActorStatus, type AskOptions } from "./actor_handle.ts";
import type { StopOptions, TellOptions } from "./actor_handle.ts";
import { ActorHost, type Host } from "./actor_host.ts";
import { certainCircle } from "./call_chain.ts";
import { checkSingleActor, type StatefulActorOptions } from "./options.ts";
import type { Outbox } from "./outbox.ts";
import type { RecoveryFigures } from "./loop.ts";
import type { ReplyTo } from "./replies.ts";
import { checkStop, stopWithin } from "./stop.ts";
import { rejected } from "../util/promises.ts";

/** A single actor need not wait for others to recover. */
const AT_ONCE = Promise.resolve(() => {});

/**
 * An actor that is always as good as its journal: whatever it has answered is durable, and after a
 * restart it is recovered from its newest snapshot and the journal after it.
 *
 * Messages are handled strictly in the order in which they were sent. What is sent before recovery is
 * done waits. While a write is in flight the mailbox goes on, so a busy actor commits in groups.
 * A message must not be changed after it was sent.
 *
 * An actor may be written by several processes: who comes second decides again on what the other one
 * wrote. That costs a recovery each time, so one process at a time is what it is made for.
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
 *   provider,
 *   kind: "account",
 *   actorId: "1",
 *   behavior: eventSourced({
 *     initialState: 0,
 *     handle(_balance: number, command: Command) {
 *       if (command.type === "balance") return { reply: (balance: number) => balance };
 *       return { events: [{ deposited: command.amount }], reply: (balance: number) => balance };
 *     },
 *     apply: (balance: number, event: Event) => balance + event.deposited,
 *   }),
 * });
 * await account.tell({ type: "deposit", amount: 10 }); // durable when it resolves
 * console.log(await account.ask({ type: "deposit", amount: 5 })); // 15
 * ```
 */
export class StatefulActor<State, Message, Reply = void> implements AsyncDisposable {
  readonly #host: Host<State, Message, Reply>;
  readonly #handle: ActorHandle<State, Message, Reply>;
  #stopped: Promise<void> | undefined;

  private constructor(
    host: Host<State, Message, Reply>,
    handle: ActorHandle<State, Message, Reply>,
  ) {
    if (!(handle instanceof ActorHandle)) {
      throw new ArgumentTypeError("Cannot make actor: call StatefulActor.start({ … }) instead");
    }
    this.#host = host;
    this.#handle = handle;
  }

  /**
   * Starts an actor. It can be used at once; what is sent waits until it has been recovered.
   *
   * @param options Where the actor is stored, and how it works.
   * @returns The actor.
   * @throws {ArgumentTypeError | ArgumentRangeError} `INVALID_ARGUMENT` if an option is bad.
   * @throws {PersistenceError} `UNENCODABLE` if `initialState` is a value that cannot be stored;
   *   `CLOSED` if the provider is closed.
   */
  static start<State, Message, Stored, Reply = void, Effect = never>(
    options: StatefulActorOptions<State, Message, Stored, Reply, Effect>,
  ): StatefulActor<State, Message, Reply> {
    checkSingleActor(options);
    const { actorId, signal, onProgress } = options;
    const host = new ActorHost(options, `start actor "${actorId}"`, actorId);
    const watch = { ...(signal && { signal }), ...(onProgress && { onProgress }) };
    const loop = host.makeLoop(actorId, () => AT_ONCE, watch);
    host.start();
    return new StatefulActor(host, new ActorHandle(host, loop));
  }

  /** The kind of the actor. */
  get kind(): string {
    return this.#host.kind;
  }

  /** The actor's id. */
  get actorId(): string {
    return this.#handle.actorId;
  }

  /** What the actor is doing. */
  get status(): ActorStatus {
    return this.#handle.status;
  }

  /** How many messages have been accepted and not been answered. */
  get pending(): number {
    return this.#handle.pending;
  }

  /** Whether it has nothing to do: no message, and no snapshot being saved. */
  get isIdle(): boolean {
    return this.#handle.isIdle;
  }

  /** The effects of its kind that have not been delivered. This actor delivers its own. */
  get outbox(): Outbox {
    return this.#host.outbox;
  }

  /**
   * How the actor was recovered. It rejects if it could not be; the actor has stopped then. It need
   * not be awaited.
   */
  get recovered(): Promise<RecoveryFigures> {
    return this.#handle.recovered;
  }

  /** Resolves when the actor has stopped, whether it was asked to or did so by itself. */
  get terminated(): Promise<void> {
    return this.#handle.terminated;
  }

  /**
   * Sends a message and waits for the answer.
   *
   * @param message The message.
   * @param options Time limit, signal and metadata.
   * @returns The answer, when everything that it is based on is durable.
   * @throws {unknown} What the handler throws.
   * @throws {PersistenceError} `TIMEOUT`; `BACKPRESSURE` if too much waits; `DEADLOCK` if the actor's
   *   own handler asks; `CLOSED` if the actor has stopped; what the journal rejects with;
   *   `RECOVERY_FAILED` and the like, if it could not be recovered. The signal's reason after an
   *   abort.
   */
  ask<const Sent extends Message>(
    message: Sent,
    options: AskOptions = {},
  ): Promise<ReplyTo<Message, Sent, Reply>> {
    // Which message is answered with what is declared by the user.
    return this.#handle.ask(message, options) as Promise<ReplyTo<Message, Sent, Reply>>;
  }

  /**
   * Sends a message. The promise need not be awaited: if it rejects, `onProblem` is called, too.
   *
   * @param message The message.
   * @param options Signal and metadata.
   * @returns When it has been handled, and all that it changed is durable.
   * @throws As {@linkcode StatefulActor.ask} (`CLOSED` and so on), but for the time limit.
   */
  tell(message: Message, options: TellOptions = {}): Promise<void> {
    return tellAndReport(this.#host, this.actorId, this.#handle.tell(message, options));
  }

  /**
   * Saves the state after all messages that were sent before.
   *
   * @returns When the snapshot is durable.
   * @throws {PersistenceError} What the snapshot store rejects with; `UNENCODABLE` if the state cannot
   *   be stored; `DEADLOCK` if the actor's own handler calls it; `CLOSED`.
   */
  snapshot(): Promise<void> {
    return this.#handle.snapshot();
  }

  /**
   * Refuses new messages, handles those that were accepted, and waits for what is under way.
   * Effects that are not delivered by then are delivered after the next start. Idempotent.
   *
   * @param options How long to wait.
   * @returns When the actor has stopped.
   * @throws {ArgumentTypeError | ArgumentRangeError} `INVALID_ARGUMENT` if an option is bad.
   * @throws {PersistenceError} `DEADLOCK` if a callback of the actor calls it: it stops, but the
   *   callback cannot wait for that.
   */
  stop(options: StopOptions = {}): Promise<void> {
    const operation = `stop actor "${this.actorId}" of kind "${this.kind}"`;
    let timeoutMs: number;
    try {
      timeoutMs = checkStop(options, operation);
    } catch (error) {
      return Promise.reject(error);
    }
    this.#handle.requestStop();
    this.#stopped ??= this.#handle.terminated.then(() => this.#host.close());
    const circle = certainCircle(
      this.#host.callContext?.get(),
      (link) => this.#host.delaysStop(link),
      operation,
    );
    if (circle) return rejected(circle);
    const abandon = (error: unknown) => {
      this.#handle.abandon(error);
      const { kind, actorId } = this;
      this.#host.options.report({ type: "stop", kind, actorId, error });
    };
    return stopWithin(this.#stopped, timeoutMs, this.#host.clock, abandon, operation);
  }

  /** Stops the actor. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }
}

/**
 * Lets a message that was sent and is not awaited fail without ending the process.
 *
 * @param host The actors.
 * @param actorId The actor.
 * @param told What becomes of the message.
 * @returns The same promise.
 */
export function tellAndReport<State, Message, Reply>(
  host: Pick<Host<State, Message, Reply>, "kind" | "options">,
  actorId: string,
  told: Promise<void>,
): Promise<void> {
  told.catch((error) => host.options.report({ type: "message", kind: host.kind, actorId, error }));
  return told;
}
