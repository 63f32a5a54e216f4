/**
 * Schema tags: the name and version of a type, in the payloads of values that were stored with a
 * schema; see `payload.ts`.
 *
 * | bytes | content |
 * |---|---|
 * | varint | the version: 1 to 2^31 - 1 |
 * | 1 | length of the name: 1 to 255 |
 * | | the name in UTF-8 |
 *
 * For varints see `varint.ts`.
 *
 * @module
 */

import type { SchemaVersion } from "../ports/schema.ts";
import { MAX_VARINT_BYTES, readVarint, writeVarint } from "./varint.ts";

/** The length of the longest name of a type, in bytes of UTF-8. */
export const MAX_SCHEMA_NAME_BYTES = 255;
/** The highest version of a type. */
export const MAX_SCHEMA_VERSION: number = 2 ** 31 - 1;

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * Encodes the tag of a type.
 *
 * @param schema The name, of 1 to {@linkcode MAX_SCHEMA_NAME_BYTES} bytes, and the version of the
 *   type.
 * @returns The tag.
 */
export function encodeTag({ name, version }: SchemaVersion): Uint8Array {
  const nameBytes = new TextEncoder().encode(name);
  const tag = new Uint8Array(MAX_VARINT_BYTES + 1 + nameBytes.length);
  const nameOffset = writeVarint(tag, 0, version) + 1;
  tag[nameOffset - 1] = nameBytes.length;
  tag.set(nameBytes, nameOffset);
  return tag.subarray(0, nameOffset + nameBytes.length);
}

/**
 * The length of a tag.
 *
 * @param bytes The bytes that contain the tag.
 * @param start The offset of the tag.
 * @param end The offset at which it must have ended.
 * @returns The length of the tag.
 * @throws {Error} If there is no tag.
 */
export function tagLength(bytes: Uint8Array, start: number, end: number): number {
  let versionBytes = 1;
  while ((bytes[start + versionBytes - 1] ?? 0) >= 0x80) versionBytes++;
  const nameBytes = bytes[start + versionBytes] ?? 0;
  const length = versionBytes + 1 + nameBytes;
  if (versionBytes > MAX_VARINT_BYTES || nameBytes === 0 || start + length > end) {
    throw new Error("the schema tag is malformed");
  }
  return length;
}

/**
 * Decodes a tag.
 *
 * @param tag The tag, with the length that {@linkcode tagLength} returned.
 * @returns The name and version of the type.
 * @throws {Error} If it is not a tag.
 */
export function decodeTag(tag: Uint8Array): SchemaVersion {
  const cursor = { bytes: tag, offset: 0 };
  const version = readVarint(cursor);
  if (!(version >= 1 && version <= MAX_SCHEMA_VERSION)) {
    throw new Error(`the schema tag has version ${version}`);
  }
  return { name: decoder.decode(tag.subarray(cursor.offset + 1)), version };
}

/**
 * Maps tags to items by the bytes of the tag, which is faster than decoding it.
 *
 * @typeParam Item The type of the items.
 */
export class TagTable<Item> {
  readonly #slots: Map<number, { readonly tag: Uint8Array; readonly item: Item }[]> = new Map();

  /**
   * Adds a tag.
   *
   * @param tag The tag.
   * @param item The item.
   */
  set(tag: Uint8Array, item: Item): void {
    const slot = hashOf(tag, 0, tag.length);
    const entries = this.#slots.get(slot);
    if (entries) entries.push({ tag, item });
    else this.#slots.set(slot, [{ tag, item }]);
  }

  /**
   * Finds the item of a tag.
   *
   * @param bytes The bytes that contain the tag.
   * @param start The offset of the tag.
   * @param length The length of the tag.
   * @returns The item, or `undefined` if the tag was not added.
   */
  get(bytes: Uint8Array, start: number, length: number): Item | undefined {
    const entries = this.#slots.get(hashOf(bytes, start, length));
    if (!entries) return undefined;
    for (const { tag, item } of entries) {
      if (tag.length === length && hasAt(bytes, start, tag)) return item;
    }
    return undefined;
  }
}

/** FNV-1a: short, and good enough for a few dozen names. */
function hashOf(bytes: Uint8Array, start: number, length: number): number {
  let hash = 0x811c9dc5;
  for (let index = start; index < start + length; index++) {
    hash = Math.imul(hash ^ (bytes[index] ?? 0), 0x01000193);
  }
  return hash;
}

function hasAt(bytes: Uint8Array, start: number, tag: Uint8Array): boolean {
  for (let index = 0; index < tag.length; index++) {
    if (bytes[start + index] !== tag[index]) return false;
  }
  return true;
}
