/**
 * How operations end: their callers get the result, and their room is free again.
 *
 * @module
 */

import type { PersistenceError } from "../errors/persistence_error.ts";
import { failureOf } from "../errors/storage_failure.ts";
import { watchAbort } from "../util/abort_watch.ts";
import type { ActorQueue, AppendOperation, CommitPlan, Operation } from "./actor_queue.ts";
import type { AdmissionControl } from "./admission_control.ts";

/** Settles the operations of a commit queue, and knows how many have not settled. */
export class Completions {
  readonly #admission: AdmissionControl;
  readonly #counts: { committedMessages: number };
  #unsettled = 0;
  #drained: (() => void)[] = [];

  /**
   * @param admission Bounds how much waits.
   * @param counts Counts messages that have become durable.
   */
  constructor(admission: AdmissionControl, counts: { committedMessages: number }) {
    this.#admission = admission;
    this.#counts = counts;
  }

  /** Whether a caller waits until all have settled. */
  get isAwaited(): boolean {
    return this.#drained.length > 0;
  }

  /** An operation, or a write, begins. */
  begin(): void {
    this.#unsettled++;
  }

  /** An operation, or a write, has settled. */
  settled(): void {
    this.#unsettled--;
    if (this.#unsettled > 0) return;
    for (const resolve of this.#drained.splice(0)) resolve();
  }

  /** Resolves when all have settled, whether well or not. */
  drained(): Promise<void> {
    if (this.#unsettled === 0) return Promise.resolve();
    return new Promise((resolve) => this.#drained.push(resolve));
  }

  /**
   * Resolves the operations of a plan, which has been carried out.
   *
   * @param plan The plan.
   * @param position The position of the record.
   */
  complete(plan: CommitPlan, position: number): void {
    plan.actor.inFlight = false;
    for (const operation of plan.operations) {
      this.#admission.release(operation);
      if (operation.type === "append") {
        this.#counts.committedMessages += operation.count;
        this.#noLongerPending(operation);
        resolveAppend(operation, position);
        operation.origin.calls.succeed(operation.call);
        operation.unwatch?.();
      } else {
        operation.resolve(plan.state);
      }
      this.settled();
    }
    plan.actor.hold?.progress();
  }

  /**
   * Takes an append out of the batch that it waits in, if any.
   *
   * @param operation The append.
   */
  leaveBatch(operation: AppendOperation): void {
    operation.batch?.policy.leave(operation.batch, operation.count, operation.bytes);
    operation.batch = undefined;
  }

  /**
   * Ends an append that a plan does not carry out.
   *
   * @param operation The append.
   * @param error Why, or `undefined` if it was cancelled, and so has already been rejected.
   */
  drop(operation: AppendOperation, error: PersistenceError | undefined): void {
    this.leaveBatch(operation);
    this.#admission.release(operation);
    if (error) this.reject(operation, error);
  }

  /**
   * Rejects, in order, what was being committed for an actor and everything after it: if that were
   * committed later, messages would have overtaken the lost ones. If the storage is full because of
   * appends, truncations stay, to be tried without them: they are what makes room.
   *
   * @param actor The actor.
   * @param inFlight What was being committed.
   * @param failure Why it was not.
   * @returns Whether truncations remain, which must be committed.
   */
  failActor(
    actor: ActorQueue,
    inFlight: readonly Operation[],
    failure: PersistenceError,
  ): boolean {
    const waiting = actor.takeAll();
    const waitingForRoom = this.#admission.withdrawAll(actor);
    const keepsTruncations = failure.code === "STORAGE_FULL" &&
      inFlight.some(({ type }) => type === "append");
    const reject = (operation: Operation): void => {
      if (keepsTruncations && operation.type === "truncate") actor.addTruncation(operation);
      else this.reject(operation, failureOf(attemptOf(operation), actor.address, failure));
    };
    for (const operation of [...inFlight, ...waiting]) {
      this.#admission.release(operation);
      if (operation.type === "append") {
        this.leaveBatch(operation);
        if (operation.phase === "cancelled") continue;
      }
      reject(operation);
    }
    for (const operation of waitingForRoom) reject(operation);
    actor.hold?.progress();
    return actor.hasOperations;
  }

  /**
   * Cancels an append when its signal aborts, unless its commit has begun by then. A cancelled
   * message is certainly not in the journal. Once the commit has begun the abort has no effect: the
   * promise settles with what became of the append.
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
      actor.hold?.progress();
    });
  }

  /**
   * Rejects an operation, which has not been carried out.
   *
   * @param operation The operation.
   * @param error Why.
   */
  reject(operation: Operation, error: unknown): void {
    if (operation.type === "append") {
      this.#noLongerPending(operation);
      rejectAppend(operation, error);
      operation.origin.calls.fail(operation.call, error);
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

function resolveAppend(
  { resolve, joined, firstSequenceNumber }: AppendOperation,
  position: number,
): void {
  resolve(firstSequenceNumber, position);
  if (!joined) return;
  let next = firstSequenceNumber;
  for (const resolveNext of joined.resolve) resolveNext(++next, position);
}

function rejectAppend({ reject, joined }: AppendOperation, error: unknown): void {
  reject(error);
  if (!joined) return;
  for (const rejectNext of joined.reject) rejectNext(error);
}

function attemptOf(operation: Operation): string {
  return operation.type === "append" ? "append to" : "truncate";
}
