import assert from "node:assert/strict";
import { PersistenceError } from "../../../core/errors/persistence_error.ts";
import { PersistenceProvider } from "../../../core/provider.ts";
import type { WriteGroup } from "../../../core/ports/storage.ts";
import { assertFails, casesOf, causesOf, range, withPlace } from "../fixture.ts";
import { asciiCodec } from "../journal/fixture.ts";
import { keptOf, save, withObservedSnapshots, withSnapshots } from "./fixture.ts";
import { commit, EVERYTHING, put, remove } from "../storage/fixture.ts";
import type { ConformanceOptions } from "../types.ts";

/** What is saved, what is kept then, and how many commits that takes. */
const SAVES: readonly (readonly [number, readonly number[], number])[] = [
  [4, [4, 3, 2], 1],
  // In the place of one that is there.
  [4, [4, 3, 2], 1],
  // Not the newest one.
  [3, [4, 3, 2], 1],
  // Not to be kept: it is saved and deleted again.
  [1, [4, 3, 2], 2],
  [9, [9, 4, 3], 1],
];

/** Registers the cases about damaged snapshots and a storage that fails. */
export function describeSnapshotFailure(options: ConformanceOptions): void {
  const check = casesOf(options, "snapshot failure", withSnapshots());
  const ofTexts = casesOf(
    options,
    "snapshot failure",
    withSnapshots({}, { codec: asciiCodec() }),
  );
  const observed = casesOf(options, "snapshot failure", withObservedSnapshots);

  check(
    "no byte of a snapshot can be changed unnoticed, and an older one can be had",
    async (store, { storage }) => {
      await save(store, [10, 20]);
      const stored = (await storage.scan("snapshots", EVERYTHING))[1];
      assert.ok(stored);
      const damage = { actorId: "a", sequenceNumber: 20 };
      const overwrite = (value: Uint8Array) =>
        commit(storage, put(stored.key, value, { keyspace: "snapshots", version: stored.version }));
      const values = [...stored.value.keys()].flatMap((offset) => [
        stored.value.map((byte, index) => index === offset ? byte ^ 0x01 : byte),
        stored.value.map((byte, index) => index === offset ? byte ^ 0x80 : byte),
        stored.value.slice(0, offset),
      ]);
      for (const value of [...values, Uint8Array.of(...stored.value, 0)]) {
        await overwrite(value);
        await assertFails(() => store.getLatestSnapshot("a"), "CORRUPT", damage);
        const criteria = { maxTimestamp: new Date(8.64e15) };
        await assertFails(() => store.getLatestSnapshot("a", criteria), "CORRUPT", damage);
      }
      const older = await store.getLatestSnapshot("a", { maxSequenceNumber: 19 });
      assert.equal(older?.state, "state 10");
      await overwrite(stored.value);
      assert.equal((await store.getLatestSnapshot("a"))?.state, "state 20");
    },
  );

  check("a damaged snapshot can be overwritten, and can be deleted", async (store, { storage }) => {
    await save(store, [10, 20, 30]);
    for (const { key } of await storage.scan("snapshots", EVERYTHING)) {
      await commit(storage, put(key, new Uint8Array(3), { keyspace: "snapshots" }));
    }
    await store.saveSnapshot("a", "again", 30);
    assert.equal((await store.getLatestSnapshot("a"))?.state, "again");
    await store.deleteSnapshots("a", { sequenceNumber: 20 });
    const rest = { maxSequenceNumber: 29 };
    const damage = { sequenceNumber: 10 };
    await assertFails(() => store.getLatestSnapshot("a", rest), "CORRUPT", damage);
    await store.deleteSnapshots("a", { maxSequenceNumber: 29 });
    assert.deepEqual(await keptOf(store), [30]);
  });

  check(
    "a snapshot of another number or actor in its place is CORRUPT",
    async (store, { storage }) => {
      await save(store, [10, 20]);
      await save(store, [20], "b");
      const [ten, twenty, other] = await storage.scan("snapshots", EVERYTHING);
      assert.ok(ten && twenty && other);
      for (const { value } of [ten, other]) {
        await commit(storage, put(twenty.key, value, { keyspace: "snapshots" }));
        await assertFails(() => store.getLatestSnapshot("a"), "CORRUPT", { sequenceNumber: 20 });
      }
      await commit(storage, remove(twenty.key, "snapshots"));
      assert.equal((await store.getLatestSnapshot("a"))?.sequenceNumber, 10);
    },
  );

  ofTexts(
    "a state that the codec cannot decode is CORRUPT, with actor and number",
    async (store) => {
      await store.saveSnapshot("a", "undecodable", 4);
      const damage = { actorId: "a", sequenceNumber: 4 };
      const error = await assertFails(() => store.getLatestSnapshot("a"), "CORRUPT", damage);
      assert.ok(error.cause instanceof Error);
    },
  );

  observed(
    "if the old ones cannot be deleted the save succeeds, and stats tell",
    async (store, storage, provider) => {
      await save(store, range(1, 3));
      storage.failCommit = failureOfDeletions;
      await save(store, [4]);
      await save(store, [5]);
      assert.equal((await store.getLatestSnapshot("a"))?.state, "state 5");
      assert.deepEqual(await keptOf(store), [5, 4, 3, 2, 1]);
      const { failedPrunes, lastPruneError } = await provider.stats();
      assert.equal(failedPrunes, 2);
      assert.ok(lastPruneError instanceof PersistenceError);
      storage.failCommit = () => undefined;
      await save(store, [6]);
      assert.deepEqual(await keptOf(store), [6, 5, 4], "the next save deletes what is left");
      assert.equal((await provider.stats()).failedPrunes, 2);
    },
  );

  observed(
    "a save and the deletion of what it makes outdated are one commit",
    async (store, storage) => {
      await save(store, range(1, 3));
      for (const [saved, kept, commits] of SAVES) {
        const before = storage.commits;
        await save(store, [saved]);
        assert.deepEqual(await keptOf(store), kept, `after ${saved}`);
        assert.equal(storage.commits - before, commits, `commits for ${saved}`);
      }
    },
  );

  observed("saves at the same time leave no more than are kept", async (store) => {
    await save(store, range(1, 3));
    await Promise.all([6, 4, 5, 7].map((number) => save(store, [number])));
    await save(store, [8]);
    assert.deepEqual(await keptOf(store), [8, 7, 6]);
  });

  observed("if the save fails it rejects, and what was there stays", async (store, storage) => {
    await save(store, range(1, 3));
    for (const code of ["STORAGE_FAILED", "STORAGE_FULL"] as const) {
      storage.failCommit = () => new PersistenceError(code, "Cannot commit: so wants the test");
      await assertFails(() => store.saveSnapshot("a", "x", 4), code, { actorId: "a" });
      await assertFails(() => store.saveSnapshot("a", "x", 3), code);
      await assertFails(() => store.deleteSnapshots("a"), code, { actorId: "a" });
    }
    storage.failCommit = () => undefined;
    assert.deepEqual(await keptOf(store), [3, 2, 1]);
    assert.equal((await store.getLatestSnapshot("a"))?.state, "state 3");
    await save(store, [4]);
    assert.deepEqual(await keptOf(store), [4, 3, 2]);
  });

  observed("an error of another kind is STORAGE_FAILED with that error as cause", async (
    store,
    storage,
  ) => {
    const cause = new Error("disk on fire");
    storage.failCommit = () => cause;
    const error = await assertFails(() => store.saveSnapshot("a", "x", 1), "STORAGE_FAILED");
    assert.ok(causesOf(error).includes(cause));
  });

  observed(
    "a commit that fails does not concern a save in another one",
    async (store, storage, provider) => {
      const journal = provider.createMessageJournal<string>();
      storage.failCommit = () => {
        storage.failCommit = () => undefined;
        return new PersistenceError("STORAGE_FAILED", "Cannot commit: so wants the test");
      };
      await assertFails(() => journal.append("a", "x"), "STORAGE_FAILED");
      await save(store, [1]);
      assert.deepEqual(await keptOf(store), [1]);
    },
  );

  observed("if reading fails it rejects, and the store goes on", async (store, storage) => {
    await save(store, [1]);
    storage.readError = new PersistenceError(
      "STORAGE_FAILED",
      "Cannot read: so wants the test",
    );
    await assertFails(() => store.getLatestSnapshot("a"), "STORAGE_FAILED");
    await assertFails(() => store.deleteSnapshots("a"), "STORAGE_FAILED");
    await store.saveSnapshot("a", "state 2", 2);
    storage.readError = undefined;
    assert.deepEqual(await keptOf(store), [2, 1]);
  });

  const readOnly = casesOf(options, "snapshot failure", withPlace, "readOnly");
  readOnly(
    "on a storage that is open for reading, writes are READ_ONLY and reads work",
    async (place) => {
      const writer = await PersistenceProvider.openOn(await place.openStorage());
      await save(writer.createSnapshotStore(), [1]);
      await writer.close();
      const storage = await place.openStorage({ readOnly: true });
      await using provider = await PersistenceProvider.openOn(storage);
      const store = provider.createSnapshotStore<unknown>();
      await assertFails(() => store.saveSnapshot("a", "x", 2), "READ_ONLY");
      if (!storage.supports.reopen) return;
      await assertFails(() => store.deleteSnapshots("a"), "READ_ONLY");
      assert.deepEqual(await keptOf(store), [1]);
    },
  );
}

function failureOfDeletions(groups: readonly WriteGroup[]): Error | undefined {
  const deletes = groups.some(({ changes }) => changes.some(({ type }) => type === "delete"));
  return deletes
    ? new PersistenceError("STORAGE_FAILED", "Cannot commit: so wants the test")
    : undefined;
}
