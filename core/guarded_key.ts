/**
 * Keys that prove themselves. A head or a snapshot that is not found is usually one that never was,
 * so damage to a key could make data disappear without a word. Therefore these keys end with a
 * checksum of their own:
 *
 * | bytes | content |
 * |---|---|
 * | | the actor's key, or its numbered key |
 * | 1 | 00 |
 * | 4 | checksum of what is before the 00, big-endian |
 *
 * A damaged key that is still in its place in the order of keys stands beside the place where it is
 * missed: nothing was between the two before. So it is found by looking at the neighbours of that
 * place. (A key that is not in its place any more is found by whoever checks the order.)
 *
 * @module
 */

import { xxh32 } from "./checksum.ts";
import { PersistenceError } from "./errors.ts";
import { compareBytes, writeUint32 } from "./keys.ts";
import { MAX_KEY_BYTES, type Space, type Storage } from "./storage.ts";

/** How many bytes the guard adds to a key. */
export const KEY_GUARD_BYTES = 5;

const CHECKSUM_BYTES = 4;
const LOWEST_KEY = Uint8Array.of(0);
const KEYS_END = new Uint8Array(MAX_KEY_BYTES).fill(0xff);

/**
 * Adds the guard to a key.
 *
 * @param key An actor's key or a numbered key.
 * @returns The key as it is stored.
 */
export function guardKey(key: Uint8Array): Uint8Array {
  const guarded = new Uint8Array(key.length + KEY_GUARD_BYTES);
  guarded.set(key);
  const checksum = xxh32(key, 0, key.length, 0);
  writeUint32(guarded, guarded.length - CHECKSUM_BYTES, checksum, "big-endian");
  return guarded;
}

/**
 * Makes sure that what is not found in a range is not there in another guise.
 *
 * @param storage Where it was looked for.
 * @param space The space of guarded keys.
 * @param range Where nothing was found: `start` inclusive, `end` exclusive. Without `start`, something
 *   was found, and nothing between it and `end`.
 * @param actorId The actor that was asked for.
 * @param subject What was looked for, for the error's message: `snapshot of actor "x"`.
 * @throws {PersistenceError} `CORRUPT` where a key beside the range is damaged.
 */
export async function assertNothingMisplaced(
  storage: Storage,
  space: Space,
  { start, end }: { readonly start?: Uint8Array; readonly end: Uint8Array },
  actorId: string,
  subject: string,
): Promise<void> {
  const page = { maxEntries: 1, maxBytes: 1, keysOnly: true };
  const above = await storage.scan(space, { ...page, start: end, end: KEYS_END });
  const below = start
    ? await storage.scan(space, { ...page, start: LOWEST_KEY, end: start, reverse: true })
    : [];
  for (const { key } of [...above, ...below]) {
    if (isSound(key)) continue;
    throw new PersistenceError(
      "CORRUPT",
      `Cannot read ${subject}: none is there, but a key beside its place is damaged`,
      { actorId },
    );
  }
}

function isSound(key: Uint8Array): boolean {
  const bare = key.subarray(0, key.length - KEY_GUARD_BYTES);
  return bare.length > 0 && compareBytes(guardKey(bare), key) === 0;
}
