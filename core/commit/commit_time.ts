/**
 * How long commits take.
 *
 * @module
 */

const COMMIT_TIME_WEIGHT = 0.25;

/** How long commits take: a moving average, in which the latest commit weighs a quarter. */
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
