import assert from "node:assert/strict";
import { KEYSPACES, type Storage } from "../../../core/ports/storage.ts";
import { assertFails, casesOf, outcomesOf, range, withPlace, withStorage } from "../fixture.ts";
import {
  describeStorageConcurrency,
  describeStorageConditions,
  describeStorageGroups,
} from "./commit_cases.ts";
import { describeStorageLimit } from "./limit_cases.ts";
import { bytesOf, commit, dump, EVERYTHING, group, put, remove } from "./fixture.ts";
import { describeStorageGet, describeStorageScan } from "./read_cases.ts";
import type { ConformanceOptions } from "../types.ts";

/**
 * Registers the cases about the storage port itself: reading, scanning, groups, conditions, order,
 * limits and closing.
 *
 * @param options The test runner and the storage under test.
 *
 * @example A storage of one's own, under Node's test runner
 * ```ts
 * import { test } from "node:test";
 * import { describeStorage } from "@cajun/persistence/conformance";
 * import { MemoryDatabase, MemoryStorage } from "@cajun/persistence/memory";
 *
 * describeStorage({
 *   test,
 *   factory: {
 *     supports: (await MemoryStorage.open()).supports,
 *     createPlace() {
 *       const database = new MemoryDatabase();
 *       return Promise.resolve({
 *         openStorage: ({ readOnly = false, limitBytes } = {}) =>
 *           MemoryStorage.open({
 *             database,
 *             readOnly,
 *             ...(limitBytes !== undefined && { maxBytes: limitBytes }),
 *           }),
 *         cleanup: () => Promise.resolve(),
 *       });
 *     },
 *   },
 * });
 * ```
 */
export function describeStorage(options: ConformanceOptions): void {
  describeStorageGet(options);
  describeStorageScan(options);
  describeStorageGroups(options);
  describeStorageConditions(options);
  describeStorageConcurrency(options);
  describeStorageLimit(options);
  describeStorageLife(options);
}

function describeStorageLife(options: ConformanceOptions): void {
  const onStorage = casesOf(options, "storage", withStorage);
  const inPlace = casesOf(options, "storage", withPlace);
  const { factory } = options;

  onStorage("it has a name, and supports what the factory says", (storage) => {
    assert.ok(typeof storage.name === "string" && storage.name.length > 0);
    assert.deepEqual({ ...storage.supports }, { ...factory.supports });
    for (const flag of Object.values(storage.supports)) assert.equal(typeof flag, "boolean");
    return Promise.resolve();
  });

  onStorage(
    "two places have nothing to do with each other",
    (one) =>
      withStorage(factory, async (other) => {
        await commit(one, put("a", "1"));
        assert.deepEqual(await dump(other), []);
        await commit(other, put("b", "2"));
        assert.deepEqual(await dump(one), ["a=1@0"]);
      }),
  );

  onStorage("stats count the entries of each keyspace", async (storage) => {
    const none = { meta: 0, log: 0, heads: 0, entries: 0, snapshots: 0, outbox: 0 };
    assert.deepEqual({ ...(await storage.stats()).entries }, none);
    await commit(
      storage,
      ...range(1, 5).map((index) => put(`${index}`, "")),
      ...range(1, 3).map((index) => put(`${index}`, "", { keyspace: "heads" })),
      put("1", "", { keyspace: "meta" }),
      ...range(1, 4).map((index) => put(`${index}`, "", { keyspace: "log" })),
      ...range(1, 2).map((index) => put(`${index}`, "", { keyspace: "outbox" })),
    );
    await commit(storage, put("1", "again"), remove("2"), remove("absent"));
    await storage.commit([group([put("refused", "")], { ...NEVER, keyspace: "entries" })]);
    const { entries } = await storage.stats();
    assert.deepEqual({ ...entries }, {
      meta: 1,
      log: 4,
      heads: 3,
      entries: 4,
      snapshots: 0,
      outbox: 2,
    });
  });

  onStorage(
    "stats tell the bytes that are used, and no limit or one above them",
    async (storage) => {
      const before = (await storage.stats()).usedBytes;
      assert.ok(Number.isSafeInteger(before) && before >= 0);
      await commit(storage, put("a", new Uint8Array(2 ** 20)));
      const { usedBytes, limitBytes } = await storage.stats();
      assert.ok(usedBytes >= before + 2 ** 20, `${usedBytes} after ${before}`);
      assert.ok(usedBytes < before + 2 ** 22, `${usedBytes} after ${before}`);
      assert.ok(limitBytes === undefined || limitBytes > usedBytes);
    },
  );

  onStorage(
    "sync resolves with nothing to do, after commits, and while they run",
    async (storage) => {
      await storage.sync();
      await commit(storage, put("a", "1"));
      await storage.sync();
      const commits = range(1, 20).map((index) => commit(storage, put(`b${index}`, "1")));
      await Promise.all([storage.sync(), ...commits, storage.sync()]);
      assert.equal((await storage.scan("entries", EVERYTHING)).length, 21);
    },
  );

  inPlace("close is idempotent, at once and one after the other", async (place) => {
    const storage = await place.openStorage();
    await commit(storage, put("a", "1"));
    await Promise.all([storage.close(), storage.close(), storage.close()]);
    await storage.close();
    await storage[Symbol.asyncDispose]();
  });

  inPlace("close right after open works", async (place) => {
    await (await place.openStorage()).close();
  });

  inPlace("dispose closes", async (place) => {
    const storage = await place.openStorage();
    await storage[Symbol.asyncDispose]();
    await assertFails(() => storage.get("entries", bytesOf("a")), "CLOSED");
  });

  for (const [name, call] of Object.entries(calls)) {
    inPlace(`after close ${name} fails with CLOSED`, async (place) => {
      const storage = await place.openStorage();
      await commit(storage, put("a", "1"));
      await storage.close();
      await assertFails(() => call(storage), "CLOSED");
      await assertFails(() => call(storage), "CLOSED");
    });

    inPlace(`while it closes ${name} fails with CLOSED`, async (place) => {
      const storage = await place.openStorage();
      const committed = commit(storage, put("a", "1"));
      const closed = storage.close();
      await assertFails(() => call(storage), "CLOSED");
      await Promise.all([committed, closed]);
    });
  }

  inPlace("close waits for the commits that were called", async (place) => {
    const storage = await place.openStorage();
    let settled = 0;
    const commits = range(1, 50).map(async (index) => {
      await commit(storage, put(`${index}`, "1"));
      settled++;
    });
    await storage.close();
    // One turn of the event loop for the callers of the commits to hear of it.
    await new Promise((resolve) => setTimeout(resolve, 0));
    assert.equal(settled, 50);
    await Promise.all(commits);
  });

  inPlace("close waits for the reads that were called", async (place) => {
    const storage = await place.openStorage();
    await commit(storage, put("a", "1"));
    const reads = range(1, 20).map(() => dump(storage));
    await storage.close();
    for (const read of await Promise.all(reads)) assert.deepEqual(read, ["a=1@0"]);
  });

  const readOnly = casesOf(options, "storage", withPlace, "readOnly");
  readOnly("read-only, every commit is refused with READ_ONLY, and reads work", async (place) => {
    const writer = await place.openStorage();
    await commit(writer, put("a", "1", { version: 4 }));
    await writer.close();
    await using storage = await place.openStorage({ readOnly: true });
    const changes = [[put("a", "2")], [put("b", "1")], [remove("a")]];
    const commits = changes.map((change) => storage.commit([group(change)]));
    assert.deepEqual(await outcomesOf(commits), ["READ_ONLY", "READ_ONLY", "READ_ONLY"]);
    if (factory.supports.reopen) assert.deepEqual(await dump(storage), ["a=1@4"]);
    for (const keyspace of KEYSPACES) await storage.get(keyspace, bytesOf("a"));
    await storage.stats();
  });
}

/** A condition that never holds of what the cases store. */
const NEVER = { key: bytesOf("no such key"), version: 1 };

const calls: Readonly<Record<string, (storage: Storage) => unknown>> = {
  get: (storage) => storage.get("entries", bytesOf("a")),
  scan: (storage) => storage.scan("entries", EVERYTHING),
  commit: (storage) => storage.commit([group([put("b", "1")])]),
  sync: (storage) => storage.sync(),
  stats: (storage) => storage.stats(),
};
