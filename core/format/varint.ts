/**
 * Varints: 7 bits per byte, the lowest bits first; the high bit is set if another byte follows. A
 * varint has at most 5 bytes and is below 2^32.
 *
 * @module
 */

/** The length of the longest varint, in bytes. */
export const MAX_VARINT_BYTES = 5;

const MAX_FACTOR = 128 ** (MAX_VARINT_BYTES - 1);

/** A position in bytes that are read from front to back. */
export interface ByteCursor {
  /** The bytes. */
  readonly bytes: Uint8Array;
  /** The offset of the next byte. */
  offset: number;
}

/**
 * Writes a varint.
 *
 * @param bytes The bytes to write into, with room for {@linkcode MAX_VARINT_BYTES}.
 * @param offset The offset of the varint.
 * @param value An integer from 0 to 2^32 - 1.
 * @returns The offset after the varint.
 */
export function writeVarint(bytes: Uint8Array, offset: number, value: number): number {
  let rest = value;
  while (rest >= 0x80) {
    bytes[offset++] = (rest & 0x7f) | 0x80;
    rest = Math.floor(rest / 128);
  }
  bytes[offset++] = rest;
  return offset;
}

/**
 * Reads a varint.
 *
 * @param cursor The position of the varint. It is moved past the varint.
 * @returns The integer, or `NaN` if there is no valid varint.
 */
export function readVarint(cursor: ByteCursor): number {
  let value = 0;
  for (let factor = 1; factor <= MAX_FACTOR; factor *= 128) {
    const byte = cursor.bytes[cursor.offset++];
    if (byte === undefined) break;
    value += (byte & 0x7f) * factor;
    if (byte < 0x80) return value;
  }
  return NaN;
}
