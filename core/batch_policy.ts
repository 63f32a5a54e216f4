/**
 * When the messages of a batched journal go out: as soon as enough of them wait, or the first of
 * them has waited long enough.
 *
 * @module
 */

/** Messages of one journal that wait to go out together. */
export interface WaitingBatch<Actor> {
  readonly policy: BatchPolicy<Actor>;
  readonly actors: Set<Actor>;
  readonly sinceMs: number;
  messages: number;
}

/**
 * The batch policy of one journal.
 *
 * @typeParam Actor What stands for an actor.
 */
export class BatchPolicy<Actor> {
  readonly #release: (actors: Iterable<Actor>) => void;
  #maxSize: number;
  #maxDelayMs: number;
  #batch: WaitingBatch<Actor> | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /**
   * @param maxSize How many messages may wait: an integer of at least 1.
   * @param maxDelayMs How long the first one may wait, in milliseconds: from 0 to 2^31 - 1.
   * @param release Called with the actors whose messages are to go out.
   */
  constructor(
    maxSize: number,
    maxDelayMs: number,
    release: (actors: Iterable<Actor>) => void,
  ) {
    this.#maxSize = maxSize;
    this.#maxDelayMs = maxDelayMs;
    this.#release = release;
  }

  /** How many messages may wait. What waits already goes out where it is too much now. */
  get maxSize(): number {
    return this.#maxSize;
  }

  set maxSize(maxSize: number) {
    this.#maxSize = maxSize;
    this.#releaseIfFull();
  }

  /** How long the first message may wait, in milliseconds. It holds for what waits already, too. */
  get maxDelayMs(): number {
    return this.#maxDelayMs;
  }

  set maxDelayMs(maxDelayMs: number) {
    this.#maxDelayMs = maxDelayMs;
    if (this.#batch) this.#startTimer(this.#batch.sinceMs + maxDelayMs - performance.now());
  }

  /**
   * Messages of this journal begin to wait.
   *
   * @param actor Whose they are.
   * @param messages How many they are.
   * @returns The batch that they wait in.
   */
  join(actor: Actor, messages: number): WaitingBatch<Actor> {
    const batch = this.#batch ?? this.#startBatch();
    batch.actors.add(actor);
    batch.messages += messages;
    this.#releaseIfFull();
    return batch;
  }

  /**
   * Messages wait no longer: they are being committed, or were cancelled.
   *
   * @param batch The batch that they waited in.
   * @param messages How many they are.
   */
  leave(batch: WaitingBatch<Actor>, messages: number): void {
    batch.messages -= messages;
    if (batch.messages === 0 && batch === this.#batch) this.#endBatch();
  }

  /** Lets everything that waits go out now. */
  release(): void {
    const batch = this.#batch;
    if (!batch) return;
    this.#endBatch();
    this.#release(batch.actors);
  }

  #releaseIfFull(): void {
    if (this.#batch && this.#batch.messages >= this.#maxSize) this.release();
  }

  #startBatch(): WaitingBatch<Actor> {
    this.#startTimer(this.#maxDelayMs);
    this.#batch = { policy: this, actors: new Set(), sinceMs: performance.now(), messages: 0 };
    return this.#batch;
  }

  #endBatch(): void {
    clearTimeout(this.#timer);
    this.#batch = undefined;
  }

  #startTimer(delayMs: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.release(), Math.max(0, delayMs));
  }
}
