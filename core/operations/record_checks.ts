/**
 * Whether the records of a storage are what they must be, one by one.
 *
 * @module
 */

import { PersistenceError } from "../errors/persistence_error.ts";
import { type ActorAddress, addressIn } from "../format/actor_address.ts";
import { decodeHandled, decodeSourcing, verifyRefused } from "../format/actor_marks.ts";
import { hasValidChecksum } from "../format/checksummed_key.ts";
import { decodeConsumers } from "../format/consumer_record.ts";
import { decodeEffect, parseEffectKey } from "../format/effect_record.ts";
import { FrameCursor, readFrame } from "../format/frame.ts";
import { decodeHead } from "../format/head.ts";
import { decodeActorKey, entryKey } from "../format/keys.ts";
import { decodePositions, LOG_VERSION, positionIn } from "../format/log_keys.ts";
import { LogRecord } from "../format/log_record.ts";
import { decodeOrder } from "../format/order_record.ts";
import { BARE_PARTS } from "../format/payload.ts";
import { decodeRemovalMark } from "../format/removal_mark.ts";
import {
  readSnapshotTime,
  SNAPSHOT_PAYLOAD_OFFSET,
  snapshotNumberOf,
} from "../format/snapshot_record.ts";
import { codecNameIn, HEALTH_KEY, STORE_INFO_KEY, verifyProbe } from "../format/store_info.ts";
import type { Codec } from "../ports/codec.ts";
import type { Keyspace, StoredEntry } from "../ports/storage.ts";
import { decodeValue, EFFECT, STATE } from "../schema/payloads.ts";
import { compareBytes } from "../util/bytes.ts";
import { AnyPayloads } from "./any_payloads.ts";

/** How records are checked. */
export interface RecordCheck {
  /** The codec, if values are to be decoded. */
  readonly codec: Codec | undefined;
  /** Called with each actor of a record of which something is, or may be, wrong. */
  readonly found: (actor: ActorAddress, sequenceNumber?: number) => void;
}

/**
 * Checks a record.
 *
 * @param keyspace Its keyspace.
 * @param stored The record.
 * @param check How it is checked.
 * @throws {PersistenceError} `CORRUPT`, `UNSUPPORTED_FORMAT`.
 */
export function checkRecord(keyspace: Keyspace, stored: StoredEntry, check: RecordCheck): void {
  switch (keyspace) {
    case "meta":
      return checkMeta(stored, check);
    case "log":
      return checkLog(stored, check);
    case "heads":
      return checkHead(stored, check);
    case "entries":
      return checkFrame(stored, check);
    case "snapshots":
      return checkSnapshot(stored, check);
    case "outbox":
      return checkEffect(stored, check);
  }
}

function checkHead({ key, value }: StoredEntry, { found }: RecordCheck): void {
  if (!hasValidChecksum(key)) throw damagedKey("journal");
  const actor = actorOf(key, "journal");
  found(actor);
  const { tail, nextSequenceNumber: next } = decodeHead(actor, key, value);
  if (tail.length > 0) {
    walk(new FrameCursor(...frameOf(actor, entryKey(actor.key, next - 1), tail)));
  }
}

function checkFrame({ key, value }: StoredEntry, { found }: RecordCheck): void {
  const actor = actorOf(key, "entry");
  found(actor);
  walk(new FrameCursor(...frameOf(actor, key, value)));
}

function frameOf(
  actor: ActorAddress,
  key: Uint8Array,
  bytes: Uint8Array,
): ConstructorParameters<typeof FrameCursor> {
  const frame = readFrame(actor, key, bytes);
  return [frame, frame.firstSequenceNumber, frame.lastSequenceNumber];
}

/** Whether the entries of a frame are where they must be. */
function walk(cursor: FrameCursor): void {
  while (cursor.advance());
}

function checkSnapshot(stored: StoredEntry, { codec, found }: RecordCheck): void {
  const { key, value } = stored;
  if (!hasValidChecksum(key)) throw damagedKey("snapshot");
  const actor = actorOf(key, "snapshot");
  const sequenceNumber = snapshotNumberOf(key);
  found(actor, sequenceNumber);
  const timeMs = readSnapshotTime(actor, stored);
  if (!codec) return;
  new AnyPayloads(codec, STATE).decode({
    bytes: value,
    payloadStart: SNAPSHOT_PAYLOAD_OFFSET,
    payloadEnd: value.length,
    actor,
    sequenceNumber,
    timeMs,
  });
}

function checkEffect({ key, value }: StoredEntry, { codec, found }: RecordCheck): void {
  const { actor: actorKey, sequenceNumber } = parseEffectKey(key);
  const actor = actorOf(actorKey, "effect");
  if (Number.isNaN(sequenceNumber)) throw damagedKey("effect");
  found(actor, sequenceNumber);
  const { payload, decidedAtMs } = decodeEffect(key, value, actor.actorId);
  // Of an effect that was damaged when it was given up, nothing is left but that.
  if (!codec || payload.length === 0) return;
  const whole = { bytes: payload, payloadStart: 0, payloadEnd: payload.length };
  const place = { ...whole, actor, sequenceNumber, timeMs: decidedAtMs };
  try {
    decodeValue(codec, place, BARE_PARTS, EFFECT);
  } catch (error) {
    if (!(error instanceof PersistenceError) || error.code !== "ERASED") throw error;
  }
}

function checkLog({ key, value, version }: StoredEntry, { found }: RecordCheck): void {
  if (positionIn(key) === undefined) throw damagedKey("record of the log");
  if (version === LOG_VERSION.order) return void decodeOrder(key, value);
  const record = LogRecord.read(key, value);
  let damaged = 0;
  for (let index = 0; index < record.count; index++) {
    if (record.isSound(index)) {
      record.item(index);
      continue;
    }
    damaged++;
    const actor = actorOfItem(record, index);
    if (actor) found(actor);
  }
  if (damaged > 0) {
    throw new PersistenceError(
      "CORRUPT",
      `Cannot read the log: ${damaged} of the ${record.count} items of a record are damaged`,
    );
  }
}

/**
 * The actor of an item of the log, even if the rest of the item is damaged.
 *
 * @param record The record.
 * @param index The index of the item.
 * @returns The actor, or `undefined` if it cannot be known.
 */
export function actorOfItem(record: LogRecord, index: number): ActorAddress | undefined {
  const key = record.keyOf(index);
  return key && addressIn(key);
}

function checkMeta(stored: StoredEntry, { found }: RecordCheck): void {
  const { key, value } = stored;
  const rest = key.subarray(1);
  const ofActor = () => {
    const actor = actorOf(rest, "record");
    found(actor);
    return actor;
  };
  switch (key[0]) {
    case 0x01:
      return void decodeConsumers(ofActor(), key, stored);
    case 0x02:
      return void decodeHandled(key, value, ofActor());
    case 0x03:
      return verifyRefused(key, value, ofActor());
    case 0x04:
      return void decodeSourcing(key, value, decodeActorKey(rest)?.kind ?? "?");
    case 0x05:
      return void decodeRemovalMark(ofActor(), stored);
    case 0x06:
    case 0x07:
      return void decodePositions(stored);
    case 0x08:
      if (key.length === 5 && value.length === 1 && value[0] === 0) return;
      throw new PersistenceError("CORRUPT", "Cannot read the log: a stripe is damaged");
    default:
      if (compareBytes(key, STORE_INFO_KEY) === 0) return void codecNameIn(stored);
      if (compareBytes(key, HEALTH_KEY) === 0) return verifyProbe(stored);
      throw damagedKey("record");
  }
}

function actorOf(key: Uint8Array, noun: string): ActorAddress {
  const actor = addressIn(key);
  if (actor) return actor;
  throw damagedKey(noun);
}

function damagedKey(noun: string): PersistenceError {
  return new PersistenceError("CORRUPT", `Cannot read ${noun}: its key is damaged`);
}
