import assert from "node:assert/strict";
import { commandSourced, eventSourced } from "../../../core/actors/behavior.ts";
import type { PersistenceProvider } from "../../../core/provider.ts";
import { assertFails, casesOf, errorOf, range, withStorage } from "../fixture.ts";
import { AWKWARD_KINDS } from "../kinds/fixture.ts";
import { ObservedStorage } from "../observed_storage.ts";
import { keptOf } from "../snapshots/fixture.ts";
import { dump } from "../storage/fixture.ts";
import type { ConformanceOptions } from "../types.ts";
import {
  account,
  Deliveries,
  journalOf,
  log,
  openOn,
  Problems,
  settled,
  snapshotsOf,
  startAllOn,
  startOn,
  storedOf,
  withActors,
} from "./fixture.ts";
import { allOf } from "./outbox_fixture.ts";

const KINDS = AWKWARD_KINDS.filter((kind) => kind !== undefined);

/** Registers the cases about kinds of actors: they share nothing, and are journaled in one way. */
export function describeActorKinds(options: ConformanceOptions): void {
  describeSeparation(options);
  describeSourcing(options);
}

function describeSeparation(options: ConformanceOptions): void {
  const check = casesOf(options, "kinds of actors", withActors);

  check("the usual user 42 and cart 42 have nothing in common", async (provider) => {
    const users = eventSourced({
      initialState: { visits: 0 },
      handle: (_user: { visits: number }, event: { visited: number }) => ({
        events: [event],
        reply: ({ visits }: { visits: number }) => visits,
      }),
      apply: ({ visits }, { visited }: { visited: number }) => ({ visits: visits + visited }),
    });
    const carts = commandSourced({
      initialState: { total: 0 },
      handle: ({ total }: { total: number }, amount: number) => ({
        state: { total: total + amount },
        reply: ({ total }: { total: number }) => total,
      }),
    });
    for (const life of range(1, 3)) {
      await using ofUsers = startAllOn(provider, users, {
        kind: "user",
        snapshotPolicy: { everyMessages: 2 },
      });
      await using ofCarts = startAllOn(provider, carts, {
        kind: "cart",
        snapshotPolicy: { everyMessages: 2 },
      });
      for (const _ of range(1, 3)) {
        await ofUsers.ask("42", { visited: 1 });
        await ofCarts.ask("42", 100);
      }
      assert.equal(await ofUsers.ask("42", { visited: 0 }), 3 * life);
      assert.equal(await ofCarts.ask("42", 0), 300 * life);
    }
    assert.equal((await storedOf(provider, "42", "user")).length, 12);
    assert.equal((await storedOf(provider, "42", "cart")).length, 12);
    assert.deepEqual(await allOf(provider.actorIds({ kind: "user" })), ["42"]);
    assert.deepEqual(await allOf(provider.actorIds()), [], "they are not without kind");
  });

  check("whatever their characters, they share no journal, snapshot, effect or refusal", async (
    provider,
  ) => {
    const ids = ["a", "a\0", "\0a", "b\0", "\0"];
    const deliveries = new Deliveries();
    for (const life of range(1, 2)) {
      for (const [index, kind] of KINDS.entries()) {
        await using actors = startAllOn(provider, log(), {
          kind,
          snapshotPolicy: "manual",
          retention: { mode: "onSnapshot", retainMessagesBeforeSnapshot: 0 },
          outbox: { deliver: deliveries.deliver },
        });
        for (const id of ids) {
          const text = `${index} ${id} ${life}`;
          const before = life === 1 ? [] : [`${index} ${id} 1`];
          assert.deepEqual(await actors.ask(id, { text, effects: [text] }), [...before, text]);
          await errorOf(() => actors.ask(id, { text: "bad", fail: true }));
          if (index % 2 === 0) await actors.snapshot(id);
        }
        await actors.outbox.drained();
      }
    }
    const expected = range(1, 2).flatMap((life) =>
      KINDS.flatMap((_, index) => ids.map((id) => `${index} ${id} ${life}`))
    );
    assert.deepEqual(
      deliveries.seen.map(({ effect }) => effect).toSorted(),
      expected.toSorted(),
    );
    for (const [index, kind] of KINDS.entries()) {
      assert.deepEqual(await allOf(provider.actorIds({ kind })), ids.toSorted());
      for (const id of ids) {
        const kept = await keptOf(snapshotsOf(provider, kind), id);
        assert.deepEqual(kept, index % 2 === 0 ? [3, 1] : []);
        const stored = await storedOf(provider, id, kind);
        assert.equal(stored.length, index % 2 === 0 ? 2 : 4);
      }
    }
  });

  check("what the kinds of others hold is not even looked at", async (provider) => {
    await journalOf(provider, "other").append("a", { spoilt: true });
    await snapshotsOf(provider, "another").saveSnapshot("a", [7], 700);
    await provider.createMessageJournal().append("a", { spoilt: true });
    await using actor = startOn(provider, account);
    assert.deepEqual(await actor.ask({ type: "add", amounts: [1] }), [1]);
    await actor.snapshot();
    await settled(actor);
    const others = startOn(provider, account, { kind: "other" });
    await assertFails(() => others.ask({ type: "read" }), "RECOVERY_FAILED", { kind: "other" });
    assert.deepEqual(await actor.ask({ type: "read" }), [1]);
  });
}

function describeSourcing(options: ConformanceOptions): void {
  const check = casesOf(options, "sourcing of a kind", withActors);

  check("a kind that was journaled by events is not opened by commands, nor the reverse", async (
    provider,
    storage,
  ) => {
    {
      await using events = startOn(provider, account, { kind: "events" });
      await events.ask({ type: "add", amounts: [1] });
      await using commands = startOn(provider, log(), { kind: "commands" });
      await commands.ask({ text: "x" });
    }
    const everything = async () => [
      await dump(storage, "meta"),
      await dump(storage, "heads"),
      await dump(storage, "entries"),
      await dump(storage, "snapshots"),
    ];
    const before = await everything();
    for (const actorId of ["a", "new"]) {
      const problems = new Problems();
      const { onProblem } = problems;
      const wrong = startOn(provider, log(), { kind: "events", actorId, onProblem });
      const details = { kind: "events", actorId };
      const error = await assertFails(() => wrong.ask({ text: "x" }), "SOURCING_MISMATCH", details);
      assert.match(error.message, /they are journaled by events, not by commands/);
      await assertFails(() => wrong.recovered, "SOURCING_MISMATCH");
      await wrong.terminated;
      await wrong.stop();
      assert.deepEqual(problems.types, ["stopped"]);
      await using all = startAllOn(provider, account, { kind: "commands", onProblem });
      const asked = () => all.ask(actorId, { type: "read" });
      await assertFails(asked, "SOURCING_MISMATCH", { kind: "commands", actorId });
      await assertFails(asked, "SOURCING_MISMATCH");
      await assertFails(() => all.snapshot(actorId), "SOURCING_MISMATCH");
    }
    assert.deepEqual(await everything(), before, "nothing has been written");
    await using again = startOn(provider, account, { kind: "events" });
    assert.deepEqual(await again.ask({ type: "read" }), [1]);
    await using others = startOn(provider, log(), { kind: "commands" });
    assert.deepEqual(await others.ask({ read: true }), ["x"]);
  });

  const two = casesOf(
    options,
    "sourcing of a kind",
    (factory, run: (one: PersistenceProvider, other: PersistenceProvider) => Promise<void>) =>
      withStorage(factory, async (storage) => {
        await using one = await openOn(new ObservedStorage(storage));
        await using other = await openOn(new ObservedStorage(storage));
        await run(one, other);
      }),
  );

  two("of two processes that begin a kind in different ways one is refused", async (one, other) => {
    for (const number of range(1, 10)) {
      const kind = `kind ${number}`;
      const events = startOn(one, account, { kind });
      const commands = startOn(other, log(), { kind });
      const outcomes = await Promise.allSettled([
        events.ask({ type: "add", amounts: [1] }),
        commands.ask({ text: "x" }),
      ]);
      const refused = outcomes.filter(({ status }) => status === "rejected");
      assert.equal(refused.length, 1);
      const [first] = refused;
      assert.ok(first?.status === "rejected" && first.reason.code === "SOURCING_MISMATCH");
      assert.equal((await storedOf(one, "a", kind)).length, 1);
      await Promise.all([events.stop(), commands.stop()]);
    }
  });

  const readOnly = casesOf(
    options,
    "sourcing of a kind",
    (factory, run: (place: Awaited<ReturnType<typeof factory.createPlace>>) => Promise<void>) =>
      factory.createPlace().then(async (place) => {
        try {
          await run(place);
        } finally {
          await place.cleanup();
        }
      }),
    "readOnly",
    "reopen",
  );

  readOnly(
    "a storage that is read-only answers what only reads, also of a kind that is new",
    async (
      place,
    ) => {
      {
        await using provider = await openOn(await place.openStorage());
        await using actor = startOn(provider, account);
        await actor.ask({ type: "add", amounts: [1, 2] });
        await journalOf(provider, "plain").append("a", { add: 7 });
      }
      await using provider = await openOn(await place.openStorage({ readOnly: true }));
      await using actor = startOn(provider, account);
      assert.deepEqual(await actor.ask({ type: "read" }), [1, 2]);
      // Its journal was written by hand, so it is not known how it is journaled.
      await using plain = startOn(provider, account, { kind: "plain" });
      assert.deepEqual(await plain.ask({ type: "read" }), [7]);
      await assertFails(() => actor.ask({ type: "add", amounts: [3] }), "READ_ONLY");
    },
  );
}
