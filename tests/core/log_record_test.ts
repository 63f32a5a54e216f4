import assert from "node:assert/strict";
import fc from "fast-check";
import { PersistenceError } from "../../core/errors/persistence_error.ts";
import { addressOf } from "../../core/format/actor_address.ts";
import { FrameBuilder, FrameCursor } from "../../core/format/frame.ts";
import { logKey } from "../../core/format/log_keys.ts";
import {
  encodeLogRecord,
  LOG_ITEM,
  LogRecord,
  type NewLogItem,
} from "../../core/format/log_record.ts";
import { LogActor } from "../../core/log/log_actor.ts";
import { ByteArena, OWN_MEMORY } from "../../core/util/byte_arena.ts";
import { test } from "../harness.ts";
import { halved } from "./payload_halves.ts";

const POSITION = 12_345;
const key = logKey(0, POSITION);
const HEADER_BYTES = 13;
const TIME_MS = 1_700_000_000_000;

/** What an item says, in plain values. */
interface Told {
  readonly actorId: string;
  readonly type: number;
  readonly sequenceNumber: number;
  readonly count: number;
  readonly deletes: boolean;
  readonly entries: readonly (readonly [timeMs: number, payload: readonly number[]])[];
}

const actorId = fc.oneof(
  fc.string({ minLength: 1, maxLength: 20, unit: "grapheme" }),
  fc.constantFrom("a", "\0", "é".repeat(256)),
);
const sequenceNumber = fc.oneof(fc.nat(300), fc.maxSafeNat());
const entry = fc.tuple(fc.nat(2 ** 31 - 1), fc.uint8Array({ maxLength: 200 }));
const told: fc.Arbitrary<Told> = fc.record({
  actorId,
  type: fc.constantFrom(...Object.values(LOG_ITEM)),
  sequenceNumber,
  count: fc.oneof(fc.integer({ min: 1, max: 300 }), fc.integer({ min: 1, max: 2 ** 31 })),
  deletes: fc.boolean(),
  entries: fc.array(entry, { minLength: 1, maxLength: 5 }),
}).map(({ entries, count, deletes, ...item }) => ({
  ...item,
  deletes: item.type === LOG_ITEM.reset && deletes,
  entries: item.type === LOG_ITEM.entries
    ? entries.map(([elapsedMs, payload]) => [TIME_MS + elapsedMs, [...payload]] as const)
    : [],
  count: item.type === LOG_ITEM.entries
    ? entries.length
    : item.type === LOG_ITEM.reference
    ? count
    : 0,
}));
const items = fc.array(told, { minLength: 1, maxLength: 8 });

function newItem({ actorId, type, entries, ...rest }: Told): NewLogItem {
  const actor = new LogActor(addressOf("", actorId, "test").key);
  const itemType = Object.values(LOG_ITEM).find((known) => known === type) ?? assert.fail();
  if (type !== LOG_ITEM.entries) return { ...rest, actor, type: itemType, frame: undefined };
  const frame = new FrameBuilder(TIME_MS, 0, new ByteArena());
  for (const [timeMs, payload] of entries) frame.append(halved(Uint8Array.from(payload)), timeMs);
  return { ...rest, actor, type: itemType, frame };
}

function encode(list: readonly Told[], epoch = 0): Uint8Array {
  return encodeLogRecord(key, epoch, list.map(newItem), OWN_MEMORY).slice();
}

function toldBy(record: LogRecord, index: number): Told {
  const item = record.item(index);
  const { type, sequenceNumber, count, deletes, entriesStart, end, baseTimeMs } = item;
  const { bytes } = record;
  const actorKey = bytes.subarray(item.keyStart, item.keyEnd);
  assert.equal(record.keyChecksum(index), new LogActor(actorKey).checksum);
  const entries: [number, number[]][] = [];
  if (type === LOG_ITEM.entries) {
    const cursor = new FrameCursor(
      {
        actor: addressOf("", "test", "test"),
        firstSequenceNumber: 0,
        lastSequenceNumber: count - 1,
        count,
        baseTimeMs,
        bytes,
        start: entriesStart,
        end,
      },
      0,
      Infinity,
    );
    while (cursor.advance()) {
      entries.push([cursor.timeMs, [...bytes.subarray(cursor.payloadStart, cursor.payloadEnd)]]);
    }
  }
  const actorId = ids.get(actorKey.join()) ?? assert.fail("a key of no actor");
  return { actorId, type, sequenceNumber, count, deletes, entries };
}

/** The ids of the actors, by their keys. */
const ids = new Map<string, string>();

function remember(list: readonly Told[]): void {
  ids.clear();
  for (const { actorId } of list) ids.set(addressOf("", actorId, "test").key.join(), actorId);
}

test("a record tells what it was made of, whoever has made it", () => {
  fc.assert(fc.property(items, fc.nat(2 ** 31), (list, epoch) => {
    remember(list);
    const bytes = encode(list, epoch);
    for (const record of [LogRecord.read(key, bytes), LogRecord.of(bytes)]) {
      assert.equal(record.epoch, epoch);
      assert.equal(record.count, list.length);
      for (const [index, one] of list.entries()) {
        assert.ok(record.isSound(index));
        assert.deepEqual(toldBy(record, index), one);
      }
    }
  }));
});

/** The index of the item that holds a byte, if one does. */
function itemAt(ends: readonly number[], offset: number): number | undefined {
  if (offset < HEADER_BYTES) return undefined;
  const index = ends.findIndex((end) => offset < end);
  return index < 0 ? undefined : index;
}

test("each byte that is changed is noticed, and the other items stay readable", () => {
  fc.assert(
    fc.property(items, fc.integer({ min: 1, max: 255 }), (list, change) => {
      remember(list);
      const bytes = encode(list);
      const sound = LogRecord.read(key, bytes);
      const ends = list.map((_, index) => sound.item(index).end);
      for (const offset of bytes.keys()) {
        const damaged = bytes.slice();
        damaged[offset] = (damaged[offset] ?? 0) ^ change;
        const damagedItem = itemAt(ends, offset);
        if (damagedItem === undefined) {
          assert.throws(() => LogRecord.read(key, damaged), isCorrupt, `byte ${offset}`);
          continue;
        }
        const record = LogRecord.read(key, damaged);
        for (const index of list.keys()) {
          assert.equal(record.isSound(index), index !== damagedItem, `byte ${offset}`);
          assert.equal(record.keyChecksum(index), sound.keyChecksum(index));
          if (index !== damagedItem) assert.deepEqual(toldBy(record, index), list[index]);
        }
      }
    }),
    { numRuns: 20 },
  );
});

test("a record that is cut, lengthened, or under the key of another position is CORRUPT", () => {
  fc.assert(fc.property(items, fc.nat(300), fc.nat(300), (list, cut, position) => {
    const bytes = encode(list);
    const others = [
      [key, bytes.subarray(0, Math.max(0, bytes.length - 1 - cut))],
      [key, bytes.subarray(Math.min(bytes.length, 1 + cut))],
      [key, Uint8Array.of(...bytes, ...new Uint8Array(1 + cut))],
      [logKey(0, position), bytes],
      [logKey(1, POSITION), bytes],
    ] as const;
    for (const [place, damaged] of others) {
      assert.throws(() => LogRecord.read(place, damaged), isCorrupt);
    }
  }));
});

function isCorrupt(error: unknown): boolean {
  return error instanceof PersistenceError && error.code === "CORRUPT";
}
