/**
 * Time limits of many calls at once. A timer for each would cost more than the call, so those with
 * the same limit share one: they end in the order in which they began.
 *
 * @module
 */

/** A call that must end in time. */
export interface Timed {
  /** Whether it has ended, so that its limit does not matter any more. */
  readonly ended: boolean;
  /** Called when it has not ended in time. */
  expire(): void;
}

interface Line {
  readonly waiting: { readonly call: Timed; readonly atMs: number }[];
  /** Where the line begins. */
  first: number;
  timer: ReturnType<typeof setTimeout> | undefined;
}

/** So many that have ended are worth closing the gap at the beginning of a line. */
const MIN_GAP = 64;

/** The time limits of the calls of one object. */
export class Deadlines {
  readonly #lines = new Map<number, Line>();

  /**
   * Watches a call.
   *
   * @param call The call.
   * @param limitMs How long it may take, in milliseconds, up to 2^31 - 1.
   */
  watch(call: Timed, limitMs: number): void {
    let line = this.#lines.get(limitMs);
    if (!line) {
      line = { waiting: [], first: 0, timer: undefined };
      this.#lines.set(limitMs, line);
    }
    // Calls end about in their order, so the line stays short without being searched.
    skipEnded(line);
    line.waiting.push({ call, atMs: performance.now() + limitMs });
    if (line.timer === undefined) this.#startTimer(limitMs, line);
  }

  /** Forgets all calls: every one of them has ended. */
  clear(): void {
    for (const { timer } of this.#lines.values()) clearTimeout(timer);
    this.#lines.clear();
  }

  #startTimer(limitMs: number, line: Line): void {
    const next = line.waiting[line.first];
    if (!next) return;
    const delayMs = Math.max(1, Math.ceil(next.atMs - performance.now()));
    line.timer = setTimeout(() => this.#expire(limitMs, line), delayMs);
  }

  #expire(limitMs: number, line: Line): void {
    line.timer = undefined;
    const nowMs = performance.now();
    for (;;) {
      skipEnded(line);
      const next = line.waiting[line.first];
      if (!next || next.atMs > nowMs) break;
      line.first++;
      next.call.expire();
    }
    if (line.first < line.waiting.length) this.#startTimer(limitMs, line);
    else this.#lines.delete(limitMs);
  }
}

function skipEnded(line: Line): void {
  while (line.waiting[line.first]?.call.ended) line.first++;
  if (line.first < MIN_GAP || line.first < line.waiting.length / 2) return;
  line.waiting.splice(0, line.first);
  line.first = 0;
}
