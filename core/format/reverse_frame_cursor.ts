/**
 * Reads frames from their last entry down.
 *
 * @module
 */

import type { ActorAddress } from "./actor_address.ts";
import { FrameCursor, type StoredFrame } from "./frame.ts";

/** How many numbers are remembered of an entry: its time, and where its payload starts and ends. */
const NUMBERS_PER_ENTRY = 3;

/**
 * Iterates over the entries of a frame from the last one down, like {@linkcode FrameCursor} in the
 * other direction. An entry says only how long it is, so the frame is walked once from its start.
 */
export class ReverseFrameCursor {
  /** The sequence number of the current entry. */
  sequenceNumber: number;
  /** The time of the current entry, in milliseconds since 1970. */
  timeMs = 0;
  /** The offset of the current payload in the bytes of the frame. */
  payloadStart = 0;
  /** The offset after the current payload. */
  payloadEnd = 0;

  /** The actor. */
  readonly actor: ActorAddress;
  /** The record of the frame. */
  readonly bytes: Uint8Array;
  /** Of all entries to visit, in ascending order; those that have been visited are taken off. */
  readonly #entries: number[] = [];

  /**
   * Creates a cursor that stands after the last entry to visit.
   *
   * @param frame The frame.
   * @param from The lowest sequence number to visit.
   * @param to The highest sequence number to visit.
   * @throws {PersistenceError} `CORRUPT` if the frame is malformed before the end of these entries.
   */
  constructor(frame: StoredFrame, from: number, to: number) {
    this.actor = frame.actor;
    this.bytes = frame.bytes;
    const cursor = new FrameCursor(frame, from, to);
    while (cursor.advance()) {
      this.#entries.push(cursor.timeMs, cursor.payloadStart, cursor.payloadEnd);
    }
    this.sequenceNumber = cursor.sequenceNumber + 1;
  }

  /**
   * Moves to the entry before.
   *
   * @returns Whether there is one.
   */
  advance(): boolean {
    if (this.#entries.length === 0) return false;
    const [timeMs = 0, start = 0, end = 0] = this.#entries.splice(-NUMBERS_PER_ENTRY);
    this.sequenceNumber--;
    this.timeMs = timeMs;
    this.payloadStart = start;
    this.payloadEnd = end;
    return true;
  }
}
