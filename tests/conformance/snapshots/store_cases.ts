import assert from "node:assert/strict";
import { casesOf, nextMillisecond, range } from "../fixture.ts";
import { AWKWARD_IDS, LONGEST_IDS, randomIds } from "../ids.ts";
import { withRandom } from "../random.ts";
import { keptOf, save, withSnapshots } from "./fixture.ts";
import { assertSameValue } from "../same_value.ts";
import type { ConformanceOptions } from "../types.ts";
import { richValues } from "../values.ts";

/** Registers the cases about `saveSnapshot` and `getLatestSnapshot` without criteria. */
export function describeSnapshotSaving(options: ConformanceOptions): void {
  const check = casesOf(options, "snapshot", withSnapshots());
  const keepingTen = casesOf(options, "snapshot", withSnapshots({ keep: 10 }));

  check("an actor without one gives undefined", async (snapshots) => {
    assert.equal(await snapshots.getLatestSnapshot("a"), undefined);
    await save(snapshots, [1], "b");
    assert.equal(await snapshots.getLatestSnapshot("a"), undefined);
    assert.equal(await snapshots.getLatestSnapshot("a", { maxSequenceNumber: 9 }), undefined);
    assert.equal(await snapshots.getLatestSnapshot("a", { maxTimestamp: new Date() }), undefined);
  });

  check("it tells actor, state, sequence number and timestamp, and no more", async (snapshots) => {
    const before = Date.now();
    await snapshots.saveSnapshot("a", { balance: 15 }, 41);
    const after = Date.now();
    const snapshot = await snapshots.getLatestSnapshot("a");
    assert.ok(snapshot);
    assert.deepEqual(Object.keys(snapshot).sort(), [
      "actorId",
      "sequenceNumber",
      "state",
      "timestamp",
    ]);
    assert.deepEqual([snapshot.actorId, snapshot.sequenceNumber], ["a", 41]);
    assert.deepEqual(snapshot.state, { balance: 15 });
    assert.ok(snapshot.timestamp instanceof Date);
    const timeMs = snapshot.timestamp.getTime();
    assert.ok(before <= timeMs && timeMs <= after, `${before} ≤ ${timeMs} ≤ ${after}`);
  });

  check(
    "the latest is the one with the highest sequence number, not the last saved",
    async (snapshots) => {
      await save(snapshots, [5, 20, 9]);
      const latest = await snapshots.getLatestSnapshot("a");
      assert.deepEqual([latest?.sequenceNumber, latest?.state], [20, "state 20"]);
    },
  );

  check("the same sequence number overwrites state and timestamp", async (snapshots) => {
    await snapshots.saveSnapshot("a", "first, and rather longer than the second", 7);
    const first = await snapshots.getLatestSnapshot("a");
    await nextMillisecond();
    await snapshots.saveSnapshot("a", "second", 7);
    const second = await snapshots.getLatestSnapshot("a");
    assert.equal(second?.state, "second");
    assert.ok(Number(second?.timestamp) > Number(first?.timestamp));
    assert.deepEqual(await keptOf(snapshots), [7]);
  });

  for (const sequenceNumber of [0, 1, 255, 256, 2 ** 32 - 1, 2 ** 32, Number.MAX_SAFE_INTEGER]) {
    check(`sequence number ${sequenceNumber} works`, async (snapshots) => {
      await save(snapshots, [sequenceNumber]);
      assert.equal((await snapshots.getLatestSnapshot("a"))?.sequenceNumber, sequenceNumber);
      const at = { maxSequenceNumber: sequenceNumber };
      assert.equal(
        (await snapshots.getLatestSnapshot("a", at))?.state,
        `state ${sequenceNumber}`,
      );
      await snapshots.deleteSnapshots("a", { maxTimestamp: new Date(Date.now() + 1_000) });
      assert.deepEqual(await keptOf(snapshots), []);
    });
  }

  keepingTen("large and small sequence numbers are in the order of numbers", async (snapshots) => {
    const numbers = [255, 2 ** 40, 256, 1, 2 ** 32, 2 ** 32 - 1, Number.MAX_SAFE_INTEGER, 0];
    await save(snapshots, numbers);
    assert.deepEqual(await keptOf(snapshots), numbers.toSorted((a, b) => b - a));
  });

  check("every kind of value comes back as it went in", async (snapshots) => {
    for (const [name, value] of richValues) {
      await snapshots.saveSnapshot("a", value, 1);
      const state = (await snapshots.getLatestSnapshot("a"))?.state;
      assertSameValue(state, value, name);
    }
  });

  check("a state of several MiB comes back", async (snapshots) => {
    const state = range(0, 200_000).map((index) => `entry ${index}`);
    await snapshots.saveSnapshot("a", state, 1);
    assert.deepEqual((await snapshots.getLatestSnapshot("a"))?.state, state);
  });

  check("what the caller does to a state afterwards changes nothing", async (snapshots) => {
    const state = { list: [1, 2], bytes: Uint8Array.of(1, 2) };
    const saved = snapshots.saveSnapshot("a", state, 1);
    state.list.push(3);
    state.bytes.fill(0);
    await saved;
    const expected = { list: [1, 2], bytes: Uint8Array.of(1, 2) };
    const loaded = await snapshots.getLatestSnapshot("a");
    assert.deepEqual(loaded?.state, expected);
    Reflect.get(Object(loaded?.state), "list").push(4);
    Reflect.get(Object(loaded?.state), "bytes").fill(9);
    assert.deepEqual((await snapshots.getLatestSnapshot("a"))?.state, expected);
  });

  check(
    "actors with awkward, long and random ids are isolated",
    (snapshots) =>
      withRandom(options.seed, async (random) => {
        const ids = [...new Set([...AWKWARD_IDS, ...LONGEST_IDS, ...randomIds(random, 200)])];
        await Promise.all(ids.map((id, index) => snapshots.saveSnapshot(id, id, index)));
        const even = ids.filter((_, index) => index % 2 === 0);
        await Promise.all(even.map((id) => snapshots.deleteSnapshots(id)));
        await Promise.all(ids.map(async (id, index) => {
          const snapshot = await snapshots.getLatestSnapshot(id);
          if (index % 2 === 0) return assert.equal(snapshot, undefined);
          assert.deepEqual([snapshot?.actorId, snapshot?.state], [id, id]);
          assert.equal(snapshot?.sequenceNumber, index);
        }));
      }),
  );

  check(
    "journals and snapshots of one actor have nothing to do with each other",
    async (snapshots, { provider }) => {
      const journal = provider.createMessageJournal<string>();
      await save(snapshots, [100]);
      assert.equal(await journal.getHighestSequenceNumber("a"), -1);
      assert.equal(await journal.append("a", "x"), 0);
      await journal.truncateBefore("a", 1);
      assert.deepEqual(await keptOf(snapshots), [100]);
      await journal.append("a", "y");
      await snapshots.deleteSnapshots("a");
      assert.equal((await journal.readFrom("a", 0)).length, 1);
    },
  );

  check(
    "saves that are not awaited all succeed, and the last call for a number wins",
    async (snapshots) => {
      const saves = range(0, 49).map((index) =>
        snapshots.saveSnapshot("a", `call ${index}`, index % 10)
      );
      await Promise.all(saves);
      assert.deepEqual(await keptOf(snapshots), [9, 8, 7]);
      for (const sequenceNumber of [9, 8, 7]) {
        const criteria = { maxSequenceNumber: sequenceNumber };
        const snapshot = await snapshots.getLatestSnapshot("a", criteria);
        assert.equal(snapshot?.state, `call ${40 + sequenceNumber}`);
      }
    },
  );

  check(
    "a save that has resolved is seen by every store of the provider",
    async (snapshots, { provider }) => {
      const other = provider.createSnapshotStore();
      for (const sequenceNumber of range(0, 9)) {
        await save(snapshots, [sequenceNumber]);
        assert.equal((await other.getLatestSnapshot("a"))?.sequenceNumber, sequenceNumber);
      }
    },
  );
}

/** Registers the cases about the criteria of `getLatestSnapshot`. */
export function describeSnapshotCriteria(options: ConformanceOptions): void {
  const check = casesOf(options, "snapshot criteria", withSnapshots());

  for (
    const [maxSequenceNumber, expected] of [
      [0, undefined],
      [9, undefined],
      [10, 10],
      [11, 10],
      [19, 10],
      [20, 20],
      [29, 20],
      [30, 30],
      [31, 30],
      [Number.MAX_SAFE_INTEGER, 30],
    ] as const
  ) {
    check(
      `of 10, 20 and 30 the latest up to ${maxSequenceNumber} is ${expected}`,
      async (snapshots) => {
        await save(snapshots, [20, 10, 30]);
        await save(snapshots, [5, 15, 25], "b");
        const snapshot = await snapshots.getLatestSnapshot("a", { maxSequenceNumber });
        assert.equal(snapshot?.sequenceNumber, expected);
        assert.equal(snapshot?.state, expected && `state ${expected}`);
      },
    );
  }

  check(
    "maxTimestamp is inclusive, and alone picks the highest number among those before it",
    async (snapshots) => {
      // Saved in this order: 20, 10, 30.
      const times: Date[] = [];
      for (const sequenceNumber of [20, 10, 30]) {
        await save(snapshots, [sequenceNumber]);
        const criteria = { maxSequenceNumber: sequenceNumber };
        const saved = await snapshots.getLatestSnapshot("a", criteria);
        times.push(saved?.timestamp ?? new Date(NaN));
        await nextMillisecond();
      }
      const latest = async (time: number) =>
        (await snapshots.getLatestSnapshot("a", { maxTimestamp: new Date(time) }))
          ?.sequenceNumber;
      const [first = NaN, second = NaN, third = NaN] = times.map(Number);
      assert.equal(await latest(first - 1), undefined);
      assert.equal(await latest(first), 20);
      assert.equal(await latest(second), 20);
      assert.equal(await latest(third - 1), 20);
      assert.equal(await latest(third), 30);
      assert.equal(await latest(Date.now() + 1_000_000), 30);
      assert.equal(await latest(0), undefined);
      assert.equal(await latest(-1), undefined);
    },
  );

  check("with both criteria a snapshot must match both", async (snapshots) => {
    await save(snapshots, [10, 30]);
    const early = await nextMillisecond();
    await save(snapshots, [20]);
    const latest = async (maxSequenceNumber: number, maxTimestamp: Date) =>
      (await snapshots.getLatestSnapshot("a", { maxSequenceNumber, maxTimestamp }))
        ?.sequenceNumber;
    const now = new Date();
    assert.equal(await latest(30, now), 30);
    assert.equal(await latest(29, now), 20);
    assert.equal(await latest(29, early), 10);
    assert.equal(await latest(30, early), 30);
    assert.equal(await latest(9, early), undefined);
    assert.equal(await latest(30, new Date(0)), undefined);
  });
}
