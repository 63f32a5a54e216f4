/**
 * What the log says of the frames of one actor.
 *
 * @module
 */

import type { FrameBuilder } from "../format/frame.ts";
import type { JournalState } from "../format/head.ts";
import { entryKey } from "../format/keys.ts";
import { LOG_ITEM, type LogKey, type NewLogItem } from "../format/log_record.ts";
import type { StorageChange } from "../ports/storage.ts";
import { withItem } from "./pending_frames.ts";

/**
 * From so many bytes on, the entries of an actor stand in frames of their own at once, and the log
 * only refers to them: they are not written a second time when the log is collected.
 */
const MIN_FRAMED_BYTES = 16_384;
const NO_CHANGES: readonly StorageChange[] = [];

/**
 * The items of a commit for one actor.
 *
 * @param actor The actor.
 * @param before The state of its journal before the commit.
 * @param after The state after it.
 * @param frames The frames of the entries that it adds.
 * @returns The items, in order.
 */
export function itemsOf(
  actor: LogKey,
  before: JournalState,
  after: JournalState,
  frames: readonly FrameBuilder[],
): NewLogItem[] {
  let items: NewLogItem[] = [];
  let next = before.nextSequenceNumber;
  const count = after.nextSequenceNumber - next;
  if (isFramed(frames)) items = [item(actor, LOG_ITEM.reference, next, count, undefined)];
  else {
    for (const frame of frames) {
      items = withItem(items, item(actor, LOG_ITEM.entries, next, frame.count, frame));
      next += frame.count;
    }
  }
  const { firstSequenceNumber: first } = after;
  if (first !== before.firstSequenceNumber) {
    items = withItem(items, item(actor, LOG_ITEM.truncation, first, 0, undefined));
  }
  return items;
}

/**
 * The changes that write frames to which the log only refers.
 *
 * @param key The actor's key.
 * @param before The state of its journal before the commit.
 * @param after The state after it.
 * @param frames The frames of the entries that it adds.
 * @returns The changes. None if the log itself holds the entries.
 */
export function putFrames(
  key: Uint8Array,
  before: JournalState,
  { incarnation }: JournalState,
  frames: readonly FrameBuilder[],
): readonly StorageChange[] {
  if (!isFramed(frames)) return NO_CHANGES;
  let next = before.nextSequenceNumber;
  return frames.map((frame) => {
    next += frame.count;
    const ofLast = entryKey(key, next - 1);
    const value = frame.seal(ofLast);
    return { type: "put", keyspace: "entries", key: ofLast, value, version: incarnation };
  });
}

function isFramed(frames: readonly FrameBuilder[]): boolean {
  let bytes = 0;
  for (const frame of frames) bytes += frame.byteLength;
  return bytes >= MIN_FRAMED_BYTES;
}

function item(
  actor: LogKey,
  type: NewLogItem["type"],
  sequenceNumber: number,
  count: number,
  frame: FrameBuilder | undefined,
): NewLogItem {
  return { actor, type, sequenceNumber, count, frame, deletes: false };
}
