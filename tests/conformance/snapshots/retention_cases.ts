import assert from "node:assert/strict";
import { casesOf, nextMillisecond, range } from "../fixture.ts";
import { keptOf, save, withObservedSnapshots, withSnapshots } from "./fixture.ts";
import type { ConformanceOptions } from "../types.ts";

const MAX_CHANGES = 512;

/** Registers the cases about how many snapshots are kept. */
export function describeSnapshotRetention(options: ConformanceOptions): void {
  const check = casesOf(options, "snapshot retention", withSnapshots());
  const keepingTen = casesOf(options, "snapshot retention", withSnapshots({ keep: 10 }));

  check("3 are kept by default", async (snapshots, { storage }) => {
    await save(snapshots, range(1, 3));
    assert.deepEqual(await keptOf(snapshots), [3, 2, 1]);
    await save(snapshots, [4]);
    assert.deepEqual(await keptOf(snapshots), [4, 3, 2]);
    await save(snapshots, range(5, 12));
    assert.deepEqual(await keptOf(snapshots), [12, 11, 10]);
    assert.equal((await storage.stats()).entries.snapshots, 3, "the others are gone");
  });

  for (const keep of [1, 2, 5, 2 ** 31 - 1, Infinity]) {
    const keeping = casesOf(options, "snapshot retention", withSnapshots({ keep }));
    keeping(`${keep} are kept if it is so`, async (snapshots) => {
      await save(snapshots, range(0, 7));
      assert.deepEqual(await keptOf(snapshots), range(Math.max(0, 8 - keep), 7).reverse());
    });
  }

  check(
    "those with the highest sequence numbers are kept, in whatever order they are saved",
    async (snapshots) => {
      await save(snapshots, [50, 10, 40, 20, 30]);
      assert.deepEqual(await keptOf(snapshots), [50, 40, 30]);
      await save(snapshots, [5]);
      assert.deepEqual(await keptOf(snapshots), [50, 40, 30]);
      await save(snapshots, [45]);
      assert.deepEqual(await keptOf(snapshots), [50, 45, 40]);
    },
  );

  check("saving one again does not push another out", async (snapshots) => {
    await save(snapshots, [1, 2, 3, 3, 3, 1]);
    assert.deepEqual(await keptOf(snapshots), [3, 2, 1]);
  });

  check("each actor has its own", async (snapshots) => {
    for (const sequenceNumber of range(0, 4)) {
      for (const id of ["a", "a\0", "aa"]) await save(snapshots, [sequenceNumber], id);
    }
    for (const id of ["a", "a\0", "aa"]) assert.deepEqual(await keptOf(snapshots, id), [4, 3, 2]);
  });

  keepingTen(
    "a store that keeps fewer deletes what another one kept",
    async (snapshots, { provider }) => {
      await save(snapshots, range(0, 5));
      assert.deepEqual(await keptOf(snapshots), [5, 4, 3, 2, 1, 0]);
      await save(provider.createSnapshotStore({ keep: 2 }), [6]);
      assert.deepEqual(await keptOf(snapshots), [6, 5]);
    },
  );
}

/** Registers the cases about `deleteSnapshots`. */
export function describeSnapshotDeletion(options: ConformanceOptions): void {
  const check = casesOf(options, "snapshot deletion", withSnapshots());
  const keepingTen = casesOf(options, "snapshot deletion", withSnapshots({ keep: 10 }));
  const observed = casesOf(options, "snapshot deletion", withObservedSnapshots);

  check(
    "without criteria all of the actor are deleted, and no others",
    async (snapshots, { storage }) => {
      const ids = ["a", "a\0", "aa", "b"];
      for (const id of ids) await save(snapshots, [0, 10, Number.MAX_SAFE_INTEGER], id);
      await snapshots.deleteSnapshots("a");
      assert.deepEqual(await keptOf(snapshots, "a"), []);
      for (const id of ids.slice(1)) assert.equal((await keptOf(snapshots, id)).length, 3);
      await snapshots.deleteSnapshots("a\0", {});
      assert.equal((await storage.stats()).entries.snapshots, 6);
    },
  );

  check("an unknown actor is no error", async (snapshots) => {
    await snapshots.deleteSnapshots("a");
    await snapshots.deleteSnapshots("a", { sequenceNumber: 5 });
    await snapshots.deleteSnapshots("a", { maxSequenceNumber: 5, maxTimestamp: new Date() });
  });

  for (
    const [criteria, kept] of [
      [{ sequenceNumber: 20 }, [30, 10]],
      [{ sequenceNumber: 10 }, [30, 20]],
      [{ sequenceNumber: 15 }, [30, 20, 10]],
      [{ maxSequenceNumber: 9 }, [30, 20, 10]],
      [{ maxSequenceNumber: 10 }, [30, 20]],
      [{ maxSequenceNumber: 29 }, [30]],
      [{ maxSequenceNumber: 30 }, []],
      [{ maxSequenceNumber: Number.MAX_SAFE_INTEGER }, []],
      [{ sequenceNumber: 20, maxSequenceNumber: 20 }, [30, 10]],
      [{ sequenceNumber: 20, maxSequenceNumber: 19 }, [30, 20, 10]],
      [{ sequenceNumber: 10, maxSequenceNumber: 25 }, [30, 20]],
      [{ maxTimestamp: new Date(0) }, [30, 20, 10]],
      [{ maxTimestamp: new Date(8.64e15) }, []],
      [{ maxTimestamp: new Date(8.64e15), maxSequenceNumber: 20 }, [30]],
      [{ maxTimestamp: new Date(0), sequenceNumber: 20 }, [30, 20, 10]],
      [{ maxTimestamp: new Date(8.64e15), sequenceNumber: 20 }, [30, 10]],
    ] as const
  ) {
    const name = JSON.stringify(criteria);
    check(
      `of 10, 20 and 30 the criteria ${name} leave ${kept.join(", ") || "none"}`,
      async (snapshots) => {
        await save(snapshots, [10, 20, 30]);
        await save(snapshots, [10, 20, 30], "b");
        await snapshots.deleteSnapshots("a", criteria);
        assert.deepEqual(await keptOf(snapshots), kept);
        await snapshots.deleteSnapshots("a", criteria);
        assert.deepEqual(await keptOf(snapshots), kept, "idempotent");
        assert.deepEqual(await keptOf(snapshots, "b"), [30, 20, 10]);
      },
    );
  }

  keepingTen("maxTimestamp is inclusive, and looks at each snapshot", async (snapshots) => {
    await save(snapshots, [30, 10]);
    const early = await nextMillisecond();
    await save(snapshots, [20, 40]);
    const at20 = (await snapshots.getLatestSnapshot("a", { maxSequenceNumber: 20 }))?.timestamp;
    assert.ok(at20);
    await snapshots.deleteSnapshots("a", { maxTimestamp: early });
    assert.deepEqual(await keptOf(snapshots), [40, 20]);
    await snapshots.deleteSnapshots("a", { maxTimestamp: at20, maxSequenceNumber: 39 });
    assert.deepEqual(await keptOf(snapshots), [40]);
  });

  observed("calls that are not awaited share a commit", async (snapshots, storage, provider) => {
    const keeping = provider.createSnapshotStore({ keep: Infinity });
    await Promise.all(range(0, 199).map((number) => keeping.saveSnapshot("a", number, number)));
    await Promise.all(range(0, 199).map((number) => snapshots.saveSnapshot(`${number}`, 1, 1)));
    const before = storage.commits;
    await Promise.all([
      ...range(0, 99).map((sequenceNumber) => snapshots.deleteSnapshots("a", { sequenceNumber })),
      ...range(0, 199).map((number) => snapshots.deleteSnapshots(`${number}`)),
    ]);
    assert.ok(storage.commits - before < 300 / 5, `${storage.commits - before} commits`);
    assert.deepEqual(await snapshots.listSnapshots("a"), range(100, 199).reverse());
  });

  observed("by time, too, one call deletes many in bounded steps", async (
    snapshots,
    storage,
    provider,
  ) => {
    const keeping = provider.createSnapshotStore({ keep: Infinity });
    const count = MAX_CHANGES + 100;
    await Promise.all(range(1, count).map((number) => keeping.saveSnapshot("a", number, number)));
    const now = await nextMillisecond();
    await keeping.saveSnapshot("a", "late", 0);
    const steps: number[] = [];
    storage.failCommit = (groups) => {
      steps.push(groups.flatMap(({ changes }) => changes).length);
      return undefined;
    };
    await snapshots.deleteSnapshots("a", { maxTimestamp: now });
    assert.deepEqual(steps, [MAX_CHANGES, 100]);
    assert.deepEqual(await snapshots.listSnapshots("a"), [0]);
  });

  check("deleting makes room for what is kept", async (snapshots) => {
    await save(snapshots, [10, 20, 30]);
    await snapshots.deleteSnapshots("a", { sequenceNumber: 30 });
    await save(snapshots, [5]);
    assert.deepEqual(await keptOf(snapshots), [20, 10, 5]);
  });

  check("after deletion of all an actor may begin again with lower numbers", async (snapshots) => {
    await save(snapshots, [100, 200, 300]);
    await snapshots.deleteSnapshots("a");
    await save(snapshots, [1]);
    assert.deepEqual(await keptOf(snapshots), [1]);
  });
}
