/**
 * The frames of one actor's messages that wait to be committed: each message is copied into one when
 * it is appended. Most lists have one frame, so they are plain arrays.
 *
 * @module
 */

import type { EncodedRun } from "../format/encoded_run.ts";
import { FRAME_TARGET_BYTES, FrameBuilder } from "../format/frame.ts";
import type { ByteMemory } from "../util/byte_arena.ts";

/**
 * Appends messages to frames.
 *
 * @param frames The frames that wait.
 * @param run The messages, which are copied.
 * @param timeMs When they were appended, in milliseconds since 1970.
 * @param memory Where further frames are made.
 * @returns The frames that wait now: the same list, unless it was empty.
 */
export function appendToFrames(
  frames: FrameBuilder[],
  run: EncodedRun,
  timeMs: number,
  memory: ByteMemory,
): FrameBuilder[] {
  const last = frames[frames.length - 1];
  if (run.ends) return appendEntriesToFrames(frames, run.bytes, run.ends, timeMs, memory);
  const payloadBytes = run.header.length + run.bytes.length;
  if (last?.accepts(payloadBytes, timeMs)) {
    last.append(run, timeMs);
    return frames;
  }
  // If one frame has been filled, the next one will be, too.
  const expectedBytes = Math.max(payloadBytes, last ? FRAME_TARGET_BYTES : 0);
  const frame = new FrameBuilder(timeMs, expectedBytes, memory);
  frame.append(run, timeMs);
  return withItem(frames, frame);
}

function appendEntriesToFrames(
  frames: FrameBuilder[],
  bytes: Uint8Array,
  ends: readonly number[],
  timeMs: number,
  memory: ByteMemory,
): FrameBuilder[] {
  let list = frames;
  let frame = frames[frames.length - 1];
  let start = 0;
  for (let index = 0; index < ends.length;) {
    let count = frame?.countAccepted(ends, index, timeMs) ?? 0;
    if (!frame || count === 0) {
      const first = (ends[index] ?? start) - start;
      const expectedBytes = Math.max(first, Math.min(bytes.length - start, FRAME_TARGET_BYTES));
      frame = new FrameBuilder(timeMs, expectedBytes, memory);
      list = withItem(list, frame);
      count = frame.countAccepted(ends, index, timeMs);
    }
    index += count;
    const end = ends[index - 1] ?? start;
    frame.appendRun(bytes, start, end, count);
    start = end;
  }
  return list;
}

/**
 * Copies frames, with some of their entries.
 *
 * @param frames The frames.
 * @param keeps Which of their entries are kept, counted over all frames.
 * @returns The copies, none of them empty.
 */
export function framesWith(
  frames: readonly FrameBuilder[],
  keeps: readonly boolean[],
): FrameBuilder[] {
  let first = 0;
  const copies = frames.map((frame) => {
    const offset = first;
    first += frame.count;
    return frame.filter((index) => keeps[offset + index] === true);
  });
  return copies.filter((frame) => frame.count > 0);
}

/**
 * Adds an item to a list. Most lists have one item, for which a literal takes a tenth of what `push`
 * reserves.
 *
 * @param list The list.
 * @param item The item.
 * @returns The same list, or a new one if it was empty.
 */
export function withItem<Item>(list: Item[], item: Item): Item[] {
  if (list.length === 0) return [item];
  list.push(item);
  return list;
}
