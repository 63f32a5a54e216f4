/**
 * Pages of entries, which are decoded one by one.
 *
 * @module
 */

import { FrameCursor, type StoredFrame } from "../format/frame.ts";
import { ReverseFrameCursor } from "../format/reverse_frame_cursor.ts";
import type { JournalEntry } from "../ports/journal.ts";
import type { PayloadReader } from "../schema/payloads.ts";

/** The entries of a frame that belong to a page. */
export interface FramePart {
  /** The frame. */
  readonly frame: StoredFrame;
  /** The lowest sequence number, inclusive. */
  readonly from: number;
  /** The highest sequence number, inclusive. */
  readonly to: number;
}

/**
 * A page of entries. Each entry is decoded only when it is requested, so the entries need not all
 * be in memory.
 *
 * @typeParam Message The type of the messages.
 */
export class EntryPage<Message> {
  /** The number of its entries. */
  readonly length: number;

  readonly #payloads: PayloadReader;
  readonly #parts: readonly FramePart[];
  readonly #reverse: boolean;
  #nextPart = 0;
  #cursor: FrameCursor | ReverseFrameCursor | undefined;

  /**
   * Creates a page.
   *
   * @param payloads Decodes the messages.
   * @param parts The frames with the entries, in the order in which they are read.
   * @param reverse Whether the entries of each frame are read from the last one down.
   */
  constructor(payloads: PayloadReader, parts: readonly FramePart[], reverse: boolean) {
    this.#payloads = payloads;
    this.#parts = parts;
    this.#reverse = reverse;
    this.length = parts.reduce((sum, { from, to }) => sum + to - from + 1, 0);
  }

  /**
   * Decodes the next entry.
   *
   * @returns The entry, or `undefined` if there are no more.
   * @throws {PersistenceError} `CORRUPT`, `UNKNOWN_SCHEMA`, `UPCAST_FAILED`, `VALIDATION_FAILED`.
   */
  next(): JournalEntry<Message> | undefined {
    while (!this.#cursor?.advance()) {
      const part = this.#parts[this.#nextPart++];
      if (!part) return undefined;
      const { frame, from, to } = part;
      this.#cursor = this.#reverse
        ? new ReverseFrameCursor(frame, from, to)
        : new FrameCursor(frame, from, to);
    }
    const { actor: { actorId }, sequenceNumber, timeMs } = this.#cursor;
    const { value, schema, metadata, isErased } = this.#payloads.decode(this.#cursor);
    // The caller declares the type of the stored messages.
    const message = value as Message;
    const timestamp = new Date(timeMs);
    const entry = schema
      ? { actorId, sequenceNumber, message, timestamp, schema }
      : { actorId, sequenceNumber, message, timestamp };
    if (isErased) return { ...entry, isErased };
    return metadata ? { ...entry, metadata } : entry;
  }
}
