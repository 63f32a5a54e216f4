import assert from "node:assert/strict";
import { PersistenceError } from "../../../core/errors/persistence_error.ts";
import { PersistenceProvider } from "../../../core/provider.ts";
import {
  assertFails,
  assertThrowsRefused,
  casesOf,
  errorOf,
  outcomesOf,
  range,
  withPlace,
  withProvider,
  withStorage,
} from "../fixture.ts";
import { bad } from "../ids.ts";
import { messagesOf } from "../journal/fixture.ts";
import { KeptOpenStorage, ObservedStorage } from "../observed_storage.ts";
import { keptOf } from "../snapshots/fixture.ts";
import { bytesOf, dump } from "../storage/fixture.ts";
import type { ConformanceOptions } from "../types.ts";

/** Registers the cases about `sync` and `close` of a provider. */
export function describeProviderClosing(options: ConformanceOptions): void {
  const onProvider = casesOf(options, "provider close", withProvider());
  const onStorage = casesOf(options, "provider close", withStorage);
  const inPlace = casesOf(options, "provider close", withPlace);
  const { factory } = options;

  onProvider("sync waits for what was accepted", async (provider) => {
    await provider.sync();
    let settled = 0;
    const journal = provider.createMessageJournal<unknown>();
    const appends = range(0, 49).map(async (index) => {
      await journal.append(`${index % 5}`, index);
      settled++;
    });
    await provider.sync();
    await Promise.resolve();
    assert.equal(settled, 50);
    await Promise.all([...appends, provider.sync(), provider.sync()]);
  });

  onStorage(
    "sync resolves if an append fails by itself, and asks the storage",
    async (inner) => {
      const storage = new SyncCountingStorage(inner);
      await using provider = await PersistenceProvider.openOn(storage);
      storage.failCommit = () => new Error("so wants the test");
      const outcome = outcomesOf([provider.createMessageJournal().append("a", "x")]);
      await provider.sync();
      assert.deepEqual(await outcome, ["STORAGE_FAILED"]);
      assert.equal(storage.syncs, 1);
    },
  );

  inPlace(
    "close lets everything go out that was accepted, then closes the storage",
    async (place) => {
      const inner = await place.openStorage();
      const storage = new KeptOpenStorage(inner);
      const provider = await PersistenceProvider.openOn(storage);
      const journal = provider.createMessageJournal<unknown>();
      const batched = provider.createBatchedMessageJournal<unknown>({ maxBatchDelayMs: 60_000 });
      const snapshots = provider.createSnapshotStore<unknown>();
      const outcomes = outcomesOf([
        ...range(0, 9).map((index) => journal.append("a", index)),
        batched.appendBatch("b", [0, 1]),
        journal.truncateBefore("a", 4),
        ...range(0, 5).map((index) => snapshots.saveSnapshot("a", index, index)),
        snapshots.deleteSnapshots("b"),
      ]);
      await provider.close();
      const none = range(0, 6).map(() => undefined);
      assert.deepEqual(await outcomes, [...range(0, 9), [0, 1], undefined, ...none]);
      const again = await PersistenceProvider.openOn(storage);
      assert.deepEqual(await messagesOf(again.createMessageJournal()), range(4, 9));
      assert.deepEqual(await messagesOf(again.createMessageJournal(), "b"), [0, 1]);
      assert.deepEqual(await keptOf(again.createSnapshotStore()), [5, 4, 3]);
      assert.equal((await inner.stats()).entries.snapshots, 3);
      await inner.close();
    },
  );

  inPlace("close closes the storage", async (place) => {
    const storage = await place.openStorage();
    const provider = await PersistenceProvider.openOn(storage);
    await provider.close();
    await assertFails(() => storage.get("meta", bytesOf("a")), "CLOSED");
  });

  inPlace(
    "close is idempotent, at once and one after the other, and dispose is the same",
    async (place) => {
      const provider = await PersistenceProvider.openOn(await place.openStorage());
      const appended = provider.createMessageJournal().append("a", "x");
      await Promise.all([provider.close(), provider.close(), provider[Symbol.asyncDispose]()]);
      await provider.close();
      assert.equal(await appended, 0);
    },
  );

  onStorage("close resolves if what was accepted fails", async (inner) => {
    const storage = new ObservedStorage(inner);
    const provider = await PersistenceProvider.openOn(storage);
    storage.failCommit = () => new Error("so wants the test");
    const outcomes = outcomesOf([
      provider.createMessageJournal().append("a", "x"),
      provider.createSnapshotStore().saveSnapshot("a", "x", 1),
    ]);
    await provider.close();
    assert.deepEqual(await outcomes, ["STORAGE_FAILED", "STORAGE_FAILED"]);
  });

  onProvider("afterwards the provider refuses everything with CLOSED", async (provider) => {
    const closed = provider.close();
    for (const round of ["while it closes", "afterwards"]) {
      await assertFails(() => provider.createMessageJournal(), "CLOSED");
      await assertFails(() => provider.createBatchedMessageJournal(), "CLOSED");
      await assertFails(() => provider.createSnapshotStore(), "CLOSED");
      await assertFails(() => provider.stats(), "CLOSED");
      await assertFails(() => provider.sync(), "CLOSED");
      assert.equal(await provider.isHealthy(), false, round);
      await closed;
    }
    assert.equal(provider.name.length > 0, true);
    assert.deepEqual({ ...provider.supports }, { ...factory.supports });
  });

  onProvider("journals and stores may be closed after the provider", async (provider) => {
    const closeables = [
      provider.createMessageJournal(),
      provider.createBatchedMessageJournal(),
      provider.createSnapshotStore(),
    ];
    await provider.close();
    await Promise.all(closeables.map((each) => each.close()));
  });

  onProvider("a factory method that is called with a bad argument throws", async (provider) => {
    assertThrowsRefused(() => provider.createMessageJournal({ actorId: "" }), "range");
    assertThrowsRefused(() => provider.createMessageJournal<unknown>(bad("a")), "type");
    assertThrowsRefused(() => provider.createMessageJournal<unknown>(bad(null)), "type");
    assertThrowsRefused(() => provider.createBatchedMessageJournal({ actorId: "" }), "range");
    assertThrowsRefused(() => provider.createSnapshotStore({ actorId: "" }), "range");
    await provider.close();
    assert.ok(
      await errorOf(() => provider.createMessageJournal({ actorId: "" })) instanceof
        PersistenceError,
    );
  });

  onProvider("nothing but what was asked for is stored", async (provider, storage) => {
    provider.createMessageJournal();
    provider.createBatchedMessageJournal();
    provider.createSnapshotStore();
    await provider.stats();
    for (const keyspace of ["heads", "entries", "snapshots"] as const) {
      assert.deepEqual(await dump(storage, keyspace), []);
    }
  });
}

class SyncCountingStorage extends ObservedStorage {
  syncs = 0;

  override sync(): Promise<void> {
    this.syncs++;
    return super.sync();
  }
}
