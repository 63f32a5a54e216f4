import assert from "node:assert/strict";
import type { SnapshotStore } from "../../../core/ports/snapshot_store.ts";
import { assertFails, assertRefused, assertThrowsRefused, casesOf, range } from "../fixture.ts";
import { bad, BAD_IDS, BAD_NUMBERS, BAD_OPTIONS } from "../ids.ts";
import { asciiCodec } from "../journal/fixture.ts";
import { keptOf, save, withObservedSnapshots, withSnapshots } from "./fixture.ts";
import type { ConformanceOptions } from "../types.ts";
import { refusedValues } from "../values.ts";

type Store = SnapshotStore<unknown>;

/** Every method that takes an actor id. */
const CALLS: Readonly<Record<string, (store: Store, actorId: string) => Promise<unknown>>> = {
  saveSnapshot: (store, actorId) => store.saveSnapshot(actorId, "x", 1),
  getLatestSnapshot: (store, actorId) => store.getLatestSnapshot(actorId),
  deleteSnapshots: (store, actorId) => store.deleteSnapshots(actorId),
};

/** Every argument that takes a sequence number. */
const NUMBERS: Readonly<Record<string, (store: Store, number: number) => Promise<unknown>>> = {
  "saveSnapshot's sequenceNumber": (store, number) => store.saveSnapshot("a", "x", number),
  "getLatestSnapshot's maxSequenceNumber": (store, maxSequenceNumber) =>
    store.getLatestSnapshot("a", { maxSequenceNumber }),
  "deleteSnapshots' sequenceNumber": (store, sequenceNumber) =>
    store.deleteSnapshots("a", { sequenceNumber }),
  "deleteSnapshots' maxSequenceNumber": (store, maxSequenceNumber) =>
    store.deleteSnapshots("a", { maxSequenceNumber }),
};

/** Every method that takes criteria. */
const CRITERIA: Readonly<Record<string, (store: Store, criteria: object) => Promise<unknown>>> = {
  getLatestSnapshot: (store, criteria) => store.getLatestSnapshot("a", criteria),
  deleteSnapshots: (store, criteria) => store.deleteSnapshots("a", criteria),
};

/** Registers the cases about arguments of snapshot stores. */
export function describeSnapshotArguments(options: ConformanceOptions): void {
  const check = casesOf(options, "snapshot arguments", withSnapshots());
  const bound = casesOf(options, "snapshot arguments", withSnapshots({ actorId: "a" }));
  const limited = casesOf(
    options,
    "snapshot arguments",
    withSnapshots({}, { codec: asciiCodec(), maxSnapshotBytes: 100, maxMessageBytes: 10 }),
  );

  /** Registers a case with a store of one snapshot, which must be all that is there afterwards. */
  const unharmed = (name: string, run: (store: Store) => Promise<unknown>) =>
    check(name, async (store, { storage }) => {
      await save(store, [7]);
      const before = { ...(await storage.stats()).entries };
      await run(store);
      assert.deepEqual({ ...(await storage.stats()).entries }, before);
      assert.equal((await store.getLatestSnapshot("a"))?.state, "state 7");
    });

  for (const [name, call] of Object.entries(CALLS)) {
    unharmed(`${name} refuses every bad actor id`, async (store) => {
      for (const [, actorId, type] of BAD_IDS) {
        await assertRefused(() => call(store, bad(actorId)), type);
      }
    });

    bound(`a bound store refuses another actor in ${name}`, async (store, { provider }) => {
      await save(store, [1]);
      const other = provider.createSnapshotStore<unknown>();
      await save(other, [2], "b");
      for (const actorId of ["b", "A", "a\0", "aa", ""]) {
        await assertRefused(() => call(store, actorId), "range");
      }
      await assertRefused(() => call(store, bad(5)), "type");
      assert.deepEqual(await keptOf(other, "b"), [2]);
      assert.deepEqual(await keptOf(store), [1]);
      await store.deleteSnapshots("a");
      assert.deepEqual(await keptOf(store), []);
    });
  }

  for (const [name, call] of Object.entries(NUMBERS)) {
    unharmed(`${name} refuses what is no sequence number`, async (store) => {
      for (const [what, number, type] of BAD_NUMBERS) {
        const { message } = await assertRefused(() => call(store, bad(number)), type);
        if (type === "range") assert.ok(message.includes(String(number)), `${what}: ${message}`);
      }
    });
  }

  unharmed(
    "saveSnapshot refuses a sequence number that is left out",
    (store) => assertRefused(() => store.saveSnapshot("a", "x", bad(undefined)), "type"),
  );

  for (const [name, call] of Object.entries(CRITERIA)) {
    unharmed(`${name} refuses criteria that are no object`, async (store) => {
      for (const [, value] of BAD_OPTIONS) {
        await assertRefused(() => call(store, bad(value)), "type");
      }
    });

    unharmed(`${name} refuses a maxTimestamp that is no date, or an invalid one`, async (store) => {
      for (const maxTimestamp of [5, "2026-01-01", null, {}, true]) {
        await assertRefused(() => call(store, { maxTimestamp }), "type");
      }
      await assertRefused(() => call(store, { maxTimestamp: new Date(NaN) }), "range");
    });

    check(`${name} takes criteria that are undefined as if left out`, async (store) => {
      await save(store, [7]);
      const none = { sequenceNumber: undefined, maxSequenceNumber: undefined };
      await call(store, { ...none, maxTimestamp: undefined });
      await call(store, bad(undefined));
      assert.deepEqual(await keptOf(store), name === "deleteSnapshots" ? [] : [7]);
    });
  }

  unharmed("every state that cannot be encoded is refused", async (store) => {
    for (const [, state] of refusedValues) {
      const call = () => store.saveSnapshot("a", state, 8);
      await assertFails(call, "UNENCODABLE", { actorId: "a" });
    }
  });

  limited("a state at the size limit is taken, one byte more is TOO_LARGE", async (store) => {
    await store.saveSnapshot("a", "x".repeat(100), 1);
    const call = () => store.saveSnapshot("a", "x".repeat(101), 2);
    await assertFails(call, "TOO_LARGE", { actorId: "a" });
    await store.saveSnapshot("a", "", 3);
    assert.deepEqual(await keptOf(store), [3, 1]);
  });

  check("a store cannot be created with a bad option", (_, { provider }) => {
    for (const [, value] of BAD_OPTIONS) {
      assertThrowsRefused(() => provider.createSnapshotStore<unknown>(bad(value)), "type");
    }
    for (const [, actorId, type] of BAD_IDS) {
      if (actorId === undefined) continue;
      assertThrowsRefused(() => provider.createSnapshotStore({ actorId: bad(actorId) }), type);
    }
    for (const keep of [0, -1, 1.5, NaN, -Infinity, 2 ** 31]) {
      assertThrowsRefused(() => provider.createSnapshotStore({ keep }), "range");
    }
    for (const keep of ["3", 3n, {}, true]) {
      assertThrowsRefused(() => provider.createSnapshotStore({ keep: bad(keep) }), "type");
    }
    return Promise.resolve();
  });
}

/** Registers the cases about closing snapshot stores. */
export function describeSnapshotClosing(options: ConformanceOptions): void {
  const check = casesOf(options, "snapshot close", withSnapshots());
  const observed = casesOf(options, "snapshot close", withObservedSnapshots);

  for (const [name, call] of Object.entries(CALLS)) {
    check(`afterwards ${name} rejects with CLOSED`, async (store, { provider }) => {
      await save(store, [1]);
      const closed = store.close();
      await assertFails(() => call(store, "a"), "CLOSED");
      await closed;
      await assertFails(() => call(store, "a"), "CLOSED");
      assert.deepEqual(await keptOf(provider.createSnapshotStore()), [1]);
    });

    check(
      `after the provider was closed ${name} rejects with CLOSED`,
      async (store, { provider }) => {
        await save(store, [1]);
        const closed = provider.close();
        await assertFails(() => call(store, "a"), "CLOSED");
        await closed;
        await assertFails(() => call(store, "a"), "CLOSED");
      },
    );
  }

  check("it waits for what was accepted", async (store, { provider, storage }) => {
    let settled = 0;
    const saves = range(0, 9).map(async (index) => {
      await store.saveSnapshot("a", "x", index);
      settled++;
    });
    const deleted = store.deleteSnapshots("b").then(() => settled++);
    await store.close();
    await new Promise((resolve) => setTimeout(resolve, 0));
    assert.equal(settled, 11);
    await Promise.all([...saves, deleted]);
    assert.deepEqual(await keptOf(provider.createSnapshotStore()), [9, 8, 7]);
    assert.equal((await storage.stats()).entries.snapshots, 3, "pruning is waited for, too");
  });

  observed("it resolves only after the commit that carries what was accepted", async (
    store,
    storage,
  ) => {
    const release = storage.holdCommits();
    const saved = store.saveSnapshot("a", "x", 1);
    await storage.commitHeld();
    let closed = false;
    const closing = store.close().then(() => closed = true);
    await new Promise((resolve) => setTimeout(resolve, 5));
    assert.equal(closed, false);
    release();
    await Promise.all([closing, saved]);
  });

  check(
    "it is idempotent, dispose is the same, and other stores go on",
    async (store, { provider }) => {
      const other = provider.createSnapshotStore<unknown>();
      await Promise.all([store.close(), store.close(), store[Symbol.asyncDispose]()]);
      await store.close();
      await save(other, [1]);
      assert.deepEqual(await keptOf(other), [1]);
    },
  );
}
