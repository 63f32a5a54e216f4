import assert from "node:assert/strict";
import type { ActorStore } from "../../../core/ports/actor_store.ts";
import type { Storage } from "../../../core/ports/storage.ts";
import { PersistenceProvider } from "../../../core/provider.ts";
import { assertFails, casesOf, range, withPlace, withProvider, withStorage } from "../fixture.ts";
import { KeptOpenStorage, ObservedStorage } from "../observed_storage.ts";
import { commit, EVERYTHING, put } from "../storage/fixture.ts";
import type { ConformanceOptions } from "../types.ts";
import { KIND, log, startAllOn } from "./fixture.ts";

const OF_KIND = { kind: KIND };

/** Registers the cases about what is remembered of refused messages, when these are truncated. */
export function describeMarks(options: ConformanceOptions): void {
  const check = casesOf(options, "marks of refused messages", withProvider());
  const onStorage = casesOf(options, "marks of refused messages", withStorage);
  const limited = casesOf(options, "marks of refused messages", withPlace, "sizeLimit");

  check("they are forgotten with their messages", async (provider, storage) => {
    const store = storeOf(provider);
    for (const actorId of ["a", "b"]) {
      await store.journal.appendBatch(actorId, range(0, 9));
      await store.writeMarks(actorId, { handled: 9, refused: range(0, 9) });
    }
    await store.journal.truncateBefore("a", 0);
    assert.deepEqual((await store.readMarks("a")).refused, range(0, 9));
    await store.journal.truncateBefore("a", 4);
    assert.deepEqual(await store.readMarks("a"), { handled: 9, refused: range(4, 9) });
    await store.journal.truncateBefore("a", 3);
    assert.deepEqual((await store.readMarks("a")).refused, range(4, 9));
    await store.journal.truncateBefore("a", 100);
    assert.deepEqual(await store.readMarks("a"), { handled: 9, refused: [] });
    assert.deepEqual(await store.readMarks("b"), { handled: 9, refused: range(0, 9) });
    assert.equal(await refusalsIn(storage), 10);
    assert.equal(await store.journal.getHighestSequenceNumber("a"), 9);
    assert.equal(await store.journal.append("a", 10), 10);
  });

  onStorage("of many of them not too many are removed at once", async (inner) => {
    const storage = new ObservedStorage(inner);
    await using provider = await openOn(storage);
    const store = storeOf(provider);
    const numbers = range(0, 1_299);
    await store.journal.appendBatch("a", numbers);
    await store.writeMarks("a", { handled: 1_299, refused: numbers });
    const sizes: number[] = [];
    storage.failCommit = (groups) => {
      sizes.push(groups.flatMap(({ changes }) => changes).length);
      return undefined;
    };
    await store.journal.truncateBefore("a", 1_299);
    assert.ok(Math.max(...sizes) <= 513, String(sizes));
    assert.deepEqual((await store.readMarks("a")).refused, [1_299]);
    assert.equal(await refusalsIn(inner), 1);
  });

  onStorage("if that is interrupted, the next truncation does it", async (inner) => {
    const storage = new ObservedStorage(inner);
    await using provider = await openOn(storage);
    const store = storeOf(provider);
    await store.journal.appendBatch("a", range(0, 9));
    await store.writeMarks("a", { handled: 9, refused: range(0, 9) });
    let commits = 0;
    storage.failCommit = () => commits++ === 0 ? undefined : new Error("so wants the test");
    await assertFails(() => store.journal.truncateBefore("a", 5), "STORAGE_FAILED", {
      actorId: "a",
      kind: KIND,
    });
    storage.failCommit = () => undefined;
    assert.equal(await store.journal.append("a", 10), 10);
    const reopened = storeOf(await openOn(inner));
    await reopened.journal.truncateBefore("a", 5);
    assert.deepEqual((await reopened.readMarks("a")).refused, range(5, 9));
  });

  onStorage("those of an actor that has begun anew stay", async (inner) => {
    const storage = new ObservedStorage(inner);
    await using slow = await openOn(storage);
    await using other = await openOn(inner);
    const late = storeOf(slow);
    await late.journal.appendBatch("a", range(0, 9));
    await late.writeMarks("a", { handled: 9, refused: range(0, 9) });
    // It has truncated the journal, has found the marks to remove, and then waits.
    let steps = 0;
    let release = () => {};
    storage.failCommit = () => {
      if (++steps === 1) release = storage.holdCommits();
      return undefined;
    };
    const truncated = late.journal.truncateBefore("a", 8);
    while (steps < 1) await new Promise((resolve) => setTimeout(resolve, 0));
    await storage.commitHeld();
    await other.deleteActor("a", OF_KIND);
    const anew = storeOf(other);
    await anew.journal.appendBatch("a", range(0, 9));
    await anew.writeMarks("a", { handled: 9, refused: range(0, 9) });
    release();
    await truncated;
    assert.deepEqual((await anew.readMarks("a")).refused, range(0, 9));
    assert.equal((await anew.journal.read("a")).entries.length, 10);
    // What the first one knew of the actor is of no use any more.
    assert.equal(await late.journal.append("a", 10), 10);
  });

  onStorage("what is appended meanwhile is not held up", async (inner) => {
    const storage = new ObservedStorage(inner);
    await using provider = await openOn(storage);
    const store = storeOf(provider);
    await store.journal.appendBatch("a", range(0, 1_299));
    await store.writeMarks("a", { handled: 1_299, refused: range(0, 1_299) });
    let next = 1_300;
    const appended: Promise<number>[] = [];
    storage.failCommit = () => {
      if (appended.length < 50) appended.push(store.journal.append("a", next++));
      return undefined;
    };
    await store.journal.truncateBefore("a", 1_250);
    storage.failCommit = () => undefined;
    assert.deepEqual(await Promise.all(appended), range(1_300, 1_299 + appended.length));
    assert.deepEqual((await store.readMarks("a")).refused, range(1_250, 1_299));
    const { entries } = await store.journal.read("a");
    assert.deepEqual(entries.map(({ message }) => message), range(1_250, next - 1));
  });

  check("a truncation and an append that are called together are carried out both", async (
    provider,
  ) => {
    const store = storeOf(provider);
    await store.journal.appendBatch("a", range(0, 9));
    await store.writeMarks("a", { handled: 9, refused: range(0, 9) });
    const [, number] = await Promise.all([
      store.journal.truncateBefore("a", 10),
      store.journal.append("a", 10),
      store.journal.truncateBefore("a", 7),
    ]);
    assert.equal(number, 10);
    assert.deepEqual((await store.readMarks("a")).refused, []);
    assert.equal((await store.journal.read("a")).entries.length, 1);
  });

  check("an actor that refuses and truncates leaves no more of them than messages", async (
    provider,
    storage,
  ) => {
    await using actors = startAllOn(provider, log(), {
      snapshotPolicy: { everyMessages: 10 },
      retention: { mode: "onSnapshot", retainMessagesBeforeSnapshot: 0 },
      keepSnapshots: 1,
    });
    for (const number of range(1, 200)) {
      const fail = number % 3 !== 0;
      await actors.ask("a", { text: String(number), fail }).catch(() => {});
    }
    await actors.passivate("a");
    const { entries } = await storeOf(provider).journal.read("a");
    assert.ok(entries.length < 100, `${entries.length} messages`);
    assert.ok(await refusalsIn(storage) <= entries.length);
    const texts = range(1, 200).filter((number) => number % 3 === 0).map(String);
    assert.deepEqual(await actors.ask("a", { read: true }), texts);
  });

  check("one that is damaged is named with its actor", async (provider, storage) => {
    const store = storeOf(provider);
    for (const refused of [[], [1]]) {
      await store.writeMarks("a", { handled: 9, refused });
      for (const { key, value, version } of await storage.scan("meta", EVERYTHING)) {
        if (key[0] !== (refused.length === 0 ? 2 : 3)) continue;
        const damaged = value.map((byte) => byte ^ 1);
        await commit(storage, put(key, damaged, { keyspace: "meta", version }));
      }
      await assertFails(() => store.readMarks("a"), "CORRUPT", { actorId: "a", kind: KIND });
      await provider.deleteActor("a", OF_KIND);
    }
  });

  limited("on a full storage they are removed, too", async (place) => {
    await using storage = await place.openStorage({ limitBytes: 2 ** 22 });
    const provider = await openOn(storage);
    const store = storeOf(provider);
    const snapshots = provider.createSnapshotStore({ ...OF_KIND, keep: Infinity });
    await store.journal.appendBatch("a", range(0, 99));
    await store.writeMarks("a", { handled: 99, refused: range(0, 99) });
    let saved = 0;
    const fillUp = async (bytes: number) => {
      for (;; saved++) await snapshots.saveSnapshot("b", "x".repeat(bytes), saved);
    };
    for (const bytes of [50_000, 5_000]) await assertFails(() => fillUp(bytes), "STORAGE_FULL");
    await store.journal.truncateBefore("a", 100);
    assert.deepEqual((await store.readMarks("a")).refused, []);
    await provider.close();
  });
}

/** A provider that does not close the storage. */
function openOn(storage: Storage): Promise<PersistenceProvider> {
  return PersistenceProvider.openOn(new KeptOpenStorage(storage));
}

function storeOf(provider: PersistenceProvider): ActorStore<unknown, unknown> {
  return provider.createActorStore(OF_KIND);
}

/** How many marks of refused messages are stored. */
async function refusalsIn(storage: Storage): Promise<number> {
  return (await storage.scan("meta", EVERYTHING)).filter(({ key }) => key[0] === 3).length;
}
