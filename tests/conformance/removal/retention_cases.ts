import assert from "node:assert/strict";
import type { SnapshotStore } from "../../../core/ports/snapshot_store.ts";
import type { PersistenceProvider } from "../../../core/provider.ts";
import { RetentionSweep } from "../../../core/retention/retention_sweep.ts";
import { assertRefused, casesOf, range, withProvider, withStorage } from "../fixture.ts";
import { KIND, MODES, OF_KIND, openOn, remove } from "./fixture.ts";
import type { ConformanceOptions } from "../types.ts";

/** Registers the cases about retention of actors that are removed, and begin anew. */
export function describeRemovalRetention(options: ConformanceOptions): void {
  const check = casesOf(options, "removal and retention", withProvider());
  const onStorage = casesOf(options, "removal and retention", withStorage);

  for (const mode of MODES) {
    check(`what a sweep has truncated before says nothing of what came after (${mode})`, async (
      provider,
    ) => {
      const journal = provider.createMessageJournal<number>(OF_KIND);
      const snapshots = provider.createSnapshotStore<number>(OF_KIND);
      await using sweep = sweepOf(provider);
      for (const count of [100, 10, 50]) {
        const numbers = await journal.appendBatch("a", range(1, count));
        const last = numbers.at(-1) ?? assert.fail();
        await snapshots.saveSnapshot("a", 0, last);
        assert.deepEqual(await sweep.run(), { actors: 1, truncated: 1, failed: 0 });
        assert.equal((await journal.read("a")).lowest, last + 1);
        assert.deepEqual(await sweep.run(), { actors: 1, truncated: 0, failed: 0 });
        await remove(provider, mode);
      }
    });

    onStorage(`a sweep that is late truncates nothing of what came after (${mode})`, async (
      storage,
    ) => {
      await using provider = await openOn(storage);
      await using other = await openOn(storage);
      const journal = other.createMessageJournal<number>(OF_KIND);
      await journal.appendBatch("a", range(0, 9));
      await other.createSnapshotStore<number>(OF_KIND).saveSnapshot("a", 0, 9);
      let isFirst = true;
      const slow = slowStores(provider, async () => {
        if (!isFirst) return;
        isFirst = false;
        await remove(other, mode);
        await journal.appendBatch("a", range(0, 4));
      });
      await using sweep = new RetentionSweep({
        provider: slow,
        kind: KIND,
        retainMessagesBeforeSnapshot: 0,
      });
      await sweep.run();
      assert.equal(isFirst, false);
      const { entries, origin } = await journal.read("a");
      assert.deepEqual(entries.map(({ message }) => message), range(0, 4));
      assert.deepEqual(
        entries.map(({ sequenceNumber }) => sequenceNumber),
        range(origin, origin + 4),
      );
      await sweep.run();
      assert.equal((await journal.read("a")).entries.length, 5);
    });
  }

  onStorage("a truncation may mean one journal only, and no later one", async (storage) => {
    await using provider = await openOn(storage);
    await using other = await openOn(storage);
    const journal = provider.createMessageJournal<number>(OF_KIND);
    await journal.appendBatch("a", range(0, 9));
    const { incarnation } = await journal.read("a");
    await journal.truncateBefore("a", 3, { incarnation });
    assert.equal((await journal.read("a")).lowest, 3);
    await journal.truncateBefore("a", 4, { incarnation: incarnation + 1 });
    await journal.truncateBefore("a", 4, { incarnation: 0 });
    assert.equal((await journal.read("a")).lowest, 3);

    const anew = other.createMessageJournal<number>(OF_KIND);
    await other.deleteActor("a", OF_KIND);
    await anew.appendBatch("a", range(0, 9));
    await journal.truncateBefore("a", 5, { incarnation });
    const slice = await anew.read("a");
    assert.equal(slice.lowest, 0);
    // The first process does not know this journal yet.
    await journal.truncateBefore("a", 5, { incarnation: slice.incarnation });
    assert.equal((await anew.read("a")).lowest, 5);
    await journal.truncateBefore("a", 6);
    assert.equal((await anew.read("a")).lowest, 6);
  });

  check("bad options of a truncation are refused", async (provider) => {
    const journal = provider.createMessageJournal<number>(OF_KIND);
    await journal.appendBatch("a", range(0, 9));
    for (const incarnation of ["1", null, {}]) {
      await assertRefused(() => truncate({ incarnation }), "type");
    }
    for (const incarnation of [-1, 1.5, NaN, Infinity]) {
      await assertRefused(() => truncate({ incarnation }), "range");
    }
    for (const bad of [null, 1, "x", { incarnations: 1 }]) {
      await assertRefused(() => truncate(bad), "type");
    }
    assert.equal((await journal.read("a")).lowest, 0);

    function truncate(options: unknown): Promise<void> {
      return journal.truncateBefore("a", 5, options as { incarnation?: number });
    }
  });
}

function sweepOf(provider: PersistenceProvider): RetentionSweep {
  return new RetentionSweep({ provider, kind: KIND, retainMessagesBeforeSnapshot: 0 });
}

/** A provider whose answers with a snapshot are late. */
function slowStores(
  provider: PersistenceProvider,
  meanwhile: () => Promise<void>,
): ConstructorParameters<typeof RetentionSweep>[0]["provider"] {
  return {
    actorIds: (options) => provider.actorIds(options),
    createMessageJournal: (options) => provider.createMessageJournal(options),
    createSnapshotStore<State>(options = {}): SnapshotStore<State> {
      const store = provider.createSnapshotStore<State>(options);
      const slow: Partial<SnapshotStore<State>> = {
        listSnapshots: (actorId) => store.listSnapshots(actorId),
        async getLatestSnapshot(actorId) {
          const latest = await store.getLatestSnapshot(actorId);
          await meanwhile();
          return latest;
        },
      };
      return slow as SnapshotStore<State>;
    },
  };
}
