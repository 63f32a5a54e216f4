/**
 * Finds the frames of consecutive entries, in either direction.
 *
 * @module
 */

import type { ActorAddress } from "../format/actor_address.ts";
import { readFrame } from "../format/frame.ts";
import { entryKey, entryKeysEnd } from "../format/keys.ts";
import type { Storage, StoredEntry } from "../ports/storage.ts";
import type { FramePart } from "./entry_page.ts";

const MAX_PAGE_FRAMES = 1_024;

/** Which frames are read: at least one, if the first entry in the direction exists. */
export interface FrameScan {
  /** The actor. */
  readonly actor: ActorAddress;
  /** The incarnation of its journal. Frames of another one do not count. */
  readonly incarnation: number;
  /** The lowest sequence number, inclusive. It must be below the tail. */
  readonly first: number;
  /** The highest sequence number, inclusive. It must be below the tail. */
  readonly last: number;
  /** The highest sequence number that may stand in the same frame as the last one. */
  readonly end: number;
  /** The page ends with the frame at which the frames have this many bytes together. */
  readonly maxBytes: number;
  /** Whether a frame may extend beyond the entries that are read, on the side where they begin. */
  readonly isInsideFrame: boolean;
}

/**
 * Reads the frames of a page from the lowest sequence number up.
 *
 * @param storage The storage.
 * @param scan Which frames are read.
 * @returns The frames, in ascending order. They end before a gap. None if the first entry is missing.
 * @throws {PersistenceError} `CORRUPT`, `UNSUPPORTED_FORMAT`, `STORAGE_FAILED`.
 */
export async function scanAscending(
  storage: Storage,
  { actor, incarnation, first, last, end, maxBytes, isInsideFrame }: FrameScan,
): Promise<FramePart[]> {
  const stored = await storage.scan("entries", {
    start: entryKey(actor.key, first),
    // What comes after it would be read for nothing.
    end: entryKey(actor.key, end + 1),
    maxEntries: maxFrames(first, last),
    maxBytes,
  });
  const parts: FramePart[] = [];
  let next = first;
  for (const entry of stored) {
    if (next > last || entry.version !== incarnation) break;
    const frame = readFrame(actor, entry.key, entry.value);
    const fits = isInsideFrame && parts.length === 0
      ? frame.firstSequenceNumber <= next
      : frame.firstSequenceNumber === next;
    // The page ends before the gap. The next page begins at it and finds out the reason.
    if (!fits) break;
    const to = Math.min(last, frame.lastSequenceNumber);
    parts.push({ frame, from: next, to });
    next = to + 1;
  }
  return parts;
}

/**
 * Reads the frames of a page from the highest sequence number down.
 *
 * @param storage The storage.
 * @param scan Which frames are read.
 * @returns The frames, in descending order. They end before a gap. None if the last entry is missing.
 * @throws {PersistenceError} `CORRUPT`, `UNSUPPORTED_FORMAT`, `STORAGE_FAILED`.
 */
export async function scanDescending(storage: Storage, scan: FrameScan): Promise<FramePart[]> {
  const { actor, incarnation, first, last, isInsideFrame } = scan;
  const stored = isInsideFrame
    ? await frameOf(storage, actor, last)
    : await framesUpTo(storage, scan);
  const parts: FramePart[] = [];
  let next = last;
  for (const entry of stored) {
    if (next < first || entry.version !== incarnation) break;
    const frame = readFrame(actor, entry.key, entry.value);
    const fits = frame.firstSequenceNumber <= next &&
      (isInsideFrame ? frame.lastSequenceNumber >= next : frame.lastSequenceNumber === next);
    if (!fits) break;
    const from = Math.max(first, frame.firstSequenceNumber);
    parts.push({ frame, from, to: next });
    next = from - 1;
  }
  return parts;
}

/** The frame that contains an entry: the first one whose last entry is not before it. */
async function frameOf(
  storage: Storage,
  actor: ActorAddress,
  sequenceNumber: number,
): Promise<StoredEntry[]> {
  return await storage.scan("entries", {
    start: entryKey(actor.key, sequenceNumber),
    end: entryKeysEnd(actor.key),
    maxEntries: 1,
    maxBytes: 1,
  });
}

async function framesUpTo(
  storage: Storage,
  { actor, first, last, maxBytes }: FrameScan,
): Promise<StoredEntry[]> {
  return await storage.scan("entries", {
    start: entryKey(actor.key, first),
    end: entryKey(actor.key, last + 1),
    reverse: true,
    maxEntries: maxFrames(first, last),
    maxBytes,
  });
}

/** A frame has at least one entry. */
function maxFrames(first: number, last: number): number {
  return Math.min(last - first + 1, MAX_PAGE_FRAMES);
}
