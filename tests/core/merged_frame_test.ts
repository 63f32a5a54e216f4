import assert from "node:assert/strict";
import fc from "fast-check";
import { addressOf } from "../../core/format/actor_address.ts";
import {
  FRAME_MAX_ENTRIES,
  FRAME_TARGET_BYTES,
  FrameBuilder,
  FrameCursor,
  readFrame,
} from "../../core/format/frame.ts";
import { entryKey } from "../../core/format/keys.ts";
import { ByteArena, OWN_MEMORY } from "../../core/util/byte_arena.ts";
import { test } from "../harness.ts";
import { halved } from "./payload_halves.ts";

const actor = addressOf("", "actor", "test");

interface Entry {
  readonly timeMs: number;
  readonly payload: Uint8Array;
}

function frameOf(entries: readonly Entry[]): FrameBuilder {
  const frame = new FrameBuilder(entries[0]?.timeMs ?? 0, 0, new ByteArena());
  for (const { payload, timeMs } of entries) frame.append(halved(payload), timeMs);
  return frame;
}

function entriesOf(key: Uint8Array, record: Uint8Array): Entry[] {
  const cursor = new FrameCursor(readFrame(actor, key, record), 0, Infinity);
  const entries: Entry[] = [];
  while (cursor.advance()) {
    const payload = record.slice(cursor.payloadStart, cursor.payloadEnd);
    entries.push({ timeMs: cursor.timeMs, payload });
  }
  return entries;
}

/** Appends all entries of a frame, if the other frame accepts them. */
function merge(into: FrameBuilder, frame: FrameBuilder): boolean {
  const { entriesLength, count, baseTimeMs } = frame;
  if (!into.acceptsStored(entriesLength, count, baseTimeMs)) return false;
  const entries = new Uint8Array(entriesLength + 1);
  assert.equal(frame.writeEntries(entries, 1), entries.length);
  into.appendStored(entries, 1, entries.length, count, baseTimeMs);
  return true;
}

test("a frame that others were merged into holds the entries of all, with their times", () => {
  const payload = fc.uint8Array({ maxLength: 150 });
  const elapsedMs = fc.constantFrom(0, 0, 1, 127, 128, 20_000, 2 ** 31 - 1, 2 ** 31, -1);
  const frame = fc.array(fc.record({ payload, elapsedMs }), { minLength: 1, maxLength: 3 });
  const isReopened = fc.boolean();
  const frames = fc.array(fc.tuple(frame, isReopened), { minLength: 1, maxLength: 200 });
  fc.assert(
    fc.property(frames, (list) => {
      let timeMs = 1e12;
      const entries: Entry[] = [];
      let merged: FrameBuilder | undefined;
      for (const [items, reopens] of list) {
        const added = items.map(({ payload, elapsedMs }, index) => {
          // Within a frame, times only go forward, by less than 2^31.
          timeMs += index === 0 ? elapsedMs : Math.max(0, elapsedMs) % (2 ** 29);
          return { payload, timeMs };
        });
        if (merged === undefined) merged = frameOf(added);
        else if (!merge(merged, frameOf(added))) continue;
        entries.push(...added);
        const key = entryKey(actor.key, entries.length - 1);
        const record = merged.seal(key).slice();
        assert.ok(record.length <= FRAME_TARGET_BYTES);
        assert.deepEqual(entriesOf(key, record), entries);
        // What is read of a stored one is the same, and can go on.
        if (reopens) merged = FrameBuilder.of(record, OWN_MEMORY);
      }
    }),
    { numRuns: 30 },
  );
});

test("a frame accepts none from a clock that was set back or far forward", () => {
  const at = (timeMs: number) => frameOf([{ timeMs, payload: new Uint8Array(1) }]);
  const frame = at(1_000);
  assert.ok(!merge(frame, at(999)));
  assert.ok(!merge(frame, at(1_000 + 2 ** 31)));
  assert.ok(merge(frame, at(1_000 + 2 ** 31 - 1)));
});

test("a frame accepts none that would make it too long, even if times take more bytes", () => {
  const sized = (payloadBytes: number, timeMs: number, count = 1) =>
    frameOf(Array.from({ length: count }, () => ({
      timeMs,
      payload: new Uint8Array(payloadBytes),
    })));
  for (let payloadBytes = 16_200; payloadBytes < 16_500; payloadBytes++) {
    for (const shiftMs of [0, 1, 2 ** 31 - 1]) {
      const frame = sized(payloadBytes, 0);
      if (merge(frame, sized(payloadBytes, shiftMs))) {
        assert.ok(frame.byteLength <= FRAME_TARGET_BYTES, `${frame.byteLength} bytes`);
      }
    }
  }
  const many = sized(0, 0, FRAME_MAX_ENTRIES - 1);
  assert.ok(!merge(many, sized(0, 0, 2)));
  assert.ok(merge(many, sized(0, 0)));
  assert.equal(many.count, FRAME_MAX_ENTRIES);
});
