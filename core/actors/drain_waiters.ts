/**
 * Those who wait until no effect is open. The process stays alive for them: next attempts and their
 * timers do not keep it alive.
 *
 * @module
 */

import type { Clock, Timer } from "../ports/clock.ts";
import { watchAbort } from "../util/abort_watch.ts";
import { MAX_TIMER_MS } from "../util/deadlines.ts";

/** Those who wait. */
export class DrainWaiters {
  readonly #clock: Clock;
  readonly #waiters = new Set<() => void>();
  #vigil: Timer | undefined;

  /** @param clock What keeps the process alive. */
  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Whether nobody waits. */
  get isEmpty(): boolean {
    return this.#waiters.size === 0;
  }

  /**
   * Waits.
   *
   * @param signal Ends the waiting.
   * @returns When all have been notified. It rejects with the signal's reason.
   */
  wait(signal: AbortSignal | undefined): Promise<void> {
    this.#keepVigil();
    return new Promise((resolve, reject) => {
      const unwatch = signal && watchAbort(signal, () => {
        this.#waiters.delete(waiter);
        this.#endVigil();
        reject(signal.reason);
      });
      const waiter = () => {
        unwatch?.();
        resolve();
      };
      this.#waiters.add(waiter);
    });
  }

  /** Tells all. */
  tell(): void {
    for (const resolve of this.#waiters) resolve();
    this.#waiters.clear();
    this.#endVigil();
  }

  #keepVigil(): void {
    this.#vigil ??= this.#clock.setTimer(
      () => {
        this.#vigil = undefined;
        this.#keepVigil();
      },
      MAX_TIMER_MS,
      true,
    );
  }

  #endVigil(): void {
    if (this.#waiters.size > 0) return;
    this.#vigil?.cancel();
    this.#vigil = undefined;
  }
}
