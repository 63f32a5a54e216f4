import assert from "node:assert/strict";
import { collectedKey, collectorKey, LOG_VERSION } from "../../../core/format/log_keys.ts";
import { HEAD_BYTES_BEFORE_TAIL } from "../../../core/format/head.ts";
import {
  type Keyspace,
  KEYSPACES,
  type Storage,
  type StoredEntry,
} from "../../../core/ports/storage.ts";
import { compareBytes } from "../../../core/util/bytes.ts";
import { collectLog } from "../collect_log.ts";
import { assertFails, casesOf, range, withStorage } from "../fixture.ts";
import { damagedKeys, flipped, headOf, overwrite } from "./damage_fixture.ts";
import { messagesOf, numbersOf, replayedOf } from "./fixture.ts";
import {
  ACTORS,
  appendToAll,
  assertAllUnreadable,
  assertSound,
  assertUnreadable,
  openFresh,
} from "./log_damage_fixture.ts";
import { allOf } from "../kinds/fixture.ts";
import { commit, EVERYTHING, put, remove } from "../storage/fixture.ts";
import type { ConformanceOptions, StorageFactory } from "../types.ts";

/** Registers the cases about damage of what collection leaves, and damage that the collector meets. */
export function describeCollectedLogDamage(options: ConformanceOptions): void {
  describeOrderDamage(options);
  describeStateDamage(options);
  describeDamageOnCollection(options);
}

function describeOrderDamage(options: ConformanceOptions): void {
  const check = casesOf(options, "log order damage", withCollectedLog);

  for (const index of [0, 1]) {
    check(`journals do not need order ${index}, whatever its bytes`, async (storage, log) => {
      const order = nth(log, index);
      const { value } = order;
      const damages = [
        ...[...value.keys()].map((offset) => flipped(value, offset, 1 << (offset % 8))),
        new Uint8Array(1),
        value.slice(0, -1),
        Uint8Array.of(...value, 0),
      ];
      for (const damaged of damages) {
        await overwrite(storage, order, damaged, "log");
        await assertAllSound(storage, 2);
      }
      await assertGoesOn(storage);
      const after = await storage.get("log", order.key);
      assert.deepEqual(Uint8Array.from(after?.value ?? []), damages.at(-1), "it stays as it is");
    });

    check(`journals do not need order ${index}, whatever its key`, async (storage, log) => {
      const { key, value, version } = nth(log, index);
      const [before, after] = [log[index - 1], nth(log, index + 1)];
      const keys = damagedKeys(key).filter((damaged) =>
        (!before || compareBytes(before.key, damaged) < 0) && compareBytes(damaged, after.key) < 0
      );
      assert.ok(keys.length > 0, "there are bits that can be changed in place");
      for (const damaged of keys) {
        const as = { keyspace: "log", version } as const;
        await commit(storage, remove(key, "log"), put(damaged, value, as));
        await assertAllSound(storage, 2);
        await commit(storage, remove(damaged, "log"), put(key, value, as));
      }
      await commit(storage, remove(key, "log"));
      await assertAllSound(storage, 2);
      await assertGoesOn(storage);
    });
  }
}

function describeStateDamage(options: ConformanceOptions): void {
  const check = casesOf(options, "log state damage", withCollectedLog);

  check("without knowing how far the log has been collected, every journal is CORRUPT", async (
    storage,
  ) => {
    const state = await metaOf(storage, collectedKey(0));
    const other = await metaOf(storage, collectorKey(0));
    const { key, value, version } = state;
    const damages = [
      ...[...value.keys()].map((offset) => flipped(value, offset, 1 << (offset % 8))),
      ...[...value.keys()].map((length) => value.slice(0, length)),
      Uint8Array.of(...value, 0),
      other.value,
    ];
    for (const damaged of damages) {
      await overwrite(storage, state, damaged, "meta");
      await assertAllUnreadable(await openFresh(storage));
    }
    const as = { keyspace: "meta", version } as const;
    for (const damaged of damagedKeys(key)) {
      if (await storage.get("meta", damaged)) continue;
      await commit(storage, remove(key, "meta"), put(damaged, value, as));
      await assertAllUnreadable(await openFresh(storage));
      await commit(storage, remove(damaged, "meta"));
    }
    // Also if nothing is hot.
    await overwrite(storage, state, value, "meta");
    await collectLog(storage);
    await commit(storage, remove(key, "meta"));
    await assertAllUnreadable(await openFresh(storage));
  });

  check(
    "who knew how far it has been collected notices that this is lost",
    async (storage, log) => {
      const provider = await openFresh(storage);
      for (const actorId of ACTORS) await assertSound(provider, actorId);
      await commit(storage, remove(collectedKey(0), "meta"));
      await assertAllUnreadable(provider);
      assert.deepEqual(await storage.scan("log", EVERYTHING), log, "nothing was written");
    },
  );

  for (const hasLeftovers of [false, true]) {
    const title = `what the collector has noted does not matter: it ${
      hasLeftovers ? "removes what it has left" : "keeps all orders"
    }`;
    check(title, async (storage, log, removed) => {
      const state = await metaOf(storage, collectorKey(0));
      const { key, value, version } = state;
      const damages = [
        undefined,
        ...[...value.keys()].map((offset) => flipped(value, offset, 1 << (offset % 8))),
        new Uint8Array(1),
        Uint8Array.of(...value, 0),
      ];
      const orders = log.filter((record) => record.version === LOG_VERSION.order);
      if (hasLeftovers) {
        for (const record of removed) await overwrite(storage, record, record.value, "log");
      }
      const before = await everythingIn(storage);
      for (const damaged of damages) {
        await restore(storage, before);
        if (damaged) await commit(storage, put(key, damaged, { keyspace: "meta", version }));
        else await commit(storage, remove(key, "meta"));
        await assertAllSound(storage, 2);
        await collectLog(storage);
        await assertAllSound(storage, 2);
        const after = await storage.scan("log", EVERYTHING);
        assert.deepEqual(after.slice(0, orders.length), orders);
        assert.equal(after.length, orders.length + 1, "and one of what was hot");
      }
      await assertGoesOn(storage);
    });
  }
}

function describeDamageOnCollection(options: ConformanceOptions): void {
  const check = casesOf(options, "damage on collection", withCollectedLog);

  for (const isCut of [false, true]) {
    check(`a tail that is ${isCut ? "cut" : "damaged"} stays so, and others go on`, async (
      storage,
    ) => {
      await collectLog(storage);
      const head = await headOf(storage, "b");
      const damaged = isCut
        ? head.value.slice(0, HEAD_BYTES_BEFORE_TAIL)
        : flipped(head.value, head.value.length - 1, 0x10);
      await overwrite(storage, head, damaged, "heads");
      await appendToAll(storage, 3, 4);
      for (const isCollected of [false, true]) {
        if (isCollected) await collectLog(storage);
        const provider = await openFresh(storage);
        for (const actorId of ["a", "c"]) await assertSound(provider, actorId, 4);
        const journal = provider.createMessageJournal<unknown>();
        for (const from of range(0, 2)) {
          await assertFails(() => journal.readFrom("b", from), "CORRUPT", { actorId: "b" });
          await assertFails(() => replayedOf(journal, from, {}, "b"), "CORRUPT", { actorId: "b" });
        }
        assert.deepEqual(await numbersOf(journal, 3, {}, "b"), [3, 4]);
      }
    });
  }

  check("a damaged head stays as it is, and others go on", async (storage) => {
    await appendToAll(storage, 3, 4);
    const head = await headOf(storage, "b");
    for (const offset of range(0, HEAD_BYTES_BEFORE_TAIL - 1)) {
      const damaged = flipped(head.value, offset, 0x10);
      await overwrite(storage, head, damaged, "heads");
      await assertUnreadable(await openFresh(storage), "b");
      // What is hot is collected the first time only.
      await collectLog(storage);
      const provider = await openFresh(storage);
      await assertUnreadable(provider, "b");
      const after = await headOf(storage, "b");
      assert.deepEqual(Uint8Array.from(after.value), Uint8Array.from(damaged));
      for (const actorId of ["a", "c"]) await assertSound(provider, actorId, 4);
    }
    const provider = await openFresh(storage);
    await provider.deleteActor("b");
    await collectLog(storage);
    for (const one of [provider, await openFresh(storage)]) {
      assert.deepEqual(await allOf(one.actorIds()), ["a", "c", "other"]);
      assert.deepEqual(await messagesOf(one.createMessageJournal(), "b"), []);
    }
    assert.equal(await provider.createMessageJournal().append("b", "new"), 0);
  });

  check("a lost head is not taken for a journal that begins", async (storage) => {
    await appendToAll(storage, 3, 4);
    await commit(storage, remove((await headOf(storage, "b")).key, "heads"));
    await assertUnreadable(await openFresh(storage), "b");
    await collectLog(storage);
    const provider = await openFresh(storage);
    const journal = provider.createMessageJournal<unknown>();
    await assertFails(() => journal.readFrom("b", 0), "CORRUPT", { actorId: "b" });
    await assertFails(() => replayedOf(journal, 0, {}, "b"), "CORRUPT", { actorId: "b" });
    assert.deepEqual(await numbersOf(journal, 2, {}, "b"), [2, 3, 4], "what was hot is there");
    assert.equal(await journal.append("b", 5), 5);
    for (const actorId of ["a", "c"]) await assertSound(provider, actorId, 4);
  });
}

type Run = (storage: Storage, log: StoredEntry[], removed: StoredEntry[]) => Promise<void>;

/**
 * Runs with the messages 0 to 2 of each actor. The first two have been collected, each for itself; the
 * log has an order for each, and the record of the last one. What collection has removed is given, too.
 */
function withCollectedLog(factory: StorageFactory, run: Run): Promise<void> {
  return withStorage(factory, async (storage) => {
    await appendToAll(storage, 0, 0);
    await collectLog(storage);
    const provider = await openFresh(storage);
    // Changes nothing that the cases look at, so that the second part has two records.
    await provider.createMessageJournal().append("other", 0);
    const before = await storage.scan("log", EVERYTHING);
    await appendToAll(storage, 1, 1);
    await collectLog(storage);
    await appendToAll(storage, 2, 2);
    const log = await storage.scan("log", EVERYTHING);
    const { order, record } = LOG_VERSION;
    assert.deepEqual(log.map(({ version }) => version), [order, order, record]);
    await run(storage, log, before.slice(1));
  });
}

async function assertAllSound(storage: Storage, last: number): Promise<void> {
  const provider = await openFresh(storage);
  for (const actorId of ACTORS) await assertSound(provider, actorId, last);
  assert.deepEqual(await allOf(provider.actorIds()), [...ACTORS, "other"]);
}

/** Appending goes on, and so does collecting. */
async function assertGoesOn(storage: Storage): Promise<void> {
  await appendToAll(storage, 3, 3);
  await assertAllSound(storage, 3);
  await collectLog(storage);
  await appendToAll(storage, 4, 4);
  await assertAllSound(storage, 4);
}

async function everythingIn(storage: Storage): Promise<[Keyspace, StoredEntry[]][]> {
  const pages = KEYSPACES.map(async (keyspace): Promise<[Keyspace, StoredEntry[]]> => [
    keyspace,
    await storage.scan(keyspace, EVERYTHING),
  ]);
  return await Promise.all(pages);
}

/** Makes everything as it was. */
async function restore(storage: Storage, before: [Keyspace, StoredEntry[]][]): Promise<void> {
  for (const [keyspace, records] of before) {
    const now = await storage.scan(keyspace, EVERYTHING);
    await commit(storage, ...now.map(({ key }) => remove(key, keyspace)));
    for (const record of records) await overwrite(storage, record, record.value, keyspace);
  }
}

async function metaOf(storage: Storage, key: Uint8Array): Promise<StoredEntry> {
  return await storage.get("meta", key) ?? assert.fail();
}

function nth(log: readonly StoredEntry[], index: number): StoredEntry {
  return log[index] ?? assert.fail();
}
