import assert from "node:assert/strict";
import type { Storage, StoredEntry } from "../../../core/ports/storage.ts";
import type { PersistenceProvider } from "../../../core/provider.ts";
import { collectLog } from "../collect_log.ts";
import { assertFails, casesOf, range } from "../fixture.ts";
import { damagedKeys, flipped, overwrite } from "./damage_fixture.ts";
import { messagesOf, numbersOf, replayedOf } from "./fixture.ts";
import {
  ACTORS,
  assertAllUnreadable,
  assertSound,
  assertUnreadable,
  itemRanges,
  openFresh,
  withHotLog,
} from "./log_damage_fixture.ts";
import { allOf } from "../kinds/fixture.ts";
import { commit, EVERYTHING, put, remove } from "../storage/fixture.ts";
import type { ConformanceOptions } from "../types.ts";

/**
 * Registers the cases about records of the log that were damaged before they were collected. A
 * provider that is open has read them already, so each damage is looked at by one that is opened
 * afterwards.
 */
export function describeLogDamage(options: ConformanceOptions): void {
  const check = casesOf(options, "log damage", withHotLog);

  for (const index of [0, 1, 2]) {
    check(`no byte of record ${index} can be changed unnoticed`, async (storage, records) => {
      const record = nth(records, index);
      const items = itemRanges(record.value);
      for (const offset of record.value.keys()) {
        const damaged = flipped(record.value, offset, 1 << (offset % 8));
        await overwrite(storage, record, damaged, "log");
        const item = items.findIndex(({ start, end }) => start <= offset && offset < end);
        const actorId = ACTORS[item];
        const provider = await openFresh(storage);
        if (actorId === undefined) await assertAllUnreadable(provider);
        else {
          await assertUnreadable(provider, actorId);
          for (const other of ACTORS) if (other !== actorId) await assertSound(provider, other);
        }
      }
      assert.deepEqual(await storage.scan("log", EVERYTHING), [
        ...records.slice(0, index),
        { ...record, value: flipped(record.value, record.value.length - 1, lastBit(record)) },
        ...records.slice(index + 1),
      ], "nothing was written");
      await overwrite(storage, record, record.value, "log");
      const provider = await openFresh(storage);
      for (const actorId of ACTORS) await assertSound(provider, actorId);
    });

    check(`others append on after a damaged item of record ${index}`, async (storage, records) => {
      await damageItem(storage, nth(records, index), "b");
      for (const number of [3, 4]) {
        const provider = await openFresh(storage);
        const journal = provider.createMessageJournal<unknown>();
        await assertUnreadable(provider, "b");
        for (const actorId of ["a", "c"]) {
          assert.equal(await journal.append(actorId, number), number);
          assert.deepEqual(await messagesOf(journal, actorId), range(0, number));
        }
        await assertUnreadable(provider, "b");
        assert.equal(await journal.append(`new ${number}`, 0), 0);
        // Whose id it was cannot be told, so no list is complete.
        await assertFails(() => provider.actorIds().next(), "CORRUPT");
        await assertFails(() => provider.actors().next(), "CORRUPT");
      }
    });

    check(`record ${index} cannot be cut or lengthened unnoticed`, async (storage, records) => {
      const record = nth(records, index);
      const { value } = record;
      const cut = [...value.keys()].map((length) => value.slice(0, length));
      const longer = [[0], [255], new Uint8Array(12), value.slice(-12), value]
        .map((extra) => Uint8Array.of(...value, ...extra));
      for (const damaged of [...cut, ...longer]) {
        await overwrite(storage, record, damaged, "log");
        await assertAllUnreadable(await openFresh(storage));
      }
    });

    check(`no bit of the key of record ${index} can be changed unnoticed`, async (
      storage,
      records,
    ) => {
      const { key, value, version } = nth(records, index);
      const log = { keyspace: "log", version } as const;
      for (const damaged of damagedKeys(key)) {
        await commit(storage, remove(key, "log"), put(damaged, value, log));
        await assertAllUnreadable(await openFresh(storage));
        await commit(storage, remove(damaged, "log"), put(key, value, log));
      }
    });
  }

  for (const index of [0, 1]) {
    check(`record ${index} of 3 cannot be lost unnoticed`, async (storage, records) => {
      await commit(storage, remove(nth(records, index).key, "log"));
      await assertAllUnreadable(await openFresh(storage));
    });
  }

  check(
    "if the last record is lost, the log ends before it: nothing tells that there was more",
    async (
      storage,
      records,
    ) => {
      await commit(storage, remove(nth(records, 2).key, "log"));
      const provider = await openFresh(storage);
      const journal = provider.createMessageJournal<unknown>();
      for (const actorId of ACTORS) {
        assert.deepEqual(await messagesOf(journal, actorId), [0, 1]);
        assert.equal(await journal.append(actorId, "new"), 2);
        assert.deepEqual(await messagesOf(journal, actorId), [0, 1, "new"]);
      }
    },
  );

  check("two records in each other's place are CORRUPT", async (storage, records) => {
    for (const [one, other] of [[0, 1], [1, 2], [0, 2]] as const) {
      const [first, second] = [nth(records, one), nth(records, other)];
      await overwrite(storage, first, second.value, "log");
      await overwrite(storage, second, first.value, "log");
      await assertAllUnreadable(await openFresh(storage));
      await overwrite(storage, first, first.value, "log");
      await overwrite(storage, second, second.value, "log");
    }
  });

  check("a record under the keys of two positions is CORRUPT", async (storage, records) => {
    await overwrite(storage, nth(records, 1), nth(records, 0).value, "log");
    await assertAllUnreadable(await openFresh(storage));
  });

  check("who follows the log meets a damaged item as who opens it", async (storage, records) => {
    const provider = await openKnowing(storage, records);
    await commit(storage, put(nth(records, 2).key, damagedItem(nth(records, 2), "b"), LOG));
    const journal = provider.createMessageJournal<unknown>();
    assert.deepEqual(await messagesOf(journal, "a"), range(0, 2));
    await assertUnreadable(provider, "b");
    assert.equal(await journal.append("a", 3), 3);
    assert.equal(await journal.append("c", 3), 3);
  });

  check("who follows the log meets a damaged record as who opens it", async (storage, records) => {
    const provider = await openKnowing(storage, records);
    const { key, value } = nth(records, 2);
    await commit(storage, put(key, flipped(value, 5, 1), LOG));
    const before = await storage.scan("log", EVERYTHING);
    await assertAllUnreadable(provider);
    assert.deepEqual(await storage.scan("log", EVERYTHING), before, "nothing was written");
  });

  check("an actor with damaged items can be deleted, and is sound then", async (
    storage,
    records,
  ) => {
    for (const record of records) await damageItem(storage, record, "b");
    const provider = await openFresh(storage);
    await assertFails(() => provider.eraseActor("b"), "CORRUPT", { actorId: "b" });
    await provider.deleteActor("b");
    const journal = provider.createMessageJournal<unknown>();
    assert.deepEqual(await messagesOf(journal, "b"), []);
    assert.equal(await journal.append("b", "new"), 0);
    for (const isCollected of [false, true]) {
      if (isCollected) await collectLog(storage);
      for (const one of [provider, await openFresh(storage)]) {
        const again = one.createMessageJournal<unknown>();
        assert.deepEqual(await messagesOf(again, "b"), ["new"]);
        for (const actorId of ["a", "c"]) await assertSound(one, actorId);
        const ids = await allOf(one.actorIds());
        assert.deepEqual(ids, [...ACTORS]);
      }
    }
    assert.equal((await storage.scan("log", EVERYTHING)).length, 1, "all is collected");
    assert.equal(await journal.append("b", "next"), 1);
  });

  check("a damaged item stops the collector before it, and nothing is lost", async (
    storage,
    records,
  ) => {
    // The first of two counts.
    for (const index of [1, 2]) await damageItem(storage, nth(records, index), "b");
    const damaged = await storage.scan("log", EVERYTHING);
    await collectLog(storage);
    const after = await storage.scan("log", EVERYTHING);
    assert.deepEqual(after.slice(1), damaged.slice(1), "from the damage on, all is as it was");
    assert.notDeepEqual(after[0], damaged[0], "what is before it has been collected");
    for (const number of [3, 4]) {
      const provider = await openFresh(storage);
      await assertUnreadable(provider, "b");
      const journal = provider.createMessageJournal<unknown>();
      for (const actorId of ["a", "c"]) {
        assert.deepEqual(await messagesOf(journal, actorId), range(0, number - 1));
        assert.equal(await journal.append(actorId, number), number);
      }
      await collectLog(storage);
    }
    const provider = await openFresh(storage);
    await provider.deleteActor("b");
    await collectLog(storage);
    const ids = await allOf(provider.actorIds());
    assert.deepEqual(ids, ["a", "c"], "it goes on once the damage does not count any more");
    assert.equal((await storage.scan("log", EVERYTHING)).length, 2, "two orders");
    const journal = (await openFresh(storage)).createMessageJournal<unknown>();
    for (const actorId of ["a", "c"]) {
      assert.deepEqual(await messagesOf(journal, actorId), range(0, 4));
      assert.deepEqual(await replayedOf(journal, 0, {}, actorId), range(0, 4));
      assert.deepEqual(await numbersOf(journal, 3, {}, actorId), [3, 4]);
    }
  });
}

const LOG = { keyspace: "log", version: 1 } as const;

/** A provider that knows all actors, as they were before the last record. */
async function openKnowing(
  storage: Storage,
  records: readonly StoredEntry[],
): Promise<PersistenceProvider> {
  const { key } = nth(records, 2);
  await commit(storage, remove(key, "log"));
  const provider = await openFresh(storage);
  const journal = provider.createMessageJournal<unknown>();
  for (const actorId of ACTORS) {
    assert.equal(await journal.getHighestSequenceNumber(actorId), 1);
    // Changes nothing, but makes that a writer knows the journal.
    await journal.truncateBefore(actorId, 0);
  }
  return provider;
}

async function damageItem(storage: Storage, record: StoredEntry, actorId: string): Promise<void> {
  await overwrite(storage, record, damagedItem(record, actorId), "log");
}

/** A record in which the last byte of an actor's item is changed. */
function damagedItem({ value }: StoredEntry, actorId: string): Uint8Array {
  const item = itemRanges(value)[ACTORS.findIndex((id) => id === actorId)];
  return flipped(value, (item?.end ?? assert.fail()) - 1, 0x20);
}

function lastBit({ value }: StoredEntry): number {
  return 1 << ((value.length - 1) % 8);
}

function nth(records: readonly StoredEntry[], index: number): StoredEntry {
  return records[index] ?? assert.fail();
}
