/**
 * The keys of the log, and what it remembers of its own collection.
 *
 * Records stand in the keyspace "log". A key is the number of the log as 2 bytes, then the position
 * as 8 bytes, both big-endian, with a checksum (see `checksummed_key.ts`). The version of a record
 * in the storage is 1, or 3 if its commit has written the stripes of its actors; that of an order
 * record (see `order_record.ts`) is 2.
 *
 * Two records in the keyspace "meta" say how far the log has been collected. Both are the envelope
 * (see `envelope.ts`) and two positions of 8 bytes. Their keys are a byte, then the number of the
 * log as 2 bytes:
 *
 * | byte | first position | second position |
 * |---|---|---|
 * | 06 | what was committed before it stands in frames and heads | 0 |
 * | 07 | the end of the part that is being collected, 0 if there is none | the records before it have been removed |
 *
 * A stripe stands for many actors. Its key in "meta" is the byte 08, the number of the log as 2
 * bytes, and its own number as 2 bytes, that is the checksum of an actor's key modulo 4,096. Its
 * value is empty but for a zero byte, its version the position of the last record with version 3
 * that has an item of one of its actors. See `stripes.ts`.
 *
 * @module
 */

import { PersistenceError } from "../errors/persistence_error.ts";
import type { StorageChange, StoredEntry } from "../ports/storage.ts";
import { readUint53, writeUint53 } from "../util/bytes.ts";
import { checksummedKey, hasValidChecksum, KEY_CHECKSUM_BYTES } from "./checksummed_key.ts";
import { ENVELOPE_BYTES, sealEnvelope, verifyEnvelope } from "./envelope.ts";

const STATE_VERSION = 1;
const COLLECTED_PREFIX = 0x06;
const COLLECTOR_PREFIX = 0x07;
const STRIPE_PREFIX = 0x08;
const STRIPES = 4_096;
const STRIPE_VALUE = new Uint8Array(1);
const LOG_BYTES = 2;
const BARE_KEY_BYTES = LOG_BYTES + 8;
const KEY_BYTES = BARE_KEY_BYTES + KEY_CHECKSUM_BYTES;
const STATE_BYTES = ENVELOPE_BYTES + 16;
const SUBJECT = "state of the log";

/** The position of the first record. */
export const FIRST_POSITION = 1;

/** The versions of the records of the log in the storage. */
export const LOG_VERSION = { record: 1, order: 2, striped: 3 } as const;

/** Two positions of a log. */
export interface LogPositions {
  /** The first one. */
  readonly first: number;
  /** The second one. */
  readonly second: number;
}

/**
 * The key of a record.
 *
 * @param log The number of the log: 0 to 65,535.
 * @param position The position: an integer of at least 0.
 * @returns The key in the keyspace "log".
 */
export function logKey(log: number, position: number): Uint8Array {
  const bare = new Uint8Array(BARE_KEY_BYTES);
  bare[0] = log >>> 8;
  bare[1] = log;
  writeUint53(bare, LOG_BYTES, position, "big-endian");
  return checksummedKey(bare);
}

/**
 * The upper bound, exclusive, of the keys of a log.
 *
 * @param log The number of the log.
 * @returns The key.
 */
export function logKeysEnd(log: number): Uint8Array {
  return Uint8Array.of(log >>> 8, log, 0xff);
}

/**
 * The position in a key.
 *
 * @param key The key.
 * @returns The position, or `undefined` if the key is damaged.
 */
export function positionIn(key: Uint8Array): number | undefined {
  if (key.length !== KEY_BYTES || !hasValidChecksum(key)) return undefined;
  const position = readUint53(key, LOG_BYTES, "big-endian");
  return Number.isNaN(position) ? undefined : position;
}

/**
 * The key of the record that says how far a log has been collected.
 *
 * @param log The number of the log.
 * @returns The key in the keyspace "meta".
 */
export function collectedKey(log: number): Uint8Array {
  return Uint8Array.of(COLLECTED_PREFIX, log >>> 8, log);
}

/**
 * The key of the record that says who collects a log.
 *
 * @param log The number of the log.
 * @returns The key in the keyspace "meta".
 */
export function collectorKey(log: number): Uint8Array {
  return Uint8Array.of(COLLECTOR_PREFIX, log >>> 8, log);
}

/**
 * The number of the stripe of an actor.
 *
 * @param checksum The checksum of the actor's key.
 * @returns The number: 0 to 4,095.
 */
export function stripeOf(checksum: number): number {
  return checksum % STRIPES;
}

/**
 * The key of a stripe.
 *
 * @param log The number of the log.
 * @param stripe The number of the stripe.
 * @returns The key in the keyspace "meta".
 */
export function stripeKey(log: number, stripe: number): Uint8Array {
  return Uint8Array.of(STRIPE_PREFIX, log >>> 8, log, stripe >>> 8, stripe);
}

/**
 * Makes the change that writes a stripe.
 *
 * @param key Its key.
 * @param position The position of the record that is committed with it.
 * @returns The change.
 */
export function putStripe(key: Uint8Array, position: number): StorageChange {
  return { type: "put", keyspace: "meta", key, value: STRIPE_VALUE, version: position };
}

/**
 * Makes the change that writes one of these two records.
 *
 * @param key Its key.
 * @param positions The positions.
 * @param version Its new version.
 * @returns The change.
 */
export function putPositions(
  key: Uint8Array,
  { first, second }: LogPositions,
  version: number,
): StorageChange {
  const value = new Uint8Array(STATE_BYTES);
  writeUint53(value, ENVELOPE_BYTES, first, "little-endian");
  writeUint53(value, ENVELOPE_BYTES + 8, second, "little-endian");
  sealEnvelope(key, value, STATE_VERSION);
  return { type: "put", keyspace: "meta", key, value, version };
}

/**
 * Reads one of these two records.
 *
 * @param stored What is stored, or `undefined` if there is nothing.
 * @returns The positions.
 * @throws {PersistenceError} `CORRUPT`, `UNSUPPORTED_FORMAT`.
 */
export function decodePositions(stored: StoredEntry | undefined): LogPositions {
  if (!stored) return { first: FIRST_POSITION, second: FIRST_POSITION };
  const { key, value } = stored;
  verifyEnvelope(key, value, STATE_VERSION, SUBJECT, {});
  const first = readUint53(value, ENVELOPE_BYTES, "little-endian");
  const second = readUint53(value, ENVELOPE_BYTES + 8, "little-endian");
  if (first >= 0 && second >= 0) return { first, second };
  throw new PersistenceError("CORRUPT", `Cannot read ${SUBJECT}: the record is malformed`);
}
