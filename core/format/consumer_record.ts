/**
 * The record with the positions of an actor's consumers:
 *
 * | offset | bytes | content |
 * |---|---|---|
 * | 0 | 5 | the envelope, see `envelope.ts` |
 * | 5 | | JSON in UTF-8: pairs of a consumer and the lowest sequence number that it needs |
 *
 * It is stored in the keyspace "meta". Its key is a byte 01 followed by the actor's key.
 *
 * @module
 */

import { describeActor, detailsOf } from "../errors/actor_name.ts";
import { PersistenceError } from "../errors/persistence_error.ts";
import type { StoredEntry } from "../ports/storage.ts";
import type { ActorAddress } from "./actor_address.ts";
import { ENVELOPE_BYTES, sealEnvelope, verifyEnvelope } from "./envelope.ts";

const CONSUMERS_VERSION = 1;
const KEY_PREFIX = 0x01;

/** The lowest sequence number that each consumer needs, by the consumer's name. */
export type ConsumerPositionsByName = Map<string, number>;

/**
 * The key of the record with the positions of an actor's consumers.
 *
 * @param actor The actor's key.
 * @returns The key in the keyspace "meta".
 */
export function consumersKey(actor: Uint8Array): Uint8Array {
  const key = new Uint8Array(1 + actor.length);
  key[0] = KEY_PREFIX;
  key.set(actor, 1);
  return key;
}

/**
 * Encodes the positions of an actor's consumers.
 *
 * @param key The key of the record.
 * @param positions The positions.
 * @returns The record.
 */
export function encodeConsumers(key: Uint8Array, positions: ConsumerPositionsByName): Uint8Array {
  const text = new TextEncoder().encode(JSON.stringify([...positions]));
  const record = new Uint8Array(ENVELOPE_BYTES + text.length);
  record.set(text, ENVELOPE_BYTES);
  sealEnvelope(key, record, CONSUMERS_VERSION);
  return record;
}

/**
 * Decodes the positions of an actor's consumers.
 *
 * @param actor The actor.
 * @param key The key of the record.
 * @param stored The stored entry, or `undefined` if there is none.
 * @returns The positions. Without a record, there are none.
 * @throws {PersistenceError} `CORRUPT`, `UNSUPPORTED_FORMAT`.
 */
export function decodeConsumers(
  actor: ActorAddress,
  key: Uint8Array,
  stored: StoredEntry | undefined,
): ConsumerPositionsByName {
  if (!stored) return new Map();
  const subject = `consumers of ${describeActor(actor)}`;
  verifyEnvelope(key, stored.value, CONSUMERS_VERSION, subject, detailsOf(actor));
  const positions = parsePositions(stored.value.subarray(ENVELOPE_BYTES));
  if (positions) return positions;
  throw new PersistenceError(
    "CORRUPT",
    `Cannot read ${subject}: the record is malformed`,
    detailsOf(actor),
  );
}

/** The positions that a text has, or `undefined` if it is not such a text. */
function parsePositions(bytes: Uint8Array): ConsumerPositionsByName | undefined {
  let pairs: unknown;
  try {
    pairs = JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    // That says nothing beyond what the caller's error says.
    return undefined;
  }
  if (!Array.isArray(pairs)) return undefined;
  const positions: ConsumerPositionsByName = new Map();
  for (const pair of pairs) {
    const [name, position]: unknown[] = Array.isArray(pair) ? pair : [];
    if (typeof name !== "string" || !isPosition(position)) return undefined;
    positions.set(name, position);
  }
  return positions;
}

function isPosition(value: unknown): value is number {
  return Number.isSafeInteger(value) && Number(value) >= 0;
}
