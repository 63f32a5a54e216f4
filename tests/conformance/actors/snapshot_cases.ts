import assert from "node:assert/strict";
import { eventSourced } from "../../../core/actors/behavior.ts";
import { PersistenceError } from "../../../core/errors/persistence_error.ts";
import type { PersistenceProvider } from "../../../core/provider.ts";
import type {
  ChangesSinceSnapshot,
  SnapshotPolicyOptions,
} from "../../../core/actors/snapshot_policy.ts";
import {
  account,
  type Amounts,
  gate,
  journalOf,
  LOG,
  log,
  Problems,
  settled,
  snapshotsOf,
  startOn,
  turn,
  until,
  withActors,
  withObserved,
  withStore,
} from "./fixture.ts";
import { assertFails, casesOf, range } from "../fixture.ts";
import { keptOf } from "../snapshots/fixture.ts";
import { commit, EVERYTHING, put } from "../storage/fixture.ts";
import type { ConformanceOptions } from "../types.ts";

/** Registers the cases about when states are saved. */
export function describeSnapshotting(options: ConformanceOptions): void {
  describePolicy(options);
  describeBackground(options);
}

function describePolicy(options: ConformanceOptions): void {
  const check = casesOf(options, "actor snapshots", withActors);

  check("by default the state is saved every 100 messages", async (provider) => {
    const snapshots = snapshotsOf(provider);
    const ofLogs = snapshotsOf(provider, LOG);
    await using events = startOn(provider, account);
    await using commands = startOn(provider, log(), { kind: LOG, actorId: "b" });
    for (const number of range(0, 204)) {
      await events.tell({ type: "add", amounts: [number] });
      await commands.tell({ text: `${number}` });
    }
    await Promise.all([settled(events), settled(commands)]);
    assert.deepEqual(await keptOf(snapshots), [199, 99]);
    assert.deepEqual(await keptOf(ofLogs, "b"), [199, 99]);
    assert.deepEqual((await snapshots.getLatestSnapshot("a"))?.state, range(0, 199));
  });

  check("by number, counting events and not commands", async (provider) => {
    const kept = await keptWith(provider, { everyMessages: 4 }, [3, 3, 1, 1, 4]);
    assert.deepEqual(kept, [11, 5]);
  });

  check("by size", async (provider) => {
    const kept = await keptWith(
      provider,
      { everyMessages: Infinity, everyBytes: 60 },
      [1, 1, 1, 10, 1],
    );
    assert.equal(kept[kept.length - 1], 12);
  });

  check("by a predicate, which sees the state and what came after the last one", async (
    provider,
  ) => {
    const tails: ChangesSinceSnapshot[] = [];
    const when = (state: Amounts, tail: ChangesSinceSnapshot) => {
      tails.push(tail);
      return state.length % 3 === 0;
    };
    const kept = await keptWith(provider, { when }, [1, 1, 1, 1, 2]);
    assert.deepEqual(kept, [5, 2]);
    assert.deepEqual(
      tails.map(({ messages, sequenceNumber }) => [messages, sequenceNumber]),
      [[1, 0], [2, 1], [3, 2], [1, 3], [3, 5]],
    );
    assert.ok(tails.every(({ bytes }) => bytes > 0));
  });

  check("after a time", async (provider) => {
    const snapshots = snapshotsOf(provider);
    await using actor = startOn(provider, account, { snapshotPolicy: { everyMs: 5 } });
    await actor.tell({ type: "add", amounts: [1, 2] });
    while ((await keptOf(snapshots)).length === 0) await turn(1);
    await actor.tell({ type: "add", amounts: [3] });
    while ((await keptOf(snapshots)).length === 1) await turn(1);
    assert.deepEqual(await keptOf(snapshots), [2, 1]);
  });

  check("by hand, after all messages that were sent before", async (provider) => {
    const snapshots = snapshotsOf(provider);
    const ofLogs = snapshotsOf<string[]>(provider, LOG);
    await using events = startOn(provider, account, { snapshotPolicy: "manual" });
    await using commands = startOn(provider, log(), {
      kind: LOG,
      actorId: "b",
      snapshotPolicy: "manual",
    });
    await Promise.all([events.snapshot(), commands.snapshot()]);
    assert.deepEqual(await keptOf(snapshots), [], "there is nothing to save yet");
    assert.deepEqual(await keptOf(ofLogs, "b"), []);
    for (const number of range(1, 150)) {
      void events.tell({ type: "add", amounts: [number] });
      void commands.tell({ text: `${number}` });
    }
    const saved = [events.snapshot(), commands.snapshot()];
    void events.tell({ type: "add", amounts: [151] });
    void commands.tell({ text: "151" });
    await Promise.all(saved);
    assert.deepEqual(await keptOf(snapshots), [149]);
    assert.deepEqual(await keptOf(ofLogs, "b"), [149]);
    assert.deepEqual((await snapshots.getLatestSnapshot("a"))?.state, range(1, 150));
    assert.deepEqual((await ofLogs.getLatestSnapshot("b"))?.state, range(1, 150).map(String));
  });

  check("with manual nothing is saved by itself", async (provider) => {
    {
      await using actor = startOn(provider, account, { snapshotPolicy: "manual" });
      for (const number of range(1, 150)) void actor.tell({ type: "add", amounts: [number] });
      assert.deepEqual(await actor.ask({ type: "read" }), range(1, 150));
      await settled(actor);
    }
    assert.deepEqual(await keptOf(snapshotsOf(provider)), []);
  });

  check("as many are kept as keepSnapshots says", async (provider) => {
    for (const [keepSnapshots, kept] of [[1, [4]], [2, [4, 3]], [9, [4, 3, 2, 1, 0]]] as const) {
      const actorId = `${keepSnapshots}`;
      await using actor = startOn(provider, account, { actorId, keepSnapshots });
      for (const amount of range(1, 5)) {
        await actor.tell({ type: "add", amounts: [amount] });
        await actor.snapshot();
      }
      assert.deepEqual(await keptOf(snapshotsOf(provider), actorId), kept);
    }
  });

  check("what was replayed counts: after a long replay the state is saved", async (provider) => {
    const snapshots = snapshotsOf(provider);
    await journalOf(provider).appendBatch("a", range(0, 120).map((add) => ({ add })));
    await using actor = startOn(provider, account);
    await actor.recovered;
    await until(() => actor.isIdle);
    assert.deepEqual(await keptOf(snapshots), [120]);
  });
}

function describeBackground(options: ConformanceOptions): void {
  const observed = casesOf(options, "actor snapshots", withObserved);

  observed("a state is saved as it was, while the mailbox goes on", async (_storage, provider) => {
    const held = gate();
    const slow = withStore(provider, (store) => ({
      async saveState(...args) {
        await held.opened;
        await store.saveState(...args);
      },
    }));
    await using actor = startOn(slow, log(), { snapshotPolicy: { everyMessages: 10 } });
    const asked = range(1, 35).map((number) => actor.ask({ text: `${number}` }));
    assert.equal((await asked[34])?.length, 35, "answered while nothing is saved yet");
    held.open();
    await settled(actor);
    const snapshots = snapshotsOf<string[]>(provider);
    assert.deepEqual(await keptOf(snapshots), [9]);
    assert.deepEqual((await snapshots.getLatestSnapshot("a"))?.state, range(1, 10).map(String));
  });

  observed("while a state waits to be durable, no other is taken", async (_storage, provider) => {
    let saves = 0;
    const counting = withStore(provider, (store) => ({
      saveState(...args) {
        saves++;
        return store.saveState(...args);
      },
    }));
    await using actor = startOn(counting, account, { snapshotPolicy: { everyMessages: 10 } });
    const asked = range(1, 500).map((amount) => actor.ask({ type: "add", amounts: [amount] }));
    await Promise.all(asked);
    await settled(actor);
    assert.ok(saves > 0 && saves < 20, `${saves} saves`);
  });

  observed("a snapshot of a busy actor never includes what is not durable", async (
    storage,
    provider,
  ) => {
    await using actor = startOn(provider, account, {
      snapshotPolicy: { everyMessages: 3 },
      retry: { maxRetries: 0 },
    });
    await actor.recovered;
    storage.failCommit = () => new Error("so wants the test");
    const lost = range(1, 10).map((amount) => actor.ask({ type: "add", amounts: [amount] }));
    await Promise.all(lost.map((call) => assertFails(() => call, "STORAGE_FAILED")));
    storage.failCommit = () => undefined;
    assert.deepEqual(await keptOf(snapshotsOf(provider)), []);
    assert.deepEqual(await actor.ask({ type: "add", amounts: [11] }), [11]);
  });

  observed("if it cannot be saved that is told, and the actor goes on", async (
    storage,
    provider,
  ) => {
    const problems = new Problems();
    await using actor = startOn(provider, account, {
      snapshotPolicy: { everyMessages: 2 },
      onProblem: problems.onProblem,
    });
    await actor.recovered;
    storage.failCommit = (groups) =>
      groups.some(({ changes }) => changes.some(({ keyspace }) => keyspace === "snapshots"))
        ? new PersistenceError("STORAGE_FAILED", "Cannot commit: so wants the test")
        : undefined;
    for (const amount of range(1, 5)) await actor.tell({ type: "add", amounts: [amount] });
    await settled(actor);
    assert.ok(problems.types.length > 0);
    assert.ok(problems.types.every((type) => type === "snapshot"));
    await assertFails(() => actor.snapshot(), "STORAGE_FAILED");
    storage.failCommit = () => undefined;
    await actor.snapshot();
    assert.deepEqual(await keptOf(snapshotsOf(provider)), [4]);
    assert.deepEqual(await actor.ask({ type: "read" }), range(1, 5));
  });

  const check = casesOf(options, "actor snapshots", withActors);

  check("a state that cannot be stored is told, and the actor goes on", async (provider) => {
    const problems = new Problems();
    await using actor = startOn(
      provider,
      eventSourced({
        initialState: [] as unknown[],
        handle: (_state: unknown[], add: number) => ({
          events: [add],
          reply: (state: unknown[]) => state.length,
        }),
        apply: (state: unknown[], add: number) => [...state, add === 2 ? () => {} : add],
      }),
      { snapshotPolicy: { everyMessages: 1 }, onProblem: problems.onProblem },
    );
    for (const number of range(1, 3)) {
      assert.equal(await actor.ask(number), number);
      await settled(actor);
    }
    assert.deepEqual(problems.types.slice(0, 1), ["snapshot"]);
    await assertFails(() => actor.snapshot(), "UNENCODABLE", { actorId: "a" });
    assert.deepEqual(await keptOf(snapshotsOf(provider)), [0]);
    assert.equal(await actor.ask(4), 4);
  });

  check("a state that cannot be stored is not saved, and not lost", async (provider) => {
    const problems = new Problems();
    const behavior = eventSourced({
      initialState: {} as { [name: string]: unknown },
      handle: (_state: object, events: string[]) => ({ events }),
      apply: (state: object, event: string) => {
        const getter = {
          get: () => {
            throw new Error("so wants the test");
          },
          enumerable: true,
          configurable: true,
        };
        return event === "bad"
          ? Object.defineProperty({ ...state }, "bad", getter)
          : { good: event };
      },
    });
    const actor = startOn(provider, behavior, {
      snapshotPolicy: { everyMessages: 1 },
      retention: { mode: "onSnapshot", retainMessagesBeforeSnapshot: 0 },
      onProblem: problems.onProblem,
    });
    await actor.ask(["x"]);
    await until(() => actor.isIdle);
    await actor.ask(["bad"]);
    await assertFails(() => actor.snapshot(), "UNENCODABLE", { actorId: "a" });
    await actor.ask(["y"]);
    await until(() => actor.isIdle);
    await actor.stop();
    assert.ok(problems.types.length > 0 && problems.types.every((type) => type === "snapshot"));
    assert.ok(problems.all.every(({ error }) => error instanceof PersistenceError));
    assert.deepEqual((await keptOf(snapshotsOf(provider)))[0], 2);
  });

  check("snapshots that cannot be read are told, and an older one is used", async (
    provider,
    storage,
  ) => {
    {
      await using actor = startOn(provider, account);
      for (const amount of range(1, 2)) {
        await actor.tell({ type: "add", amounts: [amount] });
        await actor.snapshot();
      }
    }
    const newest = (await storage.scan("snapshots", EVERYTHING))[1];
    assert.ok(newest);
    const value = newest.value.slice();
    value[value.length - 1] = 0xc1;
    await commit(storage, put(newest.key, value, { keyspace: "snapshots" }));
    const problems = new Problems();
    await using actor = startOn(provider, account, { onProblem: problems.onProblem });
    assert.deepEqual(await actor.ask({ type: "read" }), [1, 2]);
    assert.deepEqual(problems.types, ["snapshot-unreadable"]);
    assert.equal((await actor.recovered).snapshot?.sequenceNumber, 0);
  });
}

/** The snapshots that a policy leaves when commands add so many amounts, one after the other. */
async function keptWith(
  provider: PersistenceProvider,
  snapshotPolicy: SnapshotPolicyOptions<Amounts>,
  counts: readonly number[],
): Promise<number[]> {
  await using actor = startOn(provider, account, { snapshotPolicy });
  for (const count of counts) {
    await actor.tell({ type: "add", amounts: range(1, count) });
    await settled(actor);
  }
  return await keptOf(snapshotsOf(provider));
}
