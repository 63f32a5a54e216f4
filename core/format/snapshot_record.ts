/**
 * Snapshots: a state of an actor. The record of a snapshot:
 *
 * | offset | bytes | content |
 * |---|---|---|
 * | 0 | 5 | the envelope, see `envelope.ts` |
 * | 5 | 8 | when it was saved: milliseconds since 1970 |
 * | 13 | | the payload of the state, see `payload.ts` |
 *
 * A snapshot is stored in the keyspace "snapshots" under an
 * entry key with a checksum (see `checksummed_key.ts`). Its sequence number is that of the last
 * entry that the state includes.
 *
 * @module
 */

import { describeActor, detailsOf } from "../errors/actor_name.ts";
import { PersistenceError } from "../errors/persistence_error.ts";
import type { StoredEntry } from "../ports/storage.ts";
import { readUint53, writeUint53 } from "../util/bytes.ts";
import type { ActorAddress } from "./actor_address.ts";
import { checksummedKey, KEY_CHECKSUM_BYTES } from "./checksummed_key.ts";
import { ENVELOPE_BYTES, sealEnvelope, verifyEnvelope } from "./envelope.ts";
import { entryKey, sequenceNumberOf } from "./keys.ts";
import { type EncodedPayload, writePayload } from "./payload.ts";

const SNAPSHOT_VERSION = 1;
const TIME_OFFSET = ENVELOPE_BYTES;

/** The offset of the payload in a snapshot. */
export const SNAPSHOT_PAYLOAD_OFFSET: number = TIME_OFFSET + 8;

/**
 * The key of a snapshot.
 *
 * @param actor The actor's key.
 * @param sequenceNumber The sequence number of the last entry that the state includes.
 * @returns The key in the keyspace "snapshots".
 */
export function snapshotKey(actor: Uint8Array, sequenceNumber: number): Uint8Array {
  return checksummedKey(entryKey(actor, sequenceNumber));
}

/**
 * Decodes the sequence number in the key of a snapshot.
 *
 * @param key The key as it is stored.
 * @returns The sequence number, or `NaN` if the key is damaged.
 */
export function snapshotNumberOf(key: Uint8Array): number {
  return sequenceNumberOf(key.subarray(0, key.length - KEY_CHECKSUM_BYTES));
}

/**
 * Encodes a snapshot.
 *
 * @param key The key of the snapshot.
 * @param payload The payload of the state, which is copied.
 * @param timeMs When it was saved, in milliseconds since 1970.
 * @returns The record.
 */
export function encodeSnapshot(
  key: Uint8Array,
  payload: EncodedPayload,
  timeMs: number,
): Uint8Array {
  const payloadBytes = payload.header.length + payload.bytes.length;
  const record = new Uint8Array(SNAPSHOT_PAYLOAD_OFFSET + payloadBytes);
  writeUint53(record, TIME_OFFSET, timeMs, "little-endian");
  writePayload(record, SNAPSHOT_PAYLOAD_OFFSET, payload);
  sealEnvelope(key, record, SNAPSHOT_VERSION);
  return record;
}

/**
 * Verifies a snapshot and reads its time.
 *
 * @param actor The actor.
 * @param stored The stored entry.
 * @returns When it was saved, in milliseconds since 1970.
 * @throws {PersistenceError} `CORRUPT`, `UNSUPPORTED_FORMAT`.
 */
export function readSnapshotTime(actor: ActorAddress, { key, value }: StoredEntry): number {
  const sequenceNumber = snapshotNumberOf(key);
  const subject = `snapshot of ${describeActor(actor)} at ${sequenceNumber}`;
  const details = { ...detailsOf(actor), sequenceNumber };
  verifyEnvelope(key, value, SNAPSHOT_VERSION, subject, details);
  const timeMs = readUint53(value, TIME_OFFSET, "little-endian");
  if (Number.isNaN(timeMs)) {
    throw new PersistenceError(
      "CORRUPT",
      `Cannot read ${subject}: the record is malformed`,
      details,
    );
  }
  return timeMs;
}
