/**
 * Appends what an actor decides, in runs: while one run is being appended the next is collected, and
 * goes out as one batch, all or none, when the first is durable. So a busy actor shares commits, as
 * bare appends do.
 *
 * One run at a time, because each is decided on the one before. Were both handed to the journal, and
 * another process appended exactly as many entries as the first has, then the first would be refused
 * and the second, whose expectation is met by chance, would not.
 *
 * @module
 */

import type { MessageJournal } from "./journal.ts";
import { Fifo } from "./mailbox.ts";

/**
 * A run is appended when nothing has joined it for this many microtasks: those who were answered by
 * the last one ask again within a few of them. The commit queue of the journal waits likewise.
 */
const QUIET_MICROTASKS = 4;
/** As many entries as a frame of the journal has at the most. */
const MAX_PARTS = 4_096;

/** What is appended together or not at all. */
export interface Part {
  /** The entries, at least one. */
  readonly stored: readonly unknown[];
  /** The sequence number of the last one. It is final when the part has been appended. */
  last: number;
}

/** What a writer tells. */
export interface WriterListener<P extends Part> {
  /** These parts are durable. */
  landed(parts: readonly P[]): void;
  /** These parts have failed; what was collected behind them will not be appended. */
  crashed(parts: readonly P[], error: unknown): void;
}

/** Appends to the journal of one actor. */
export class ActorWriter<P extends Part> {
  readonly #actorId: string;
  readonly #journal: MessageJournal<unknown>;
  readonly #listener: WriterListener<P>;
  /** The sequence number that the next entry must get. */
  #next = 0;
  #waiting = new Fifo<P>();
  /** Counts what has joined. */
  #joined = 0;
  #writing: Promise<void> | undefined;
  /** Those who must append something before what has been collected. */
  #urgent = 0;
  #isStopped = true;
  /** Fewer after a run that was too large, or had something that cannot be stored. */
  #maxParts = MAX_PARTS;

  /**
   * @param actorId The actor.
   * @param journal Its journal.
   * @param listener Who is told what becomes of parts.
   */
  constructor(actorId: string, journal: MessageJournal<unknown>, listener: WriterListener<P>) {
    this.#actorId = actorId;
    this.#journal = journal;
    this.#listener = listener;
  }

  /** Resolves when nothing is being appended. */
  get idle(): Promise<void> {
    return this.#writing ?? Promise.resolve();
  }

  /** Begins anew: with this sequence number, and nothing collected. */
  reset(next: number): void {
    this.#next = next;
    this.#waiting = new Fifo();
    this.#isStopped = false;
  }

  /** Appends a part behind all others. */
  push(part: P): void {
    this.#waiting.push(part);
    this.#joined++;
    this.#start();
  }

  /**
   * Appends an entry before all parts that are not being appended, wherever the journal ends. Where
   * another process has written meanwhile, the next run finds out.
   *
   * @param stored The entry.
   * @returns Whether it stands right behind what was appended before, when it is durable.
   * @throws {PersistenceError} What the journal rejects with. The parts stay where they are.
   */
  async appendFirst(stored: unknown): Promise<boolean> {
    this.#urgent++;
    try {
      await this.#writing;
      const number = await this.#journal.append(this.#actorId, stored);
      if (number !== this.#next) return false;
      this.#next++;
      return true;
    } finally {
      this.#urgent--;
      this.#start();
    }
  }

  /** Shorter runs from now on, to find what is at fault. Whether that makes sense. */
  shorten(parts: number): boolean {
    this.#maxParts = Math.max(1, Math.floor(parts / 2));
    return parts > 1;
  }

  #start(): void {
    if (this.#writing || this.#isStopped || this.#urgent > 0 || this.#waiting.length === 0) return;
    this.#writing = this.#writeAll().finally(() => {
      this.#writing = undefined;
      this.#start();
    });
  }

  async #writeAll(): Promise<void> {
    for (;;) {
      await this.#waitForQuiet();
      if (this.#isStopped || this.#urgent > 0 || this.#waiting.length === 0) return;
      await this.#writeRun();
    }
  }

  async #waitForQuiet(): Promise<void> {
    for (let quiet = 0; quiet < QUIET_MICROTASKS; quiet++) {
      const before = this.#joined;
      await undefined;
      if (this.#waiting.length >= this.#maxParts) return;
      if (this.#joined !== before) quiet = -1;
    }
  }

  async #writeRun(): Promise<void> {
    const { parts, stored } = this.#take();
    const options = { expectedSequenceNumber: this.#next };
    try {
      if (stored.length === 1) await this.#journal.append(this.#actorId, stored[0], options);
      else await this.#journal.appendBatch(this.#actorId, stored, options);
    } catch (error) {
      this.#isStopped = true;
      return this.#listener.crashed(parts, error);
    }
    this.#next += stored.length;
    this.#maxParts = Math.min(MAX_PARTS, 2 * this.#maxParts);
    this.#listener.landed(parts);
  }

  /** The parts of the next run, which get their sequence numbers. */
  #take(): { parts: P[]; stored: unknown[] } {
    const parts: P[] = [];
    const stored: unknown[] = [];
    while (parts.length < this.#maxParts && stored.length < MAX_PARTS) {
      const part = this.#waiting.shift();
      if (!part) break;
      parts.push(part);
      for (const entry of part.stored) stored.push(entry);
      part.last = this.#next + stored.length - 1;
    }
    return { parts, stored };
  }
}
