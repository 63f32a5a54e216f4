import assert from "node:assert/strict";
import { PersistenceError } from "../../../core/errors/persistence_error.ts";
import type { Keyspace, WriteGroup } from "../../../core/ports/storage.ts";
import { assertFails, casesOf, errorOf, outcomeOf, range, withPlace } from "../fixture.ts";
import type { ObservedStorage } from "../observed_storage.ts";
import type { ConformanceOptions } from "../types.ts";
import {
  account,
  Deliveries,
  KIND,
  log,
  openOn,
  Problems,
  quickDelivery,
  startAllOn,
  startOn,
  storedOf,
  turn,
  until,
  withObserved,
} from "./fixture.ts";
import { untilCounts } from "./outbox_fixture.ts";

/** So many turns of the event loop are enough for anything that does not wait. */
const TURNS = 20;

/** Registers the cases about a storage that is full: nothing is lost, and nothing freezes. */
export function describeFullStorage(options: ConformanceOptions): void {
  describeOutbox(options);
  describeActors(options);
  describeReallyFull(options);
}

function describeOutbox(options: ConformanceOptions): void {
  const observed = casesOf(options, "actor on a full storage", withObserved);

  observed("a delivery that cannot be confirmed is confirmed when there is room", async (
    storage,
    provider,
  ) => {
    const deliveries = new Deliveries();
    const problems = new Problems();
    const outbox = { deliver: deliveries.deliver };
    const { onProblem } = problems;
    await using actor = startOn(provider, account, { outbox, onProblem });
    deliveries.onDeliver = () => fill(storage, "outbox");
    await actor.tell({ type: "add", amounts: [1], effects: ["mail"] });
    await until(() => problems.types.length > 0);
    await assertTurns(storage);
    assert.deepEqual(new Set(problems.types), new Set(["outbox"]));
    makeRoom(storage);
    await actor.outbox.drained();
    assert.deepEqual(await actor.outbox.counts(), { open: 0, dead: 0 });
    assert.equal(deliveries.seen.length, 1, "it is delivered once");
  });

  observed("an attempt that cannot be remembered is made again all the same", async (
    storage,
    provider,
  ) => {
    const deliveries = new Deliveries();
    const problems = new Problems();
    const outbox = { deliver: deliveries.deliver, ...quickDelivery };
    const { onProblem } = problems;
    await using actor = startOn(provider, account, { outbox, onProblem });
    deliveries.onDeliver = (_effect, { attempt }) => {
      if (attempt === 1) fill(storage, "outbox");
      if (attempt < 4) throw new Error("so wants the test");
      makeRoom(storage);
    };
    await actor.tell({ type: "add", amounts: [1], effects: ["mail"] });
    await actor.outbox.drained();
    assert.deepEqual(deliveries.seen.map(({ attempt }) => attempt), [1, 2, 3, 4]);
    assert.deepEqual(problems.types.filter((type) => type === "outbox").length, 3);
  });

  observed("an effect that cannot be given up is given up when there is room", async (
    storage,
    provider,
  ) => {
    const deliveries = new Deliveries();
    const problems = new Problems();
    const outbox = { deliver: deliveries.deliver, maxAttempts: 1 };
    const { onProblem } = problems;
    await using actor = startOn(provider, account, { outbox, onProblem });
    deliveries.onDeliver = (effect) => {
      if (effect !== "poison") return;
      fill(storage, "outbox");
      throw new Error("so wants the test");
    };
    await actor.tell({ type: "add", amounts: [1], effects: ["poison"] });
    await until(() => problems.types.includes("outbox"));
    await assertTurns(storage);
    assert.deepEqual(await actor.outbox.counts(), { open: 1, dead: 0 });
    makeRoom(storage);
    await untilCounts(actor.outbox, { open: 0, dead: 1 });
    assert.equal(deliveries.seen.length, 1);
    await actor.tell({ type: "add", amounts: [1], effects: ["mail"] });
    await actor.outbox.drained();
    assert.deepEqual(deliveries.seen.map(({ effect }) => effect), ["poison", "mail"]);
  });

  observed("a stop does not wait for room: what is not confirmed is delivered again", async (
    storage,
    provider,
  ) => {
    const deliveries = new Deliveries();
    const outbox = { deliver: deliveries.deliver };
    deliveries.onDeliver = () => fill(storage, "outbox");
    {
      await using actor = startOn(provider, account, { outbox });
      await actor.tell({ type: "add", amounts: [1], effects: ["mail"] });
      await until(() => deliveries.seen.length > 0);
    }
    makeRoom(storage);
    deliveries.onDeliver = () => {};
    await using actor = startOn(provider, account, { outbox });
    await actor.outbox.drained();
    assert.deepEqual(deliveries.seen.map(({ id }) => id), ["a/0/0", "a/0/0"]);
  });
}

function describeActors(options: ConformanceOptions): void {
  const observed = casesOf(options, "actor on a full storage", withObserved);

  observed("what writes is rejected, what reads is answered", async (storage, provider) => {
    await using events = startOn(provider, account);
    await using commands = startOn(provider, log(), { kind: "log" });
    await Promise.all([events.recovered, commands.recovered]);
    fill(storage, "log");
    for (const _ of range(1, 3)) {
      const asked = [
        events.ask({ type: "add", amounts: [1] }),
        commands.ask({ text: "x" }),
      ];
      const read = [events.ask({ type: "read" }), commands.ask({ read: true })];
      for (const call of asked) await assertFails(() => call, "STORAGE_FULL");
      assert.deepEqual(await Promise.all<unknown>(read), [[], []]);
      await assertTurns(storage);
    }
    makeRoom(storage);
    assert.deepEqual(await events.ask({ type: "add", amounts: [1] }), [1]);
    assert.deepEqual(await commands.ask({ text: "y" }), ["y"]);
  });

  observed("a snapshot that cannot be saved is reported, and tried again when it is due", async (
    storage,
    provider,
  ) => {
    const problems = new Problems();
    const { onProblem } = problems;
    const snapshotPolicy = { everyMessages: 2, everyMs: Infinity };
    await using actor = startOn(provider, account, { onProblem, snapshotPolicy });
    await actor.recovered;
    fill(storage, "snapshots");
    for (const amount of range(1, 4)) await actor.tell({ type: "add", amounts: [amount] });
    await until(() => actor.isIdle);
    await assertTurns(storage);
    const { length } = problems.types;
    assert.ok(length > 0 && length <= 4 && problems.types.every((type) => type === "snapshot"));
    makeRoom(storage);
    for (const amount of range(5, 30)) await actor.tell({ type: "add", amounts: [amount] });
    await until(() => actor.isIdle);
    const kept = await provider.createSnapshotStore({ kind: KIND }).listSnapshots("a");
    assert.ok(kept.length > 0);
  });

  observed("a refusal that cannot be remembered stops the actor; a new one goes on", async (
    storage,
    provider,
  ) => {
    const problems = new Problems();
    const { onProblem } = problems;
    await using actors = startAllOn(provider, log(), { onProblem });
    await actors.ask("a", { text: "x" });
    fill(storage, "meta");
    const error = await errorOf(() => actors.ask("a", { text: "bad", fail: true }));
    assert.ok(error instanceof Error && error.message === "refused");
    // It is in the journal, so it must be known whether it was refused.
    await assertFails(() => actors.ask("a", { read: true }), "STORAGE_FULL");
    await assertTurns(storage);
    makeRoom(storage);
    assert.deepEqual(await actors.ask("a", { text: "y" }), ["x", "y"]);
    assert.ok(problems.types.includes("stopped"));
  });

  observed("effects of a message that cannot be stored are stored when there is room", async (
    storage,
    provider,
  ) => {
    const deliveries = new Deliveries();
    const outbox = { deliver: deliveries.deliver };
    await using actors = startAllOn(provider, log(), { outbox });
    await actors.ask("a", { text: "x" });
    fill(storage, "meta", "outbox");
    // It is journaled already, so the code of the storage would say too much: that it had no effect.
    const asked = () => actors.ask("a", { text: "y", effects: ["mail"] });
    const error = await assertFails(asked, "OUTCOME_UNKNOWN", { actorId: "a" });
    assert.ok(error.cause instanceof PersistenceError && error.cause.code === "STORAGE_FULL");
    await assertFails(() => actors.ask("a", { read: true }), "STORAGE_FULL");
    await assertTurns(storage);
    assert.deepEqual(deliveries.seen, []);
    makeRoom(storage);
    // It was journaled, and is handled now.
    assert.deepEqual(await actors.ask("a", { read: true }), ["x", "y"]);
    await actors.outbox.drained();
    assert.deepEqual(deliveries.seen.map(({ effect, id }) => [effect, id]), [["mail", "a/1/0"]]);
  });

  observed("the end of a stop that cannot be stored is reported, and the stop ends", async (
    storage,
    provider,
  ) => {
    const problems = new Problems();
    const actor = startOn(provider, log(), { onProblem: problems.onProblem });
    await actor.ask({ text: "x" });
    fill(storage, "meta");
    await actor.stop();
    assert.deepEqual(problems.types, ["stop"]);
    makeRoom(storage);
    await using again = startOn(provider, log());
    assert.deepEqual(await again.ask({ read: true }), ["x"]);
  });

  observed("a kind that cannot be claimed is claimed when there is room", async (
    storage,
    provider,
  ) => {
    fill(storage, "meta");
    await using actors = startAllOn(provider, account);
    for (const _ of range(1, 2)) {
      const asked = actors.ask("a", { type: "add", amounts: [1] });
      await assertFails(() => asked, "STORAGE_FULL");
      await assertTurns(storage);
    }
    makeRoom(storage);
    assert.deepEqual(await actors.ask("a", { type: "add", amounts: [1] }), [1]);
  });
}

function describeReallyFull(options: ConformanceOptions): void {
  const limited = casesOf(options, "actor on a full storage", withPlace, "sizeLimit");

  limited(
    "a real one: deliveries are confirmed, reads answered, and others go on",
    async (place) => {
      const storage = await place.openStorage({ limitBytes: 2 ** 20 });
      await using provider = await openOn(storage);
      const deliveries = new Deliveries();
      const problems = new Problems();
      let deliver = () => {};
      const delivered = new Promise<void>((resolve) => deliver = resolve);
      deliveries.onDeliver = () => delivered;
      await using actors = startAllOn(provider, account, {
        outbox: { deliver: deliveries.deliver },
        onProblem: problems.onProblem,
      });
      await actors.ask("a", { type: "add", amounts: [1], effects: ["mail", "more"] });
      const journal = provider.createMessageJournal({ kind: "filling" });
      let next = 0;
      for (const bytes of [40_000, 4_000, 400, 40, 4]) {
        for (let refused = 0; refused < 3;) {
          const outcome = await outcomeOf(journal.append(`${next++}`, "x".repeat(bytes)));
          if (outcome === "STORAGE_FULL") refused++;
        }
      }
      deliver();
      await actors.outbox.drained();
      assert.deepEqual(deliveries.seen.map(({ effect }) => effect), ["mail", "more"]);
      assert.deepEqual(await actors.ask("a", { type: "read" }), [1]);
      for (const _ of range(1, TURNS)) await turn();
      await journal.truncateBefore("0", 1);
      await journal.truncateBefore("1", 1);
      let answer: unknown;
      while (!Array.isArray(answer)) {
        answer = await outcomeOf(actors.ask("a", { type: "add", amounts: [2] }));
        assert.ok(Array.isArray(answer) || answer === "STORAGE_FULL");
      }
      assert.deepEqual(answer, [1, 2]);
      assert.deepEqual(await storedOf(provider), [{ add: 1 }, { add: 2 }]);
    },
  );
}

/** From now on whatever is put into one of these keyspaces, or deleted from there, does not fit. */
function fill(storage: ObservedStorage, ...keyspaces: readonly Keyspace[]): void {
  const isConcerned = ({ changes }: WriteGroup) =>
    changes.some(({ keyspace }) => keyspaces.includes(keyspace));
  storage.failCommit = (groups) =>
    groups.some(isConcerned)
      ? new PersistenceError("STORAGE_FULL", "Cannot commit: so wants the test")
      : undefined;
}

function makeRoom(storage: ObservedStorage): void {
  storage.failCommit = () => undefined;
}

/** The event loop turns, and nothing is tried again in each turn. */
async function assertTurns(storage: ObservedStorage): Promise<void> {
  const { commits } = storage;
  for (const _ of range(1, TURNS)) await turn();
  const tried = storage.commits - commits;
  assert.ok(tried <= TURNS / 2, `${tried} attempts in ${TURNS} turns`);
}
