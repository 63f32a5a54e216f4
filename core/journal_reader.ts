/**
 * Reading a journal: frame by frame, in bounded pages, and never past a hole.
 *
 * @module
 */

import { PersistenceError } from "./errors.ts";
import { FrameCursor, openFrame, type StoredFrame } from "./frame.ts";
import { loadHead, type StoredHead } from "./head.ts";
import type { JournalEntry } from "./journal.ts";
import { numberedKey, numberedKeysEnd } from "./keys.ts";
import type { Payloads } from "./payloads.ts";
import type { Storage } from "./storage.ts";

/** Pages begin small, so that a look at a few entries stays cheap, and grow for a long replay. */
const FIRST_PAGE_BYTES = 16_384;
const MAX_PAGE_BYTES = 1_048_576;
const MAX_PAGE_FRAMES = 1_024;

/** Which entries are read. */
export interface ReadBounds {
  /** The lowest sequence number. */
  readonly from: number;
  /** The highest sequence number. */
  readonly to: number;
  /** At most this many entries. */
  readonly limit: number;
}

/** Where the entries of a page are. */
interface FramePart {
  readonly frame: StoredFrame;
  readonly from: number;
  readonly to: number;
}

/** Some entries, decoded one by one as they are asked for: so they need not be kept in memory. */
export class EntryPage<Message> {
  /** How many entries it has. */
  readonly length: number;

  readonly #payloads: Payloads;
  readonly #parts: readonly FramePart[];
  #nextPart = 0;
  #cursor: FrameCursor | undefined;

  /**
   * @param payloads What decodes the messages.
   * @param parts Where the entries are, in order.
   */
  constructor(payloads: Payloads, parts: readonly FramePart[]) {
    this.#payloads = payloads;
    this.#parts = parts;
    this.length = parts.reduce((sum, { from, to }) => sum + to - from + 1, 0);
  }

  /**
   * The next entry.
   *
   * @returns The entry, or `undefined` where there are no more.
   * @throws {PersistenceError} `CORRUPT`, `UNKNOWN_SCHEMA`, `UPCAST_FAILED`, `VALIDATION_FAILED`.
   */
  next(): JournalEntry<Message> | undefined {
    while (!this.#cursor?.advance()) {
      const part = this.#parts[this.#nextPart++];
      if (!part) return undefined;
      this.#cursor = new FrameCursor(part.frame, part.from, part.to);
    }
    const { actorId, sequenceNumber, timeMs } = this.#cursor;
    // What was stored is what the journal's user declared it to be.
    const message = this.#payloads.decode(this.#cursor) as Message;
    const timestamp = new Date(timeMs);
    const schema = this.#payloads.decodedSchema;
    return schema
      ? { actorId, sequenceNumber, message, timestamp, schema }
      : { actorId, sequenceNumber, message, timestamp };
  }
}

interface PageBounds extends ReadBounds {
  readonly maxBytes: number;
  /** Whether the page may begin inside a frame. Every page but the first begins with a frame. */
  readonly insideFrame: boolean;
}

/** Reads the journals of a storage. */
export class JournalReader {
  readonly #storage: Storage;
  readonly #payloads: Payloads;

  /**
   * @param storage Where from.
   * @param payloads What decodes the messages.
   */
  constructor(storage: Storage, payloads: Payloads) {
    this.#storage = storage;
    this.#payloads = payloads;
  }

  /**
   * The highest sequence number that an actor's journal has given out.
   *
   * @param actorId The actor.
   * @param key The actor's key.
   * @returns The sequence number, -1 where there is none yet.
   */
  async highestSequenceNumber(actorId: string, key: Uint8Array): Promise<number> {
    const head = await loadHead(this.#storage, actorId, key);
    return head.nextSequenceNumber - 1;
  }

  /**
   * Reads what was committed when the reading began.
   *
   * @param actorId The actor.
   * @param key The actor's key.
   * @param bounds Which entries.
   * @returns Pages of entries, none of them empty, in ascending order.
   * @throws {PersistenceError} `CORRUPT` at a hole, a duplicate or damage; `TRUNCATED` where
   *   entries that were still to come have been truncated meanwhile.
   */
  async *pages<Message>(
    actorId: string,
    key: Uint8Array,
    bounds: ReadBounds,
  ): AsyncGenerator<EntryPage<Message>> {
    const head = await loadHead(this.#storage, actorId, key);
    const begin = Math.max(bounds.from, head.firstSequenceNumber);
    const last = Math.min(bounds.to, head.nextSequenceNumber - 1);
    let next = begin;
    let remaining = bounds.limit;
    let pageBytes = FIRST_PAGE_BYTES;
    while (next <= last && remaining > 0) {
      if (next >= head.tailSequenceNumber) {
        yield this.#readTail<Message>(
          actorId,
          key,
          head,
          next,
          Math.min(last, next + remaining - 1),
        );
        return;
      }
      const page = await this.#readPage<Message>(actorId, key, {
        from: next,
        to: Math.min(last, head.tailSequenceNumber - 1),
        limit: remaining,
        maxBytes: pageBytes,
        insideFrame: next === begin,
      });
      if (page.length === 0) {
        const first = await this.#truncatedTo(actorId, key, next);
        // Nothing has been handed out yet: the same as if the reading had begun a moment later.
        if (next !== begin) throw truncatedMeanwhile(actorId, next, first);
        yield* this.pages(actorId, key, { ...bounds, from: first, to: last });
        return;
      }
      yield page;
      next += page.length;
      remaining -= page.length;
      pageBytes = Math.min(2 * pageBytes, MAX_PAGE_BYTES);
    }
  }

  /** The entries that stand in the head. */
  #readTail<Message>(
    actorId: string,
    key: Uint8Array,
    { tail, tailSequenceNumber, nextSequenceNumber }: StoredHead,
    from: number,
    to: number,
  ): EntryPage<Message> {
    const frame = openFrame(actorId, numberedKey(key, nextSequenceNumber - 1), tail);
    if (frame.firstSequenceNumber !== tailSequenceNumber) throw misplaced(actorId, from);
    return new EntryPage(this.#payloads, [{ frame, from, to }]);
  }

  /** One page of entries from a sequence number on; empty where that one is not there. */
  async #readPage<Message>(
    actorId: string,
    key: Uint8Array,
    { from, to, limit, maxBytes, insideFrame }: PageBounds,
  ): Promise<EntryPage<Message>> {
    const stored = await this.#storage.scan("entries", {
      start: numberedKey(key, from),
      end: numberedKeysEnd(key),
      maxEntries: Math.min(limit, MAX_PAGE_FRAMES),
      maxBytes,
    });
    const last = Math.min(to, from + limit - 1);
    const parts: FramePart[] = [];
    let next = from;
    for (const { key: frameKey, value } of stored) {
      if (next > last) break;
      const frame = openFrame(actorId, frameKey, value);
      const fits = insideFrame && parts.length === 0
        ? frame.firstSequenceNumber <= next
        : frame.firstSequenceNumber === next;
      // The page ends before the hole; the next one then begins at it, and finds out what it is.
      if (!fits) break;
      const end = Math.min(last, frame.lastSequenceNumber);
      parts.push({ frame, from: next, to: end });
      next = end + 1;
    }
    return new EntryPage(this.#payloads, parts);
  }

  /** Where the journal begins now, if that is why an entry is not there; otherwise it is a hole. */
  async #truncatedTo(actorId: string, key: Uint8Array, missing: number): Promise<number> {
    const { firstSequenceNumber } = await loadHead(this.#storage, actorId, key);
    if (firstSequenceNumber > missing) return firstSequenceNumber;
    throw misplaced(actorId, missing);
  }
}

function misplaced(actorId: string, missing: number): PersistenceError {
  return new PersistenceError(
    "CORRUPT",
    `Cannot read journal of actor "${actorId}": the entry at ${missing} is not where it should be`,
    { actorId, sequenceNumber: missing },
  );
}

function truncatedMeanwhile(actorId: string, missing: number, first: number): PersistenceError {
  return new PersistenceError(
    "TRUNCATED",
    `Cannot read journal of actor "${actorId}": the entry at ${missing} has been truncated meanwhile, the journal now begins at ${first}`,
    { actorId, sequenceNumber: missing },
  );
}
