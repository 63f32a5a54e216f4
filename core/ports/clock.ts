/**
 * Clocks: the time, and timers that do not keep a process alive. Core knows no runtime, so an
 * adapter brings the clock of its runtime, and a test may bring one that it moves by hand.
 *
 * @module
 */

/** A timer that has been set. */
export interface Timer {
  /** The callback is not called any more. Idempotent. */
  cancel(): void;
}

/**
 * What tells the time and wakes. None of its methods may throw: some are called when there is nobody
 * to tell, and an error would end the process.
 */
export interface Clock {
  /**
   * Tells the time of day.
   *
   * @returns Milliseconds since 1970.
   */
  now(): number;
  /**
   * Tells how much time passes. It never goes back.
   *
   * @returns Milliseconds since some moment.
   */
  monotonic(): number;
  /**
   * Calls back once, after a delay.
   *
   * @param callback What is called. It must not throw.
   * @param delayMs After how many milliseconds: from 0 to 2^31 - 1.
   * @param keepsAlive Whether the process waits for it. Background work (passivation, snapshots after
   *   a time, the next attempt of a delivery) does not keep a process alive.
   * @returns The timer.
   */
  setTimer(callback: () => void, delayMs: number, keepsAlive: boolean): Timer;
}
