/**
 * Reads and writes integers as bytes, and compares byte strings.
 *
 * @module
 */

/** The order of the 8 bytes of a stored integer: big-endian in keys, little-endian in values. */
export type ByteOrder = "big-endian" | "little-endian";

/**
 * Writes a non-negative safe integer as 8 bytes.
 *
 * @param bytes The bytes to write into.
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
 * Writes an integer from 0 to 2^32 - 1 as 4 bytes. It writes byte by byte, because making a
 * `DataView` takes several times as long.
 *
 * @param bytes The bytes to write into.
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
 * Reads an integer that {@linkcode writeUint53} wrote.
 *
 * @param bytes The bytes to read from.
 * @param offset The offset of the first of the 8 bytes.
 * @param order The order of the bytes.
 * @returns The integer, or `NaN` if it exceeds 2^53 - 1 or is not within the bytes.
 */
export function readUint53(bytes: Uint8Array, offset: number, order: ByteOrder): number {
  if (!(offset >= 0 && offset + 8 <= bytes.length)) return NaN;
  const high = readUint32(bytes, offset + (order === "little-endian" ? 4 : 0), order);
  const low = readUint32(bytes, offset + (order === "little-endian" ? 0 : 4), order);
  const value = high * 2 ** 32 + low;
  return Number.isSafeInteger(value) ? value : NaN;
}

/**
 * Reads an integer that {@linkcode writeUint32} wrote.
 *
 * @param bytes The bytes to read from.
 * @param offset The offset of the first of the 4 bytes, all of which must exist.
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

/** Fewer bytes are copied faster one by one than by way of a view. */
const MIN_SET_BYTES = 192;

/**
 * Copies bytes.
 *
 * @param source Where they are.
 * @param start The offset of the first byte.
 * @param end The offset after the last byte.
 * @param target Where they go.
 * @param offset The offset of the first byte there. There must be room.
 */
export function copyBytes(
  source: Uint8Array,
  start: number,
  end: number,
  target: Uint8Array,
  offset: number,
): void {
  if (end - start >= MIN_SET_BYTES) return target.set(source.subarray(start, end), offset);
  for (let from = start, to = offset; from < end;) target[to++] = source[from++] ?? 0;
}

/**
 * Compares byte strings as unsigned bytes.
 *
 * @param a The first byte string.
 * @param b The second byte string.
 * @returns A negative number if `a` comes first, a positive one if `b` does, 0 if they are equal.
 */
export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const length = Math.min(a.length, b.length);
  for (let index = 0; index < length; index++) {
    const difference = (a[index] ?? 0) - (b[index] ?? 0);
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}
