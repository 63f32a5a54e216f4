import assert from "node:assert/strict";
import fc from "fast-check";
import { ByteArena } from "../../core/util/byte_arena.ts";
import { PersistenceError } from "../../core/errors/persistence_error.ts";
import { addressOf } from "../../core/format/actor_address.ts";
import {
  FRAME_MAX_ENTRIES,
  FRAME_TARGET_BYTES,
  FrameBuilder,
  FrameCursor,
  MAX_ENTRY_HEADER_BYTES,
  readFrame,
  writeEntry,
} from "../../core/format/frame.ts";
import { entryKey } from "../../core/format/keys.ts";
import { sealEnvelope } from "../../core/format/envelope.ts";
import { test } from "../harness.ts";
import { halved } from "./payload_halves.ts";
import { inputs } from "../repetitions.ts";

const actor = addressOf("", "actor", "test");

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

function frameOf(list: readonly Entry[]): FrameBuilder {
  const frame = new FrameBuilder(list[0]?.timeMs ?? 0, 0, new ByteArena());
  for (const { payload, timeMs } of list) frame.append(halved(payload), timeMs);
  return frame;
}

function readAll(key: Uint8Array, bytes: Uint8Array, from = 0, to = Infinity) {
  const read: (Entry & { number: number })[] = [];
  const cursor = new FrameCursor(readFrame(actor, key, bytes), from, to);
  while (cursor.advance()) {
    const { sequenceNumber: number, timeMs, payloadStart, payloadEnd } = cursor;
    read.push({ number, timeMs, payload: bytes.slice(payloadStart, payloadEnd) });
  }
  return read;
}

test("entries come back from a frame, within any bounds", () => {
  fc.assert(fc.property(entries, fc.nat(1_000), fc.nat(30), fc.nat(30), (list, first, a, b) => {
    const key = entryKey(actor.key, first + list.length - 1);
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
  frame.seal(entryKey(actor.key, 0));
  const key = entryKey(actor.key, 7);
  assert.deepEqual(readAll(key, frame.seal(key)).map(({ number }) => number), [7]);
});

test("a frame with only some of the entries has just those", () => {
  const frame = new FrameBuilder(10, 0, new ByteArena());
  for (let index = 0; index < 6; index++) frame.append(halved(Uint8Array.of(index)), 10 + index);
  const key = entryKey(actor.key, 2);
  const kept = frame.filter((index) => index % 2 === 1);
  assert.deepEqual(readAll(key, kept.seal(key)).map((entry) => [entry.payload[0], entry.timeMs]), [
    [1, 11],
    [3, 13],
    [5, 15],
  ]);
});

test("a run joins a frame as its entries would, one by one", () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 40_000 }), { minLength: 1 }), (sizes) => {
      const payloads = sizes.map((size, index) => new Uint8Array(size).fill(index));
      const run = runOf(payloads);
      const one = new FrameBuilder(5, 0, new ByteArena());
      const other = new FrameBuilder(5, 0, new ByteArena());
      const count = other.countAccepted(run.ends, 0, 5);
      for (const payload of payloads.slice(0, count)) one.append(halved(payload), 5);
      other.appendRun(run.bytes, 0, run.ends[count - 1] ?? 0, count);
      const key = entryKey(actor.key, count - 1);
      assert.ok(count > 0);
      assert.deepEqual(other.seal(key), one.seal(key));
      // Its entries have no times of their own, so theirs must be the base time of the frame.
      assert.equal(new FrameBuilder(6, 0, new ByteArena()).countAccepted(run.ends, 0, 5), 0);
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
  for (const payload of payloads) {
    ends.push(writeEntry(bytes, ends[ends.length - 1] ?? 0, halved(payload)));
  }
  return { bytes, ends };
}

test("a frame accepts any first entry, and no more than its limits allow", () => {
  const large = new Uint8Array(3 * FRAME_TARGET_BYTES);
  const frame = new FrameBuilder(1_000, 0, new ByteArena());
  assert.ok(frame.accepts(large.length, 1_000));
  frame.append(halved(large), 1_000);
  assert.ok(!frame.accepts(1, 1_000));

  const counted = new FrameBuilder(1_000, 0, new ByteArena());
  for (let count = 0; count < FRAME_MAX_ENTRIES; count++) {
    assert.ok(counted.accepts(0, 1_000));
    counted.append(halved(new Uint8Array(0)), 1_000);
  }
  assert.ok(!counted.accepts(0, 1_000));
});

test("a frame accepts no entry from a clock that was set back or far forward", () => {
  const frame = new FrameBuilder(1_000, 0, new ByteArena());
  frame.append(halved(new Uint8Array(1)), 1_000);
  assert.ok(frame.accepts(1, 1_000));
  assert.ok(!frame.accepts(1, 999));
  assert.ok(frame.accepts(1, 1_000 + 2 ** 31 - 1));
  assert.ok(!frame.accepts(1, 1_000 + 2 ** 31));
});

test("every flipped bit of a frame is detected, and a frame under another key", () => {
  const key = entryKey(actor.key, 1);
  const bytes = frameOf([
    { timeMs: 1, payload: new Uint8Array([1, 2, 3]) },
    { timeMs: 2, payload: new Uint8Array([4, 5]) },
  ]).seal(key);
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    const damaged = new Uint8Array(bytes);
    damaged[bit >> 3] = (damaged[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    assert.throws(() => readAll(key, damaged), { code: "CORRUPT", sequenceNumber: 1 });
  }
  for (const wrong of [entryKey(actor.key, 2), entryKey(addressOf("", "other", "test").key, 1)]) {
    assert.throws(() => readAll(wrong, bytes), { code: "CORRUPT" });
  }
});

test("bytes that are not a frame cause a clear error, even with a correct checksum", () => {
  const key = entryKey(actor.key, 1);
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), fc.boolean(), (bytes, sealed) => {
      if (sealed && bytes.length >= 5) sealEnvelope(key, bytes, 1);
      try {
        readAll(key, bytes);
      } catch (error) {
        assert.ok(error instanceof PersistenceError && error.code === "CORRUPT", String(error));
      }
    }),
    { numRuns: inputs.bytes },
  );
});

test("a sound frame of a newer version is unsupported, not corrupt", () => {
  const key = entryKey(actor.key, 0);
  const bytes = frameOf([{ timeMs: 1, payload: new Uint8Array([1]) }]).seal(key);
  for (const version of [0, 2, 255]) {
    sealEnvelope(key, bytes, version);
    assert.throws(() => readAll(key, bytes), { code: "UNSUPPORTED_FORMAT" });
  }
});
