/**
 * Tags: the name and version of a type, as they stand before what the codec made of a value. Frames
 * of version 2 and snapshots of version 2 have them; see `frame.ts` and `queued_snapshots.ts`.
 *
 * | bytes | content |
 * |---|---|
 * | varint | the version: 1 to 2^31 - 1 |
 * | 1 | length of the name: 1 to 255 |
 * | | the name in UTF-8 |
 *
 * A varint has 7 bits to the byte, the lowest first; the high bit says that another byte follows.
 *
 * @module
 */

import type { SchemaVersion } from "./schema.ts";

/** The longest name of a type, in bytes of UTF-8. */
export const MAX_SCHEMA_NAME_BYTES = 255;
/** The highest version of a type. */
export const MAX_SCHEMA_VERSION: number = 2 ** 31 - 1;

const MAX_VERSION_BYTES = 5;
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * The tag of a type.
 *
 * @param schema Its name, of 1 to {@linkcode MAX_SCHEMA_NAME_BYTES} bytes, and its version.
 * @returns The tag.
 */
export function encodeTag({ name, version }: SchemaVersion): Uint8Array {
  const versionBytes: number[] = [];
  let rest = version;
  while (rest >= 0x80) {
    versionBytes.push((rest & 0x7f) | 0x80);
    rest = Math.floor(rest / 128);
  }
  versionBytes.push(rest);
  const nameBytes = new TextEncoder().encode(name);
  return Uint8Array.of(...versionBytes, nameBytes.length, ...nameBytes);
}

/**
 * The length of the tag that a payload begins with.
 *
 * @param bytes Where the payload is.
 * @param start The offset of its first byte.
 * @param end The offset behind its last byte.
 * @returns The length.
 * @throws {Error} where it does not begin with a tag.
 */
export function tagLength(bytes: Uint8Array, start: number, end: number): number {
  let versionBytes = 1;
  while ((bytes[start + versionBytes - 1] ?? 0) >= 0x80) versionBytes++;
  const nameBytes = bytes[start + versionBytes] ?? 0;
  const length = versionBytes + 1 + nameBytes;
  if (versionBytes > MAX_VERSION_BYTES || nameBytes === 0 || start + length > end) {
    throw new Error("the tag of its schema is malformed");
  }
  return length;
}

/**
 * Reads a tag.
 *
 * @param tag The tag, as {@linkcode tagLength} bounds it.
 * @returns The name and version of the type.
 * @throws {Error} where it is none.
 */
export function decodeTag(tag: Uint8Array): SchemaVersion {
  let version = 0;
  let offset = 0;
  for (let factor = 1;; factor *= 128) {
    const byte = tag[offset++] ?? 0;
    version += (byte & 0x7f) * factor;
    if (byte < 0x80) break;
  }
  if (version === 0 || version > MAX_SCHEMA_VERSION) throw new Error(`it has version ${version}`);
  return { name: decoder.decode(tag.subarray(offset + 1)), version };
}

/** Finds out what is known of a tag by its bytes, which is quicker than reading it. */
export class TagTable<Item> {
  readonly #slots: Map<number, { readonly tag: Uint8Array; readonly item: Item }[]> = new Map();

  /**
   * Adds a tag.
   *
   * @param tag The tag.
   * @param item What is known of it.
   */
  set(tag: Uint8Array, item: Item): void {
    const slot = hashOf(tag, 0, tag.length);
    const entries = this.#slots.get(slot);
    if (entries) entries.push({ tag, item });
    else this.#slots.set(slot, [{ tag, item }]);
  }

  /**
   * Finds the tag that a payload begins with.
   *
   * @param bytes Where the payload is.
   * @param start The offset of its first byte.
   * @param length The length of its tag.
   * @returns What is known of it, or `undefined` where it was not added.
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

/** FNV-1a, which is short and good enough for a few dozen names. */
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
