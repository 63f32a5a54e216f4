/**
 * Keys: order-preserving and prefix-free, so that no actor id can read, collide with or delete
 * another's data, whatever its characters.
 *
 * An actor's key is its id in UTF-8, each byte 00 followed by FF, closed by a byte 00. A numbered
 * key is the actor's key followed by the sequence number as 8 bytes, big-endian. What follows the
 * closing 00 is thus always below FF: the first byte of a safe integer is 00.
 *
 * @module
 */

import { ArgumentRangeError, ArgumentTypeError } from "./errors.ts";

/** The longest actor id, in bytes of UTF-8. */
export const MAX_ACTOR_ID_BYTES = 512;

const SEQUENCE_NUMBER_BYTES = 8;
const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * Encodes an actor id, and checks it.
 *
 * @param actorId A non-empty, well-formed string of at most {@linkcode MAX_ACTOR_ID_BYTES} bytes.
 * @param operation What the caller is about to do, for the error's message: `"append"`.
 * @returns The actor's key.
 * @throws {ArgumentTypeError} `INVALID_ARGUMENT` where it is no string.
 * @throws {ArgumentRangeError} `INVALID_ARGUMENT` where it is empty, ill-formed or too long.
 */
export function actorKey(actorId: string, operation: string): Uint8Array {
  if (typeof actorId !== "string") {
    throw new ArgumentTypeError(
      `Cannot ${operation}: the actor id must be a string, not ${typeof actorId}`,
    );
  }
  if (actorId.length === 0) {
    throw new ArgumentRangeError(`Cannot ${operation}: the actor id is empty`);
  }
  // No string of UTF-8 is shorter in bytes than in code units.
  if (actorId.length > MAX_ACTOR_ID_BYTES) throw tooLong(actorId, operation);
  if (!isWellFormed(actorId)) {
    throw new ArgumentRangeError(
      `Cannot ${operation}: the actor id ${JSON.stringify(actorId)} has a lone surrogate`,
    );
  }
  const bytes = encoder.encode(actorId);
  if (bytes.length > MAX_ACTOR_ID_BYTES) throw tooLong(actorId, operation);
  return escape(bytes);
}

function tooLong(actorId: string, operation: string): ArgumentRangeError {
  return new ArgumentRangeError(
    `Cannot ${operation}: the actor id "${
      actorId.slice(0, 32)
    }…" is longer than ${MAX_ACTOR_ID_BYTES} bytes of UTF-8`,
  );
}

/**
 * Whether UTF-8 can hold a text.
 *
 * @param text The text.
 * @returns False where it has a lone surrogate.
 */
export function isWellFormed(text: string): boolean {
  return !/\p{Surrogate}/u.test(text);
}

function escape(bytes: Uint8Array): Uint8Array {
  let zeros = 0;
  for (const byte of bytes) if (byte === 0) zeros++;
  const key = new Uint8Array(bytes.length + zeros + 1);
  if (zeros === 0) {
    key.set(bytes);
    return key;
  }
  let offset = 0;
  for (const byte of bytes) {
    key[offset++] = byte;
    if (byte === 0) key[offset++] = 0xff;
  }
  return key;
}

/**
 * The actor id in an actor's key or in a numbered key.
 *
 * @param key The key.
 * @returns The actor id, or `undefined` where the bytes are no such key.
 */
export function actorIdOf(key: Uint8Array): string | undefined {
  const bytes: number[] = [];
  for (let offset = 0; offset < key.length; offset++) {
    const byte = key[offset];
    if (byte === undefined) break;
    if (byte === 0 && key[offset + 1] !== 0xff) return decode(new Uint8Array(bytes));
    bytes.push(byte);
    if (byte === 0) offset++;
  }
  return undefined;
}

function decode(bytes: Uint8Array): string | undefined {
  try {
    return decoder.decode(bytes);
  } catch {
    // Not UTF-8, so not a key of ours: the answer is "no actor id", not a failure.
    return undefined;
  }
}

/**
 * The key of an actor's record with a sequence number.
 *
 * @param actor The actor's key.
 * @param sequenceNumber A safe integer of at least 0.
 * @returns The key.
 */
export function numberedKey(actor: Uint8Array, sequenceNumber: number): Uint8Array {
  const key = new Uint8Array(actor.length + SEQUENCE_NUMBER_BYTES);
  key.set(actor);
  writeUint53(key, actor.length, sequenceNumber, "big-endian");
  return key;
}

/**
 * The end, exclusive, of an actor's numbered keys.
 *
 * @param actor The actor's key.
 * @returns A key above all of them and below those of the next actor.
 */
export function numberedKeysEnd(actor: Uint8Array): Uint8Array {
  const key = new Uint8Array(actor.length + 1);
  key.set(actor);
  key[actor.length] = 0xff;
  return key;
}

/**
 * The sequence number in a numbered key.
 *
 * @param key A numbered key.
 * @returns The sequence number, or `NaN` where the last 8 bytes are no safe integer.
 */
export function sequenceNumberOf(key: Uint8Array): number {
  return readUint53(key, key.length - SEQUENCE_NUMBER_BYTES, "big-endian");
}

/** The order of the 8 bytes of a stored integer: big-endian in keys, little-endian in values. */
export type ByteOrder = "big-endian" | "little-endian";

/**
 * Writes a safe integer of at least 0 as 8 bytes.
 *
 * @param bytes Where to.
 * @param offset The offset of the first of the 8 bytes.
 * @param value The integer.
 * @param order The order of the bytes.
 */
export function writeUint53(
  bytes: Uint8Array,
  offset: number,
  value: number,
  order: ByteOrder,
): void {
  const high = Math.floor(value / 2 ** 32);
  writeUint32(bytes, offset + (order === "little-endian" ? 4 : 0), high, order);
  writeUint32(bytes, offset + (order === "little-endian" ? 0 : 4), value >>> 0, order);
}

/**
 * Writes an integer from 0 to 2^32 - 1 as 4 bytes. Byte by byte, because making a `DataView` for it
 * takes several times as long.
 *
 * @param bytes Where to.
 * @param offset The offset of the first of the 4 bytes.
 * @param value The integer.
 * @param order The order of the bytes.
 */
export function writeUint32(
  bytes: Uint8Array,
  offset: number,
  value: number,
  order: ByteOrder,
): void {
  const isLittleEndian = order === "little-endian";
  bytes[offset] = isLittleEndian ? value : value >>> 24;
  bytes[offset + 1] = isLittleEndian ? value >>> 8 : value >>> 16;
  bytes[offset + 2] = isLittleEndian ? value >>> 16 : value >>> 8;
  bytes[offset + 3] = isLittleEndian ? value >>> 24 : value;
}

/**
 * Reads what {@linkcode writeUint53} wrote.
 *
 * @param bytes Where from.
 * @param offset The offset of the first of the 8 bytes.
 * @param order The order of the bytes.
 * @returns The integer, or `NaN` where it is beyond 2^53 - 1 or not within the bytes.
 */
export function readUint53(bytes: Uint8Array, offset: number, order: ByteOrder): number {
  if (!(offset >= 0 && offset + 8 <= bytes.length)) return NaN;
  const high = readUint32(bytes, offset + (order === "little-endian" ? 4 : 0), order);
  const low = readUint32(bytes, offset + (order === "little-endian" ? 0 : 4), order);
  const value = high * 2 ** 32 + low;
  return Number.isSafeInteger(value) ? value : NaN;
}

/**
 * Reads what {@linkcode writeUint32} wrote.
 *
 * @param bytes Where from.
 * @param offset The offset of the first of the 4 bytes, which must be there.
 * @param order The order of the bytes.
 * @returns The integer.
 */
export function readUint32(bytes: Uint8Array, offset: number, order: ByteOrder): number {
  const isLittleEndian = order === "little-endian";
  const b0 = bytes[isLittleEndian ? offset + 3 : offset] ?? 0;
  const b1 = bytes[isLittleEndian ? offset + 2 : offset + 1] ?? 0;
  const b2 = bytes[isLittleEndian ? offset + 1 : offset + 2] ?? 0;
  const b3 = bytes[isLittleEndian ? offset : offset + 3] ?? 0;
  return (b0 << 24 | b1 << 16 | b2 << 8 | b3) >>> 0;
}

/**
 * Compares byte strings as unsigned bytes.
 *
 * @param a One.
 * @param b The other.
 * @returns Below 0 where `a` comes first, above 0 where `b` does, 0 where they are equal.
 */
export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const length = Math.min(a.length, b.length);
  for (let index = 0; index < length; index++) {
    const difference = (a[index] ?? 0) - (b[index] ?? 0);
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}
