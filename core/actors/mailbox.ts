/**
 * The mailbox of an actor: what waits to be handled, strictly in order, and who waits for the answer.
 *
 * @module
 */

import type { CallChain } from "../ports/actor_store.ts";
import type { Metadata } from "../ports/journal.ts";
import type { TelemetrySpan } from "../ports/telemetry.ts";
import { watchAbort } from "../util/abort_watch.ts";
import type { Deadline } from "../util/deadlines.ts";
import { Fifo } from "../util/fifo.ts";
import { Deferred, isPromise, type MaybePromise } from "../util/promises.ts";

/** Fewer letters that were given up are not worth a walk over those that wait. */
const MIN_GIVEN_UP = 64;

/** A message, and the caller that waits for the answer. */
export class Letter<Message, Reply> {
  /** The message. */
  readonly message: Message;
  /** What is stored beside what it leads to. */
  readonly metadata: Metadata | undefined;
  /** The callback that sent it, if one did. */
  readonly caller: CallChain | undefined;
  /** Whether the caller waits for the answer. Otherwise it was told. */
  readonly isAsked: boolean;
  /** Settles when it has been handled, and all that it changed is durable. */
  readonly answer: Promise<Reply>;
  /** Whether its handling has begun. */
  hasBegun = false;
  /** Whether the caller knows what became of it. */
  hasEnded = false;
  /** The time limit of the caller. */
  deadline: Deadline | undefined;
  /** The span in which it is handled, if there is one. */
  span: Required<TelemetrySpan> | undefined;
  /** Called if the caller gives it up before its handling has begun. */
  onGivenUp: (() => void) | undefined;

  readonly #deferred: Deferred<Reply>;
  #unwatch: (() => void) | undefined;

  /**
   * @param message The message.
   * @param metadata What is stored beside what it leads to.
   * @param caller The callback that sent it, if one did.
   * @param isAsked Whether the caller waits for the answer.
   */
  constructor(
    message: Message,
    metadata: Metadata | undefined,
    caller: CallChain | undefined,
    isAsked: boolean,
  ) {
    this.message = message;
    this.metadata = metadata;
    this.caller = caller;
    this.isAsked = isAsked;
    this.#deferred = new Deferred<Reply>();
    this.answer = this.#deferred.promise;
  }

  /** It has been handled: the answer. For one that takes its time the caller waits within limits. */
  resolve(reply: MaybePromise<Reply>): void {
    if (isPromise(reply)) {
      reply.then((reply) => this.resolve(reply), (error) => this.reject(error));
    } else if (this.#end()) {
      this.#deferred.resolve(reply);
    }
  }

  /** It has not been handled, or its answer could not be made. */
  reject(error: unknown): void {
    if (this.#end()) this.#deferred.reject(error);
  }

  /** The caller does not wait any longer. */
  giveUp(error: unknown): void {
    if (!this.#end()) return;
    this.#deferred.reject(error);
    if (!this.hasBegun) this.onGivenUp?.();
  }

  /** The caller does not wait any longer, but the message is handled all the same. */
  stopWaiting(error: unknown): void {
    this.#deferred.reject(error);
  }

  /** The caller gives it up when the signal aborts, with the signal's reason. */
  watch(signal: AbortSignal): void {
    this.#unwatch = watchAbort(signal, () => this.giveUp(signal.reason));
  }

  #end(): boolean {
    if (this.hasEnded) return false;
    this.hasEnded = true;
    this.#unwatch?.();
    this.deadline?.end();
    return true;
  }
}

/** The state is to be saved when everything that was sent before is durable. */
export interface SnapshotRequest {
  readonly type: "snapshot";
  /** Whether the policy asked for it: then it is not needed if another one came first. */
  readonly isAutomatic: boolean;
  /** Called when it has been saved, or there is nothing to save. */
  resolve(): void;
  /** Called if it cannot be saved. */
  reject(error: unknown): void;
}

/** What waits in a mailbox. */
export type Task<Message, Reply> = Letter<Message, Reply> | SnapshotRequest;

/** What waits to be begun, in order. What was given up does not count, and does not stay. */
export class Mailbox<Message, Reply> {
  readonly #waiting = new Fifo<Task<Message, Reply>>();
  #givenUp = 0;
  readonly #onGivenUp = () => this.#forgetGivenUp();

  /** How many wait. */
  get length(): number {
    return this.#waiting.length - this.#givenUp;
  }

  /** Puts a task after all others. */
  push(task: Task<Message, Reply>): void {
    if (task instanceof Letter) task.onGivenUp = this.#onGivenUp;
    this.#waiting.push(task);
  }

  /** Puts tasks before all others, in their order. */
  putBack(tasks: readonly Task<Message, Reply>[]): void {
    this.#waiting.putBack(tasks.filter((task) => {
      if (!(task instanceof Letter)) return true;
      task.hasBegun = false;
      return !task.hasEnded;
    }));
  }

  /** Takes the first task that is still wanted. */
  take(): Task<Message, Reply> | undefined {
    for (let task = this.#waiting.shift(); task; task = this.#waiting.shift()) {
      if (!(task instanceof Letter)) return task;
      if (!task.hasEnded) {
        task.hasBegun = true;
        return task;
      }
      this.#givenUp--;
    }
    return undefined;
  }

  /** Takes all tasks that are still wanted. */
  takeAll(): Task<Message, Reply>[] {
    this.#givenUp = 0;
    return this.#waiting.takeAll().filter((task) => {
      if (!(task instanceof Letter)) return true;
      // It does not wait here any more.
      task.onGivenUp = undefined;
      return !task.hasEnded;
    });
  }

  #forgetGivenUp(): void {
    this.#givenUp++;
    if (this.#givenUp < MIN_GIVEN_UP || 2 * this.#givenUp < this.#waiting.length) return;
    this.#givenUp = 0;
    this.#waiting.retain((task) => !(task instanceof Letter) || !task.hasEnded);
  }
}
