/**
 * When the messages of a batched journal go out: as soon as enough of them wait, in number or in
 * bytes, or the first of them has waited long enough.
 *
 * @module
 */

import { AdaptiveBatching, type CommitTime } from "./adaptive_batching.ts";

/** Messages of one journal that wait to go out together. */
export interface WaitingBatch<Actor> {
  readonly policy: BatchPolicy<Actor>;
  readonly actors: Set<Actor>;
  readonly sinceMs: number;
  messages: number;
  bytes: number;
}

/** How much may wait, and how long. */
export interface BatchLimits {
  /** How many messages: an integer of at least 1. */
  readonly maxSize: number;
  /** How many bytes of encoded messages: an integer of at least 1. */
  readonly maxBytes: number;
  /** How long the first one, in milliseconds: from 0 to 2^31 - 1. */
  readonly maxDelayMs: number;
  /** Whether fewer may wait, and not as long, as commit time and arrival rate suggest. */
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
   * @param release Called with the actors whose messages are to go out.
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
   * Changes some of the limits. They hold for what waits already, too: it goes out where it is too
   * much now, or has waited too long.
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
   * Messages of this journal begin to wait.
   *
   * @param actor Whose they are.
   * @param messages How many they are.
   * @param bytes How many bytes they have.
   * @returns The batch that they wait in.
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
   * Messages wait no longer: they are being committed, or were cancelled.
   *
   * @param batch The batch that they waited in.
   * @param messages How many they are.
   * @param bytes How many bytes they have.
   */
  leave(batch: WaitingBatch<Actor>, messages: number, bytes: number): void {
    batch.messages -= messages;
    batch.bytes -= bytes;
    if (batch.messages === 0 && batch === this.#batch) this.#endBatch();
  }

  /** Lets everything that waits go out now. */
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
