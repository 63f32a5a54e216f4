/**
 * The frames that the messages of one actor stand in while they wait: each message is copied into
 * one when it is appended. Most lists have one frame, so they are plain arrays.
 *
 * @module
 */

import { FRAME_TARGET_BYTES, type FrameMemory, OpenFrame } from "./frame.ts";

/** One encoded message, or several that stand as entries of a frame already. */
export interface PayloadRun {
  readonly bytes: Uint8Array;
  /** How many bytes the messages have. */
  readonly payloadBytes: number;
  /** The offset behind each entry, or `undefined` where the bytes are a single message. */
  readonly ends: readonly number[] | undefined;
  /** Whether each message begins with the tag of its schema: see `schema_tag.ts`. */
  readonly isTagged: boolean;
}

/**
 * Adds messages behind those that wait.
 *
 * @param frames The frames that wait.
 * @param run The messages, which are copied.
 * @param timeMs When they were appended, in milliseconds since 1970.
 * @param memory Where further frames are made.
 * @returns The frames that wait now: the same list, unless it was empty.
 */
export function framesBehind(
  frames: OpenFrame[],
  run: PayloadRun,
  timeMs: number,
  memory: FrameMemory,
): OpenFrame[] {
  const { bytes, ends, isTagged } = run;
  const last = frames[frames.length - 1];
  // All entries of a frame have tags, or none has one.
  const open = last?.isTagged === isTagged ? last : undefined;
  if (ends) return framesBehindRun(frames, open, { ...run, ends }, timeMs, memory);
  if (open?.accepts(bytes.length, timeMs)) {
    open.append(bytes, timeMs);
    return frames;
  }
  // Where one frame has been filled, the next one will be, too.
  const expectedBytes = Math.max(bytes.length, last ? FRAME_TARGET_BYTES : 0);
  const frame = new OpenFrame(timeMs, expectedBytes, memory, isTagged);
  frame.append(bytes, timeMs);
  return withItem(frames, frame);
}

function framesBehindRun(
  frames: OpenFrame[],
  open: OpenFrame | undefined,
  { bytes, ends, isTagged }: PayloadRun & { readonly ends: readonly number[] },
  timeMs: number,
  memory: FrameMemory,
): OpenFrame[] {
  let list = frames;
  let frame = open;
  let start = 0;
  for (let index = 0; index < ends.length;) {
    let count = frame?.countAccepted(ends, index, timeMs) ?? 0;
    if (!frame || count === 0) {
      const first = (ends[index] ?? start) - start;
      const expectedBytes = Math.max(first, Math.min(bytes.length - start, FRAME_TARGET_BYTES));
      frame = new OpenFrame(timeMs, expectedBytes, memory, isTagged);
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
 * The frames anew, with some of their entries.
 *
 * @param frames The frames.
 * @param keeps Which of their entries, counted over all frames, are kept.
 * @returns Copies of them, none of them empty.
 */
export function framesWith(frames: readonly OpenFrame[], keeps: readonly boolean[]): OpenFrame[] {
  let first = 0;
  const copies = frames.map((frame) => {
    const offset = first;
    first += frame.count;
    return frame.filter((index) => keeps[offset + index] === true);
  });
  return copies.filter((frame) => frame.count > 0);
}

/**
 * Adds to a list. Most have one item, for which a literal takes a tenth of what `push` reserves.
 *
 * @param list The list.
 * @param item What is added.
 * @returns The same list, or a new one where it was empty.
 */
export function withItem<Item>(list: Item[], item: Item): Item[] {
  if (list.length === 0) return [item];
  list.push(item);
  return list;
}
