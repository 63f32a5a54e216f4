/**
 * Small words for the cases that talk to a storage directly.
 *
 * @module
 */

import assert from "node:assert/strict";
import {
  type Keyspace,
  MAX_KEY_BYTES,
  type ScanRange,
  type Storage,
  type StorageChange,
  type StorageCondition,
  type StoredEntry,
  type WriteGroup,
} from "../../../core/ports/storage.ts";

/** One page that holds whatever a test stored: from the lowest key to the highest. */
export const EVERYTHING: ScanRange = {
  start: Uint8Array.of(0),
  end: new Uint8Array(MAX_KEY_BYTES).fill(0xff),
  maxEntries: 100_000,
  maxBytes: 2 ** 30,
};

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** The UTF-8 of a text. */
export function bytesOf(text: string): Uint8Array {
  return encoder.encode(text);
}

/** The bytes that hexadecimal digits stand for. */
export function bytesOfHex(digits: string): Uint8Array {
  return Uint8Array.from(digits.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
}

/** The text of UTF-8. */
export function textOf(bytes: Uint8Array): string {
  return decoder.decode(bytes);
}

/** A group of changes without conditions, or with those given. */
export function group(
  changes: readonly StorageChange[],
  ...conditions: StorageCondition[]
): WriteGroup {
  return { conditions, changes };
}

/** A change that puts. */
export function put(
  key: string | Uint8Array,
  value: string | Uint8Array,
  { keyspace = "entries", version = 0 }: { keyspace?: Keyspace; version?: number } = {},
): StorageChange {
  return { type: "put", keyspace, key: asBytes(key), value: asBytes(value), version };
}

/** A change that deletes. */
export function remove(key: string | Uint8Array, keyspace: Keyspace = "entries"): StorageChange {
  return { type: "delete", keyspace, key: asBytes(key) };
}

/** The condition that a key is absent. */
export function absent(key: string, keyspace: Keyspace = "entries"): StorageCondition {
  return { keyspace, key: asBytes(key), version: undefined };
}

/** The condition that a key has a version. */
export function hasVersion(
  key: string,
  version: number,
  keyspace: Keyspace = "entries",
): StorageCondition {
  return { keyspace, key: asBytes(key), version };
}

/** Commits changes as one group that must apply. */
export async function commit(storage: Storage, ...changes: StorageChange[]): Promise<void> {
  assert.deepEqual(await storage.commit([group(changes)]), [true]);
}

/** Everything in a keyspace, as texts: `key=value@version`. */
export async function dump(storage: Storage, keyspace: Keyspace = "entries"): Promise<string[]> {
  const page = await storage.scan(keyspace, EVERYTHING);
  return page.map(({ key, value, version }) => `${textOf(key)}=${textOf(value)}@${version}`);
}

/** The keys of a page, as texts. */
export function keysOf(page: readonly StoredEntry[]): string[] {
  return page.map(({ key }) => textOf(key));
}

function asBytes(content: string | Uint8Array): Uint8Array {
  return typeof content === "string" ? bytesOf(content) : content;
}
