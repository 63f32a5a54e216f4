/**
 * The actor handles what it accepted, and then stores what must be known of its end.
 *
 * @module
 */

import type { InFlightTask, Refusal } from "../in_flight.ts";
import type { Letter } from "../mailbox.ts";
import type { Settled } from "../../util/settled.ts";
import type { EndTurn, Loop, Phase } from "./phase.ts";
import { Working } from "./working.ts";

/** The phase after a stop was requested. */
export class Stopping<State, Message, Reply> implements Phase<State, Message, Reply> {
  readonly name = "stopping";
  readonly #loop: Loop<State, Message, Reply>;
  readonly #working: Working<State, Message, Reply>;
  #isClosing = false;

  /** @param loop The loop of the actor. */
  constructor(loop: Loop<State, Message, Reply>) {
    this.#loop = loop;
    this.#working = new Working(loop, () => this.#goOn());
  }

  enter(): void {
    this.#goOn();
  }

  mailArrived(): void {
    this.#goOn();
  }

  decided(letter: Letter<Message, Reply>, decision: Settled<unknown>): void {
    this.#working.decided(letter, decision);
  }

  runDurable(run: readonly InFlightTask<Message, Reply>[]): void {
    this.#working.runDurable(run);
  }

  runFailed(run: readonly InFlightTask<Message, Reply>[], error: unknown): void {
    this.#working.runFailed(run, error);
  }

  handled(
    task: InFlightTask<Message, Reply>,
    letter: Letter<Message, Reply>,
    outcome: Settled<unknown>,
  ): void {
    this.#working.handled(task, letter, outcome);
  }

  released(refusal: Refusal | undefined): void {
    this.#working.released(refusal);
  }

  /** The end has been stored, or could not be, which has been reported. */
  stepDone(step: unknown): void {
    if (step === this) this.#loop.toStopped(undefined);
  }

  abandoned(error: unknown): void {
    this.#loop.toStopped(error);
  }

  turnGranted(endTurn: EndTurn): void {
    this.#working.turnGranted(endTurn);
  }

  /** It is on its way. */
  stopRequested(): void {}

  // The recovery is over.
  recovered(): void {}
  recoveryFailed(): void {}

  #goOn(): void {
    const loop = this.#loop;
    loop.work();
    if (loop.phase !== this || this.#isClosing || !loop.isDrained) return;
    this.#isClosing = true;
    loop.context.policy.stop();
    loop.step(this, this.#close());
  }

  async #close(): Promise<void> {
    const { context, strategy } = this.#loop;
    await context.saver.stop();
    try {
      await strategy.end();
    } catch (error) {
      context.report({ type: "stop", error });
    }
  }
}
