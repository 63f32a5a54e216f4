/**
 * Which actors have a journal.
 *
 * @module
 */

import { PersistenceError } from "./errors.ts";
import { actorIdOf, actorKey } from "./keys.ts";
import { guardKey } from "./guarded_key.ts";
import { MAX_KEY_BYTES, type Storage } from "./storage.ts";

const MAX_KEYS_PER_PAGE = 512;
const LOWEST_KEY = Uint8Array.of(0);
const KEYS_END = new Uint8Array(MAX_KEY_BYTES).fill(0xff);

/**
 * Lists the actors that have a journal, in the order of their ids in UTF-8. It reads in pages, so no
 * transaction stays open while the consumer thinks; an actor that is added meanwhile may be left
 * out.
 *
 * @param storage Where they are stored.
 * @param after The actor behind which the list begins. Default: the first one.
 * @returns Their ids.
 * @throws {PersistenceError} `CORRUPT` where a key is damaged; `STORAGE_FAILED`.
 */
export async function* listActorIds(
  storage: Storage,
  after?: string,
): AsyncGenerator<string, void, undefined> {
  let start = after === undefined ? LOWEST_KEY : above(guardKey(actorKey(after, "list actors")));
  for (;;) {
    const heads = await storage.scan("heads", {
      start,
      end: KEYS_END,
      maxEntries: MAX_KEYS_PER_PAGE,
      maxBytes: 1,
      keysOnly: true,
    });
    for (const { key } of heads) {
      const actorId = actorIdOf(key);
      if (actorId === undefined) throw new PersistenceError("CORRUPT", DAMAGED);
      yield actorId;
    }
    const last = heads[heads.length - 1];
    if (!last || heads.length < MAX_KEYS_PER_PAGE) return;
    start = above(last.key);
  }
}

const DAMAGED = "Cannot list actors: the key of a journal is damaged";

/** The lowest key above another one. */
function above(key: Uint8Array): Uint8Array {
  const next = new Uint8Array(key.length + 1);
  next.set(key);
  return next;
}
