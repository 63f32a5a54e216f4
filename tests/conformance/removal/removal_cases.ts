import assert from "node:assert/strict";
import { eventSourced } from "../../../core/actors/behavior.ts";
import { recover } from "../../../core/actors/recovery.ts";
import { StatefulActors } from "../../../core/actors/stateful_actors.ts";
import { assertFails, assertRefused, casesOf, range, withPlace, withProvider } from "../fixture.ts";
import { AWKWARD_IDS, bad, BAD_IDS, BAD_OPTIONS, randomIds } from "../ids.ts";
import { AWKWARD_KINDS, BAD_KINDS, ofKind } from "../kinds/fixture.ts";
import { ObservedStorage } from "../observed_storage.ts";
import { withRandom } from "../random.ts";
import {
  assertRemoved,
  everythingCollectedIn,
  everythingIn,
  everythingOf,
  FEW,
  fill,
  KIND,
  MODES,
  nothing,
  OF_KIND,
  openOn,
  remove,
  storeOf,
} from "./fixture.ts";
import { PersistenceProvider } from "../../../core/provider.ts";
import type { ConformanceOptions } from "../types.ts";

/** Registers the cases about what is removed, and what is not. */
export function describeRemovalCases(options: ConformanceOptions): void {
  const check = casesOf(options, "removal", withProvider());
  const limited = casesOf(options, "removal", withPlace, "sizeLimit");
  const readOnly = casesOf(options, "removal", withPlace, "readOnly", "reopen");

  for (const mode of MODES) {
    check(`to ${mode} an actor leaves nothing of it, and others as they were`, async (
      provider,
      storage,
    ) => {
      for (const id of ["0", "a\0", "aa", "b"]) await fill(provider, FEW, id);
      await provider.createMessageJournal().append("a", "without kind");
      await provider.createMessageJournal({ kind: "user" }).append("a", "of another kind");
      const before = await everythingCollectedIn(storage);
      await fill(provider);
      const next = Number((await everythingOf(provider))["highest"]) + 1;
      await remove(provider, mode);
      await assertRemoved(storage, before, mode);
      const { counts: _, infos: _i, ...rest } = await everythingOf(provider);
      const { counts: _c, infos: _n, ...expected } = nothing(mode === "delete" ? 0 : next);
      assert.deepEqual(rest, expected);
    });

    check(`to ${mode} an actor again and again does nothing more`, async (provider, storage) => {
      await fill(provider);
      await remove(provider, mode);
      const after = await everythingIn(storage);
      const { commits } = await provider.stats();
      for (const _ of range(1, 3)) await remove(provider, mode);
      assert.deepEqual(await everythingIn(storage), after);
      assert.equal((await provider.stats()).commits, commits);
    });

    check(`to ${mode} an unknown actor does nothing`, async (provider, storage) => {
      await fill(provider, FEW, "b");
      const before = await everythingIn(storage);
      const { commits } = await provider.stats();
      await remove(provider, mode);
      assert.deepEqual(await everythingIn(storage), before);
      assert.equal((await provider.stats()).commits, commits);
    });

    check(`to ${mode} an actor that has one thing only leaves nothing, either`, async (
      provider,
      storage,
    ) => {
      const store = storeOf(provider);
      const before = await everythingCollectedIn(storage);
      const effect = () => store.prepareEntries("a", [], { effects: ["x"] });
      const things = [
        () => store.snapshots.saveSnapshot("a", 1, 7),
        () => provider.createConsumerRegistry(OF_KIND).register("a", "reports", 1),
        () => store.writeMarks("a", { handled: 5 }),
        () => store.append("a", [effect()], 0),
      ];
      for (const write of things) {
        await write();
        await remove(provider, mode);
        assert.deepEqual(await everythingCollectedIn(storage), before);
      }
    });
  }

  check("after deletion an actor begins anew at 0, after erasure it goes on", async (provider) => {
    const journal = provider.createMessageJournal<unknown>(OF_KIND);
    for (const [index, mode] of [...MODES, ...MODES, ...MODES].entries()) {
      await journal.appendBatch("a", range(0, 4));
      const next = await journal.getHighestSequenceNumber("a") + 1;
      await remove(provider, mode);
      const expected = mode === "delete" ? 0 : next;
      assert.equal(await journal.append("a", `round ${index}`), expected);
      assert.deepEqual(
        (await journal.readFrom("a", 0)).map(({ message }) => message),
        [`round ${index}`],
      );
      assert.equal((await journal.read("a")).origin, expected);
    }
  });

  check("each mode may follow the other", async (provider, storage) => {
    const journal = provider.createMessageJournal<unknown>(OF_KIND);
    await fill(provider);
    await remove(provider, "erase");
    await remove(provider, "delete");
    assert.deepEqual(await everythingOf(provider), nothing());
    assert.deepEqual((await everythingCollectedIn(storage))["heads"], []);
    await journal.append("a", 1);
    await remove(provider, "delete");
    await remove(provider, "erase");
    assert.deepEqual(await everythingOf(provider), nothing());
  });

  check("an erased journal has had no entry, and is empty", async (provider) => {
    const journal = provider.createMessageJournal<unknown>(OF_KIND);
    await journal.appendBatch("a", range(0, 4));
    await remove(provider, "erase");
    const exists = { expectedSequenceNumber: "exists" } as const;
    await assertFails(() => journal.append("a", 1, exists), "CONFLICT", {
      actualSequenceNumber: 5,
    });
    assert.equal(await journal.append("a", 1, { expectedSequenceNumber: "empty" }), 5);
    assert.equal(await journal.append("a", 1, exists), 6);
  });

  check(
    "whatever the characters of kinds and ids, random ones among them, only one goes",
    (provider) =>
      withRandom(options.seed, async (random) => {
        const kinds = [...new Set([...AWKWARD_KINDS.slice(0, 6), ...randomIds(random, 2)])];
        const ids = [...new Set([...AWKWARD_IDS.slice(0, 12), ...randomIds(random, 10)])];
        const actors = kinds.flatMap((kind) => ids.map((id) => ({ kind, id, isThere: true })));
        await Promise.all(actors.map(async ({ kind, id }) => {
          await provider.createMessageJournal(ofKind(kind)).append(id, [kind, id]);
          await provider.createSnapshotStore(ofKind(kind)).saveSnapshot(id, [kind, id], 0);
          await provider.createConsumerRegistry(ofKind(kind)).register(id, "x", 0);
        }));
        const some = actors.filter(() => random.below(3) === 0);
        await Promise.all(some.map(async (actor) => {
          await provider.deleteActor(actor.id, ofKind(actor.kind));
          actor.isThere = false;
        }));
        for (const { kind, id, isThere } of actors) {
          const entries = await provider.createMessageJournal(ofKind(kind)).readFrom(id, 0);
          const expected = isThere ? [[kind, id]] : [];
          assert.deepEqual(entries.map(({ message }) => message), expected);
          const latest = await provider.createSnapshotStore(ofKind(kind)).getLatestSnapshot(id);
          assert.deepEqual(latest?.state, expected[0]);
          const positions = await provider.createConsumerRegistry(ofKind(kind)).positions(id);
          assert.equal(positions.size, expected.length);
        }
      }),
  );

  check("recovery begins with the initial state, and goes on from the right number", async (
    provider,
  ) => {
    const { journal, snapshots } = storeOf(provider);
    const recovered = () =>
      recover<unknown[], unknown>({
        journal,
        snapshots: {
          getLatestSnapshot: async () => (await snapshots.getLatestSnapshot("a")) as never,
        },
        actorId: "a",
        initialState: [],
        apply: (state, message) => [...state, message],
      });
    for (const mode of MODES) {
      await journal.appendBatch("a", ["x", "y"]);
      const highest = await journal.getHighestSequenceNumber("a");
      await snapshots.saveSnapshot("a", ["snapshot"], highest);
      await remove(provider, mode);
      const { state, sequenceNumber } = await recovered();
      assert.deepEqual([state, sequenceNumber], [[], mode === "delete" ? -1 : highest]);
      await journal.append("a", "new");
      assert.deepEqual((await recovered()).state, ["new"]);
    }
  });

  check("stateful actors begin anew, with their effects", async (provider) => {
    const delivered: unknown[] = [];
    const start = () =>
      StatefulActors.start({
        provider,
        ...OF_KIND,
        behavior: eventSourced({
          initialState: 0,
          handle: (_sum: number, amount: number) => ({
            events: [amount],
            effects: [amount],
            reply: (sum: number) => sum,
          }),
          apply: (sum: number, amount: number) => sum + amount,
        }),
        outbox: { deliver: (effect: number) => void delivered.push(effect) },
      });
    for (const mode of MODES) {
      await using sums = start();
      assert.equal(await sums.ask("a", 1), 1);
      assert.equal(await sums.ask("a", 2), 3);
      await sums.outbox.drained();
      await sums.passivate("a");
      await remove(provider, mode);
      assert.equal(await sums.ask("a", 5), 5);
      await sums.outbox.drained();
      await sums.passivate("a");
      await remove(provider, "delete");
    }
    assert.deepEqual(delivered, [1, 2, 5, 1, 2, 5]);
  });

  check("calls that are not awaited share commits", async (provider) => {
    const journal = provider.createMessageJournal<unknown>(OF_KIND);
    const ids = range(0, 299).map(String);
    await Promise.all(ids.map((id) => journal.append(id, 1)));
    const { commits } = await provider.stats();
    await Promise.all(ids.map((id) => remove(provider, "delete", id)));
    const taken = (await provider.stats()).commits - commits;
    assert.ok(taken < ids.length / 5, `${taken} commits`);
  });

  limited("on a full storage it works, and makes room", async (place) => {
    for (const mode of MODES) {
      await using storage = await place.openStorage({ limitBytes: 2 ** 20 });
      const provider = await openOn(storage);
      const snapshots = provider.createSnapshotStore({ ...OF_KIND, keep: Infinity });
      await provider.createMessageJournal(OF_KIND).append("a", 1);
      let saved = 0;
      const fillUp = async (bytes: number) => {
        for (;; saved++) await snapshots.saveSnapshot("a", "x".repeat(bytes), saved);
      };
      for (const bytes of [50_000, 5_000]) await assertFails(() => fillUp(bytes), "STORAGE_FULL");
      await remove(provider, mode);
      assert.deepEqual(await everythingOf(provider), nothing(mode === "delete" ? 0 : 1));
      await snapshots.saveSnapshot("a", "x".repeat(50_000), 0);
      await provider.deleteActor("a", OF_KIND);
      await provider.close();
    }
  });

  readOnly("a storage that is open read-only refuses it", async (place) => {
    {
      await using provider = await PersistenceProvider.openOn(await place.openStorage());
      await provider.createMessageJournal(OF_KIND).append("a", 1);
    }
    const storage = await place.openStorage({ readOnly: true });
    await using provider = await PersistenceProvider.openOn(storage);
    for (const mode of MODES) {
      await assertFails(() => remove(provider, mode), "READ_ONLY", { actorId: "a", kind: KIND });
    }
    assert.equal((await provider.createMessageJournal(OF_KIND).readFrom("a", 0)).length, 1);
  });

  describeRemovalArguments(options);
}

function describeRemovalArguments(options: ConformanceOptions): void {
  const check = casesOf(options, "removal", withProvider());
  const onStorage = casesOf(options, "removal", withPlace);

  check("bad arguments are refused", async (provider, storage) => {
    await fill(provider);
    const before = await everythingIn(storage);
    const calls = [
      (actorId: unknown, more: unknown) => provider.deleteActor(bad(actorId), bad(more)),
      (actorId: unknown, more: unknown) => provider.eraseActor(bad(actorId), bad(more)),
    ];
    for (const call of calls) {
      for (const [, actorId, type] of BAD_IDS) await assertRefused(() => call(actorId, {}), type);
      for (const [, kind, type] of BAD_KINDS) await assertRefused(() => call("a", { kind }), type);
      for (const [, more] of BAD_OPTIONS) await assertRefused(() => call("a", more), "type");
    }
    assert.deepEqual(await everythingIn(storage), before);
  });

  check("after the provider was closed it is refused", async (provider) => {
    await fill(provider);
    const closing = provider.close();
    for (const mode of MODES) await assertFails(() => remove(provider, mode), "CLOSED");
    await closing;
    for (const mode of MODES) await assertFails(() => remove(provider, mode), "CLOSED");
  });

  onStorage("closing waits until it is done", async (place) => {
    await using inner = await place.openStorage();
    const storage = new ObservedStorage(inner);
    const provider = await openOn(storage);
    await fill(provider);
    const release = storage.holdCommits();
    const removed = remove(provider, "delete");
    await storage.commitHeld();
    let isClosed = false;
    const closing = provider.close().then(() => isClosed = true);
    await new Promise((resolve) => setTimeout(resolve, 5));
    assert.equal(isClosed, false);
    release();
    await Promise.all([removed, closing]);
    const { meta = [], ...others } = await everythingCollectedIn(inner);
    assert.deepEqual(Object.values(others).flat(), []);
    assert.ok(meta.every((record) => record.startsWith("store=")));
  });
}
