/**
 * A clock that a test moves.
 *
 * @module
 */

import { checkDate, checkInteger } from "../core/errors/arguments.ts";
import { ArgumentRangeError, ArgumentTypeError } from "../core/errors/persistence_error.ts";
import type { Clock, Timer } from "../core/ports/clock.ts";

const MAX_DELAY_MS = 2 ** 31 - 1;

/** Test runners replace the global one by a fake, with which no turn would ever end. */
const setRealTimeout = globalThis.setTimeout;

/** A timer that has been set, and has neither fired nor been cancelled. */
export interface PendingTimer {
  /** In how many milliseconds it fires. */
  readonly inMs: number;
  /** Whether a process would wait for it; if not, it is background work. */
  readonly keepsAlive: boolean;
}

interface Entry {
  readonly callback: () => void;
  /** When it fires, on the monotonic clock. */
  readonly atMs: number;
  readonly keepsAlive: boolean;
}

/**
 * A clock that stands still until the test moves it: passivation after an hour, a snapshot every 15
 * seconds or the tenth attempt of a delivery take no time.
 *
 * @example A timer
 * ```ts
 * import { TestClock } from "@cajun/persistence/testing";
 *
 * const clock = new TestClock(new Date("2030-01-01T00:00:00Z"));
 * clock.setTimer(() => console.log("a minute is over"), 60_000, true);
 *
 * await clock.advance(59_999);
 * console.log(clock.pending); // [{ inMs: 1, keepsAlive: true }]
 * await clock.advance(1);
 * console.log(clock.pending.length, new Date(clock.now()).toISOString()); // 0 2030-01-01T00:01:00.000Z
 * ```
 */
export class TestClock implements Clock {
  #monotonicMs = 0;
  /** What the time of day is ahead of the monotonic one. */
  #offsetMs: number;
  /** In the order in which they fire. */
  readonly #timers: Entry[] = [];
  /** Resolves when the clock has been moved as far as was asked. */
  #advanced: Promise<void> = Promise.resolve();

  /**
   * Creates a clock.
   *
   * @param now The time of day at first. By default the year 2000 begins, in UTC.
   * @throws {ArgumentTypeError | ArgumentRangeError} `INVALID_ARGUMENT` if it is not a valid date.
   */
  constructor(now: Date = new Date(Date.UTC(2000))) {
    this.#offsetMs = checkDate(now, "now", "create test clock");
  }

  /**
   * Tells the time of day.
   *
   * @returns Milliseconds since 1970.
   */
  now(): number {
    return this.#offsetMs + this.#monotonicMs;
  }

  /**
   * Tells for how long the clock has been moved.
   *
   * @returns Milliseconds, 0 at first.
   */
  monotonic(): number {
    return this.#monotonicMs;
  }

  /**
   * Calls back once, when the clock has been moved far enough.
   *
   * @param callback What is called.
   * @param delayMs After how many milliseconds: from 0 to 2^31 - 1. A fraction counts as a whole one.
   * @param keepsAlive Whether a process would wait for it.
   * @returns The timer.
   * @throws {ArgumentTypeError | ArgumentRangeError} `INVALID_ARGUMENT` if an argument is invalid.
   */
  setTimer(callback: () => void, delayMs: number, keepsAlive: boolean): Timer {
    if (typeof callback !== "function") {
      throw new ArgumentTypeError("Cannot set timer: callback must be a function");
    }
    if (typeof keepsAlive !== "boolean") {
      throw new ArgumentTypeError("Cannot set timer: keepsAlive must be a boolean");
    }
    if (!(delayMs >= 0 && delayMs <= MAX_DELAY_MS)) {
      throw new ArgumentRangeError(
        `Cannot set timer: delayMs must be a number from 0 to ${MAX_DELAY_MS}, not ${delayMs}`,
      );
    }
    const entry = { callback, atMs: this.#monotonicMs + Math.ceil(delayMs), keepsAlive };
    const after = this.#timers.findIndex(({ atMs }) => atMs > entry.atMs);
    this.#timers.splice(after < 0 ? this.#timers.length : after, 0, entry);
    return {
      cancel: () => {
        const index = this.#timers.indexOf(entry);
        if (index >= 0) this.#timers.splice(index, 1);
      },
    };
  }

  /** The timers that have been set, in the order in which they will fire. */
  get pending(): readonly PendingTimer[] {
    return this.#timers.map(({ atMs, keepsAlive }) => ({
      inMs: atMs - this.#monotonicMs,
      keepsAlive,
    }));
  }

  /**
   * Moves the clock forward, and lets the timers fire that become due on the way, those that are set
   * meanwhile, too: in the order of their time, and in the order in which they were set if they have
   * the same. When one fires, the clock shows its time. At the beginning, after each timer, and at the
   * end, all that waits for promises goes on as far as it comes without the outside world: a disk, a
   * network or a real timer are not waited for.
   *
   * A call during another one begins when that has ended.
   *
   * @param ms How far, in milliseconds: an integer of at least 0.
   * @returns When the clock has got there.
   * @throws {ArgumentTypeError | ArgumentRangeError} `INVALID_ARGUMENT` if it is not such an integer.
   * @throws {unknown} What a timer's callback throws: the clock then stands at its time.
   */
  async advance(ms: number): Promise<void> {
    checkInteger(ms, "ms", 0, Number.MAX_SAFE_INTEGER, "advance test clock");
    const advanced = this.#advanced.then(() => this.#advance(ms));
    this.#advanced = advanced.catch(() => {});
    await advanced;
  }

  /**
   * Sets the time of day, as an administrator does. Timers do not heed it.
   *
   * @param now The time of day.
   * @throws {ArgumentTypeError | ArgumentRangeError} `INVALID_ARGUMENT` if it is not a valid date.
   */
  setTime(now: Date): void {
    this.#offsetMs = checkDate(now, "now", "set time of test clock") - this.#monotonicMs;
  }

  async #advance(ms: number): Promise<void> {
    await turn();
    const endMs = this.#monotonicMs + ms;
    for (;;) {
      const [next] = this.#timers;
      if (next !== undefined && next.atMs <= endMs) {
        this.#timers.shift();
        this.#monotonicMs = next.atMs;
        next.callback();
      } else if (this.#monotonicMs < endMs) {
        this.#monotonicMs = endMs;
      } else {
        return;
      }
      await turn();
    }
  }
}

/** By then all promise reactions have run, however many follow from each other. */
function turn(): Promise<void> {
  return new Promise((resolve) => setRealTimeout(resolve, 0));
}
