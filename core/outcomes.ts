/**
 * How operations end: everybody who waits is told, and what they occupied is free again.
 *
 * @module
 */

import { watchAbort } from "./abort_watch.ts";
import {
  type ActorQueue,
  type AppendOperation,
  type CommitPlan,
  type Operation,
  rejectAppend,
  resolveAppend,
} from "./actor_queue.ts";
import type { Admission } from "./admission.ts";
import type { PersistenceError } from "./errors.ts";
import { failureOf } from "./failure.ts";

/** Ends the operations of a commit queue, and knows how many have not ended. */
export class Outcomes {
  readonly #admission: Admission;
  readonly #counts: { committedMessages: number };
  #unsettled = 0;
  #drained: (() => void)[] = [];

  /**
   * @param admission What bounds how much waits.
   * @param counts Where messages that have become durable are counted.
   */
  constructor(admission: Admission, counts: { committedMessages: number }) {
    this.#admission = admission;
    this.#counts = counts;
  }

  /** Whether somebody waits for all to end. */
  get isAwaited(): boolean {
    return this.#drained.length > 0;
  }

  /** An operation, or a write, begins. */
  begin(): void {
    this.#unsettled++;
  }

  /** One has ended. */
  settled(): void {
    this.#unsettled--;
    if (this.#unsettled > 0) return;
    for (const resolve of this.#drained.splice(0)) resolve();
  }

  /** Resolves when all have ended, whether well or not. */
  drained(): Promise<void> {
    if (this.#unsettled === 0) return Promise.resolve();
    return new Promise((resolve) => this.#drained.push(resolve));
  }

  /**
   * A plan has been carried out.
   *
   * @param plan The plan.
   */
  complete(plan: CommitPlan): void {
    plan.actor.finish(plan);
    for (const operation of plan.operations) {
      this.#admission.leave(operation);
      if (operation.type === "append") {
        this.#counts.committedMessages += operation.count;
        this.#noLongerPending(operation);
        resolveAppend(operation);
        operation.origin.settlements.succeed(operation.call);
        operation.unwatch?.();
      } else {
        operation.resolve(plan.head.firstSequenceNumber);
      }
      this.settled();
    }
  }

  /**
   * An append no longer waits for others of its batch.
   *
   * @param operation The append.
   */
  leaveBatch(operation: AppendOperation): void {
    operation.batch?.policy.leave(operation.batch, operation.count, operation.bytes);
    operation.batch = undefined;
  }

  /**
   * Rejects, in order, what was being committed for an actor and everything behind it: were that
   * committed later, messages would have overtaken the lost ones. Where the storage is full because
   * of appends, truncations stay, to be tried without them: they are what makes room.
   *
   * @param actor The actor.
   * @param inFlight What was being committed.
   * @param failure Why it was not.
   * @returns Whether truncations wait now, which must go out.
   */
  failActor(
    actor: ActorQueue,
    inFlight: readonly Operation[],
    failure: PersistenceError,
  ): boolean {
    const waiting = actor.takeAll();
    const outside = this.#admission.withdrawAll(actor);
    const keepsTruncations = failure.code === "STORAGE_FULL" &&
      inFlight.some(({ type }) => type === "append");
    const reject = (operation: Operation): void => {
      if (keepsTruncations && operation.type === "truncate") actor.addTruncation(operation);
      else this.reject(operation, failureOf(attemptOf(operation), actor.actorId, failure));
    };
    for (const operation of [...inFlight, ...waiting]) {
      this.#admission.leave(operation);
      if (operation.type === "append") {
        this.leaveBatch(operation);
        if (operation.phase === "cancelled") continue;
      }
      reject(operation);
    }
    for (const operation of outside) reject(operation);
    return actor.hasOperations;
  }

  /**
   * Until its commit begins, an append can be taken back: then its message is certainly not in the
   * journal. From then on the abort has no effect, and the promise tells what became of it.
   *
   * @param signal The signal, which has not aborted.
   * @param actor The actor.
   * @param operation The append.
   */
  cancelOnAbort(signal: AbortSignal, actor: ActorQueue, operation: AppendOperation): void {
    operation.unwatch = watchAbort(signal, () => {
      if (operation.phase !== "waiting") return;
      this.#admission.withdraw(actor, operation);
      operation.phase = "cancelled";
      this.leaveBatch(operation);
      this.reject(operation, signal.reason);
    });
  }

  /**
   * An operation has not been carried out.
   *
   * @param operation The operation.
   * @param error Why.
   */
  reject(operation: Operation, error: unknown): void {
    if (operation.type === "append") {
      this.#noLongerPending(operation);
      rejectAppend(operation, error);
      operation.origin.settlements.fail(operation.call, error);
      operation.unwatch?.();
    } else {
      operation.reject(error);
    }
    this.settled();
  }

  #noLongerPending({ origin, count, bytes }: AppendOperation): void {
    origin.pending.messages -= count;
    origin.pending.bytes -= bytes;
  }
}

function attemptOf(operation: Operation): string {
  return operation.type === "append" ? "append to" : "truncate";
}
