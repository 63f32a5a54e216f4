import assert from "node:assert/strict";
import fc from "fast-check";
import { ByteArena } from "../../core/byte_arena.ts";
import { PersistenceError } from "../../core/errors.ts";
import {
  FRAME_MAX_ENTRIES,
  FRAME_TARGET_BYTES,
  FrameCursor,
  MAX_ENTRY_HEADER_BYTES,
  OpenFrame,
  openFrame,
  writeEntry,
} from "../../core/frame.ts";
import { actorKey, numberedKey } from "../../core/keys.ts";
import { sealRecord } from "../../core/record.ts";
import { test } from "../harness.ts";

const actor = actorKey("actor", "test");

interface Entry {
  readonly timeMs: number;
  readonly payload: Uint8Array;
}

const entries = fc.array(
  fc.record({
    timeMs: fc.integer({ min: 1_700_000_000_000, max: 1_700_000_000_000 + 2 ** 31 - 1 }),
    payload: fc.uint8Array({ maxLength: 300 }),
  }),
  { minLength: 1, maxLength: 20 },
).map((list) => list.sort((a, b) => a.timeMs - b.timeMs));

function frameOf(list: readonly Entry[]): OpenFrame {
  const frame = new OpenFrame(list[0]?.timeMs ?? 0, 0, new ByteArena());
  for (const { payload, timeMs } of list) frame.append(payload, timeMs);
  return frame;
}

function readAll(key: Uint8Array, bytes: Uint8Array, from = 0, to = Infinity) {
  const read: (Entry & { number: number })[] = [];
  const cursor = new FrameCursor(openFrame("actor", key, bytes), from, to);
  while (cursor.advance()) {
    const { sequenceNumber: number, timeMs, payloadStart, payloadEnd } = cursor;
    read.push({ number, timeMs, payload: bytes.slice(payloadStart, payloadEnd) });
  }
  return read;
}

test("entries come back from a frame, within any bounds", () => {
  fc.assert(fc.property(entries, fc.nat(1_000), fc.nat(30), fc.nat(30), (list, first, a, b) => {
    const key = numberedKey(actor, first + list.length - 1);
    const bytes = frameOf(list).seal(key);
    const [from, to] = [first + a - 5, first + b - 5];
    assert.deepEqual(
      readAll(key, bytes, from, to),
      list.map((entry, index) => ({ ...entry, number: first + index }))
        .filter(({ number }) => number >= from && number <= to),
    );
  }));
});

test("a frame can be sealed again for another place", () => {
  const list = [{ timeMs: 5, payload: new Uint8Array([1]) }];
  const frame = frameOf(list);
  frame.seal(numberedKey(actor, 0));
  const key = numberedKey(actor, 7);
  assert.deepEqual(readAll(key, frame.seal(key)).map(({ number }) => number), [7]);
});

test("a frame with only some of the entries has just those", () => {
  const frame = new OpenFrame(10, 0, new ByteArena());
  for (let index = 0; index < 6; index++) frame.append(new Uint8Array([index]), 10 + index);
  const key = numberedKey(actor, 2);
  const kept = frame.filter((index) => index % 2 === 1);
  assert.deepEqual(readAll(key, kept.seal(key)).map((entry) => [entry.payload[0], entry.timeMs]), [
    [1, 11],
    [3, 13],
    [5, 15],
  ]);
});

test("a run joins frames like its entries one by one would", () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 40_000 }), { minLength: 1 }), (sizes) => {
      const payloads = sizes.map((size, index) => new Uint8Array(size).fill(index));
      const run = runOf(payloads);
      const one = new OpenFrame(5, 0, new ByteArena());
      const other = new OpenFrame(5, 0, new ByteArena());
      const count = other.countAccepted(run.ends, 0, 5);
      for (const payload of payloads.slice(0, count)) one.append(payload, 5);
      other.appendRun(run.bytes, 0, run.ends[count - 1] ?? 0, count);
      const key = numberedKey(actor, count - 1);
      assert.ok(count > 0);
      assert.deepEqual(other.seal(key), one.seal(key));
      // Its entries say nothing of their time, so it must be that of the frame.
      assert.equal(new OpenFrame(6, 0, new ByteArena()).countAccepted(run.ends, 0, 5), 0);
      const next = payloads[count];
      if (!next) return;
      assert.ok(!one.accepts(next.length + MAX_ENTRY_HEADER_BYTES, 5));
      assert.equal(other.countAccepted(run.ends, count, 5), 0);
    }),
  );
});

function runOf(payloads: readonly Uint8Array[]): { bytes: Uint8Array; ends: number[] } {
  const most = payloads.reduce((sum, { length }) => sum + length + MAX_ENTRY_HEADER_BYTES, 0);
  const bytes = new Uint8Array(most);
  const ends: number[] = [];
  for (const payload of payloads) ends.push(writeEntry(bytes, ends[ends.length - 1] ?? 0, payload));
  return { bytes, ends };
}

test("a frame takes no more than its limits allow, but any first entry", () => {
  const large = new Uint8Array(3 * FRAME_TARGET_BYTES);
  const frame = new OpenFrame(1_000, 0, new ByteArena());
  assert.ok(frame.accepts(large.length, 1_000));
  frame.append(large, 1_000);
  assert.ok(!frame.accepts(1, 1_000));

  const counted = new OpenFrame(1_000, 0, new ByteArena());
  for (let count = 0; count < FRAME_MAX_ENTRIES; count++) {
    assert.ok(counted.accepts(0, 1_000));
    counted.append(new Uint8Array(0), 1_000);
  }
  assert.ok(!counted.accepts(0, 1_000));
});

test("a frame takes no entry from a clock that was set back or far forward", () => {
  const frame = new OpenFrame(1_000, 0, new ByteArena());
  frame.append(new Uint8Array(1), 1_000);
  assert.ok(frame.accepts(1, 1_000));
  assert.ok(!frame.accepts(1, 999));
  assert.ok(frame.accepts(1, 1_000 + 2 ** 31 - 1));
  assert.ok(!frame.accepts(1, 1_000 + 2 ** 31));
});

test("every flipped bit of a frame is found out, and a frame under another key", () => {
  const key = numberedKey(actor, 1);
  const bytes = frameOf([
    { timeMs: 1, payload: new Uint8Array([1, 2, 3]) },
    { timeMs: 2, payload: new Uint8Array([4, 5]) },
  ]).seal(key);
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    const damaged = new Uint8Array(bytes);
    damaged[bit >> 3] = (damaged[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    assert.throws(() => readAll(key, damaged), { code: "CORRUPT", sequenceNumber: 1 });
  }
  for (const wrong of [numberedKey(actor, 2), numberedKey(actorKey("other", "test"), 1)]) {
    assert.throws(() => readAll(wrong, bytes), { code: "CORRUPT" });
  }
});

test("a frame says whether its payloads have tags, also after others were taken out", () => {
  const key = numberedKey(actor, 1);
  for (const isTagged of [false, true]) {
    const frame = new OpenFrame(1, 0, new ByteArena(), isTagged);
    for (const byte of [1, 2]) frame.append(Uint8Array.of(byte), 1);
    assert.equal(openFrame("actor", key, frame.seal(key)).isTagged, isTagged);
    const rest = frame.filter((index) => index === 1).seal(key);
    assert.equal(openFrame("actor", key, rest).isTagged, isTagged);
    assert.equal(new FrameCursor(openFrame("actor", key, rest), 0, 1).isTagged, isTagged);
  }
});

test("bytes that are no frame give a clear error, also under a right checksum", () => {
  const key = numberedKey(actor, 1);
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), fc.boolean(), (bytes, sealed) => {
      if (sealed && bytes.length >= 5) sealRecord(key, bytes, 1);
      try {
        readAll(key, bytes);
      } catch (error) {
        assert.ok(error instanceof PersistenceError && error.code === "CORRUPT", String(error));
      }
    }),
    { numRuns: 5_000 },
  );
});

test("a sound frame of a newer version is unsupported, not corrupt", () => {
  const key = numberedKey(actor, 0);
  const bytes = frameOf([{ timeMs: 1, payload: new Uint8Array([1]) }]).seal(key);
  for (const version of [0, 3, 255]) {
    sealRecord(key, bytes, version);
    assert.throws(() => readAll(key, bytes), { code: "UNSUPPORTED_FORMAT" });
  }
});
