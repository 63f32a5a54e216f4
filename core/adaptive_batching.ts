/**
 * How large a batch should be, found out from how long commits take and how fast messages arrive.
 *
 * @module
 */

const COMMIT_TIME_WEIGHT = 0.25;
/** Over how many commits arrivals are averaged: few, so that a burst is noticed while it lasts. */
const RATE_COMMITS = 4;
/** No timer is finer. Commits that are quicker group what arrives meanwhile by themselves. */
const MIN_WAIT_MS = 1;

/** How long commits take: a moving average, in which the latest one weighs a quarter. */
export class CommitTime {
  #averageMs: number | undefined;

  /** The average in milliseconds; 0 before the first commit. */
  get averageMs(): number {
    return this.#averageMs ?? 0;
  }

  /**
   * Takes another commit into account.
   *
   * @param ms How long it took, in milliseconds.
   */
  observe(ms: number): void {
    const before = this.#averageMs ?? ms;
    this.#averageMs = before + COMMIT_TIME_WEIGHT * (ms - before);
  }
}

/**
 * Little's law: on average, `rate × time` messages arrive within a time. A batch of as many as
 * arrive during one commit fills each commit with what came during the one before it. A larger one
 * would wait longer than the commit itself takes, a smaller one would need more commits than there
 * is time for.
 */
export class AdaptiveBatching {
  readonly #commitTime: CommitTime;
  #ratePerMs = 0;
  #arrived = 0;
  #sinceMs: number;

  /**
   * @param commitTime How long commits take.
   * @param nowMs The time, in milliseconds of any steady clock.
   */
  constructor(commitTime: CommitTime, nowMs: number) {
    this.#commitTime = commitTime;
    this.#sinceMs = nowMs;
  }

  /** How many messages a batch should have: what arrives during a commit, at least 1. */
  get size(): number {
    if (this.delayMs === 0) return 1;
    return Math.max(1, Math.ceil(this.#ratePerMs * this.#commitTime.averageMs));
  }

  /** How long a message should wait at most, in milliseconds: as long as a commit takes. */
  get delayMs(): number {
    const { averageMs } = this.#commitTime;
    return averageMs < MIN_WAIT_MS ? 0 : averageMs;
  }

  /**
   * Messages arrive.
   *
   * @param messages How many.
   * @param nowMs The time, by the same clock as before.
   */
  arrive(messages: number, nowMs: number): void {
    const elapsedMs = nowMs - this.#sinceMs;
    // Over less than a commit's time, a rate would be that of the caller's loop.
    const intervalMs = Math.max(this.#commitTime.averageMs, MIN_WAIT_MS);
    if (elapsedMs >= intervalMs) {
      // The longer the interval, the less of what was before it counts: none after a long silence.
      const weight = 1 - Math.exp(-elapsedMs / (RATE_COMMITS * intervalMs));
      this.#ratePerMs += weight * (this.#arrived / elapsedMs - this.#ratePerMs);
      this.#arrived = 0;
      this.#sinceMs = nowMs;
    }
    this.#arrived += messages;
  }
}
