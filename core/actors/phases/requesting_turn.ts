/**
 * The actor waits until it may recover: until its predecessor has left, and few enough others
 * recover. What is sent to it waits in the mailbox.
 *
 * @module
 */

import type { EndTurn, Loop, Phase } from "./phase.ts";

/** Before the recovery. */
export class RequestingTurn<State, Message, Reply> implements Phase<State, Message, Reply> {
  readonly name = "requesting-turn";
  readonly #loop: Loop<State, Message, Reply>;

  /** @param loop The loop of the actor. */
  constructor(loop: Loop<State, Message, Reply>) {
    this.#loop = loop;
  }

  enter(): void {
    this.#loop.requestTurn();
  }

  turnGranted(endTurn: EndTurn): void {
    this.#loop.toRecovering(endTurn);
  }

  /** What was accepted is handled first; if nothing was, there is nothing to recover for. */
  stopRequested(): void {
    if (this.#loop.isDrained) this.#loop.toStopped(undefined);
  }

  abandoned(error: unknown): void {
    this.#loop.toStopped(error);
  }

  /** It waits. */
  mailArrived(): void {}

  // Nothing has been started yet that could end.
  recovered(): void {}
  recoveryFailed(): void {}
  decided(): void {}
  runDurable(): void {}
  runFailed(): void {}
  handled(): void {}
  released(): void {}
  stepDone(): void {}
}
