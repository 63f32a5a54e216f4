/**
 * When a commit goes out. Those who were just answered append again within a few microtasks, so it
 * is worth waiting until the callers have fallen quiet: they then share a flush. It is not worth it
 * where their messages take longer to encode than a commit takes: then encoding and flushing go on
 * side by side.
 *
 * @module
 */

import type { CommitTime } from "./adaptive_batching.ts";

/** Quicker and smaller commits are not worth the bother of a second one. */
const MIN_OVERLAP_MS = 0.5;
const MIN_OVERLAP_BYTES = 16_384;
/**
 * What goes out has at least this part of what went out before. Less makes commits of very different
 * sizes, of which the small ones do not fill the time; with more, nothing goes out before those have
 * come who wait for the commit in flight.
 */
const MIN_SHARE = 2 / 3;

/** Decides when a commit goes out, by how long commits and encoding have taken. */
export class SubmissionPoint {
  readonly #commitTime: CommitTime;
  #waitingBytes = 0;
  #submittedBytes = 0;
  #fillMsPerByte = 0;
  #fillSinceMs = 0;
  #fillSinceBytes = 0;

  /**
   * @param commitTime How long commits take.
   */
  constructor(commitTime: CommitTime) {
    this.#commitTime = commitTime;
  }

  /**
   * Messages have joined what waits.
   *
   * @param bytes How many bytes they have.
   */
  join(bytes: number): void {
    this.#waitingBytes += bytes;
  }

  /** What waits goes out. */
  submit(): void {
    this.#submittedBytes = this.#waitingBytes;
    this.#waitingBytes = 0;
  }

  /**
   * Whether what waits goes out without waiting for those whose messages went out before: there is
   * about as much of it, and all of it together would take longer to encode than a commit takes.
   */
  get isReached(): boolean {
    if (this.#waitingBytes < MIN_OVERLAP_BYTES) return false;
    const fillMs = (this.#waitingBytes + this.#submittedBytes) * this.#fillMsPerByte;
    return this.#waitingBytes >= MIN_SHARE * this.#submittedBytes && fillMs > this.#commitMs;
  }

  /** The callers are being waited for. */
  startFilling(): void {
    this.#fillSinceMs = performance.now();
    this.#fillSinceBytes = this.#waitingBytes;
  }

  /** Whether the callers have been waited for as long as a commit takes. */
  get isOverdue(): boolean {
    return this.#waitingBytes >= MIN_OVERLAP_BYTES &&
      performance.now() - this.#fillSinceMs >= this.#commitMs;
  }

  /** The callers are no longer waited for. */
  stopFilling(): void {
    const bytes = this.#waitingBytes - this.#fillSinceBytes;
    if (bytes > 0) this.#fillMsPerByte = (performance.now() - this.#fillSinceMs) / bytes;
  }

  get #commitMs(): number {
    return Math.max(MIN_OVERLAP_MS, this.#commitTime.averageMs);
  }
}
