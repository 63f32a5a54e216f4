/**
 * What the phases have in common in which the actor works: running, and stopping.
 *
 * @module
 */

import type { InFlightTask, Refusal } from "../in_flight.ts";
import type { Letter } from "../mailbox.ts";
import type { Settled } from "../../util/settled.ts";
import type { EndTurn, Loop } from "./phase.ts";

/** The work on messages. After each event that does not lead to another phase, `goOn` is called. */
export class Working<State, Message, Reply> {
  readonly #loop: Loop<State, Message, Reply>;
  readonly #goOn: () => void;

  /**
   * @param loop The loop of the actor.
   * @param goOn Begins and releases what it can.
   */
  constructor(loop: Loop<State, Message, Reply>, goOn: () => void) {
    this.#loop = loop;
    this.#goOn = goOn;
  }

  decided(letter: Letter<Message, Reply>, decision: Settled<unknown>): void {
    this.#loop.deciding = undefined;
    this.#unlessItGoesBack(() => this.#loop.begin(letter, decision));
  }

  runDurable(run: readonly InFlightTask<Message, Reply>[]): void {
    for (const task of run) task.status = "durable";
    this.#loop.failures = 0;
    this.#goOn();
  }

  runFailed(run: readonly InFlightTask<Message, Reply>[], error: unknown): void {
    for (const task of run) task.status = "failed";
    this.#loop.failedRun = { error, tasks: run.length };
    this.#loop.toRewinding({ type: "append" });
  }

  handled(
    task: InFlightTask<Message, Reply>,
    letter: Letter<Message, Reply>,
    outcome: Settled<unknown>,
  ): void {
    this.#loop.releasing = undefined;
    this.#unlessItGoesBack(() => this.#loop.finishRelease(task, letter, outcome));
  }

  released(refusal: Refusal | undefined): void {
    this.#loop.releasing = undefined;
    if (refusal && refusal.directive !== "resume") {
      return this.#loop.toRewinding({ type: "supervision", refusal, waits: false });
    }
    this.#goOn();
  }

  /** What a handler has thrown may end this phase: then nothing is begun any more. */
  #unlessItGoesBack(step: () => void): void {
    const { phase } = this.#loop;
    step();
    if (this.#loop.phase === phase) this.#goOn();
  }

  /** The turn is there already. */
  turnGranted(endTurn: EndTurn): void {
    endTurn();
  }
}
