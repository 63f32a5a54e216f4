/**
 * How many bytes a value has when it is encoded, about: whoever decides by size needs no more, and
 * has no codec.
 *
 * @module
 */

const NUMBER_BYTES = 8;
/** What a codec writes before a string, an array or an object. */
const HEADER_BYTES = 2;

/**
 * Estimates the size of a value that can be stored.
 *
 * @param value The value, without cycles.
 * @returns Bytes, about.
 */
export function estimateBytes(value: unknown): number {
  if (typeof value === "string") return HEADER_BYTES + value.length;
  if (typeof value !== "object" || value === null) return NUMBER_BYTES;
  if (value instanceof ArrayBuffer || ArrayBuffer.isView(value)) {
    return HEADER_BYTES + value.byteLength;
  }
  let bytes = HEADER_BYTES;
  if (Array.isArray(value) || value instanceof Set) {
    for (const item of value) bytes += estimateBytes(item);
  } else if (value instanceof Map) {
    for (const [key, item] of value) bytes += estimateBytes(key) + estimateBytes(item);
  } else {
    for (const [key, item] of Object.entries(value)) bytes += key.length + estimateBytes(item);
  }
  return bytes;
}
