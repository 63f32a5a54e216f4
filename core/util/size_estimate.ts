/**
 * Estimates how many bytes a value has when it is encoded. Code that decides by size needs no more
 * precision, and has no codec.
 *
 * @module
 */

import { builtInOf } from "./built_ins.ts";
import { isPlainObject } from "./plain_object.ts";

const NUMBER_BYTES = 8;
/** What a codec writes before a string, an array or an object. */
const HEADER_BYTES = 2;

/**
 * Estimates the encoded size of a value that can be stored.
 *
 * @param value The value, without cycles.
 * @returns The approximate number of bytes.
 */
export function estimateBytes(value: unknown): number {
  if (typeof value === "string") return HEADER_BYTES + value.length;
  if (typeof value !== "object" || value === null) return NUMBER_BYTES;
  if (Array.isArray(value)) return estimateItems(value);
  if (ArrayBuffer.isView(value)) return HEADER_BYTES + value.byteLength;
  switch (isPlainObject(value) ? undefined : builtInOf(value)) {
    case "ArrayBuffer":
      return HEADER_BYTES + (value as ArrayBuffer).byteLength;
    case "Map":
      return estimateItems([...value as Map<unknown, unknown>].flat());
    case "Set":
      return estimateItems(value as Set<unknown>);
  }
  let bytes = HEADER_BYTES;
  for (const [key, item] of Object.entries(value)) bytes += key.length + estimateBytes(item);
  return bytes;
}

function estimateItems(items: Iterable<unknown>): number {
  let bytes = HEADER_BYTES;
  for (const item of items) bytes += estimateBytes(item);
  return bytes;
}
