/**
 * When the next commit starts. Callers that the previous commit woke append again within a few
 * microtasks, so it is worth waiting until they fall quiet: they then share a flush. If their
 * messages take longer to encode than a commit takes, it is not: then encoding and flushing overlap.
 *
 * @module
 */

import type { CommitTime } from "./commit_time.ts";

/**
 * The callers are quiet when none has called for this many microtasks: those that were woken by the
 * previous commit append again within a few of them, and so share the next flush.
 */
const QUIET_MICROTASKS = 4;
/** Shorter or smaller commits are not worth overlapping. */
const MIN_OVERLAP_MS = 0.5;
const MIN_OVERLAP_BYTES = 16_384;
/**
 * Start the next commit once this share of the previous commit's bytes is waiting. A smaller share
 * makes commits of very different sizes, and the small ones do not fill the time; with a larger one,
 * no commit starts before the callers of the commit in flight have appended again.
 */
const MIN_SHARE = 2 / 3;

/** Decides when the next commit starts, by how long commits and encoding have taken. */
export class CommitPacer {
  readonly #commitTime: CommitTime;
  /** Counts calls. */
  #arrivals = 0;
  #waitingBytes = 0;
  #previousBytes = 0;
  #fillMsPerByte = 0;

  /**
   * @param commitTime How long commits take.
   */
  constructor(commitTime: CommitTime) {
    this.#commitTime = commitTime;
  }

  /** A call has been made: the callers are not quiet. */
  arrive(): void {
    this.#arrivals++;
  }

  /**
   * Messages have joined those that wait to be committed.
   *
   * @param bytes How many bytes they have.
   */
  join(bytes: number): void {
    this.#waitingBytes += bytes;
  }

  /** A commit starts, with all messages that wait. */
  startCommit(): void {
    this.#previousBytes = this.#waitingBytes;
    this.#waitingBytes = 0;
  }

  /**
   * Whether the next commit starts without waiting for the callers of the previous one: about as
   * many bytes wait as that one had, and all of them together take longer to encode than a commit
   * takes.
   */
  get mustNotWait(): boolean {
    if (this.#waitingBytes < MIN_OVERLAP_BYTES) return false;
    const fillMs = (this.#waitingBytes + this.#previousBytes) * this.#fillMsPerByte;
    return this.#waitingBytes >= MIN_SHARE * this.#previousBytes && fillMs > this.#commitMs;
  }

  /**
   * Waits until the callers are quiet, or as long as a commit takes.
   *
   * @param admission Ends the wait if an operation waits for room, which only a commit makes.
   * @returns When the next commit is to start.
   */
  async waitForQuiet(admission: { readonly hasWaiters: boolean }): Promise<void> {
    const sinceMs = performance.now();
    const sinceBytes = this.#waitingBytes;
    for (let quiet = 0; quiet < QUIET_MICROTASKS && !admission.hasWaiters; quiet++) {
      const before = this.#arrivals;
      await undefined;
      if (this.#arrivals === before) continue;
      if (this.#isOverdue(sinceMs)) break;
      quiet = -1;
    }
    const bytes = this.#waitingBytes - sinceBytes;
    if (bytes > 0) this.#fillMsPerByte = (performance.now() - sinceMs) / bytes;
  }

  #isOverdue(sinceMs: number): boolean {
    return this.#waitingBytes >= MIN_OVERLAP_BYTES &&
      performance.now() - sinceMs >= this.#commitMs;
  }

  get #commitMs(): number {
    return Math.max(MIN_OVERLAP_MS, this.#commitTime.averageMs);
  }
}
