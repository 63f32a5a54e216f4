/**
 * Where everything stands that is stored of an actor.
 *
 * @module
 */

import type { Keyspace } from "../ports/storage.ts";
import type { ActorAddress } from "./actor_address.ts";
import { handledKey, refusedKey } from "./actor_marks.ts";
import { consumersKey } from "./consumer_record.ts";
import { effectRange } from "./effect_record.ts";
import { entryKey, entryKeysEnd, keyAfter, type KeyRange } from "./keys.ts";

/** A range of keys of a keyspace. */
export interface ActorRecords extends KeyRange {
  /** The keyspace. */
  readonly keyspace: Keyspace;
}

/**
 * The ranges of keys of everything that is stored of an actor, except its head and the mark of its
 * removal. They have no keys of other actors.
 *
 * @param actor The actor.
 * @returns The ranges.
 */
export function recordsOf({ key }: ActorAddress): ActorRecords[] {
  const own = { start: key, end: entryKeysEnd(key) };
  const marks = [consumersKey(key), handledKey(key)];
  return [
    { keyspace: "entries", ...own },
    { keyspace: "snapshots", ...own },
    { keyspace: "outbox", ...effectRange("open", own) },
    { keyspace: "outbox", ...effectRange("dead", own) },
    ...marks.map((mark) => ({ keyspace: "meta" as const, start: mark, end: keyAfter(mark) })),
    {
      keyspace: "meta",
      start: refusedKey(entryKey(key, 0)),
      end: refusedKey(entryKeysEnd(key)),
    },
  ];
}
