/**
 * Order records: in which order the entries of a collected part of the log were committed. One stands
 * in the place of the last record of that part; the others are removed.
 *
 * | offset | bytes | content |
 * |---|---|---|
 * | 0 | 5 | the envelope, see `envelope.ts` |
 * | 5 | 8 | the first position of the part |
 * | 13 | varint | number of actors |
 * | | | the actors: varint: length of the key; the key; 8 bytes: incarnation of the journal; 8 bytes: sequence number of its first entry in the part |
 * | | | for each position of the part: varint: number of runs, and the runs |
 *
 * A run is two varints: the index of the actor, and how many entries it has appended. Its entries are
 * those that come next for this actor. An actor that was deleted in between stands there once more.
 * The incarnation of a journal that was deleted within the part may be one that no journal has had.
 *
 * @module
 */

import { PersistenceError } from "../errors/persistence_error.ts";
import { readUint53, writeUint53 } from "../util/bytes.ts";
import { ENVELOPE_BYTES, sealEnvelope, verifyEnvelope } from "./envelope.ts";
import { MAX_VARINT_BYTES, readVarint, writeVarint } from "./varint.ts";

const ORDER_VERSION = 1;
const FIRST_OFFSET = ENVELOPE_BYTES;
const ACTORS_OFFSET = FIRST_OFFSET + 8;
const SUBJECT = "order of the log";

/** An actor of an order record. */
export interface OrderedActor {
  /** The actor's key. */
  readonly key: Uint8Array;
  /** The incarnation of its journal. */
  readonly incarnation: number;
  /** The sequence number of its first entry in the part. */
  readonly sequenceNumber: number;
}

/** The order of a part of the log. */
export interface LogOrder {
  /** The first position of the part. */
  readonly firstPosition: number;
  /** The actors. */
  readonly actors: readonly OrderedActor[];
  /** For each position: the index of an actor and a number of entries, again and again. */
  readonly positions: readonly (readonly number[])[];
}

/**
 * Makes an order record.
 *
 * @param key The key of the last position of the part.
 * @param order The order.
 * @returns The record.
 */
export function encodeOrder(
  key: Uint8Array,
  { firstPosition, actors, positions }: LogOrder,
): Uint8Array {
  let capacity = ACTORS_OFFSET + MAX_VARINT_BYTES;
  for (const actor of actors) capacity += MAX_VARINT_BYTES + actor.key.length + 16;
  for (const runs of positions) capacity += MAX_VARINT_BYTES * (1 + runs.length);
  const bytes = new Uint8Array(capacity);
  writeUint53(bytes, FIRST_OFFSET, firstPosition, "little-endian");
  let end = writeVarint(bytes, ACTORS_OFFSET, actors.length);
  for (const { key, incarnation, sequenceNumber } of actors) {
    end = writeVarint(bytes, end, key.length);
    bytes.set(key, end);
    writeUint53(bytes, end + key.length, incarnation, "little-endian");
    writeUint53(bytes, end + key.length + 8, sequenceNumber, "little-endian");
    end += key.length + 16;
  }
  for (const runs of positions) {
    end = writeVarint(bytes, end, runs.length / 2);
    for (const number of runs) end = writeVarint(bytes, end, number);
  }
  const record = bytes.slice(0, end);
  sealEnvelope(key, record, ORDER_VERSION);
  return record;
}

/**
 * Reads an order record.
 *
 * @param key Its key.
 * @param record The record.
 * @returns The order.
 * @throws {PersistenceError} `CORRUPT`, `UNSUPPORTED_FORMAT`.
 */
export function decodeOrder(key: Uint8Array, record: Uint8Array): LogOrder {
  verifyEnvelope(key, record, ORDER_VERSION, SUBJECT, {});
  const firstPosition = readUint53(record, FIRST_OFFSET, "little-endian");
  const cursor = { bytes: record, offset: ACTORS_OFFSET };
  const count = readVarint(cursor);
  const actors: OrderedActor[] = [];
  // What is not within the record is read as NaN, which fails every comparison.
  for (let left = count; left > 0 && cursor.offset < record.length; left--) {
    const length = readVarint(cursor);
    const end = cursor.offset + length;
    if (!(end + 16 <= record.length)) throw malformed();
    const incarnation = readUint53(record, end, "little-endian");
    const sequenceNumber = readUint53(record, end + 8, "little-endian");
    if (!(incarnation >= 0 && sequenceNumber >= 0)) throw malformed();
    actors.push({ key: record.subarray(cursor.offset, end), incarnation, sequenceNumber });
    cursor.offset = end + 16;
  }
  if (actors.length !== count || !(firstPosition >= 0)) throw malformed();
  const positions: number[][] = [];
  while (cursor.offset < record.length) positions.push(readRuns(cursor, count));
  return { firstPosition, actors, positions };
}

function readRuns(
  cursor: { readonly bytes: Uint8Array; offset: number },
  actors: number,
): number[] {
  const runs: number[] = [];
  const count = readVarint(cursor);
  if (!(count >= 0)) throw malformed();
  for (let left = count; left > 0; left--) {
    const actor = readVarint(cursor);
    const entries = readVarint(cursor);
    if (!(actor < actors) || !(entries > 0)) throw malformed();
    runs.push(actor, entries);
  }
  if (!(cursor.offset <= cursor.bytes.length)) throw malformed();
  return runs;
}

function malformed(): PersistenceError {
  return new PersistenceError("CORRUPT", `Cannot read ${SUBJECT}: the record is malformed`);
}
