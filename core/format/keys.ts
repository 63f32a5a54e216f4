/**
 * Keys: in the order of kinds and ids, and the keys of each actor are a range of their own. So
 * whatever the characters of a kind and an id, an actor cannot collide with another one's data, read
 * it or delete it.
 *
 * An actor's key is its kind, closed by a byte 00, followed by its id, closed by a byte 00. Both are
 * in UTF-8, each byte 00 followed by FF. Without a kind, nothing precedes the first closing 00. An
 * entry key is the actor's key followed by the sequence number as 8 bytes, big-endian. So what
 * follows a closing 00 is always below FF, unlike what follows any other 00: UTF-8 has no byte FF,
 * and the first byte of a safe integer is 00.
 *
 * @module
 */

import { readUint53, writeUint53 } from "../util/bytes.ts";

const SEQUENCE_NUMBER_BYTES = 8;
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * Makes an actor's key.
 *
 * @param kind The kind in UTF-8, empty if the actor has no kind.
 * @param actorId The id in UTF-8. It is not empty.
 * @returns The actor's key.
 */
export function actorKey(kind: Uint8Array, actorId: Uint8Array): Uint8Array {
  const key = new Uint8Array(closedLength(kind) + closedLength(actorId));
  writeClosed(key, writeClosed(key, 0, kind), actorId);
  return key;
}

/** A range of keys. */
export interface KeyRange {
  /** The lowest key, inclusive. */
  readonly start: Uint8Array;
  /** The upper bound, exclusive. */
  readonly end: Uint8Array;
}

/**
 * The range of all keys of the actors of a kind whose ids begin with a text.
 *
 * @param kind The kind in UTF-8, empty for the actors without kind.
 * @param prefix What their ids begin with, in UTF-8. It may be empty.
 * @returns The range.
 */
export function actorKeysWith(kind: Uint8Array, prefix: Uint8Array): KeyRange {
  const closed = actorKey(kind, prefix);
  const end = closed.slice();
  // Below FF is whatever follows: a byte of the id, or the closing 00.
  end[end.length - 1] = 0xff;
  return { start: closed.subarray(0, closed.length - 1), end };
}

function closedLength(bytes: Uint8Array): number {
  let length = bytes.length + 1;
  for (const byte of bytes) if (byte === 0) length++;
  return length;
}

/** Returns the offset after the closing 00. */
function writeClosed(key: Uint8Array, start: number, bytes: Uint8Array): number {
  let offset = start;
  for (const byte of bytes) {
    key[offset++] = byte;
    if (byte === 0) key[offset++] = 0xff;
  }
  return offset + 1;
}

/** What an actor's key is made of. */
export interface DecodedActorKey {
  /** The kind, empty if the actor has no kind. */
  readonly kind: string;
  /** The id. */
  readonly actorId: string;
  /** The length of the actor's key. */
  readonly length: number;
}

/**
 * Decodes an actor's key, or the one that a key begins with.
 *
 * @param key The key.
 * @returns What it is made of, or `undefined` if the bytes are not such a key.
 */
export function decodeActorKey(key: Uint8Array): DecodedActorKey | undefined {
  const kind = readClosed(key, 0);
  const actorId = kind && readClosed(key, kind.end);
  if (!actorId || actorId.text === "") return undefined;
  return { kind: kind.text, actorId: actorId.text, length: actorId.end };
}

/** Reads a text that ends with a closing 00, or returns `undefined` if there is none. */
function readClosed(
  key: Uint8Array,
  start: number,
): { readonly text: string; readonly end: number } | undefined {
  const bytes: number[] = [];
  for (let offset = start; offset < key.length; offset++) {
    const byte = key[offset];
    if (byte === undefined) break;
    if (byte === 0 && key[offset + 1] !== 0xff) {
      const text = decode(new Uint8Array(bytes));
      return text === undefined ? undefined : { text, end: offset + 1 };
    }
    bytes.push(byte);
    if (byte === 0) offset++;
  }
  return undefined;
}

function decode(bytes: Uint8Array): string | undefined {
  try {
    return decoder.decode(bytes);
  } catch {
    // Not UTF-8, so not one of our keys: the result is "no actor", not a failure.
    return undefined;
  }
}

/**
 * The key of an entry: an actor's key with a sequence number.
 *
 * @param actor The actor's key.
 * @param sequenceNumber A safe integer of at least 0.
 * @returns The entry key.
 */
export function entryKey(actor: Uint8Array, sequenceNumber: number): Uint8Array {
  const key = new Uint8Array(actor.length + SEQUENCE_NUMBER_BYTES);
  key.set(actor);
  writeUint53(key, actor.length, sequenceNumber, "big-endian");
  return key;
}

/**
 * The upper bound, exclusive, of an actor's entry keys.
 *
 * @param actor The actor's key.
 * @returns A key above all entry keys of the actor and below those of the next actor.
 */
export function entryKeysEnd(actor: Uint8Array): Uint8Array {
  const key = new Uint8Array(actor.length + 1);
  key.set(actor);
  key[actor.length] = 0xff;
  return key;
}

/**
 * The lowest key above another one.
 *
 * @param key The key.
 * @returns The key above it.
 */
export function keyAfter(key: Uint8Array): Uint8Array {
  const next = new Uint8Array(key.length + 1);
  next.set(key);
  return next;
}

/**
 * Decodes the sequence number in an entry key.
 *
 * @param key The entry key.
 * @returns The sequence number, or `NaN` if the last 8 bytes are not a safe integer.
 */
export function sequenceNumberOf(key: Uint8Array): number {
  return readUint53(key, key.length - SEQUENCE_NUMBER_BYTES, "big-endian");
}
