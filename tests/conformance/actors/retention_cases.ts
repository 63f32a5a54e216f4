import assert from "node:assert/strict";
import { PersistenceError } from "../../../core/errors/persistence_error.ts";
import type { PersistenceProvider } from "../../../core/provider.ts";
import type { RetentionOptions } from "../../../core/retention/retention_policy.ts";
import { RetentionSweep } from "../../../core/retention/retention_sweep.ts";
import type { SnapshotStore } from "../../../core/ports/snapshot_store.ts";
import {
  account,
  journalOf,
  KIND,
  Problems,
  settled,
  snapshotsOf,
  startOn,
  turn,
  withActors,
  withStore,
} from "./fixture.ts";
import { assertRefused, assertThrowsRefused, casesOf, errorOf, range } from "../fixture.ts";
import { numbersOf } from "../journal/fixture.ts";
import { keptOf } from "../snapshots/fixture.ts";
import { commit, EVERYTHING, put } from "../storage/fixture.ts";
import type { ConformanceOptions } from "../types.ts";

/** Registers the cases about what is truncated before snapshots. */
export function describeActorRetention(options: ConformanceOptions): void {
  describeRetention(options);
  describeSweep(options);
}

function describeRetention(options: ConformanceOptions): void {
  const check = casesOf(options, "actor retention", withActors);

  check("by default nothing is truncated", async (provider) => {
    await fill(provider, 700, {});
    assert.deepEqual(await numbersOf(journalOf(provider), 0), range(0, 699));
  });

  check("before a snapshot 500 messages stay by default", async (provider) => {
    await fill(provider, 800, { mode: "onSnapshot" });
    assert.deepEqual(await numbersOf(journalOf(provider), 0), range(300, 799));
    await assertRecovers(provider, 800);
  });

  check("it retains as many as it is told, and what the oldest kept snapshot needs", async (
    provider,
  ) => {
    await fill(provider, 800, { mode: "onSnapshot", retainMessagesBeforeSnapshot: 0 });
    assert.deepEqual(await keptOf(snapshotsOf(provider)), [799, 699, 599]);
    assert.deepEqual(await numbersOf(journalOf(provider), 0), range(600, 799));
    await assertRecovers(provider, 800);
  });

  check("or it keeps the last few", async (provider) => {
    await fill(provider, 830, { mode: "onSnapshot", keepLast: 450 });
    assert.deepEqual(await numbersOf(journalOf(provider), 0), range(380, 829));
    await assertRecovers(provider, 830);
  });

  check("from each snapshot that is kept the actor can be recovered", async (provider, storage) => {
    await fill(provider, 600, { mode: "onSnapshot", retainMessagesBeforeSnapshot: 0 });
    for (const left of [2, 1]) {
      const records = await storage.scan("snapshots", EVERYTHING);
      const record = records[left];
      assert.ok(record);
      const value = record.value.slice();
      value[value.length - 1] = 0xc1;
      await commit(storage, put(record.key, value, { keyspace: "snapshots" }));
      await assertRecovers(provider, 600);
    }
  });

  check("if the snapshot cannot be read back nothing is truncated", async (provider) => {
    const problems = new Problems();
    const unreadable = withStore(provider, ({ snapshots }) => ({
      snapshots: wrap(snapshots, {
        getLatestSnapshot: (actorId, criteria) =>
          criteria?.maxSequenceNumber === undefined
            ? Promise.reject(new PersistenceError("CORRUPT", "Cannot load: so wants the test"))
            : snapshots.getLatestSnapshot(actorId, criteria),
      }),
    }));
    await using actor = startOn(unreadable, account, {
      retention: { mode: "onSnapshot", retainMessagesBeforeSnapshot: 0 },
      snapshotPolicy: "manual",
      onProblem: problems.onProblem,
    });
    await actor.tell({ type: "add", amounts: [1, 2, 3] });
    await actor.snapshot();
    await settled(actor);
    assert.deepEqual(problems.types, ["retention"]);
    assert.deepEqual(await numbersOf(journalOf(provider), 0), [0, 1, 2]);
  });

  check("what a consumer needs stays", async (provider) => {
    const consumers = provider.createConsumerRegistry({ kind: KIND });
    await consumers.register("a", "reports", 42);
    await fill(provider, 800, {
      mode: "onSnapshot",
      retainMessagesBeforeSnapshot: 0,
      consumers,
    });
    assert.equal((await numbersOf(journalOf(provider), 0))[0], 42);
    await consumers.register("a", "reports", 123);
    await fill(provider, 100, { mode: "onSnapshot", retainMessagesBeforeSnapshot: 0, consumers });
    assert.equal((await numbersOf(journalOf(provider), 0))[0], 123);
  });
}

function describeSweep(options: ConformanceOptions): void {
  const check = casesOf(options, "retention sweep", withActors);

  check("a round truncates all actors that it may, and says what it did", async (provider) => {
    const journal = provider.createMessageJournal<number>();
    const snapshots = provider.createSnapshotStore<number>();
    const ids = range(1, 25).map((number) => `actor ${number}`);
    for (const id of ids) await journal.appendBatch(id, range(0, 9));
    for (const id of ids.slice(0, 20)) await snapshots.saveSnapshot(id, 0, 7);
    await using sweep = new RetentionSweep({
      provider,
      retainMessagesBeforeSnapshot: 2,
      actorsPerStep: 3,
      isSwept: (actorId) => actorId !== "actor 1",
    });
    assert.deepEqual(await sweep.run(), { actors: 24, truncated: 19, failed: 0 });
    assert.deepEqual(await numbersOf(journal, 0, {}, "actor 1"), range(0, 9));
    assert.deepEqual(await numbersOf(journal, 0, {}, "actor 2"), range(6, 9));
    assert.deepEqual(await numbersOf(journal, 0, {}, "actor 25"), range(0, 9));
    assert.deepEqual(await sweep.run(), { actors: 24, truncated: 0, failed: 0 });
    await snapshots.saveSnapshot("actor 2", 0, 9);
    assert.deepEqual(await sweep.run(), { actors: 24, truncated: 1, failed: 0 });
    assert.deepEqual(await numbersOf(journal, 0, {}, "actor 2"), [8, 9]);
  });

  check("in the background it goes on until it is closed", async (provider) => {
    const journal = provider.createMessageJournal<number>();
    const snapshots = provider.createSnapshotStore<number>();
    await journal.appendBatch("a", range(0, 9));
    await snapshots.saveSnapshot("a", 0, 4);
    const sweep = new RetentionSweep({ provider, retainMessagesBeforeSnapshot: 0, intervalMs: 1 });
    sweep.start();
    sweep.start();
    while ((await numbersOf(journal, 0)).length > 5) await turn(1);
    await snapshots.saveSnapshot("a", 0, 9);
    await snapshots.deleteSnapshots("a", { maxSequenceNumber: 8 });
    while ((await numbersOf(journal, 0)).length > 0) await turn(1);
    await sweep.close();
    await sweep.close();
  });

  check("in the background it goes on whatever onProblem does", async (provider) => {
    const journal = provider.createMessageJournal<number>();
    let failures = 0;
    const sweep = new RetentionSweep({
      provider: {
        createMessageJournal: (options) => provider.createMessageJournal(options),
        createSnapshotStore: (options) => provider.createSnapshotStore(options),
        actorIds() {
          throw new Error("so wants the test");
        },
      },
      intervalMs: 1,
      onProblem() {
        const error = new Error("so wants the test, too");
        if (++failures % 2 === 0) return Promise.reject(error);
        throw error;
      },
    });
    const { error } = console;
    let written = 0;
    console.error = () => written++;
    try {
      sweep.start();
      while (failures < 3) await turn(1);
      await sweep.close();
    } finally {
      console.error = error;
    }
    assert.equal(written, failures);
    assert.equal(await journal.append("a", 1), 0);
  });

  check("what fails for one actor is told, and does not concern others", async (
    provider,
    storage,
  ) => {
    const journal = provider.createMessageJournal<number>();
    const snapshots = provider.createSnapshotStore<number>();
    for (const id of ["a", "b"]) {
      await journal.appendBatch(id, range(0, 9));
      await snapshots.saveSnapshot(id, 0, 9);
    }
    const [first] = await storage.scan("snapshots", EVERYTHING);
    assert.ok(first);
    const value = first.value.slice();
    value[value.length - 1] = 0xc1;
    await commit(storage, put(first.key, value, { keyspace: "snapshots" }));
    const told: unknown[] = [];
    await using sweep = new RetentionSweep({
      provider,
      retainMessagesBeforeSnapshot: 0,
      onProblem: ({ actorId }) => void told.push(actorId),
    });
    assert.deepEqual(await sweep.run(), { actors: 2, truncated: 1, failed: 1 });
    assert.deepEqual(told, ["a"]);
    assert.equal((await numbersOf(journal, 0)).length, 10);
  });

  check("a round can be aborted, and bad arguments are refused", async (provider) => {
    await using sweep = new RetentionSweep({ provider });
    await provider.createMessageJournal().append("a", 1);
    const reason = new Error("enough");
    assert.equal(await errorOf(() => sweep.run({ signal: AbortSignal.abort(reason) })), reason);
    await assertRefused(() => sweep.run({ signal: {} as AbortSignal }), "type");
    const bad = (change: object) => () => new RetentionSweep({ provider, ...change });
    assertThrowsRefused(bad({ provider: {} }), "type");
    assertThrowsRefused(bad({ intervalMs: 0 }), "range");
    assertThrowsRefused(bad({ actorsPerStep: 0 }), "range");
    assertThrowsRefused(bad({ keepLast: -1 }), "range");
    assertThrowsRefused(bad({ isSwept: 1 }), "type");
    assertThrowsRefused(bad({ onProblem: 1 }), "type");
  });
}

/** Lets an actor handle so many messages, with a snapshot after every hundred and the last. */
async function fill(
  provider: PersistenceProvider,
  count: number,
  retention: RetentionOptions,
): Promise<void> {
  await using actor = startOn(provider, account, { retention, snapshotPolicy: "manual" });
  for (let left = count; left > 0; left -= 100) {
    await actor.tell({ type: "add", amounts: range(1, Math.min(left, 100)) });
    await actor.snapshot();
    await settled(actor);
  }
}

async function assertRecovers(provider: PersistenceProvider, count: number): Promise<void> {
  await using actor = startOn(provider, account, { snapshotPolicy: "manual" });
  assert.equal((await actor.ask({ type: "read" })).length, count);
}

function wrap(
  store: SnapshotStore<unknown>,
  change: Partial<SnapshotStore<unknown>>,
): SnapshotStore<unknown> {
  return {
    saveSnapshot: (actorId, state, number) => store.saveSnapshot(actorId, state, number),
    getLatestSnapshot: (actorId, criteria) => store.getLatestSnapshot(actorId, criteria),
    listSnapshots: (actorId) => store.listSnapshots(actorId),
    deleteSnapshots: (actorId, criteria) => store.deleteSnapshots(actorId, criteria),
    close: () => store.close(),
    [Symbol.asyncDispose]: () => store.close(),
    ...change,
  };
}
