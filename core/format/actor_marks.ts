/**
 * What actors with command sourcing remember of messages that were handled, and how a kind of actors
 * is journaled. All of it stands in the keyspace "meta":
 *
 * | key | record |
 * |---|---|
 * | 02, the actor's key | the envelope (see `envelope.ts`), then 8 bytes: up to here all messages have been handled |
 * | 03, the actor's key, a sequence number | the envelope alone: this message was refused |
 * | 04, the kind's key | the envelope, then one byte: 0 for events, 1 for commands |
 *
 * @module
 */

import { describeActor, detailsOf, type NamedActor } from "../errors/actor_name.ts";
import { PersistenceError } from "../errors/persistence_error.ts";
import type { Sourcing } from "../ports/actor_store.ts";
import { readUint53, writeUint53 } from "../util/bytes.ts";
import { ENVELOPE_BYTES, sealEnvelope, verifyEnvelope } from "./envelope.ts";

const MARKS_VERSION = 1;
const HANDLED_PREFIX = 0x02;
const REFUSED_PREFIX = 0x03;
const SOURCING_PREFIX = 0x04;
const SOURCINGS: readonly Sourcing[] = ["events", "commands"];

/**
 * The key of the mark up to which messages have been handled.
 *
 * @param actor The actor's key.
 * @returns The key in the keyspace "meta".
 */
export function handledKey(actor: Uint8Array): Uint8Array {
  return prefixed(HANDLED_PREFIX, actor);
}

/**
 * The key of the mark of a message that was refused.
 *
 * @param entry The entry key of the message.
 * @returns The key in the keyspace "meta".
 */
export function refusedKey(entry: Uint8Array): Uint8Array {
  return prefixed(REFUSED_PREFIX, entry);
}

/**
 * The key of how a kind of actors is journaled.
 *
 * @param kind The kind's key.
 * @returns The key in the keyspace "meta".
 */
export function sourcingKey(kind: Uint8Array): Uint8Array {
  return prefixed(SOURCING_PREFIX, kind);
}

/**
 * Makes the mark up to which messages have been handled.
 *
 * @param key Its key.
 * @param handled The sequence number.
 * @returns The record.
 */
export function encodeHandled(key: Uint8Array, handled: number): Uint8Array {
  const record = new Uint8Array(ENVELOPE_BYTES + 8);
  writeUint53(record, ENVELOPE_BYTES, handled, "little-endian");
  sealEnvelope(key, record, MARKS_VERSION);
  return record;
}

/**
 * Reads the mark up to which messages have been handled.
 *
 * @param key Its key.
 * @param record The record.
 * @param actor The actor, for errors.
 * @returns The sequence number.
 * @throws {PersistenceError} `CORRUPT`, `UNSUPPORTED_FORMAT`.
 */
export function decodeHandled(key: Uint8Array, record: Uint8Array, actor: NamedActor): number {
  const subject = `marks of ${describeActor(actor)}`;
  verifyEnvelope(key, record, MARKS_VERSION, subject, detailsOf(actor));
  const handled = readUint53(record, ENVELOPE_BYTES, "little-endian");
  if (!Number.isNaN(handled)) return handled;
  throw new PersistenceError("CORRUPT", `Cannot read ${subject}: malformed`, detailsOf(actor));
}

/**
 * Makes the mark of a message that was refused.
 *
 * @param key Its key.
 * @returns The record.
 */
export function encodeRefused(key: Uint8Array): Uint8Array {
  const record = new Uint8Array(ENVELOPE_BYTES);
  sealEnvelope(key, record, MARKS_VERSION);
  return record;
}

/**
 * Verifies the mark of a message that was refused.
 *
 * @param key Its key.
 * @param record The record.
 * @param actor The actor, for errors.
 * @throws {PersistenceError} `CORRUPT`, `UNSUPPORTED_FORMAT`.
 */
export function verifyRefused(key: Uint8Array, record: Uint8Array, actor: NamedActor): void {
  const subject = `marks of ${describeActor(actor)}`;
  verifyEnvelope(key, record, MARKS_VERSION, subject, detailsOf(actor));
}

/**
 * Makes the record of how a kind of actors is journaled.
 *
 * @param key Its key.
 * @param sourcing What is journaled.
 * @returns The record.
 */
export function encodeSourcing(key: Uint8Array, sourcing: Sourcing): Uint8Array {
  const record = new Uint8Array(ENVELOPE_BYTES + 1);
  record[ENVELOPE_BYTES] = SOURCINGS.indexOf(sourcing);
  sealEnvelope(key, record, MARKS_VERSION);
  return record;
}

/**
 * Reads the record of how a kind of actors is journaled.
 *
 * @param key Its key.
 * @param record The record.
 * @param kind The kind, for errors.
 * @returns What is journaled.
 * @throws {PersistenceError} `CORRUPT`, `UNSUPPORTED_FORMAT`.
 */
export function decodeSourcing(key: Uint8Array, record: Uint8Array, kind: string): Sourcing {
  const subject = `marks of kind "${kind}"`;
  verifyEnvelope(key, record, MARKS_VERSION, subject, { kind });
  const sourcing = SOURCINGS[record[ENVELOPE_BYTES] ?? -1];
  if (sourcing) return sourcing;
  throw new PersistenceError("CORRUPT", `Cannot read ${subject}: malformed`, { kind });
}

function prefixed(prefix: number, key: Uint8Array): Uint8Array {
  const whole = new Uint8Array(1 + key.length);
  whole[0] = prefix;
  whole.set(key, 1);
  return whole;
}
