/**
 * The actor has stopped. What it had accepted and not answered is rejected, and nothing that ends
 * later has any effect.
 *
 * @module
 */

import { PersistenceError } from "../../errors/persistence_error.ts";
import type { InFlightTask } from "../in_flight.ts";
import { Letter, type Task } from "../mailbox.ts";
import type { EndTurn, Loop, Phase } from "./phase.ts";

/** The last phase. */
export class Stopped<State, Message, Reply> implements Phase<State, Message, Reply> {
  readonly name = "stopped";
  readonly #loop: Loop<State, Message, Reply>;
  readonly #failure: unknown;

  /**
   * @param loop The loop of the actor.
   * @param failure Why, if it has stopped by itself.
   */
  constructor(loop: Loop<State, Message, Reply>, failure: unknown) {
    this.#loop = loop;
    this.#failure = failure;
  }

  enter(): void {
    const loop = this.#loop;
    loop.context.policy.stop();
    this.mailArrived();
    loop.left(this.#failure);
    if (this.#failure !== undefined) loop.context.report({ type: "stopped", error: this.#failure });
  }

  /** Rejects what there is: nothing, if it was stopped in order. */
  mailArrived(): void {
    const { mailbox, inFlight, deciding, releasing } = this.#loop;
    const begun = [...(releasing ? [releasing] : []), ...inFlight.takeAll()];
    this.#loop.deciding = undefined;
    this.#loop.releasing = undefined;
    const mayBeStored = begun.filter((task) => this.#mayBeStored(task));
    this.#reject(mayBeStored.map(({ task }) => task), true);
    const others = begun.filter((task) => !this.#mayBeStored(task)).map(({ task }) => task);
    this.#reject([...others, ...(deciding ? [deciding] : []), ...mailbox.takeAll()], false);
  }

  /** Nothing of a run that has failed is stored, nor of what came after it. */
  #mayBeStored({ entries, status }: InFlightTask<Message, Reply>): boolean {
    const { failedRun } = this.#loop;
    if (!entries || status === "durable") return entries !== undefined;
    return !failedRun || (status === "failed" && isUnknown(failedRun.error));
  }

  #reject(tasks: readonly Task<Message, Reply>[], isAppended: boolean): void {
    if (tasks.length === 0) return;
    const { context } = this.#loop;
    const operation = `handle message of ${context.name}`;
    const error = context.endedError(operation, this.#failure, isAppended);
    for (const task of tasks) {
      if (task instanceof Letter || !task.isAutomatic) task.reject(error);
    }
  }

  turnGranted(endTurn: EndTurn): void {
    endTurn();
  }

  /** It has. */
  stopRequested(): void {}

  // What ends now has no effect.
  recovered(): void {}
  recoveryFailed(): void {}
  decided(): void {}
  runDurable(): void {}
  runFailed(): void {}
  handled(): void {}
  released(): void {}
  stepDone(): void {}
  abandoned(): void {}
}

/** Whether a commit that failed so may have been applied. */
function isUnknown(error: unknown): boolean {
  return error instanceof PersistenceError && error.code === "REOPEN_REQUIRED";
}
