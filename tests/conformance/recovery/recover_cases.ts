import assert from "node:assert/strict";
import { PersistenceError } from "../../../core/errors/persistence_error.ts";
import type { MessageJournal } from "../../../core/ports/journal.ts";
import type { PersistenceProvider } from "../../../core/provider.ts";
import {
  recover,
  type RecoveryOptions,
  type RecoveryProgress,
} from "../../../core/actors/recovery.ts";
import type { SnapshotStore } from "../../../core/ports/snapshot_store.ts";
import type { Keyspace, Storage } from "../../../core/ports/storage.ts";
import { collectLog } from "../collect_log.ts";
import {
  assertFails,
  assertRefused,
  casesOf,
  causesOf,
  errorOf,
  range,
  withProvider,
} from "../fixture.ts";
import { commit, EVERYTHING, put, remove } from "../storage/fixture.ts";
import type { ConformanceOptions } from "../types.ts";

type Log = readonly number[];

/** Registers the cases about `recover()`. */
export function describeRecovery(options: ConformanceOptions): void {
  const check = casesOf(options, "recovery", withProvider());

  check("an actor without anything has its initial state", async (provider) => {
    assert.deepEqual(await recover(sourceOf(provider)), {
      state: [],
      sequenceNumber: -1,
      replayed: 0,
      erased: 0,
      snapshot: undefined,
      unreadableSnapshots: [],
    });
  });

  check("the state is the newest snapshot and a replay of the rest", async (provider) => {
    const { journal, snapshots, ...source } = sourceOf(provider);
    await journal.appendBatch("a", range(0, 9));
    await snapshots.saveSnapshot("a", [-1], 3);
    await snapshots.saveSnapshot("a", [-2], 6);
    const { state, snapshot, ...figures } = await recover({ journal, snapshots, ...source });
    assert.deepEqual(state, [-2, 7, 8, 9]);
    assert.deepEqual(figures, {
      sequenceNumber: 9,
      replayed: 3,
      erased: 0,
      unreadableSnapshots: [],
    });
    assert.equal(snapshot?.sequenceNumber, 6);
    assert.ok(snapshot?.timestamp instanceof Date);
    assert.deepEqual((await recover({ journal, ...source })).state, range(0, 9));
  });

  check("if the newest snapshot is the end, nothing is replayed", async (provider) => {
    const source = sourceOf(provider);
    await source.journal.appendBatch("a", range(0, 4));
    await source.snapshots.saveSnapshot("a", [-1], 4);
    const { state, replayed, sequenceNumber } = await recover(source);
    assert.deepEqual([state, replayed, sequenceNumber], [[-1], 0, 4]);
  });

  check("it recovers a state of the past", async (provider) => {
    const source = sourceOf(provider);
    await source.journal.appendBatch("a", range(0, 9));
    await source.snapshots.saveSnapshot("a", range(0, 6), 6);
    for (const to of range(-1, 12)) {
      const { state, sequenceNumber } = await recover({ ...source, to });
      assert.deepEqual(state, range(0, Math.min(to, 9)));
      assert.equal(sequenceNumber, Math.min(to, 9));
    }
  });

  check("an initial value is cloned, a function is called with the actor", async (provider) => {
    const { journal } = sourceOf(provider);
    await journal.append("a", 1);
    const initialState: number[] = [];
    const apply = (state: number[], message: number) => {
      state.push(message);
      return state;
    };
    for (const _ of range(1, 2)) {
      const { state } = await recover({ journal, actorId: "a", initialState, apply });
      assert.deepEqual(state, [1]);
    }
    const made = await recover({
      journal,
      actorId: "a",
      initialState: (actorId: string) => [actorId.length],
      apply,
    });
    assert.deepEqual(made.state, [1, 1]);
  });

  check("apply may take its time, and sees the entry", async (provider) => {
    const { journal } = sourceOf(provider);
    await journal.appendBatch("a", [5, 6]);
    const { state } = await recover<string[], number>({
      journal,
      actorId: "a",
      initialState: [],
      apply: async (state, message, entry) => {
        await undefined;
        return [...state, `${entry.actorId}${entry.sequenceNumber}: ${message}`];
      },
    });
    assert.deepEqual(state, ["a0: 5", "a1: 6"]);
  });

  check("what apply throws stops it, with actor, sequence number and cause", async (provider) => {
    const cause = new Error("no such message.");
    for (const isLate of [false, true]) {
      const actorId = `late: ${isLate}`;
      const source = sourceOf(provider, actorId);
      await source.journal.appendBatch(actorId, [1, -7, 3]);
      const apply = (state: Log, message: number) => {
        if (message !== -7) return [...state, message];
        if (isLate) return Promise.reject(cause);
        throw cause;
      };
      const details = { actorId, sequenceNumber: 1 };
      const error = await assertFails(
        () => recover({ ...source, apply }),
        "RECOVERY_FAILED",
        details,
      );
      assert.ok(causesOf(error).includes(cause));
    }
  });

  describeDamagedSnapshots(options);
  describeMissingEntries(options);
  describeOrigin(options);
  describeProgress(options);

  check("bad arguments are refused at the call", async (provider) => {
    const source = sourceOf(provider);
    const bad = (change: object) => () => recover({ ...source, ...change });
    await assertRefused(bad({ actorId: "" }), "range");
    await assertRefused(bad({ actorId: 7 }), "type");
    await assertRefused(bad({ journal: {} }), "type");
    await assertRefused(bad({ snapshots: {} }), "type");
    await assertRefused(bad({ apply: undefined }), "type");
    await assertRefused(bad({ to: -2 }), "range");
    await assertRefused(bad({ to: "1" }), "type");
    await assertRefused(bad({ signal: {} }), "type");
    await assertRefused(() => recover(undefined as unknown as typeof source), "type");
  });
}

function describeDamagedSnapshots(options: ConformanceOptions): void {
  const check = casesOf(options, "recovery", withProvider());

  check("if the newest snapshot is damaged the next older one is used, and told", async (
    provider,
    storage,
  ) => {
    const source = sourceOf(provider);
    await source.journal.appendBatch("a", range(0, 9));
    for (const number of [2, 5, 8]) {
      await source.snapshots.saveSnapshot("a", range(0, number), number);
    }
    await damageLast(storage, "snapshots");
    const one = await recover(source);
    assert.deepEqual([one.state, one.replayed, one.snapshot?.sequenceNumber], [range(0, 9), 4, 5]);
    assert.deepEqual(one.unreadableSnapshots.map(({ sequenceNumber }) => sequenceNumber), [8]);
    assert.equal(one.unreadableSnapshots[0]?.error.code, "CORRUPT");

    for (const _ of range(1, 2)) await damageLast(storage, "snapshots");
    const none = await recover(source);
    assert.deepEqual([none.state, none.replayed, none.snapshot], [range(0, 9), 10, undefined]);
    assert.deepEqual(none.unreadableSnapshots.map(({ sequenceNumber }) => sequenceNumber), [
      8,
      5,
      2,
    ]);
  });

  check("if the journal does not reach back to a readable one, it says what is missing", async (
    provider,
    storage,
  ) => {
    const source = sourceOf(provider);
    await source.journal.appendBatch("a", range(0, 9));
    await source.snapshots.saveSnapshot("a", range(0, 2), 2);
    await source.snapshots.saveSnapshot("a", range(0, 7), 7);
    await source.journal.truncateBefore("a", 6);
    await damageLast(storage, "snapshots");
    const missing = { actorId: "a", sequenceNumber: 3 };
    const error = await assertFails(() => recover(source), "RECOVERY_FAILED", missing);
    assert.match(error.message, /entries 3 to 5 are no longer in the journal.*\(7\)/);
    assert.ok(error.cause instanceof PersistenceError && error.cause.code === "CORRUPT");
  });

  check("a storage that cannot be read is no damaged snapshot", async (provider) => {
    const { snapshots, ...source } = sourceOf(provider);
    await source.journal.append("a", 0);
    const failing = {
      getLatestSnapshot: () =>
        Promise.reject(new PersistenceError("STORAGE_FAILED", "Cannot read: so wants the test")),
    };
    await snapshots.saveSnapshot("a", [-1], 0);
    await assertFails(() => recover({ ...source, snapshots: failing }), "STORAGE_FAILED");
  });
}

function describeMissingEntries(options: ConformanceOptions): void {
  const check = casesOf(options, "recovery", withProvider());

  check("truncated entries without a snapshot are told, not left out", async (provider) => {
    const source = sourceOf(provider);
    await source.journal.appendBatch("a", range(0, 4));
    await source.journal.truncateBefore("a", 1);
    const one = { actorId: "a", sequenceNumber: 0 };
    const error = await assertFails(() => recover(source), "RECOVERY_FAILED", one);
    assert.match(error.message, /entry 0 is no longer in the journal, and there is no/);
    await source.journal.truncateBefore("a", 5);
    const all = await assertFails(() => recover(source), "RECOVERY_FAILED", one);
    assert.match(all.message, /entries 0 to 4 are no longer/);
  });

  check("a snapshot that is ahead of the journal is told", async (provider) => {
    const source = sourceOf(provider);
    await source.journal.appendBatch("a", range(0, 4));
    await source.snapshots.saveSnapshot("a", [], 9);
    const details = { actorId: "a", sequenceNumber: 5 };
    const error = await assertFails(() => recover(source), "RECOVERY_FAILED", details);
    assert.match(error.message, /at 9 is ahead of the journal, which ends at 4/);
  });

  check("a damaged entry stops it, with actor and sequence number", async (provider, storage) => {
    const source = sourceOf(provider);
    await source.journal.append("a", 0);
    await source.journal.append("a", 1);
    await collectLog(storage);
    // That is where the last entries stand.
    await damageLast(storage, "heads");
    await assertFails(() => recover(source), "CORRUPT", { actorId: "a", sequenceNumber: 1 });
  });

  check("a hole stops it, with actor and sequence number", async (provider, storage) => {
    const source = sourceOf(provider);
    // So many that each batch is a frame of its own.
    for (const _ of range(0, 2)) {
      await source.journal.appendBatch("a", range(0, 999));
      await collectLog(storage);
    }
    const entries = await storage.scan("entries", EVERYTHING);
    assert.equal(entries.length, 3);
    await commit(storage, remove(entries[1]?.key ?? new Uint8Array(1), "entries"));
    await assertFails(() => recover(source), "CORRUPT", { actorId: "a", sequenceNumber: 1000 });
  });

  check("a hole is found whatever the journal does", async (provider) => {
    const source = sourceOf(provider);
    await source.journal.appendBatch("a", range(0, 4));
    const withHole: Pick<MessageJournal<number>, "replay" | "read"> = {
      read: (actorId, options) => source.journal.read(actorId, options),
      async *replay(actorId, from, options) {
        for await (const entry of source.journal.replay(actorId, from, options)) {
          if (entry.sequenceNumber !== 2) yield entry;
        }
      },
    };
    const hole = { actorId: "a", sequenceNumber: 2 };
    await assertFails(() => recover({ ...source, journal: withHole }), "CORRUPT", hole);
  });

  check("if retention is faster, it begins anew with the newer snapshot", async (provider) => {
    const source = sourceOf(provider);
    await source.journal.appendBatch("a", range(0, 9));
    let asked = 0;
    const snapshots: Pick<SnapshotStore<Log>, "getLatestSnapshot"> = {
      async getLatestSnapshot(actorId, criteria) {
        const found = await source.snapshots.getLatestSnapshot(actorId, criteria);
        if (asked++ === 0) {
          await source.snapshots.saveSnapshot("a", [-1], 7);
          await source.journal.truncateBefore("a", 8);
        }
        return found;
      },
    };
    const { state, snapshot } = await recover({ ...source, snapshots });
    assert.deepEqual([state, snapshot?.sequenceNumber], [[-1, 8, 9], 7]);
  });
}

function describeOrigin(options: ConformanceOptions): void {
  const check = casesOf(options, "recovery", withProvider());

  check("what comes before the origin of a journal is not needed", async (provider) => {
    const source = sourceOf(provider);
    await source.journal.startAt("a", 5);
    const begun = await recover(source);
    assert.deepEqual([begun.state, begun.sequenceNumber, begun.replayed], [[], 4, 0]);
    await source.journal.appendBatch("a", [5, 6, 7]);
    const seen: RecoveryProgress[] = [];
    const all = await recover({ ...source, onProgress: (progress) => void seen.push(progress) });
    assert.deepEqual([all.state, all.sequenceNumber, all.replayed], [[5, 6, 7], 7, 3]);
    assert.deepEqual(
      seen,
      [[0, 4], [3, 7]].map(([replayed, sequenceNumber]) => (
        { actorId: "a", replayed, total: 3, sequenceNumber }
      )),
    );
  });

  check("a snapshot from before the origin is the beginning", async (provider) => {
    const source = sourceOf(provider);
    await source.snapshots.saveSnapshot("a", [-1], 4);
    await source.journal.startAt("a", 5);
    await source.journal.appendBatch("a", [5, 6]);
    const { state, replayed, snapshot } = await recover(source);
    assert.deepEqual([state, replayed, snapshot?.sequenceNumber], [[-1, 5, 6], 2, 4]);
    await source.journal.truncateBefore("a", 7);
    await source.snapshots.saveSnapshot("a", [-2], 6);
    await source.journal.startAt("a", 10);
    await source.journal.append("a", 10);
    assert.deepEqual((await recover(source)).state, [-2, 10]);
  });

  check("a state from before the origin cannot be recovered without a snapshot", async (
    provider,
  ) => {
    const source = sourceOf(provider);
    await source.journal.startAt("a", 5);
    await source.journal.append("a", 5);
    for (const to of range(0, 3)) {
      const missing = { actorId: "a", sequenceNumber: 0 };
      await assertFails(() => recover({ ...source, to }), "RECOVERY_FAILED", missing);
    }
    const before = await recover({ ...source, to: 4 });
    assert.deepEqual([before.state, before.sequenceNumber], [[], 4]);
    await source.snapshots.saveSnapshot("a", [-1], 2);
    const { state, sequenceNumber } = await recover({ ...source, to: 2 });
    assert.deepEqual([state, sequenceNumber], [[-1], 2]);
    await assertFails(() => recover({ ...source, to: 3 }), "RECOVERY_FAILED", {
      sequenceNumber: 3,
    });
  });

  check("what is truncated after the origin is missing all the same", async (provider) => {
    const source = sourceOf(provider);
    await source.journal.startAt("a", 5);
    await source.journal.appendBatch("a", [5, 6, 7]);
    await source.journal.truncateBefore("a", 6);
    const missing = { actorId: "a", sequenceNumber: 5 };
    const { message } = await assertFails(() => recover(source), "RECOVERY_FAILED", missing);
    assert.match(message, /: entry 5 is no longer in the journal/);
  });
}

function describeProgress(options: ConformanceOptions): void {
  const check = casesOf(options, "recovery", withProvider());

  check("it shows progress, from nothing to all", async (provider) => {
    const source = sourceOf(provider);
    await source.journal.appendBatch("a", range(0, 2_500));
    await source.snapshots.saveSnapshot("a", [], 499);
    const seen: RecoveryProgress[] = [];
    await recover({ ...source, apply: keep, onProgress: (progress) => void seen.push(progress) });
    assert.deepEqual(
      seen,
      [[0, 499], [1_000, 1_499], [2_000, 2_499], [2_001, 2_500]].map(
        ([replayed, sequenceNumber]) => ({ actorId: "a", replayed, total: 2_001, sequenceNumber }),
      ),
    );
  });

  check("without anything to replay it shows that, too", async (provider) => {
    const seen: RecoveryProgress[] = [];
    await recover({ ...sourceOf(provider), onProgress: (progress) => void seen.push(progress) });
    assert.deepEqual(seen, [{ actorId: "a", replayed: 0, total: 0, sequenceNumber: -1 }]);
  });

  check("it can be aborted in the middle", async (provider) => {
    const source = sourceOf(provider);
    await source.journal.appendBatch("a", range(0, 4_999));
    const controller = new AbortController();
    const reason = new Error("enough");
    let applied = 0;
    const error = await errorOf(() =>
      recover({
        ...source,
        apply: (state) => {
          applied++;
          return state;
        },
        signal: controller.signal,
        onProgress: ({ replayed }) => replayed >= 2_000 && controller.abort(reason),
      })
    );
    assert.equal(error, reason);
    assert.equal(applied, 2_000);
    assert.equal(await errorOf(() => recover({ ...source, signal: controller.signal })), reason);
  });

  check("others have their turn meanwhile", async (provider) => {
    const source = sourceOf(provider);
    await source.journal.appendBatch("a", range(0, 2_999));
    const controller = new AbortController();
    // Only a timer can end it, so timers must have their turn.
    setTimeout(() => controller.abort(new Error("enough")), 1);
    const slow = (state: Log) => {
      const until = performance.now() + 0.1;
      while (performance.now() < until);
      return state;
    };
    let last = 0;
    await errorOf(() =>
      recover({
        ...source,
        apply: slow,
        signal: controller.signal,
        onProgress: ({ replayed }) => void (last = replayed),
      })
    );
    assert.ok(last < 3_000, "it has been aborted before its end");
  });
}

function keep(state: Log): Log {
  return state;
}

function sourceOf(
  provider: PersistenceProvider,
  actorId = "a",
): RecoveryOptions<Log, number> & {
  journal: MessageJournal<number>;
  snapshots: SnapshotStore<Log>;
} {
  return {
    journal: provider.createMessageJournal<number>(),
    snapshots: provider.createSnapshotStore<Log>(),
    actorId,
    initialState: [],
    apply: (state, message) => [...state, message],
  };
}

/** Damages the last record of a keyspace that is sound. */
async function damageLast(storage: Storage, keyspace: Keyspace): Promise<void> {
  const records = await storage.scan(keyspace, EVERYTHING);
  const sound = records.findLast(({ value }) => value[value.length - 1] !== DAMAGE);
  assert.ok(sound);
  const value = sound.value.slice();
  value[value.length - 1] = DAMAGE;
  await commit(storage, put(sound.key, value, { keyspace, version: sound.version }));
}

/** No codec ends with this byte. */
const DAMAGE = 0xc1;
