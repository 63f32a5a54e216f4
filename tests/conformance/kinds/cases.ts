import assert from "node:assert/strict";
import { recover } from "../../../core/actors/recovery.ts";
import { addressIn } from "../../../core/format/actor_address.ts";
import { KEYSPACES, type Storage } from "../../../core/ports/storage.ts";
import { PersistenceProvider } from "../../../core/provider.ts";
import { RetentionSweep } from "../../../core/retention/retention_sweep.ts";
import { collectLog } from "../collect_log.ts";
import {
  assertFails,
  assertThrowsRefused,
  casesOf,
  outcomesOf,
  range,
  withPlace,
  withProvider,
  withStorage,
} from "../fixture.ts";
import { AWKWARD_IDS, bad, LONGEST_IDS, randomIds } from "../ids.ts";
import { messagesOf } from "../journal/fixture.ts";
import {
  type Actor,
  assertIsolated,
  AWKWARD_KINDS,
  BAD_KINDS,
  everythingOf,
  ofKind,
  storesOf,
} from "./fixture.ts";
import { ObservedStorage } from "../observed_storage.ts";
import { withRandom } from "../random.ts";
import { commit, EVERYTHING, put } from "../storage/fixture.ts";
import type { ConformanceOptions } from "../types.ts";

/** Registers the cases about actors of different kinds sharing nothing. */
export function describeKindIsolation(options: ConformanceOptions): void {
  const check = casesOf(options, "kinds", withProvider());
  const reopen = casesOf(options, "kinds", withPlace, "reopen");

  check(
    "the same id in many kinds, and without one, is as many actors",
    (provider) => assertIsolated(provider, AWKWARD_KINDS.map((kind) => [kind, "a"])),
  );

  check("awkward ids in awkward kinds are distinct and isolated", (provider) => {
    const actors = AWKWARD_KINDS.flatMap((kind, index) =>
      AWKWARD_IDS.filter((_, at) => at % 4 === index % 4).map((id): Actor => [kind, id])
    );
    return assertIsolated(provider, actors);
  });

  check("the longest ids in the longest kinds are taken", (provider) => {
    const kinds = ["a".repeat(128), "\0".repeat(128), "\u{1f600}".repeat(32)];
    return assertIsolated(
      provider,
      kinds.flatMap((kind) => LONGEST_IDS.map((id): Actor => [kind, id])),
    );
  });

  check("the same characters, split differently into kind and id, are different actors", (
    provider,
  ) => {
    const texts = ["ab\0cd", "\0\0\0\0", "a/b/c", "a\u{ff}\0b", "\u{1f600}\u{10ffff}\0"];
    const actors = texts.flatMap((text) => {
      const characters = [...text];
      return characters.map((_, at): Actor => [
        at === 0 ? undefined : characters.slice(0, at).join(""),
        characters.slice(at).join(""),
      ]);
    });
    const distinct = new Map(actors.map((actor) => [JSON.stringify(actor), actor]));
    return assertIsolated(provider, [...distinct.values()]);
  });

  check(
    "random actors of random kinds are distinct and isolated",
    (provider) =>
      withRandom(options.seed, (random) => {
        const kinds = [undefined, ...randomIds(random, 20)];
        const ids = randomIds(random, 20);
        const pairs = kinds.flatMap((kind) => ids.map((id): Actor => [kind, id]));
        return assertIsolated(provider, pairs.filter(() => random.below(2) === 0));
      }),
  );

  reopen("each kind finds its own after reopening", async (place) => {
    const kinds = AWKWARD_KINDS.slice(0, 12);
    const before = await onProvider(place.openStorage(), async (provider) => {
      await assertIsolated(provider, kinds.map((kind) => [kind, "a"]));
      return await Promise.all(kinds.map((kind) => everythingOf(storesOf(provider, kind), "a")));
    });
    await onProvider(place.openStorage(), async (provider) => {
      for (const [index, kind] of kinds.entries()) {
        const stores = storesOf(provider, kind);
        assert.deepEqual(await everythingOf(stores, "a"), before[index]);
        assert.equal(await stores.journal.append("a", "next"), 3);
      }
    });
  });

  check("calls for actors of the same id run side by side", async (provider) => {
    const kinds = [undefined, "cart", "user"];
    const journals = kinds.map((kind) => storesOf(provider, kind).journal);
    const calls = range(0, 299).map((index) => {
      const journal = journals[index % 3] ?? assert.fail();
      const expectedSequenceNumber = Math.floor(index / 3);
      return index % 2 === 0
        ? journal.append("a", index, { expectedSequenceNumber })
        : journal.append("a", index);
    });
    assert.deepEqual(await Promise.all(calls), range(0, 299).map((index) => Math.floor(index / 3)));
    for (const [kind, journal] of journals.entries()) {
      assert.deepEqual(await messagesOf(journal), range(0, 99).map((index) => 3 * index + kind));
    }
  });

  check("a journal and a store that are bound serve the actor of their kind", async (provider) => {
    const journal = provider.createMessageJournal({ kind: "cart", actorId: "a" });
    const store = provider.createSnapshotStore({ kind: "cart", actorId: "a" });
    await journal.append("a", 1);
    await store.saveSnapshot("a", 1, 0);
    assert.match(
      assertThrowsRefused(() => journal.writable("b"), "range").message,
      /bound to actor "a" of kind "cart", not "b"$/,
    );
    const { journal: plain, snapshots } = storesOf(provider, undefined);
    assert.equal(await plain.getHighestSequenceNumber("a"), -1);
    assert.deepEqual(await snapshots.listSnapshots("a"), []);
  });

  check("bad kinds are refused wherever they are given", (provider) => {
    for (const [name, kind, type] of BAD_KINDS) {
      const calls = [
        () => provider.createMessageJournal({ kind: bad(kind) }),
        () => provider.createBatchedMessageJournal({ kind: bad(kind) }),
        () => provider.createSnapshotStore({ kind: bad(kind) }),
        () => provider.createConsumerRegistry({ kind: bad(kind) }),
        () => new RetentionSweep({ provider, kind: bad(kind) }),
      ];
      for (const call of calls) {
        assert.match(assertThrowsRefused(call, type).message, /: the kind /, name);
      }
    }
    return Promise.resolve();
  });
}

/** Registers the cases about what happens to the actors of one kind not touching another. */
export function describeKindChanges(options: ConformanceOptions): void {
  const check = casesOf(options, "kind changes", withProvider());
  const onStorage = casesOf(options, "kind changes", withStorage);

  check("truncation, deletion and retention change no record of another kind", async (
    provider,
    storage,
  ) => {
    const kinds = AWKWARD_KINDS.slice(0, 10);
    for (const kind of kinds) {
      const { journal, snapshots, consumers } = storesOf(provider, kind);
      await journal.appendBatch("a", range(0, 9));
      await journal.appendBatch("a", ["x".repeat(2_000), "y".repeat(2_000)]);
      for (const number of [3, 5]) await snapshots.saveSnapshot("a", kind ?? null, number);
      await consumers.register("a", "reader", 7);
    }
    for (const kind of kinds) {
      const others = await recordsOfOthers(storage, kind);
      const { journal, snapshots, consumers } = storesOf(provider, kind);
      await using sweep = new RetentionSweep({
        provider,
        ...ofKind(kind),
        keepLast: 0,
        consumers,
      });
      assert.deepEqual(await sweep.run(), { actors: 1, truncated: 1, failed: 0 });
      assert.equal((await journal.readFrom("a", 0))[0]?.sequenceNumber, 4);
      await journal.truncateBefore("a", 100);
      await snapshots.deleteSnapshots("a");
      await consumers.unregister("a", "reader");
      assert.deepEqual(await recordsOfOthers(storage, kind), others);
    }
  });

  check("recovery reads the journal and the snapshots of its kind", async (provider) => {
    const kinds = AWKWARD_KINDS.slice(0, 10);
    for (const [index, kind] of kinds.entries()) {
      const { journal, snapshots } = storesOf(provider, kind);
      await journal.appendBatch("a", range(0, 5 + index));
      await snapshots.saveSnapshot("a", -index, index);
    }
    for (const [index, kind] of kinds.entries()) {
      const { state, sequenceNumber } = await recover({
        actorId: "a",
        journal: provider.createMessageJournal<number>(ofKind(kind)),
        snapshots: provider.createSnapshotStore<number>(ofKind(kind)),
        initialState: 0,
        apply: (sum, message) => sum + message,
      });
      const replayed = range(index + 1, 5 + index).reduce((sum, number) => sum + number, 0);
      assert.deepEqual([state, sequenceNumber], [replayed - index, 5 + index]);
    }
  });

  onStorage("an append that fails takes no append of another kind with it", async (inner) => {
    const storage = new ObservedStorage(inner);
    await using provider = await PersistenceProvider.openOn(storage);
    const { journal: carts } = storesOf(provider, "cart");
    const { journal: users } = storesOf(provider, "user");
    await Promise.all([carts.append("a", 0), users.append("a", 0)]);
    const conflict = carts.append("a", 1, { expectedSequenceNumber: 9 });
    assert.deepEqual(await outcomesOf([conflict, users.append("a", 1)]), ["CONFLICT", 1]);
    storage.failCommit = () => new Error("so wants the test");
    assert.deepEqual(await outcomesOf([carts.append("a", 2)]), ["STORAGE_FAILED"]);
    storage.failCommit = () => undefined;
    assert.deepEqual(await outcomesOf([users.append("a", 2), carts.append("a", 1)]), [2, 1]);
  });

  onStorage("a head of another kind is CORRUPT, and damage does not concern another kind", async (
    storage,
  ) => {
    await using provider = await PersistenceProvider.openOn(storage);
    const { journal: carts } = storesOf(provider, "cart");
    const { journal: users } = storesOf(provider, "user");
    await carts.appendBatch("a", [1, 2]);
    await users.append("a", 3);
    await collectLog(storage);
    const [cart, user] = await storage.scan("heads", EVERYTHING);
    assert.ok(cart && user);
    await commit(storage, put(cart.key, user.value, { keyspace: "heads", version: cart.version }));
    const error = await assertFails(
      () => carts.readFrom("a", 0),
      "CORRUPT",
      { actorId: "a", kind: "cart" },
    );
    assert.match(error.message, /actor "a" of kind "cart"/);
    assert.deepEqual(await messagesOf(users), [3]);
  });
}

/** Registers the cases about errors naming the kind. */
export function describeKindErrors(options: ConformanceOptions): void {
  const small = { maxMessageBytes: 100, maxSnapshotBytes: 100, maxPendingMessages: 1 };
  const check = casesOf(
    options,
    "kind errors",
    withProvider({ ...small, backpressure: "reject" }),
  );
  const onStorage = casesOf(options, "kind errors", withStorage);

  check("errors name the kind, in their message and beside it", async (provider) => {
    const { journal, snapshots, consumers } = storesOf(provider, "cart");
    const schema = { name: "text", version: 1 };
    const typed = provider.createMessageJournal({ kind: "cart", schema });
    await journal.append("42", "x");
    const long = "x".repeat(200);
    const actor = { actorId: "42", kind: "cart" };
    const fails = [
      ["CONFLICT", () => journal.append("42", "x", { expectedSequenceNumber: 7 })],
      ["TOO_LARGE", () => journal.append("42", long)],
      ["TOO_LARGE", () => snapshots.saveSnapshot("42", long, 0)],
      ["UNENCODABLE", () => journal.append("42", () => {})],
      ["UNENCODABLE", () => snapshots.saveSnapshot("42", () => {}, 0)],
      ["UNKNOWN_SCHEMA", () => typed.readFrom("42", 0)],
      ["BACKPRESSURE", () => Promise.all([journal.append("42", 1), journal.append("42", 2)])],
    ] as const;
    for (const [code, call] of fails) {
      const { message } = await assertFails(call, code, actor);
      assert.match(message, /^Cannot [a-z ]+ actor "42" of kind "cart": /);
    }
    const refused = assertThrowsRefused(() => journal.readable("42", 0.5), "range");
    assert.match(refused.message, /^Cannot replay actor "42" of kind "cart": /);
    await Promise.all(range(1, 1_000).map((number) => consumers.register("42", `${number}`, 0)));
    await assertFails(() => consumers.register("42", "one more", 0), "TOO_LARGE", actor);
  });

  check("errors about an actor without kind have no kind", async (provider) => {
    const { journal } = storesOf(provider, undefined);
    const call = () => journal.append("42", "x", { expectedSequenceNumber: 7 });
    const error = await assertFails(call, "CONFLICT", { actorId: "42", kind: undefined });
    assert.match(error.message, /^Cannot append to actor "42": /);
  });

  onStorage("failures of the storage name the kind", async (inner) => {
    const storage = new ObservedStorage(inner);
    await using provider = await PersistenceProvider.openOn(storage);
    const { journal, snapshots, consumers } = storesOf(provider, "cart");
    await journal.append("42", 0);
    storage.failCommit = () => new Error("so wants the test");
    const calls = [
      () => journal.append("42", 1),
      () => journal.truncateBefore("42", 1),
      () => snapshots.saveSnapshot("42", 1, 0),
      () => consumers.register("42", "reader", 0),
    ];
    for (const call of calls) {
      const error = await assertFails(call, "STORAGE_FAILED", { actorId: "42", kind: "cart" });
      assert.match(error.message, /actor "42" of kind "cart": /);
    }
    storage.failCommit = () => undefined;
  });
}

/** All records but those of one kind, byte by byte, after the log has been collected. */
async function recordsOfOthers(storage: Storage, kind: string | undefined): Promise<unknown[]> {
  const others: unknown[] = [];
  await collectLog(storage);
  for (const keyspace of KEYSPACES) {
    for (const { key, value, version } of await storage.scan(keyspace, EVERYTHING)) {
      // Nothing of the log is of one kind.
      if (keyspace === "log" || (keyspace === "meta" && isOfLog(key))) continue;
      const address = addressIn(keyspace === "meta" ? key.subarray(1) : key);
      if (address?.kind === (kind ?? "")) continue;
      others.push([keyspace, key.join(), value.join(), version]);
    }
  }
  return others;
}

function isOfLog(key: Uint8Array): boolean {
  return key[0] === 6 || key[0] === 7;
}

async function onProvider<Result>(
  storage: Promise<Storage>,
  run: (provider: PersistenceProvider) => Promise<Result>,
): Promise<Result> {
  await using provider = await PersistenceProvider.openOn(await storage);
  return await run(provider);
}
