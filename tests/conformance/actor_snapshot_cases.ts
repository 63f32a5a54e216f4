import assert from "node:assert/strict";
import { PersistenceError } from "../../core/errors.ts";
import type { PersistenceProvider } from "../../core/provider.ts";
import type { RetentionOptions } from "../../core/retention.ts";
import { RetentionSweep } from "../../core/retention_sweep.ts";
import type { SnapshotPolicyOptions, SnapshotTail } from "../../core/snapshot_policy.ts";
import type { SnapshotStore } from "../../core/snapshots.ts";
import {
  account,
  type Amounts,
  log,
  Problems,
  startOn,
  turn,
  until,
  withObserved,
} from "./actor_fixture.ts";
import {
  assertFails,
  assertRefused,
  assertThrowsRefused,
  casesOf,
  errorOf,
  range,
  withProvider,
} from "./fixture.ts";
import { numbersOf } from "./journal_fixture.ts";
import { keptOf } from "./snapshot_fixture.ts";
import { commit, EVERYTHING, put } from "./storage_fixture.ts";
import type { ConformanceOptions } from "./types.ts";

/** Registers the cases about when states are saved, and what is truncated behind them. */
export function describeSnapshotting(options: ConformanceOptions): void {
  describePolicy(options);
  describeBackground(options);
  describeRetention(options);
  describeSweep(options);
  describeFollowers(options);
  describeActorList(options);
}

function describePolicy(options: ConformanceOptions): void {
  const check = casesOf(options, "actor snapshots", withProvider());

  check("by default the state is saved every 100 messages", async (provider) => {
    const snapshots = provider.createSnapshotStore<never>();
    await using events = startOn(provider, account);
    await using commands = startOn(provider, log(), { actorId: "b" });
    for (const number of range(0, 204)) {
      await events.tell({ type: "add", amounts: [number] });
      await commands.tell({ text: `${number}` });
    }
    await Promise.all([settled(events), settled(commands)]);
    for (const actorId of ["a", "b"]) {
      assert.deepEqual(await keptOf(snapshots, actorId), [199, 99]);
    }
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

  check("by a predicate, which sees the state and what is behind the last one", async (
    provider,
  ) => {
    const tails: SnapshotTail[] = [];
    const when = (state: Amounts, tail: SnapshotTail) => {
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
    const snapshots = provider.createSnapshotStore<Amounts>();
    await using actor = startOn(provider, account, { snapshotPolicy: { everyMs: 5 } });
    await actor.tell({ type: "add", amounts: [1, 2] });
    while ((await keptOf(snapshots)).length === 0) await turn(1);
    await actor.tell({ type: "add", amounts: [3] });
    while ((await keptOf(snapshots)).length === 1) await turn(1);
    assert.deepEqual(await keptOf(snapshots), [2, 1]);
  });

  check("by hand, behind all messages that were sent before", async (provider) => {
    const snapshots = provider.createSnapshotStore<unknown>();
    await using events = startOn(provider, account, { snapshotPolicy: "manual" });
    await using commands = startOn(provider, log(), { actorId: "b", snapshotPolicy: "manual" });
    await Promise.all([events.snapshot(), commands.snapshot()]);
    assert.deepEqual(await keptOf(snapshots), [], "there is nothing to save yet");
    for (const number of range(1, 150)) {
      void events.tell({ type: "add", amounts: [number] });
      void commands.tell({ text: `${number}` });
    }
    const saved = [events.snapshot(), commands.snapshot()];
    void events.tell({ type: "add", amounts: [151] });
    void commands.tell({ text: "151" });
    await Promise.all(saved);
    for (const actorId of ["a", "b"]) assert.deepEqual(await keptOf(snapshots, actorId), [149]);
    assert.deepEqual((await snapshots.getLatestSnapshot("a"))?.state, range(1, 150));
    assert.deepEqual((await snapshots.getLatestSnapshot("b"))?.state, range(1, 150).map(String));
  });

  check("an actor without a store is refused a snapshot, and works", async (provider) => {
    const { journal } = { journal: provider.createMessageJournal<never>() };
    const actor = startOn(provider, account, { journal, snapshots: undefined as never });
    for (const number of range(1, 150)) void actor.tell({ type: "add", amounts: [number] });
    await assertRefused(() => actor.snapshot(), "type");
    assert.deepEqual(await actor.ask({ type: "read" }), range(1, 150));
    await actor.stop();
  });

  check("what was replayed counts: after a long replay the state is saved", async (provider) => {
    const snapshots = provider.createSnapshotStore<Amounts>();
    await provider.createMessageJournal().appendBatch("a", range(0, 120).map((add) => ({ add })));
    await using actor = startOn(provider, account);
    await actor.recovered;
    await until(() => actor.isIdle);
    assert.deepEqual(await keptOf(snapshots), [120]);
  });
}

function describeBackground(options: ConformanceOptions): void {
  const observed = casesOf(options, "actor snapshots", withObserved);

  observed("a state is saved as it was, while the mailbox goes on", async (_storage, provider) => {
    const gate = gatedStore(provider);
    await using actor = startOn(provider, log(), {
      snapshotPolicy: { everyMessages: 10 },
      snapshots: gate.store,
    });
    const asked = range(1, 35).map((number) => actor.ask({ text: `${number}` }));
    assert.equal((await asked[34])?.length, 35, "answered while nothing is saved yet");
    gate.open();
    await settled(actor);
    const store = provider.createSnapshotStore<string[]>();
    const [newest = -1] = await keptOf(store);
    assert.deepEqual(await keptOf(store), [9]);
    assert.deepEqual(
      (await store.getLatestSnapshot("a"))?.state,
      range(1, newest + 1).map(String),
    );
  });

  observed("while a state waits to be durable, no other is taken", async (_storage, provider) => {
    const snapshots = provider.createSnapshotStore<Amounts>();
    let saves = 0;
    const counting = wrap(snapshots, {
      saveSnapshot: (actorId, state, number) => {
        saves++;
        return snapshots.saveSnapshot(actorId, state, number);
      },
    });
    await using actor = startOn(provider, account, {
      snapshots: counting,
      snapshotPolicy: { everyMessages: 10 },
    });
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
    assert.deepEqual(await keptOf(provider.createSnapshotStore()), []);
    assert.deepEqual(await actor.ask({ type: "add", amounts: [11] }), [11]);
  });

  observed("where it cannot be saved that is told, and the actor goes on", async (
    storage,
    provider,
  ) => {
    const problems = new Problems();
    await using actor = startOn(provider, account, {
      snapshotPolicy: { everyMessages: 2 },
      ...problems,
    });
    await actor.recovered;
    storage.failCommit = (groups) =>
      groups.some(({ changes }) => changes.some(({ space }) => space === "snapshots"))
        ? new PersistenceError("STORAGE_FAILED", "Cannot commit: so wants the test")
        : undefined;
    for (const amount of range(1, 5)) await actor.tell({ type: "add", amounts: [amount] });
    await settled(actor);
    assert.ok(problems.types.length > 0);
    assert.ok(problems.types.every((type) => type === "snapshot"));
    await assertFails(() => actor.snapshot(), "STORAGE_FAILED");
    storage.failCommit = () => undefined;
    await actor.snapshot();
    assert.deepEqual(await keptOf(provider.createSnapshotStore()), [4]);
    assert.deepEqual(await actor.ask({ type: "read" }), range(1, 5));
  });

  const check = casesOf(options, "actor snapshots", withProvider());

  check("a state that cannot be stored is told, and the actor goes on", async (provider) => {
    const problems = new Problems();
    const behavior = { ...account };
    if (behavior.type !== "events") assert.fail();
    const events = { ...behavior.events, initialState: () => [() => {}] as unknown as Amounts };
    await using actor = startOn(provider, { type: "events", events }, {
      snapshotPolicy: { everyMessages: 1 },
      ...problems,
    });
    assert.equal((await actor.ask({ type: "add", amounts: [1] })).length, 2);
    await settled(actor);
    assert.deepEqual(problems.types, ["snapshot"]);
    assert.ok(await errorOf(() => actor.snapshot()));
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
    await commit(storage, put(newest.key, value, { space: "snapshots" }));
    const problems = new Problems();
    await using actor = startOn(provider, account, problems);
    assert.deepEqual(await actor.ask({ type: "read" }), [1, 2]);
    assert.deepEqual(problems.types, ["snapshot-unreadable"]);
    assert.equal((await actor.recovered).snapshot?.sequenceNumber, 0);
  });
}

function describeRetention(options: ConformanceOptions): void {
  const check = casesOf(options, "actor retention", withProvider());

  check("by default nothing is truncated", async (provider) => {
    await fill(provider, 700, {});
    assert.deepEqual(await numbersOf(provider.createMessageJournal(), 0), range(0, 699));
  });

  check("behind a snapshot 500 messages stay by default", async (provider) => {
    await fill(provider, 800, { mode: "onSnapshot" });
    assert.deepEqual(await numbersOf(provider.createMessageJournal(), 0), range(300, 799));
    await assertRecovers(provider, 800);
  });

  check("it retains as many as it is told, and what the oldest kept snapshot needs", async (
    provider,
  ) => {
    await fill(provider, 800, { mode: "onSnapshot", retainMessagesBehindSnapshot: 0 });
    assert.deepEqual(await keptOf(provider.createSnapshotStore()), [799, 699, 599]);
    assert.deepEqual(await numbersOf(provider.createMessageJournal(), 0), range(600, 799));
    await assertRecovers(provider, 800);
  });

  check("or it keeps the last few", async (provider) => {
    await fill(provider, 830, { mode: "onSnapshot", keepLast: 450 });
    assert.deepEqual(await numbersOf(provider.createMessageJournal(), 0), range(380, 829));
    await assertRecovers(provider, 830);
  });

  check("from each snapshot that is kept the actor can be recovered", async (provider, storage) => {
    await fill(provider, 600, { mode: "onSnapshot", retainMessagesBehindSnapshot: 0 });
    for (const left of [2, 1]) {
      const records = await storage.scan("snapshots", EVERYTHING);
      const record = records[left];
      assert.ok(record);
      const value = record.value.slice();
      value[value.length - 1] = 0xc1;
      await commit(storage, put(record.key, value, { space: "snapshots" }));
      await assertRecovers(provider, 600);
    }
  });

  check("where the snapshot cannot be read back nothing is truncated", async (provider) => {
    const problems = new Problems();
    const snapshots = provider.createSnapshotStore<Amounts>();
    const unreadable = wrap(snapshots, {
      getLatestSnapshot: (actorId, criteria) =>
        criteria?.maxSequenceNumber === undefined
          ? Promise.reject(new PersistenceError("CORRUPT", "Cannot load: so wants the test"))
          : snapshots.getLatestSnapshot(actorId, criteria),
    });
    await using actor = startOn(provider, account, {
      snapshots: unreadable,
      retention: { mode: "onSnapshot", retainMessagesBehindSnapshot: 0 },
      snapshotPolicy: "manual",
      ...problems,
    });
    await actor.tell({ type: "add", amounts: [1, 2, 3] });
    await actor.snapshot();
    await settled(actor);
    assert.deepEqual(problems.types, ["retention"]);
    assert.deepEqual(await numbersOf(provider.createMessageJournal(), 0), [0, 1, 2]);
  });

  check("what a follower needs stays", async (provider) => {
    const followers = provider.createFollowerRegistry();
    await followers.register("a", "reports", 42);
    await fill(provider, 800, {
      mode: "onSnapshot",
      retainMessagesBehindSnapshot: 0,
      followers,
    });
    assert.equal((await numbersOf(provider.createMessageJournal(), 0))[0], 42);
    await followers.register("a", "reports", 123);
    await fill(provider, 100, { mode: "onSnapshot", retainMessagesBehindSnapshot: 0, followers });
    assert.equal((await numbersOf(provider.createMessageJournal(), 0))[0], 123);
  });
}

function describeSweep(options: ConformanceOptions): void {
  const check = casesOf(options, "retention sweep", withProvider());

  check("a round truncates all actors that it may, and says what it did", async (provider) => {
    const journal = provider.createMessageJournal<number>();
    const snapshots = provider.createSnapshotStore<number>();
    const ids = range(1, 25).map((number) => `actor ${number}`);
    for (const id of ids) await journal.appendBatch(id, range(0, 9));
    for (const id of ids.slice(0, 20)) await snapshots.saveSnapshot(id, 0, 7);
    await using sweep = new RetentionSweep({
      provider,
      retainMessagesBehindSnapshot: 2,
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
    const sweep = new RetentionSweep({ provider, retainMessagesBehindSnapshot: 0, intervalMs: 1 });
    sweep.start();
    sweep.start();
    while ((await numbersOf(journal, 0)).length > 5) await turn(1);
    await snapshots.saveSnapshot("a", 0, 9);
    await snapshots.deleteSnapshots("a", { maxSequenceNumber: 8 });
    while ((await numbersOf(journal, 0)).length > 0) await turn(1);
    await sweep.close();
    await sweep.close();
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
    await commit(storage, put(first.key, value, { space: "snapshots" }));
    const told: unknown[] = [];
    await using sweep = new RetentionSweep({
      provider,
      retainMessagesBehindSnapshot: 0,
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

function describeFollowers(options: ConformanceOptions): void {
  const check = casesOf(options, "followers", withProvider());

  check("the lowest position of all followers counts", async (provider) => {
    const followers = provider.createFollowerRegistry();
    assert.equal(await followers.lowestNeeded("a"), undefined);
    await Promise.all([
      followers.register("a", "one", 5),
      provider.createFollowerRegistry().register("a", "two", 3),
      followers.register("a", "__proto__", 9),
      followers.register("b", "one", 1),
    ]);
    assert.equal(await followers.lowestNeeded("a"), 3);
    assert.deepEqual(
      [...await followers.positions("a")].toSorted(),
      [["__proto__", 9], ["one", 5], ["two", 3]],
    );
    await followers.register("a", "two", 12);
    assert.equal(await followers.lowestNeeded("a"), 5);
    await followers.unregister("a", "one");
    await followers.unregister("a", "nobody");
    assert.equal(await followers.lowestNeeded("a"), 9);
    assert.equal(await followers.lowestNeeded("b"), 1);
  });

  check("they are bounded, and bad arguments are refused", async (provider) => {
    const followers = provider.createFollowerRegistry();
    await Promise.all(range(1, 1_000).map((number) => followers.register("a", `${number}`, 0)));
    const many = () => followers.register("a", "one more", 0);
    await assertFails(many, "TOO_LARGE", { actorId: "a" });
    await followers.register("a", "1", 7);
    await assertRefused(() => followers.register("", "x", 0), "range");
    await assertRefused(() => followers.register("a", "", 0), "range");
    await assertRefused(() => followers.register("a", "x".repeat(257), 0), "range");
    await assertRefused(() => followers.register("a", 1 as unknown as string, 0), "type");
    await assertRefused(() => followers.register("a", "x", -1), "range");
    await assertRefused(() => followers.lowestNeeded(""), "range");
  });

  check("a damaged record is CORRUPT", async (provider, storage) => {
    const followers = provider.createFollowerRegistry();
    await followers.register("a", "x", 5);
    const records = await storage.scan("meta", EVERYTHING);
    const record = records.find(({ key }) => key[0] === 1);
    assert.ok(record);
    const value = record.value.slice();
    value[value.length - 1] = 0;
    await commit(storage, put(record.key, value, { space: "meta" }));
    await assertFails(() => followers.lowestNeeded("a"), "CORRUPT", { actorId: "a" });
  });

  check("after close they are CLOSED", async (provider) => {
    const followers = provider.createFollowerRegistry();
    await provider.close();
    await assertFails(() => followers.register("a", "x", 5), "CLOSED");
    await assertFails(() => followers.lowestNeeded("a"), "CLOSED");
    await assertFails(() => Promise.resolve(provider.createFollowerRegistry()), "CLOSED");
  });
}

function describeActorList(options: ConformanceOptions): void {
  const check = casesOf(options, "list of actors", withProvider());

  check("it has all actors with a journal, in order, whatever their ids", async (provider) => {
    assert.deepEqual(await allOf(provider.actorIds()), []);
    const journal = provider.createMessageJournal<number>();
    const odd = ["\0", "\0\0", "\u00ff", "é", "x".repeat(512), "a/b", "a", "a\0", "a\0b", "漢字"];
    const ids = [...odd, ...range(1, 1_200).map((number) => `actor ${number}`)];
    await Promise.all(ids.map((id) => journal.append(id, 1)));
    await journal.truncateBefore("a", 1);
    const encoder = new TextEncoder();
    const inOrder = ids.toSorted((one, other) => {
      const [a, b] = [encoder.encode(one), encoder.encode(other)];
      const at = a.findIndex((byte, index) => byte !== b[index]);
      if (at < 0) return a.length - b.length;
      return (a[at] ?? 0) - (b[at] ?? -1);
    });
    assert.deepEqual(await allOf(provider.actorIds()), inOrder);
    for (const after of [inOrder[0], inOrder[600], inOrder[inOrder.length - 1]]) {
      const rest = inOrder.slice(inOrder.indexOf(after ?? "") + 1);
      assert.deepEqual(await allOf(provider.actorIds(after)), rest);
    }
    await assertRefused(() => provider.actorIds("").next(), "range");
  });

  check("after close it is CLOSED", async (provider) => {
    const journal = provider.createMessageJournal<number>();
    await Promise.all([journal.append("a", 1), journal.append("b", 1)]);
    const ids = provider.actorIds();
    assert.equal((await ids.next()).value, "a");
    await provider.close();
    await assertFails(() => ids.next(), "CLOSED");
    await assertFails(() => provider.actorIds().next(), "CLOSED");
  });
}

async function allOf(ids: AsyncIterable<string>): Promise<string[]> {
  const all: string[] = [];
  for await (const id of ids) all.push(id);
  return all;
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
  return await keptOf(provider.createSnapshotStore());
}

/** Waits until nothing is being saved or truncated. */
async function settled(actor: { isIdle: boolean }): Promise<void> {
  await until(() => actor.isIdle);
}

/** Lets an actor handle so many messages, with a snapshot behind every hundred and the last. */
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
  store: SnapshotStore<Amounts>,
  change: Partial<SnapshotStore<Amounts>>,
): SnapshotStore<Amounts> {
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

/** A store whose first save waits until it is let go; it has been encoded by then. */
function gatedStore(
  provider: PersistenceProvider,
): { store: SnapshotStore<string[]>; open: () => void } {
  const store = provider.createSnapshotStore<string[]>();
  let open = () => {};
  const gate = new Promise<void>((resolve) => {
    open = resolve;
  });
  return {
    open,
    store: {
      saveSnapshot: async (actorId, state, number) => {
        const saved = store.saveSnapshot(actorId, state, number);
        await gate;
        await saved;
      },
      getLatestSnapshot: (actorId, criteria) => store.getLatestSnapshot(actorId, criteria),
      listSnapshots: (actorId) => store.listSnapshots(actorId),
      deleteSnapshots: (actorId, criteria) => store.deleteSnapshots(actorId, criteria),
      close: () => store.close(),
      [Symbol.asyncDispose]: () => store.close(),
    },
  };
}
