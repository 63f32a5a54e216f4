/**
 * The records of the log as targets: those of commits, those that say in which order entries were
 * committed, and those that say how far the log has been collected; and the keys of the log.
 *
 * @module
 */

import { PersistenceError } from "../../../core/errors/persistence_error.ts";
import { addressOf } from "../../../core/format/actor_address.ts";
import { ENVELOPE_BYTES, sealEnvelope } from "../../../core/format/envelope.ts";
import { FrameBuilder, FrameCursor } from "../../../core/format/frame.ts";
import {
  collectedKey,
  decodePositions,
  logKey,
  positionIn,
  putPositions,
} from "../../../core/format/log_keys.ts";
import {
  encodeLogRecord,
  LOG_ITEM,
  type LogItem,
  LogRecord,
  type NewLogItem,
} from "../../../core/format/log_record.ts";
import { decodeOrder, encodeOrder } from "../../../core/format/order_record.ts";
import { xxh32 } from "../../../core/format/xxh32.ts";
import { LogActor } from "../../../core/log/log_actor.ts";
import { OWN_MEMORY } from "../../../core/util/byte_arena.ts";
import { readUint32, writeUint32 } from "../../../core/util/bytes.ts";
import type { Random } from "../../conformance/random.ts";
import { randomBytes } from "./inputs.ts";
import { somePayload } from "./payload_targets.ts";
import type { FuzzTarget } from "./targets.ts";

const POSITION = 1_000;
const key = logKey(0, POSITION);
const NEWER_VERSION = 255;
const HEADER_BYTES = 13;
const DIRECTORY_BYTES = 12;
const VERSION_OFFSET = 4;
const COUNT_OFFSET = 5;
const actors = ["a", "actor", "\0", "é".repeat(100)].map((id) =>
  new LogActor(addressOf("", id, "test").key)
);

const records: FuzzTarget = {
  name: "record of the log",
  sound: (random) => {
    const items = Array.from({ length: 1 + random.below(6) }, () => someItem(random));
    return encodeLogRecord(key, random.below(2 ** 31), items, OWN_MEMORY).slice();
  },
  seal: sealRecord,
  decode: (bytes) => {
    const record = LogRecord.read(key, bytes);
    for (let index = 0; index < record.count; index++) {
      if (record.isSound(index)) readItem(record, record.item(index));
    }
    return record.count;
  },
  isRefusal,
};

function someItem(random: Random): NewLogItem {
  const actor = actors[random.below(actors.length)] ?? new LogActor(new Uint8Array(1));
  const types = Object.values(LOG_ITEM);
  const type = types[random.below(types.length)] ?? LOG_ITEM.entries;
  const sequenceNumber = random.below(2 ** 31);
  const item = { actor, type, sequenceNumber, count: 0, frame: undefined, deletes: false };
  if (type === LOG_ITEM.reset) return { ...item, deletes: random.below(2) === 0 };
  if (type === LOG_ITEM.truncation) return item;
  if (type === LOG_ITEM.reference) return { ...item, count: 1 + random.below(2 ** 31) };
  const frame = new FrameBuilder(1_700_000_000_000, 0, OWN_MEMORY);
  for (let left = 1 + random.below(20); left > 0; left--) {
    frame.append(somePayload(random), 1_700_000_000_000 + random.below(2 ** 31));
  }
  return { ...item, count: frame.count, frame };
}

/** What an item says must be numbers that the log can go on with. */
function readItem({ bytes }: LogRecord, item: LogItem): void {
  const { type, sequenceNumber, count, baseTimeMs, entriesStart, end, keyStart, keyEnd } = item;
  const numbers = [sequenceNumber, count, baseTimeMs, entriesStart, end, keyStart, keyEnd];
  const isWithin = keyStart <= keyEnd && keyEnd <= entriesStart && entriesStart <= end &&
    end <= bytes.length;
  if (!isWithin || !numbers.every((number) => Number.isSafeInteger(number) && number >= 0)) {
    throw new Error(`an item with ${numbers.join()}`);
  }
  if (type !== LOG_ITEM.entries) return;
  const cursor = new FrameCursor(
    {
      actor: addressOf("", "actor", "test"),
      firstSequenceNumber: sequenceNumber,
      lastSequenceNumber: sequenceNumber + count - 1,
      count,
      baseTimeMs,
      bytes,
      start: entriesStart,
      end,
    },
    0,
    Infinity,
  );
  while (cursor.advance());
}

/** Makes the checksums of a record and its items right again, now and then as a newer version. */
function sealRecord(bytes: Uint8Array, random: Random): void {
  const count = bytes.length < HEADER_BYTES ? 0 : readUint32(bytes, COUNT_OFFSET, "little-endian");
  const directory = bytes.length - DIRECTORY_BYTES * count;
  if (count === 0 || directory < HEADER_BYTES) return;
  if (random.below(10) === 0) bytes[VERSION_OFFSET] = NEWER_VERSION;
  let start = HEADER_BYTES;
  for (let entry = directory; entry < bytes.length; entry += DIRECTORY_BYTES) {
    const end = readUint32(bytes, entry, "little-endian");
    const seed = readUint32(bytes, entry + 8, "little-endian");
    if (end < start || end > directory) continue;
    writeUint32(bytes, entry + 4, xxh32(bytes, start, end, seed), "little-endian");
    start = end;
  }
  const ofKey = xxh32(key, 0, key.length, 0);
  const ofHeader = xxh32(bytes, VERSION_OFFSET, HEADER_BYTES, ofKey);
  writeUint32(bytes, 0, xxh32(bytes, directory, bytes.length, ofHeader), "little-endian");
}

const orders: FuzzTarget = {
  name: "order of the log",
  sound: (random) => {
    const ordered = Array.from({ length: random.below(5) }, () => ({
      key: randomBytes(1 + random.below(20), random),
      incarnation: random.below(2 ** 31),
      sequenceNumber: random.below(2 ** 31),
    }));
    const runs = () =>
      Array.from(
        { length: ordered.length === 0 ? 0 : random.below(4) },
        () => [random.below(ordered.length), 1 + random.below(300)],
      ).flat();
    const positions = Array.from({ length: random.below(20) }, runs);
    return encodeOrder(key, { firstPosition: random.below(2 ** 31), actors: ordered, positions });
  },
  seal: (bytes, random) => seal(key, bytes, random),
  decode: (bytes) => {
    const order = decodeOrder(key, bytes);
    const numbers = [
      order.firstPosition,
      ...order.actors.flatMap(({ incarnation, sequenceNumber }) => [incarnation, sequenceNumber]),
      ...order.positions.flat(),
    ];
    if (!numbers.every((number) => Number.isSafeInteger(number) && number >= 0)) {
      throw new Error("an order with numbers that are none");
    }
    const isKnown = order.positions.every((runs) =>
      runs.every((number, at) => at % 2 === 0 ? number < order.actors.length : number > 0)
    );
    if (!isKnown) throw new Error("an order of actors that it does not know");
    return { ...order, actors: order.actors.map((one) => ({ ...one, key: one.key.slice() })) };
  },
  isRefusal,
};

const stateKey = collectedKey(0);
const states: FuzzTarget = {
  name: "state of the log",
  sound: (random) => {
    const positions = { first: random.below(2 ** 31), second: random.below(2 ** 31) };
    const change = putPositions(stateKey, positions, 1);
    return change.type === "put" ? change.value : new Uint8Array(0);
  },
  seal: (bytes, random) => seal(stateKey, bytes, random),
  decode: (bytes) => {
    const { first, second } = decodePositions({ key: stateKey, value: bytes, version: 1 });
    if (![first, second].every((number) => Number.isSafeInteger(number) && number >= 0)) {
      throw new Error(`a state of ${first} and ${second}`);
    }
  },
  isRefusal,
};

const keys: FuzzTarget = {
  name: "key of the log",
  sound: (random) => logKey(random.below(2 ** 16), random.below(2 ** 31)),
  decode: (bytes) => {
    const position = positionIn(bytes);
    if (position === undefined) return;
    // What is taken for a position is in the only key of it.
    const only = logKey((bytes[0] ?? 0) * 256 + (bytes[1] ?? 0), position);
    if (only.join() !== bytes.join()) throw new Error("another key of the same position");
  },
  isRefusal: () => false,
};

/** These targets. */
export const logTargets: readonly FuzzTarget[] = [records, orders, states, keys];

/** Now and then of a newer version. */
function seal(of: Uint8Array, bytes: Uint8Array, random: Random): void {
  if (bytes.length < ENVELOPE_BYTES) return;
  sealEnvelope(of, bytes, random.below(10) === 0 ? NEWER_VERSION : 1);
}

function isRefusal(error: unknown): boolean {
  return error instanceof PersistenceError &&
    (error.code === "CORRUPT" || error.code === "UNSUPPORTED_FORMAT");
}
