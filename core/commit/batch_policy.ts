/**
 * When the messages of a batched journal are committed: as soon as enough of them wait, in number or
 * in bytes, or the first of them has waited long enough.
 *
 * @module
 */

import type { CommitTime } from "./commit_time.ts";

/** Over how many commits arrivals are averaged: few, so that a burst is noticed while it lasts. */
const RATE_COMMITS = 4;
/** No timer is finer. Shorter commits group what arrives meanwhile by themselves. */
const MIN_WAIT_MS = 1;

/**
 * Messages of one journal that wait to be committed together.
 *
 * @typeParam Actor What stands for an actor.
 */
export interface WaitingBatch<Actor> {
  /** The batch policy of the journal. */
  readonly policy: BatchPolicy<Actor>;
  /** The actors that the messages belong to. */
  readonly actors: Set<Actor>;
  /** When the first message joined, by `performance.now()`. */
  readonly sinceMs: number;
  /** How many messages wait. */
  messages: number;
  /** How many bytes they have. */
  bytes: number;
}

/** How much may wait, and how long. */
export interface BatchLimits {
  /** How many messages: an integer of at least 1. */
  readonly maxSize: number;
  /** How many bytes of encoded messages: an integer of at least 1. */
  readonly maxBytes: number;
  /** How long the first message may wait, in milliseconds: from 0 to 2^31 - 1. */
  readonly maxDelayMs: number;
  /** Whether batches are smaller and wait less if commit time and arrival rate suggest it. */
  readonly adaptive: boolean;
}

/**
 * The batch policy of one journal.
 *
 * @typeParam Actor What stands for an actor.
 */
export class BatchPolicy<Actor> {
  readonly #commitTime: CommitTime;
  readonly #release: (actors: Iterable<Actor>) => void;
  #limits: BatchLimits;
  #adaptive: AdaptiveBatching | undefined;
  #batch: WaitingBatch<Actor> | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /**
   * @param limits How much may wait, and how long.
   * @param commitTime How long commits take.
   * @param release Called with the actors whose messages are to be committed.
   */
  constructor(
    limits: BatchLimits,
    commitTime: CommitTime,
    release: (actors: Iterable<Actor>) => void,
  ) {
    this.#commitTime = commitTime;
    this.#release = release;
    this.#limits = limits;
    if (limits.adaptive) this.#adapt();
  }

  /** How much may wait, and how long. */
  get limits(): BatchLimits {
    return this.#limits;
  }

  /**
   * Changes some of the limits. They hold for the batch that waits, too: it is released if it is too
   * large now, or has waited too long.
   *
   * @param changes The limits that change.
   */
  change(changes: Partial<BatchLimits>): void {
    this.#limits = { ...this.#limits, ...changes };
    if (!this.#limits.adaptive) this.#adaptive = undefined;
    else if (!this.#adaptive) this.#adapt();
    if (this.#isFull()) this.release();
    else if (this.#batch) this.#startTimer(this.#batch.sinceMs);
  }

  /**
   * Adds messages to the batch that waits, which may be released by that.
   *
   * @param actor The actor that they belong to.
   * @param messages How many messages.
   * @param bytes How many bytes they have.
   * @returns The batch that they joined.
   */
  join(actor: Actor, messages: number, bytes: number): WaitingBatch<Actor> {
    const batch = this.#batch ?? this.#newBatch();
    const isFirst = batch !== this.#batch;
    this.#batch = batch;
    batch.actors.add(actor);
    batch.messages += messages;
    batch.bytes += bytes;
    this.#adaptive?.arrive(messages, performance.now());
    if (this.#isFull()) this.release();
    else if (isFirst) this.#startTimer(batch.sinceMs);
    return batch;
  }

  /**
   * Takes messages out of a batch: they are being committed, or were cancelled.
   *
   * @param batch The batch that they joined.
   * @param messages How many messages.
   * @param bytes How many bytes they have.
   */
  leave(batch: WaitingBatch<Actor>, messages: number, bytes: number): void {
    batch.messages -= messages;
    batch.bytes -= bytes;
    if (batch.messages === 0 && batch === this.#batch) this.#endBatch();
  }

  /** Releases the batch that waits, if one does. */
  release(): void {
    const batch = this.#batch;
    if (!batch) return;
    this.#endBatch();
    this.#release(batch.actors);
  }

  #adapt(): void {
    this.#adaptive = new AdaptiveBatching(this.#commitTime, performance.now());
  }

  #isFull(): boolean {
    if (!this.#batch) return false;
    const { messages, bytes } = this.#batch;
    const { maxSize, maxBytes } = this.#limits;
    return messages >= Math.min(maxSize, this.#adaptive?.size ?? maxSize) || bytes >= maxBytes;
  }

  #newBatch(): WaitingBatch<Actor> {
    return { policy: this, actors: new Set(), sinceMs: performance.now(), messages: 0, bytes: 0 };
  }

  #endBatch(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#batch = undefined;
  }

  #startTimer(sinceMs: number): void {
    clearTimeout(this.#timer);
    const { maxDelayMs } = this.#limits;
    const delayMs = Math.min(maxDelayMs, this.#adaptive?.delayMs ?? maxDelayMs);
    const leftMs = Math.max(0, sinceMs + delayMs - performance.now());
    this.#timer = setTimeout(() => this.release(), leftMs);
  }
}

/**
 * The size of batches by Little's law: on average, `rate × time` messages arrive within a time. A
 * batch of as many messages as arrive during one commit fills each commit with what arrived during
 * the previous one. A larger batch would wait longer than the commit itself takes, smaller ones would
 * need more commits than there is time for.
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

  /** How many messages a batch should have: as many as arrive during a commit, at least 1. */
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
   * Takes arriving messages into account.
   *
   * @param messages How many.
   * @param nowMs The time, by the clock of the constructor's `nowMs`.
   */
  arrive(messages: number, nowMs: number): void {
    const elapsedMs = nowMs - this.#sinceMs;
    // Over less than a commit's time, the rate would be that of the caller's loop.
    const intervalMs = Math.max(this.#commitTime.averageMs, MIN_WAIT_MS);
    if (elapsedMs >= intervalMs) {
      // The longer the interval, the less the rate before it counts: not at all after a long silence.
      const weight = 1 - Math.exp(-elapsedMs / (RATE_COMMITS * intervalMs));
      this.#ratePerMs += weight * (this.#arrived / elapsedMs - this.#ratePerMs);
      this.#arrived = 0;
      this.#sinceMs = nowMs;
    }
    this.#arrived += messages;
  }
}
