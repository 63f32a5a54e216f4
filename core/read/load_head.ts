/**
 * Reads the heads of journals.
 *
 * @module
 */

import type { ActorAddress } from "../format/actor_address.ts";
import { decodeHead, headKey, type StoredHead } from "../format/head.ts";
import type { Storage } from "../ports/storage.ts";
import { isPromise, type MaybePromise } from "../util/promises.ts";
import { assertNoDamagedNeighbor } from "./missing_key.ts";

/**
 * Reads the head of an actor's journal.
 *
 * @param storage The storage that contains the journal.
 * @param actor The actor.
 * @returns The head, or `undefined` if there is none.
 * @throws {PersistenceError} `CORRUPT` if the head is damaged, or its key may be; `STORAGE_FAILED`,
 *   `UNSUPPORTED_FORMAT`.
 */
export function loadHead(
  storage: Storage,
  actor: ActorAddress,
): MaybePromise<StoredHead | undefined> {
  const key = headKey(actor.key);
  const stored = storage.get("heads", key);
  if (!isPromise(stored) && stored) return decodeHead(actor, key, stored.value);
  return finishLoading(storage, actor, key, stored);
}

async function finishLoading(
  storage: Storage,
  actor: ActorAddress,
  key: Uint8Array,
  pending: ReturnType<Storage["get"]>,
): Promise<StoredHead | undefined> {
  const stored = await pending;
  if (stored) return decodeHead(actor, key, stored.value);
  await assertNoDamagedNeighbor(storage, "heads", { start: key, end: key }, actor, "journal");
  return undefined;
}
