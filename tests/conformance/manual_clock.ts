import type { Clock, Timer } from "../../core/ports/clock.ts";

/** A timer that has been set and has neither fired nor been cancelled. */
export interface SetTimer {
  /** After how many milliseconds it is to fire. */
  readonly delayMs: number;
  /** Whether the process waits for it. */
  readonly keepsAlive: boolean;
  /** Lets it fire. */
  fire(): void;
}

/** A clock whose timers fire only if a test lets them. */
export class ManualClock implements Clock {
  /** The timers that are set, in the order in which they were. */
  readonly timers: Set<SetTimer> = new Set();

  now(): number {
    return Date.now();
  }

  monotonic(): number {
    return performance.now();
  }

  setTimer(callback: () => void, delayMs: number, keepsAlive: boolean): Timer {
    const timer = {
      delayMs,
      keepsAlive,
      fire: () => {
        if (this.timers.delete(timer)) callback();
      },
    };
    this.timers.add(timer);
    return { cancel: () => void this.timers.delete(timer) };
  }
}
