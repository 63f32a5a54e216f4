import assert from "node:assert/strict";
import { compareBytes } from "../../../core/util/bytes.ts";
import { PersistenceProvider } from "../../../core/provider.ts";
import type { Keyspace, Storage, StoredEntry } from "../../../core/ports/storage.ts";
import { collectLog } from "../collect_log.ts";
import { assertFails, casesOf, range, withStorage } from "../fixture.ts";
import { damagedKeys } from "./damage_fixture.ts";
import { heavyCodec, messagesOf, numbersOf, replayedOf } from "./fixture.ts";
import { commit, EVERYTHING, put, remove } from "../storage/fixture.ts";
import type { ConformanceOptions, StorageFactory } from "../types.ts";

/** With it, each message is a record of its own. */
const CODEC = heavyCodec([0, 1, 2]);

/** A function that is called while a record stands under a damaged key. */
type WhileDamaged = (provider: PersistenceProvider) => Promise<void>;

/**
 * Registers the cases about records whose key was damaged such that the order of the keys still
 * holds: each then stands under another key, and under its own there is nothing.
 */
export function describeKeyDamage(options: ConformanceOptions): void {
  const check = casesOf(options, "key damage", withActors);

  check("no bit of the key of a head can be changed unnoticed", async (storage, provider) => {
    const journalThatKnows = provider.createMessageJournal<unknown>();
    // The journals of "b" and "d" are empty: nothing but the head tells of them.
    for (const [index, actorId] of ["a", "b", "c", "d"].entries()) {
      await whileDamaged(storage, "heads", index, async (fresh) => {
        const damage = { actorId };
        for (const journal of [fresh.createMessageJournal(), journalThatKnows]) {
          await assertFails(() => journal.readFrom(actorId, 0), "CORRUPT", damage);
          await assertFails(() => replayedOf(journal, 0, {}, actorId), "CORRUPT", damage);
        }
        const journal = fresh.createMessageJournal();
        await assertFails(() => journal.getHighestSequenceNumber(actorId), "CORRUPT", damage);
        await assertFails(() => journal.append(actorId, 2), "CORRUPT", damage);
        await assertFails(() => journal.truncateBefore(actorId, 1), "CORRUPT", damage);
      });
    }
    for (const actorId of ["a", "b", "c", "d"]) {
      assert.equal(await journalThatKnows.append(actorId, 2), 2);
    }
  });

  check("no bit of the key of a frame can be changed unnoticed", async (storage, provider) => {
    for (const [index, actorId] of ["a", "a", "c", "c"].entries()) {
      await whileDamaged(storage, "entries", index, async (fresh) => {
        const journal = fresh.createMessageJournal();
        await assertFails(() => journal.readFrom(actorId, 0), "CORRUPT", { actorId });
        await assertFails(() => replayedOf(journal, 0, {}, actorId), "CORRUPT", { actorId });
        const other = 1 - index % 2;
        assert.deepEqual(await numbersOf(journal, other, { to: other }, actorId), [other]);
      });
    }
    assert.deepEqual(await messagesOf(provider.createMessageJournal(), "a"), range(0, 1));
  });

  check("no bit of the key of a snapshot can be changed unnoticed", async (storage, provider) => {
    const snapshots = [["a", 10], ["a", 20], ["b", 20], ["d", 5]] as const;
    for (const [index, [actorId, sequenceNumber]] of snapshots.entries()) {
      await whileDamaged(storage, "snapshots", index, async (fresh) => {
        const store = fresh.createSnapshotStore();
        const criteria = { maxSequenceNumber: sequenceNumber };
        await assertFails(() => store.getLatestSnapshot(actorId, criteria), "CORRUPT");
        if (index !== 0) await assertFails(() => store.getLatestSnapshot(actorId), "CORRUPT");
      });
    }
    const store = provider.createSnapshotStore();
    for (const [actorId, maxSequenceNumber] of snapshots) {
      const snapshot = await store.getLatestSnapshot(actorId, { maxSequenceNumber });
      assert.equal(snapshot?.sequenceNumber, maxSequenceNumber);
    }
  });
}

type Run = (storage: Storage, provider: PersistenceProvider) => Promise<void>;

/** Runs with four actors, of which "b" and "d" have truncated all their entries. */
function withActors(factory: StorageFactory, run: Run): Promise<void> {
  return withStorage(factory, async (storage) => {
    await using provider = await PersistenceProvider.openOn(storage, { codec: CODEC });
    const journal = provider.createMessageJournal<unknown>();
    for (const actorId of ["a", "b", "c", "d"]) {
      for (const number of [0, 1]) {
        await journal.append(actorId, number);
        await collectLog(storage);
      }
    }
    await journal.truncateBefore("b", 2);
    await journal.truncateBefore("d", 2);
    await collectLog(storage);
    const store = provider.createSnapshotStore();
    for (const [actorId, number] of [["a", 10], ["a", 20], ["b", 20], ["d", 5]] as const) {
      await store.saveSnapshot(actorId, "state", number);
    }
    await run(storage, provider);
  });
}

/** Puts the record at a place under each damaged key that leaves it at that place. */
async function whileDamaged(
  storage: Storage,
  keyspace: Keyspace,
  index: number,
  run: WhileDamaged,
): Promise<void> {
  const records = await storage.scan(keyspace, EVERYTHING);
  const record = records[index];
  assert.ok(record);
  const keys = damagedKeys(record.key).filter((key) => isBetween(key, records, index));
  assert.ok(keys.length > 0, "there are bits that can be changed in place");
  for (const key of keys) {
    const { value, version } = record;
    await commit(storage, remove(record.key, keyspace), put(key, value, { keyspace, version }));
    // It is not closed: that would close the storage.
    await run(await PersistenceProvider.openOn(storage, { codec: CODEC }));
    await commit(storage, remove(key, keyspace), put(record.key, value, { keyspace, version }));
  }
}

function isBetween(key: Uint8Array, records: readonly StoredEntry[], index: number): boolean {
  const [before, after] = [records[index - 1], records[index + 1]];
  return (!before || compareBytes(before.key, key) < 0) &&
    (!after || compareBytes(key, after.key) < 0);
}
