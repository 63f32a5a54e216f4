/**
 * Time limits of many calls at once. A timer for each would cost more than the call, so those with
 * the same limit share one: they expire in the order in which they began.
 *
 * @module
 */

import { Fifo } from "./fifo.ts";

/** The longest delay of a timer, in milliseconds: JavaScript takes longer ones for 1. */
export const MAX_TIMER_MS: number = 2 ** 31 - 1;

/** Kept from fake timers: those of Jest replace it, and run nothing until a test says so. */
const { queueMicrotask: inMicrotask } = globalThis;

/** Fewer calls that have ended are not worth a walk over those that have not. */
const MIN_ENDED = 64;

/** While there are more lines than this, an empty one is not kept for the next call. */
const MAX_KEPT_LINES = 16;

/** The part of a clock that is needed here. */
export interface DeadlineClock {
  /** Milliseconds since some moment, which never go back. */
  monotonic(): number;
  /** Calls back once, after a delay. */
  setTimer(callback: () => void, delayMs: number, keepsAlive: boolean): { cancel(): void };
}

/** The time limit of a call. */
export interface Deadline {
  /** The call has ended: its limit does not matter any more. Idempotent. */
  end(): void;
}

/**
 * When calls began. Those that are made in one go have one in common: to look at the clock costs as
 * much as a good part of a call.
 */
interface Beginning {
  /** At first that of the first call, in the end a moment after all of them: nobody is too early. */
  ms: number;
  isShared: boolean;
}

interface Line {
  readonly limitMs: number;
  readonly waiting: Fifo<Entry>;
  /** How many of those in the line have not ended. */
  open: number;
  timer: { cancel(): void } | undefined;
}

class Entry implements Deadline {
  readonly #deadlines: Deadlines;
  readonly #line: Line;
  readonly #beginning: Beginning;
  #onExpire: (() => void) | undefined;

  constructor(deadlines: Deadlines, line: Line, beginning: Beginning, onExpire: () => void) {
    this.#deadlines = deadlines;
    this.#line = line;
    this.#beginning = beginning;
    this.#onExpire = onExpire;
  }

  get atMs(): number {
    return this.#beginning.ms + this.#line.limitMs;
  }

  get hasEnded(): boolean {
    return this.#onExpire === undefined;
  }

  end(): void {
    if (!this.#onExpire) return;
    this.#onExpire = undefined;
    this.#deadlines.ended(this.#line);
  }

  expire(): void {
    const onExpire = this.#onExpire;
    this.end();
    onExpire?.();
  }
}

/** The time limits of the calls of one object. Without an open call it holds no timer. */
export class Deadlines {
  readonly #clock: DeadlineClock;
  readonly #lines = new Map<number, Line>();
  /** That of the calls that are being made, until the caller has returned. */
  #beginning: Beginning | undefined;
  readonly #endBeginning = (): void => {
    if (this.#beginning?.isShared) this.#beginning.ms = this.#clock.monotonic();
    this.#beginning = undefined;
  };

  /** @param clock What wakes. A process waits for the deadlines of open calls. */
  constructor(clock: DeadlineClock) {
    this.#clock = clock;
  }

  /**
   * Watches a call.
   *
   * @param limitMs How long it may take, in milliseconds, from 1 to {@linkcode MAX_TIMER_MS}.
   * @param onExpire Called if it has not ended by then.
   * @returns Its deadline.
   */
  watch(limitMs: number, onExpire: () => void): Deadline {
    let line = this.#lines.get(limitMs);
    if (!line) {
      line = { limitMs, waiting: new Fifo(), open: 0, timer: undefined };
      this.#lines.set(limitMs, line);
    }
    const entry = new Entry(this, line, this.#begin(), onExpire);
    line.waiting.push(entry);
    line.open++;
    if (!line.timer) this.#startTimer(line);
    return entry;
  }

  /**
   * A call has ended. For {@linkcode Deadline} only.
   *
   * @param line Its line.
   */
  ended(line: Line): void {
    line.open--;
    forgetEnded(line.waiting);
    if (line.open === 0) {
      line.timer?.cancel();
      line.timer = undefined;
      if (this.#lines.size > MAX_KEPT_LINES) this.#forget(line);
      return;
    }
    // Those that have ended wait after an older one that has not: they must not pile up there.
    if (line.waiting.length > 2 * line.open + MIN_ENDED) {
      line.waiting.retain((entry) => !entry.hasEnded);
    }
  }

  #begin(): Beginning {
    if (this.#beginning) {
      this.#beginning.isShared = true;
      return this.#beginning;
    }
    const beginning = { ms: this.#clock.monotonic(), isShared: false };
    // It may throw if the caller is at the end of its stack.
    inMicrotask(this.#endBeginning);
    return this.#beginning = beginning;
  }

  #forget(line: Line): void {
    if (this.#lines.get(line.limitMs) === line) this.#lines.delete(line.limitMs);
  }

  #startTimer(line: Line): void {
    const next = line.waiting.first;
    if (!next) return;
    const delayMs = Math.max(1, Math.ceil(next.atMs - this.#clock.monotonic()));
    line.timer = this.#clock.setTimer(() => this.#expire(line), delayMs, true);
  }

  #expire(line: Line): void {
    line.timer = undefined;
    const nowMs = this.#clock.monotonic();
    for (let next = line.waiting.first; next; next = line.waiting.first) {
      if (!next.hasEnded && next.atMs > nowMs) break;
      line.waiting.shift();
      next.expire();
    }
    if (line.open > 0 && !line.timer) this.#startTimer(line);
  }
}

/** Most calls end in the order in which they began, so each usually leaves the line at once. */
function forgetEnded(waiting: Fifo<Entry>): void {
  while (waiting.first?.hasEnded) waiting.shift();
}
