/**
 * The actor works: it begins what is in the mailbox, and releases what is durable.
 *
 * @module
 */

import type { InFlightTask, Refusal } from "../in_flight.ts";
import type { Letter } from "../mailbox.ts";
import type { Settled } from "../../util/settled.ts";
import type { EndTurn, Loop, Phase } from "./phase.ts";
import { Working } from "./working.ts";

/** The usual phase. */
export class Running<State, Message, Reply> implements Phase<State, Message, Reply> {
  readonly name = "running";
  readonly #loop: Loop<State, Message, Reply>;
  readonly #working: Working<State, Message, Reply>;

  /** @param loop The loop of the actor. */
  constructor(loop: Loop<State, Message, Reply>) {
    this.#loop = loop;
    this.#working = new Working(loop, () => loop.work());
  }

  enter(): void {
    this.#loop.work();
  }

  mailArrived(): void {
    this.#loop.work();
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

  stopRequested(): void {
    this.#loop.toWork();
  }

  abandoned(error: unknown): void {
    this.#loop.toStopped(error);
  }

  turnGranted(endTurn: EndTurn): void {
    this.#working.turnGranted(endTurn);
  }

  // The recovery is over, and this phase starts nothing of its own.
  recovered(): void {}
  recoveryFailed(): void {}
  stepDone(): void {}
}
