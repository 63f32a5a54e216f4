/**
 * Small words for the cases about damage of the log.
 *
 * @module
 */

import assert from "node:assert/strict";
import type { Storage, StoredEntry } from "../../../core/ports/storage.ts";
import { PersistenceProvider } from "../../../core/provider.ts";
import { readUint32 } from "../../../core/util/bytes.ts";
import { assertFails, range, withStorage } from "../fixture.ts";
import { messagesOf, replayedOf } from "./fixture.ts";
import { EVERYTHING } from "../storage/fixture.ts";
import type { StorageFactory } from "../types.ts";

/** The actors, in the order of their items in each record. */
export const ACTORS = ["a", "b", "c"] as const;

/** What runs with a log of which nothing has been collected. */
export type LogRun = (storage: Storage, records: StoredEntry[]) => Promise<void>;

/** Runs with three records, each of which has a message of each actor: its sequence number. */
export function withHotLog(factory: StorageFactory, run: LogRun): Promise<void> {
  return withStorage(factory, async (storage) => {
    await appendToAll(storage, 0, 2);
    const records = await storage.scan("log", EVERYTHING);
    assert.equal(records.length, 3, "what is called at once is one record");
    for (const { value } of records) assert.equal(itemRanges(value).length, ACTORS.length);
    await run(storage, records);
  });
}

/** Appends messages to all actors, one of each per record. */
export async function appendToAll(storage: Storage, first: number, last: number): Promise<void> {
  const provider = await openFresh(storage);
  const journal = provider.createMessageJournal<unknown>();
  for (const number of range(first, last)) {
    const numbers = await Promise.all(ACTORS.map((actorId) => journal.append(actorId, number)));
    assert.deepEqual(numbers, ACTORS.map(() => number));
  }
}

/** A provider that has not seen anything yet. It is not closed: that would close the storage. */
export function openFresh(storage: Storage): Promise<PersistenceProvider> {
  return PersistenceProvider.openOn(storage);
}

/** Where the items of a sound record are. */
export function itemRanges(record: Uint8Array): { start: number; end: number }[] {
  const count = readUint32(record, 5, "little-endian");
  let start = 13;
  return range(0, count - 1).map((index) => {
    const at = record.length - 12 * (count - index);
    const item = { start, end: readUint32(record, at, "little-endian") };
    start = item.end;
    return item;
  });
}

/** A journal has the messages 0 to 2, or to another one. */
export async function assertSound(
  provider: PersistenceProvider,
  actorId: string,
  last = 2,
): Promise<void> {
  const journal = provider.createMessageJournal<unknown>();
  assert.deepEqual(await messagesOf(journal, actorId), range(0, last));
  assert.deepEqual(await replayedOf(journal, 0, {}, actorId), range(0, last));
  assert.equal(await journal.getHighestSequenceNumber(actorId), last);
}

/** Whatever is asked of a journal is CORRUPT, and nothing can be written to it. */
export async function assertUnreadable(
  provider: PersistenceProvider,
  actorId: string,
): Promise<void> {
  const journal = provider.createMessageJournal<unknown>();
  const calls = [
    () => journal.readFrom(actorId, 0),
    () => replayedOf(journal, 0, {}, actorId),
    () => journal.getHighestSequenceNumber(actorId),
    () => journal.append(actorId, "lost"),
    () => journal.append(actorId, "lost", { expectedSequenceNumber: 3 }),
    () => journal.truncateBefore(actorId, 1),
  ];
  for (const call of calls) await assertFails(call, "CORRUPT", { actorId });
}

/** As {@linkcode assertUnreadable}, of all journals, and of those that never existed. */
export async function assertAllUnreadable(provider: PersistenceProvider): Promise<void> {
  for (const actorId of [...ACTORS, "new"]) await assertUnreadable(provider, actorId);
  await assertFails(() => provider.actorIds().next(), "CORRUPT");
}
