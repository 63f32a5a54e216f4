/**
 * Effects of actors that have not been delivered, and those that were given up. An effect is stored
 * as
 *
 * | offset | bytes | content |
 * |---|---|---|
 * | 0 | 5 | the envelope, see `envelope.ts` |
 * | 5 | 8 | when it was decided: milliseconds since 1970 |
 * | 13 | 8 | not before this time is the next attempt due: milliseconds since 1970 |
 * | 21 | 4 | how many attempts have failed |
 * | 25 | 4 | how many bytes the last error has: 0 for open effects |
 * | 29 | | the last error in UTF-8 |
 * | | | the effect, as the codec made it |
 *
 * It stands in the keyspace "outbox" under a byte 00, or 01 for those that were given up, then the
 * actor's key, then sequence number + 1 and index as 8 bytes each, big-endian. So the effects of an
 * actor are in the order of decisions.
 *
 * @module
 */

import { PersistenceError } from "../errors/persistence_error.ts";
import { readUint32, readUint53, writeUint32, writeUint53 } from "../util/bytes.ts";
import { ENVELOPE_BYTES, sealEnvelope, verifyEnvelope } from "./envelope.ts";
import type { KeyRange } from "./keys.ts";

const EFFECT_VERSION = 1;
const DECIDED_OFFSET = ENVELOPE_BYTES;
const DUE_OFFSET = DECIDED_OFFSET + 8;
const ATTEMPTS_OFFSET = DUE_OFFSET + 8;
const ERROR_BYTES_OFFSET = ATTEMPTS_OFFSET + 4;
const ERROR_OFFSET = ERROR_BYTES_OFFSET + 4;
/** Sequence number and index. */
const PLACE_BYTES = 16;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Whether effects are still to be delivered, or were given up. */
export type EffectState = "open" | "dead";

const STATE_BYTES: Readonly<Record<EffectState, number>> = { open: 0, dead: 1 };

/** An effect, as it is stored. */
export interface EffectRecord {
  /** When it was decided: milliseconds since 1970. */
  readonly decidedAtMs: number;
  /** When the next attempt is due: milliseconds since 1970. */
  readonly dueAtMs: number;
  /** How many attempts have failed: from 0 to 2^32 - 1. */
  readonly attempts: number;
  /** What the last attempt failed with; empty for open effects. */
  readonly lastError: string;
  /** The effect, encoded; empty if the record was damaged when the effect was given up. */
  readonly payload: Uint8Array;
}

/**
 * The key of an effect.
 *
 * @param state Whether it is still to be delivered.
 * @param actor The actor's key.
 * @param sequenceNumber The sequence number of the entry that it was decided with, -1 if it came
 *   before all entries.
 * @param index Its index.
 * @returns The key in the keyspace "outbox".
 */
export function effectKey(
  state: EffectState,
  actor: Uint8Array,
  sequenceNumber: number,
  index: number,
): Uint8Array {
  const key = new Uint8Array(1 + actor.length + PLACE_BYTES);
  key[0] = STATE_BYTES[state];
  key.set(actor, 1);
  writeUint53(key, 1 + actor.length, sequenceNumber + 1, "big-endian");
  writeUint53(key, 1 + actor.length + 8, index, "big-endian");
  return key;
}

/**
 * The keys of all effects of some actors.
 *
 * @param state Whether they are still to be delivered.
 * @param actors The range of the actors' keys.
 * @returns The range of the effects' keys.
 */
export function effectRange(state: EffectState, actors: KeyRange): KeyRange {
  return { start: inState(state, actors.start), end: inState(state, actors.end) };
}

function inState(state: EffectState, key: Uint8Array): Uint8Array {
  const whole = new Uint8Array(1 + key.length);
  whole[0] = STATE_BYTES[state];
  whole.set(key, 1);
  return whole;
}

/**
 * The parts of the key of an effect.
 *
 * @param key The key.
 * @returns The actor's key, sequence number and index; the numbers are `NaN` if the key is damaged.
 */
export function parseEffectKey(
  key: Uint8Array,
): { readonly actor: Uint8Array; readonly sequenceNumber: number; readonly index: number } {
  const placeOffset = key.length - PLACE_BYTES;
  return {
    actor: key.subarray(1, Math.max(1, placeOffset)),
    sequenceNumber: readUint53(key, placeOffset, "big-endian") - 1,
    index: readUint53(key, placeOffset + 8, "big-endian"),
  };
}

/**
 * Makes the record of an effect.
 *
 * @param key Its key.
 * @param effect The effect. Its bytes are copied.
 * @returns The record.
 */
export function encodeEffect(key: Uint8Array, effect: EffectRecord): Uint8Array {
  const error = encoder.encode(effect.lastError);
  const record = new Uint8Array(ERROR_OFFSET + error.length + effect.payload.length);
  writeUint53(record, DECIDED_OFFSET, effect.decidedAtMs, "little-endian");
  writeUint53(record, DUE_OFFSET, effect.dueAtMs, "little-endian");
  writeUint32(record, ATTEMPTS_OFFSET, effect.attempts, "little-endian");
  writeUint32(record, ERROR_BYTES_OFFSET, error.length, "little-endian");
  record.set(error, ERROR_OFFSET);
  record.set(effect.payload, ERROR_OFFSET + error.length);
  sealEnvelope(key, record, EFFECT_VERSION);
  return record;
}

/**
 * Reads the record of an effect.
 *
 * @param key Its key.
 * @param record The record.
 * @param actorId The actor, for errors.
 * @returns The effect. Its bytes are a view of the record.
 * @throws {PersistenceError} `CORRUPT`, `UNSUPPORTED_FORMAT`.
 */
export function decodeEffect(key: Uint8Array, record: Uint8Array, actorId: string): EffectRecord {
  const subject = `outbox of actor "${actorId}"`;
  verifyEnvelope(key, record, EFFECT_VERSION, subject, { actorId });
  const isWhole = record.length >= ERROR_OFFSET;
  const errorBytes = isWhole ? readUint32(record, ERROR_BYTES_OFFSET, "little-endian") : 0;
  const decidedAtMs = readUint53(record, DECIDED_OFFSET, "little-endian");
  const dueAtMs = readUint53(record, DUE_OFFSET, "little-endian");
  const payloadOffset = ERROR_OFFSET + errorBytes;
  const isSound = isWhole && payloadOffset <= record.length &&
    !Number.isNaN(decidedAtMs) && !Number.isNaN(dueAtMs);
  if (!isSound) {
    throw new PersistenceError("CORRUPT", `Cannot read ${subject}: malformed`, { actorId });
  }
  return {
    decidedAtMs,
    dueAtMs,
    attempts: readUint32(record, ATTEMPTS_OFFSET, "little-endian"),
    lastError: decoder.decode(record.subarray(ERROR_OFFSET, payloadOffset)),
    payload: record.subarray(payloadOffset),
  };
}
