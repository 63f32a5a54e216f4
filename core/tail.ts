/**
 * The tail of a journal: its last few entries, as long as they are few. They stand in the head
 * itself, so that a small append writes one record instead of two, and the tails of many actors lie
 * side by side on a few pages. A frame of its own would lie on another page for each actor.
 *
 * @module
 */

import { PersistenceError } from "./errors.ts";
import { OpenFrame, openFrame } from "./frame.ts";

/**
 * How long a tail may become. Of 1,000 actors that append 120 bytes at a time, this one lets commits
 * change the fewest pages: a longer tail is written again more often, a shorter one becomes a frame
 * more often.
 */
export const MAX_TAIL_BYTES = 1_024;

/** A tail belongs to one actor as long as that one is known, so it is not cut from a larger buffer. */
const OWN_MEMORY = { allocate: (length: number): Uint8Array => new Uint8Array(length) };

/** The entries in the head of one journal. */
export class Tail {
  /** The entries; `undefined` where they are damaged, and only kept as they are. */
  readonly #frame: OpenFrame | undefined;
  readonly #damaged: Uint8Array | undefined;

  private constructor(frame: OpenFrame | undefined, damaged: Uint8Array | undefined) {
    this.#frame = frame;
    this.#damaged = damaged;
  }

  /**
   * A tail with the entries of a frame.
   *
   * @param frame The frame, which {@linkcode Tail.takes} has said yes to.
   * @returns The tail.
   */
  static of(frame: OpenFrame): Tail {
    const own = new OpenFrame(frame.baseTimeMs, MAX_TAIL_BYTES, OWN_MEMORY, frame.isTagged);
    own.appendFrame(frame);
    return new Tail(own, undefined);
  }

  /**
   * The tail that was found in a head.
   *
   * @param actorId The actor.
   * @param key The numbered key of its last entry.
   * @param record The record of its entries.
   * @returns The tail.
   */
  static read(actorId: string, key: Uint8Array, record: Uint8Array): Tail {
    try {
      openFrame(actorId, key, record);
      return new Tail(OpenFrame.of(record, OWN_MEMORY), undefined);
    } catch (error) {
      if (!(error instanceof PersistenceError)) throw error;
      // Whoever reads these entries is told. Appending and truncating go on, and change nothing of it.
      return new Tail(undefined, record.slice());
    }
  }

  /**
   * Whether a frame is short enough to stand in a head.
   *
   * @param frame The frame.
   */
  static takes(frame: OpenFrame): boolean {
    return frame.byteLength <= MAX_TAIL_BYTES;
  }

  /**
   * Adds the entries of a frame, if there is room for them.
   *
   * @param frame The frame.
   * @returns Whether they were added.
   */
  add(frame: OpenFrame): boolean {
    if (!this.#frame?.acceptsFrame(frame, MAX_TAIL_BYTES)) return false;
    this.#frame.appendFrame(frame);
    return true;
  }

  /**
   * The record of its entries.
   *
   * @param key The numbered key of its last entry.
   * @returns The record, which shares memory with the tail.
   */
  seal(key: Uint8Array): Uint8Array {
    return this.#frame?.seal(key) ?? this.#damaged ?? new Uint8Array(0);
  }
}
