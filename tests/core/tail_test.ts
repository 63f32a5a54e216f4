import assert from "node:assert/strict";
import fc from "fast-check";
import { MemoryDatabase, MemoryPersistenceProvider, MemoryStorage } from "../../adapters/memory.ts";
import { FrameCursor, OpenFrame, openFrame } from "../../core/frame.ts";
import { headKey } from "../../core/head.ts";
import { actorKey, numberedKey, writeUint53 } from "../../core/keys.ts";
import { ByteArena } from "../../core/byte_arena.ts";
import { sealRecord } from "../../core/record.ts";
import { MAX_TAIL_BYTES, Tail } from "../../core/tail.ts";
import { test } from "../harness.ts";

const actor = actorKey("actor", "test");

interface Entry {
  readonly timeMs: number;
  readonly payload: Uint8Array;
}

function frameOf(entries: readonly Entry[]): OpenFrame {
  const frame = new OpenFrame(entries[0]?.timeMs ?? 0, 0, new ByteArena());
  for (const { payload, timeMs } of entries) frame.append(payload, timeMs);
  return frame;
}

function entriesOf(key: Uint8Array, record: Uint8Array): Entry[] {
  const cursor = new FrameCursor(openFrame("actor", key, record), 0, Infinity);
  const entries: Entry[] = [];
  while (cursor.advance()) {
    const payload = record.slice(cursor.payloadStart, cursor.payloadEnd);
    entries.push({ timeMs: cursor.timeMs, payload });
  }
  return entries;
}

test("a tail holds the entries of the frames that were added, with their times", () => {
  const payload = fc.uint8Array({ maxLength: 150 });
  const elapsedMs = fc.constantFrom(0, 0, 1, 127, 128, 20_000, 2 ** 31 - 1, 2 ** 31, -1);
  const frame = fc.array(fc.record({ payload, elapsedMs }), { minLength: 1, maxLength: 3 });
  fc.assert(
    fc.property(fc.array(frame, { minLength: 1, maxLength: 10 }), (frames) => {
      let timeMs = 1e12;
      const entries: Entry[] = [];
      let tail: Tail | undefined;
      for (const items of frames) {
        const added = items.map(({ payload, elapsedMs }, index) => {
          // Within a frame, times only go forward, and not far.
          timeMs += index === 0 ? elapsedMs : Math.abs(elapsedMs) % 1_000;
          return { payload, timeMs };
        });
        const open = frameOf(added);
        if (tail === undefined) tail = Tail.of(open);
        else if (!tail.add(open)) continue;
        entries.push(...added);
        const key = numberedKey(actor, entries.length - 1);
        const record = tail.seal(key).slice();
        assert.ok(record.length <= MAX_TAIL_BYTES);
        assert.deepEqual(entriesOf(key, record), entries);
        // What another process reads is the same, and can go on.
        if (entries.length % 2 === 0) tail = Tail.read("actor", key, record);
      }
    }),
  );
});

test("a tail takes no frame from a clock that was set back or far forward", () => {
  const at = (timeMs: number) => frameOf([{ timeMs, payload: new Uint8Array(1) }]);
  const tail = Tail.of(at(1_000));
  assert.ok(!tail.add(at(999)));
  assert.ok(!tail.add(at(1_000 + 2 ** 31)));
  assert.ok(tail.add(at(1_000 + 2 ** 31 - 1)));
});

test("a damaged tail takes nothing, and is kept as it was found", () => {
  const key = numberedKey(actor, 0);
  const frame = frameOf([{ timeMs: 1, payload: new Uint8Array(1) }]);
  const record = frame.seal(key).slice();
  record[record.length - 1] = 7;
  const tail = Tail.read("actor", key, record);
  assert.ok(!tail.add(frame));
  assert.deepEqual(tail.seal(key), record);
});

test("small appends write one record, until they are enough for one of their own", async () => {
  const database = new MemoryDatabase();
  await using provider = await MemoryPersistenceProvider.open({ database });
  await using storage = await MemoryStorage.open({ database });
  const journal = provider.createMessageJournal<string>();
  const message = "x".repeat(200);
  for (let number = 0; number < 4; number++) await journal.append("a", message);
  assert.equal(storage.stats().entries.entries, 0);
  await journal.append("a", message);
  assert.equal(storage.stats().entries.entries, 1);
  await journal.append("a", "x".repeat(MAX_TAIL_BYTES));
  assert.equal(storage.stats().entries.entries, 3);
  assert.equal((await journal.readFrom("a", 0)).length, 6);
});

test("a journal whose head was written before there were tails goes on", async () => {
  const database = new MemoryDatabase();
  const place = { database };
  {
    await using provider = await MemoryPersistenceProvider.open(place);
    await provider.createMessageJournal<string>().append("actor", "x".repeat(MAX_TAIL_BYTES));
  }
  await using storage = await MemoryStorage.open(place);
  const key = headKey(actor);
  const value = new Uint8Array(21);
  writeUint53(value, 5, 1, "little-endian");
  sealRecord(key, value, 1);
  await storage.commit([{
    conditions: [],
    changes: [{ type: "put", space: "heads", key, value, version: 1 }],
  }]);
  await using provider = await MemoryPersistenceProvider.open(place);
  const journal = provider.createMessageJournal<string>();
  assert.equal(await journal.append("actor", "y"), 1);
  const messages = (await journal.readFrom("actor", 0)).map(({ message }) => message.length);
  assert.deepEqual(messages, [MAX_TAIL_BYTES, 1]);
});
