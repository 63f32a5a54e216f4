/**
 * Heads: the state of an actor's journal up to a position of the log, and its last few entries (see
 * `tail.ts`). Only the collector of the log writes heads (see `core/log/collector.ts`). What the log
 * says from that position on comes on top.
 *
 * | offset | bytes | content |
 * |---|---|---|
 * | 0 | 5 | the envelope, see `envelope.ts`; its checksum covers what is before the tail |
 * | 5 | 8 | next sequence number |
 * | 13 | 8 | first retained sequence number: what is below it has been truncated |
 * | 21 | 8 | first sequence number of the tail; equal to the next one if there is no tail |
 * | 29 | 8 | origin: the lowest sequence number that recovery may need |
 * | 37 | 8 | incarnation: the position of the log at which the journal was made |
 * | 45 | 8 | position of the last reset of the journal, 0 if there was none |
 * | 53 | 8 | position of the log: the head has what was committed before it |
 * | 61 | | the tail: a frame as in the keyspace "entries", including its own checksum |
 *
 * A head is stored in the keyspace "heads" under the actor's key with a checksum (see
 * `checksummed_key.ts`). Its version in the storage is its position. No other journal of the store
 * has the same incarnation, so neither a head nor a frame of a journal that was deleted can be taken
 * for one of a later journal of the same actor.
 *
 * @module
 */

import { describeActor, detailsOf } from "../errors/actor_name.ts";
import { PersistenceError } from "../errors/persistence_error.ts";
import type { StorageChange } from "../ports/storage.ts";
import { readUint53, writeUint53 } from "../util/bytes.ts";
import type { ActorAddress } from "./actor_address.ts";
import { checksummedKey } from "./checksummed_key.ts";
import { ENVELOPE_BYTES, sealEnvelope, verifyEnvelope } from "./envelope.ts";

const HEAD_VERSION = 1;
const NEXT_OFFSET = ENVELOPE_BYTES;
const FIRST_OFFSET = NEXT_OFFSET + 8;
const TAIL_FIRST_OFFSET = FIRST_OFFSET + 8;
const ORIGIN_OFFSET = TAIL_FIRST_OFFSET + 8;
const INCARNATION_OFFSET = ORIGIN_OFFSET + 8;
const RESET_OFFSET = INCARNATION_OFFSET + 8;
const POSITION_OFFSET = RESET_OFFSET + 8;

/**
 * The offset of the tail, at which the checksum of the envelope stops. It must be the same in every
 * later version of the format, so that damage can be distinguished from a newer format.
 */
export const HEAD_BYTES_BEFORE_TAIL: number = POSITION_OFFSET + 8;

/** The state of an actor's journal. */
export interface JournalState {
  /** The sequence number that the next append gets. */
  readonly nextSequenceNumber: number;
  /** The lowest sequence number that is retained; equal to the next one if there is none. */
  readonly firstSequenceNumber: number;
  /**
   * The lowest sequence number that recovery may need: 0, unless the journal was made to begin at
   * another one, or what came before was erased.
   */
  readonly originSequenceNumber: number;
  /**
   * Tells this journal from those that the actor had before it was deleted: the position of the log
   * at which it was made. 0 if there is no journal.
   */
  readonly incarnation: number;
  /** The position at which it was last reset, 0 if it never was. */
  readonly resetPosition: number;
}

/** The state of an actor without a journal. */
export const NO_JOURNAL: JournalState = {
  nextSequenceNumber: 0,
  firstSequenceNumber: 0,
  originSequenceNumber: 0,
  incarnation: 0,
  resetPosition: 0,
};

/** A head as it is stored. */
export interface StoredHead extends JournalState {
  /** The sequence number of the first entry of the tail; equal to the next one if there is none. */
  readonly tailSequenceNumber: number;
  /** It has what was committed before this position of the log. */
  readonly position: number;
  /** The record of the tail, which has not been verified. Empty if there is no tail. */
  readonly tail: Uint8Array;
}

/**
 * The key of the head of an actor's journal.
 *
 * @param actor The actor's key.
 * @returns The key in the keyspace "heads".
 */
export function headKey(actor: Uint8Array): Uint8Array {
  return checksummedKey(actor);
}

/**
 * Makes the change that writes a head.
 *
 * @param key The key of the head.
 * @param head The head.
 * @returns The change.
 */
export function putHead(key: Uint8Array, head: StoredHead): StorageChange {
  const value = new Uint8Array(HEAD_BYTES_BEFORE_TAIL + head.tail.length);
  writeUint53(value, NEXT_OFFSET, head.nextSequenceNumber, "little-endian");
  writeUint53(value, FIRST_OFFSET, head.firstSequenceNumber, "little-endian");
  writeUint53(value, TAIL_FIRST_OFFSET, head.tailSequenceNumber, "little-endian");
  writeUint53(value, ORIGIN_OFFSET, head.originSequenceNumber, "little-endian");
  writeUint53(value, INCARNATION_OFFSET, head.incarnation, "little-endian");
  writeUint53(value, RESET_OFFSET, head.resetPosition, "little-endian");
  writeUint53(value, POSITION_OFFSET, head.position, "little-endian");
  sealEnvelope(key, value, HEAD_VERSION, HEAD_BYTES_BEFORE_TAIL);
  value.set(head.tail, HEAD_BYTES_BEFORE_TAIL);
  return { type: "put", keyspace: "heads", key, value, version: head.position };
}

/**
 * Decodes a head.
 *
 * @param actor The actor.
 * @param key The key of the head.
 * @param value The record.
 * @returns The head.
 * @throws {PersistenceError} `CORRUPT`, `UNSUPPORTED_FORMAT`.
 */
export function decodeHead(actor: ActorAddress, key: Uint8Array, value: Uint8Array): StoredHead {
  const end = Math.min(HEAD_BYTES_BEFORE_TAIL, value.length);
  const subject = `head of ${describeActor(actor)}`;
  verifyEnvelope(key, value, HEAD_VERSION, subject, detailsOf(actor), end);
  const head = {
    nextSequenceNumber: readUint53(value, NEXT_OFFSET, "little-endian"),
    firstSequenceNumber: readUint53(value, FIRST_OFFSET, "little-endian"),
    tailSequenceNumber: readUint53(value, TAIL_FIRST_OFFSET, "little-endian"),
    originSequenceNumber: readUint53(value, ORIGIN_OFFSET, "little-endian"),
    incarnation: readUint53(value, INCARNATION_OFFSET, "little-endian"),
    resetPosition: readUint53(value, RESET_OFFSET, "little-endian"),
    position: readUint53(value, POSITION_OFFSET, "little-endian"),
    tail: value.subarray(end),
  };
  // What is not within the record is read as NaN, which fails every comparison.
  const isOrdered = head.originSequenceNumber <= head.firstSequenceNumber &&
    head.firstSequenceNumber <= head.nextSequenceNumber &&
    head.tailSequenceNumber <= head.nextSequenceNumber;
  const isPlaced = head.incarnation > 0 && head.incarnation < head.position &&
    head.resetPosition < head.position;
  if (isOrdered && isPlaced) return head;
  throw new PersistenceError(
    "CORRUPT",
    `Cannot read ${subject}: the record is malformed`,
    detailsOf(actor),
  );
}
