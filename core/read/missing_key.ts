/**
 * Distinguishes a key that never existed from one that is damaged.
 *
 * If a damaged key is still at its position in the order of keys, it is a neighbor of the position
 * at which the undamaged key would be: nothing was between the two. So checking the neighbors of
 * that position finds it. (A damaged key at another position breaks the order of keys, which other
 * checks find.)
 *
 * @module
 */

import { describeActor, detailsOf } from "../errors/actor_name.ts";
import { PersistenceError } from "../errors/persistence_error.ts";
import type { ActorAddress } from "../format/actor_address.ts";
import { hasValidChecksum } from "../format/checksummed_key.ts";
import { type Keyspace, MAX_KEY_BYTES, type Storage } from "../ports/storage.ts";

const LOWEST_KEY = Uint8Array.of(0);
const KEYS_END = new Uint8Array(MAX_KEY_BYTES).fill(0xff);

/**
 * Whether a key next to a range is damaged, so that it may have been within the range.
 *
 * @param storage The storage.
 * @param keyspace The keyspace, whose keys have checksums.
 * @param range The range: `start` is inclusive, `end` exclusive. Without `start`, only the key above
 *   the range is checked.
 * @returns Whether the checksum of one of these keys does not match.
 */
export async function hasDamagedNeighbor(
  storage: Storage,
  keyspace: Keyspace,
  { start, end }: { readonly start?: Uint8Array; readonly end: Uint8Array },
): Promise<boolean> {
  const page = { maxEntries: 1, maxBytes: 1, keysOnly: true };
  const above = await storage.scan(keyspace, { ...page, start: end, end: KEYS_END });
  const below = start
    ? await storage.scan(keyspace, { ...page, start: LOWEST_KEY, end: start, reverse: true })
    : [];
  return [...above, ...below].some(({ key }) => !hasValidChecksum(key));
}

/**
 * Checks that a missing key was not merely damaged.
 *
 * @param storage The storage in which the key was not found.
 * @param keyspace The keyspace, whose keys have checksums.
 * @param range The range in which no key was found: `start` is inclusive, `end` exclusive. Without
 *   `start`, a key was found, and none between it and `end`.
 * @param actor The actor.
 * @param noun What was not found, for the error message: `snapshot`.
 * @returns Resolves if no key next to the range is damaged.
 * @throws {PersistenceError} `CORRUPT` if a key next to the range is damaged.
 */
export async function assertNoDamagedNeighbor(
  storage: Storage,
  keyspace: Keyspace,
  range: { readonly start?: Uint8Array; readonly end: Uint8Array },
  actor: ActorAddress,
  noun: string,
): Promise<void> {
  if (!await hasDamagedNeighbor(storage, keyspace, range)) return;
  throw new PersistenceError(
    "CORRUPT",
    `Cannot read ${noun} of ${
      describeActor(actor)
    }: it may be stored under a neighboring key, which is damaged`,
    detailsOf(actor),
  );
}
