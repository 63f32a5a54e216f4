/**
 * The actor recovers its state for the first time. What is sent to it waits in the mailbox.
 *
 * @module
 */

import type { RecoveredState, RecoveryWatch } from "../strategy.ts";
import type { EndTurn, Loop, Phase } from "./phase.ts";

/** The first recovery. */
export class Recovering<State, Message, Reply> implements Phase<State, Message, Reply> {
  readonly name = "recovering";
  readonly #loop: Loop<State, Message, Reply>;
  readonly #endTurn: EndTurn;
  readonly #watch: RecoveryWatch;

  /**
   * @param loop The loop of the actor.
   * @param endTurn Lets another actor recover.
   * @param watch Who watches it.
   */
  constructor(loop: Loop<State, Message, Reply>, endTurn: EndTurn, watch: RecoveryWatch) {
    this.#loop = loop;
    this.#endTurn = endTurn;
    this.#watch = watch;
  }

  enter(): void {
    this.#loop.recover(undefined, this.#watch);
  }

  recovered(recovered: RecoveredState<State>): void {
    this.#endTurn();
    this.#loop.takeOver(recovered);
    this.#loop.toWork();
  }

  recoveryFailed(error: unknown): void {
    this.#endTurn();
    this.#loop.toStopped(error);
  }

  abandoned(error: unknown): void {
    this.#endTurn();
    this.#loop.toStopped(error);
  }

  /** It waits. */
  mailArrived(): void {}

  /** What was accepted is handled first. The loop remembers the request. */
  stopRequested(): void {}

  /** The turn is there already. */
  turnGranted(endTurn: EndTurn): void {
    endTurn();
  }

  // Nothing has been begun yet that could end.
  decided(): void {}
  runDurable(): void {}
  runFailed(): void {}
  handled(): void {}
  released(): void {}
  stepDone(): void {}
}
