/**
 * The patience with which an outbox uses its store: again and again until that succeeds, with delays
 * that grow, so that a storage which is full or fails costs little, and timers have their turn.
 *
 * @module
 */

import { PersistenceError } from "../errors/persistence_error.ts";
import type { Clock, Timer } from "../ports/clock.ts";

/** How long to wait after the first failure. */
const FIRST_DELAY_MS = 100;
const MAX_DELAY_MS = 10_000;

/** After these the store will not do any better later. */
const FINAL_CODES: ReadonlySet<string> = new Set(["CLOSED", "READ_ONLY", "REOPEN_REQUIRED"]);

/** Uses a store until that succeeds. */
export class StorePatience {
  readonly #clock: Clock;
  readonly #report: (error: unknown) => void;
  readonly #pauses = new Set<Timer>();
  #isOver = false;

  /**
   * @param clock What wakes.
   * @param report Called with each failure.
   */
  constructor(clock: Clock, report: (error: unknown) => void) {
    this.#clock = clock;
    this.#report = report;
  }

  /** Whether the store is not to be used any more. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** Nothing is tried again any more: what waits for the next attempt ends. */
  end(): void {
    this.#isOver = true;
    for (const pause of this.#pauses) pause.cancel();
  }

  /**
   * Uses the store until that succeeds.
   *
   * @param use What is done.
   * @returns What it gave; `undefined` if it cannot succeed, or patience has ended.
   */
  async untilDone<Result>(use: () => Promise<Result>): Promise<Result | undefined> {
    for (let delayMs = FIRST_DELAY_MS;; delayMs = Math.min(2 * delayMs, MAX_DELAY_MS)) {
      try {
        return await use();
      } catch (error) {
        const code = error instanceof PersistenceError ? error.code : undefined;
        // That a provider was closed is known to its caller.
        if (code !== "CLOSED") this.#report(error);
        // Nothing is lost by that: it is open in the store, and is read again after a restart.
        if (code !== undefined && FINAL_CODES.has(code)) this.end();
      }
      if (this.#isOver) return undefined;
      await this.#pause(delayMs);
      if (this.#isOver) return undefined;
    }
  }

  #pause(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = this.#clock.setTimer(() => end(), delayMs, false);
      const end = () => {
        this.#pauses.delete(pause);
        resolve();
      };
      const pause: Timer = {
        cancel: () => {
          timer.cancel();
          end();
        },
      };
      this.#pauses.add(pause);
    });
  }
}
