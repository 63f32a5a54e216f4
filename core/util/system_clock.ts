/**
 * The clock of a runtime that core knows nothing of.
 *
 * @module
 */

/** What `setTimeout` gives on Node and Bun; elsewhere it is a number. */
interface DetachableTimer {
  unref(): void;
}

/**
 * The clock of the runtime, as far as all runtimes have one: a timer that need not keep the process
 * alive is detached if it can be.
 */
export const systemClock = {
  /** The time of day in milliseconds since 1970. */
  now(): number {
    return Date.now();
  },

  /** Milliseconds since some moment, which never go back. */
  monotonic(): number {
    return performance.now();
  },

  /** Calls back once, after a delay. */
  setTimer(callback: () => void, delayMs: number, keepsAlive: boolean): { cancel(): void } {
    const timer: unknown = setTimeout(callback, delayMs);
    if (!keepsAlive && isDetachable(timer)) timer.unref();
    return { cancel: () => clearTimeout(timer as ReturnType<typeof setTimeout>) };
  },
};

function isDetachable(timer: unknown): timer is DetachableTimer {
  return typeof timer === "object" && timer !== null && "unref" in timer &&
    typeof timer.unref === "function";
}
