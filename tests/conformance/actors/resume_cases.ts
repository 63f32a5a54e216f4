import assert from "node:assert/strict";
import { casesOf, range } from "../fixture.ts";
import type { ConformanceOptions } from "../types.ts";
import {
  account,
  type Amounts,
  type Command,
  Deliveries,
  gate,
  log,
  Problems,
  quickDelivery,
  startAllOn,
  startOn,
  turn,
  until,
  withActors,
} from "./fixture.ts";
import { untilCounts } from "./outbox_fixture.ts";
import type { StatefulActors } from "../../../core/actors/stateful_actors.ts";
import type { OutboxOptions } from "../../../core/actors/outbox_options.ts";
import type { PersistenceProvider } from "../../../core/provider.ts";

/** Registers the cases about effects of actors that are not in memory. */
export function describeResumption(options: ConformanceOptions): void {
  describeRestarts(options);
  describeMany(options);
}

const FAILURE = new Error("so wants the test");

function startAll(
  provider: PersistenceProvider,
  deliveries: Deliveries,
  more: Partial<OutboxOptions<unknown>> = {},
  problems: Problems = new Problems(),
): StatefulActors<Amounts, Command, Amounts> {
  return startAllOn(provider, account, {
    outbox: { deliver: deliveries.deliver, ...quickDelivery, ...more },
    onProblem: problems.onProblem,
  });
}

function describeRestarts(options: ConformanceOptions): void {
  const check = casesOf(options, "outbox of actors", withActors);

  check("after a restart effects are delivered without their actors", async (provider) => {
    const deliveries = new Deliveries();
    deliveries.onDeliver = () => {
      throw FAILURE;
    };
    const ids = range(1, 70).map((number) => `actor ${number}`);
    {
      await using actors = startAll(provider, deliveries, { maxAttempts: Infinity });
      await Promise.all(
        ids.map((id) =>
          actors.tell(id, { type: "add", amounts: [1], effects: [`${id} first`, `${id} second`] })
        ),
      );
      await actors.tell("none", { type: "add", amounts: [1] });
    }
    deliveries.onDeliver = () => {};
    deliveries.seen.length = 0;
    await using actors = startAll(provider, deliveries);
    await actors.outbox.drained();
    assert.equal(actors.active, 0, "none is in memory");
    assert.deepEqual(
      deliveries.seen.map(({ effect }) => effect).toSorted(),
      ids.flatMap((id) => [`${id} first`, `${id} second`]).toSorted(),
    );
    for (const id of ids) {
      const ofActor = deliveries.seen.filter(({ id: effectId }) => effectId.startsWith(`${id}/`));
      assert.deepEqual(ofActor.map(({ effect }) => effect), [`${id} first`, `${id} second`]);
    }
    assert.deepEqual(await actors.ask("actor 1", { type: "read" }), [1]);
    assert.equal(deliveries.seen.length, 140);
  });

  check("one that has open effects may leave, and they go on without it", async (provider) => {
    const deliveries = new Deliveries();
    const { opened, open } = gate();
    deliveries.onDeliver = () => opened;
    await using actors = startAll(provider, deliveries);
    await actors.tell("a", { type: "add", amounts: [1], effects: ["first", "second"] });
    await actors.passivate("a");
    assert.equal(actors.active, 0);
    assert.deepEqual(await actors.outbox.counts(), { open: 2, dead: 0 });
    // Its successor decides more, which come after those.
    await actors.tell("a", { type: "add", amounts: [2], effects: ["third"] });
    open();
    await actors.outbox.drained();
    assert.deepEqual(deliveries.seen.map(({ effect }) => effect), ["first", "second", "third"]);
  });

  check("what is decided while the outbox is still being read keeps its order", async (
    provider,
  ) => {
    const deliveries = new Deliveries();
    deliveries.onDeliver = () => {
      throw FAILURE;
    };
    const decided: number[] = [];
    for (const life of range(0, 5)) {
      const actors = startAll(provider, deliveries, { maxAttempts: Infinity });
      // At once, before anything can have been read.
      const told = range(1, 10).map((number) => {
        decided.push(10 * life + number);
        return actors.tell("a", { type: "add", amounts: [1], effects: [10 * life + number] });
      });
      await Promise.all(told);
      await actors.stop();
    }
    deliveries.onDeliver = () => {};
    deliveries.seen.length = 0;
    await using actors = startAll(provider, deliveries);
    await actors.outbox.drained();
    assert.deepEqual(deliveries.seen.map(({ effect }) => effect), decided);
  });

  check("a poison of one actor holds up its own effects alone, also after a restart", async (
    provider,
  ) => {
    const deliveries = new Deliveries();
    const problems = new Problems();
    deliveries.onDeliver = (effect) => {
      if (effect === "poison") throw FAILURE;
    };
    const slow = { initialDelayMs: 60_000, maxDelayMs: 60_000 };
    {
      await using actors = startAll(provider, deliveries, slow, problems);
      await actors.tell("a", { type: "add", amounts: [1], effects: ["poison", "after it"] });
      await until(() => problems.types.length > 0);
    }
    await using actors = startAll(provider, deliveries, slow, problems);
    await actors.tell("b", { type: "add", amounts: [1], effects: ["other"] });
    await until(() => deliveries.seen.some(({ effect }) => effect === "other"));
    await untilCounts(actors.outbox, { open: 2, dead: 0 });
    assert.ok(!deliveries.seen.some(({ effect }) => effect === "after it"));
  });

  check("one actor delivers its own effects, those of its kind stay, and so do other kinds", async (
    provider,
  ) => {
    const deliveries = new Deliveries();
    deliveries.onDeliver = () => {
      throw FAILURE;
    };
    const outbox = { deliver: deliveries.deliver, maxAttempts: Infinity, ...quickDelivery };
    // Kinds and ids of which one begins with the other.
    const places = [["test", "a"], ["test", "a\0"], ["test", "aa"], ["tes", "ta"], ["testa", "a"]];
    for (const [kind = "", actorId = ""] of places) {
      await using actor = startOn(provider, account, { kind, actorId, outbox });
      await actor.tell({ type: "add", amounts: [1], effects: [`${kind} ${actorId}`] });
    }
    deliveries.onDeliver = () => {};
    deliveries.seen.length = 0;
    {
      await using actor = startOn(provider, account, { outbox });
      await actor.outbox.drained();
      assert.deepEqual(deliveries.seen.map(({ effect }) => effect), ["test a"]);
      assert.deepEqual(await actor.outbox.counts(), { open: 2, dead: 0 });
    }
    await using actors = startAll(provider, deliveries);
    await actors.outbox.drained();
    assert.deepEqual(
      deliveries.seen.map(({ effect }) => effect).toSorted(),
      ["test a", "test a\0", "test aa"],
    );
    // Without an outbox nothing is delivered before it is counted.
    await using others = startAllOn(provider, account, { kind: "tes" });
    assert.deepEqual((await others.outbox.counts()).open, 1);
  });

  check("without an outbox effects are left alone, and can be counted", async (provider) => {
    const deliveries = new Deliveries();
    deliveries.onDeliver = () => {
      throw FAILURE;
    };
    {
      await using actors = startAll(provider, deliveries, { maxAttempts: Infinity });
      await actors.tell("a", { type: "add", amounts: [1], effects: ["mail"] });
    }
    const { length } = deliveries.seen;
    await using actors = startAllOn(provider, account);
    assert.deepEqual(await actors.ask("a", { type: "read" }), [1]);
    await actors.outbox.drained();
    for (const _ of range(1, 3)) await turn();
    assert.equal(deliveries.seen.length, length);
    assert.deepEqual(await actors.outbox.counts(), { open: 1, dead: 0 });
  });

  check("if the provider is closed, deliveries end, and nothing is reported of that", async (
    provider,
  ) => {
    const deliveries = new Deliveries();
    const problems = new Problems();
    const { opened, open } = gate();
    deliveries.onDeliver = () => opened;
    const actors = startAll(provider, deliveries, {}, problems);
    await actors.tell("a", { type: "add", amounts: [1], effects: range(1, 100) });
    await until(() => deliveries.seen.length > 0);
    await provider.close();
    open();
    await actors.stop();
    // That the first cannot be confirmed may show after the next one has begun.
    assert.ok(deliveries.seen.length <= 3, `${deliveries.seen.length} deliveries`);
    assert.deepEqual(problems.types, []);
  });

  check("effects of messages that were not handled are decided by recovery", async (provider) => {
    const deliveries = new Deliveries();
    await provider.createMessageJournal({ kind: "test" }).appendBatch("a", [
      { text: "x", effects: ["one", "two"] },
      { text: "y", effects: ["bad"], fail: true },
      { text: "z", effects: ["three"] },
    ]);
    for (const _ of range(1, 2)) {
      await using actors = startAllOn(provider, log(), {
        outbox: { deliver: deliveries.deliver },
      });
      assert.deepEqual(await actors.ask("a", { read: true }), ["x", "z"]);
      await actors.outbox.drained();
    }
    assert.deepEqual(deliveries.seen, [
      { effect: "one", id: "a/0/0", attempt: 1 },
      { effect: "two", id: "a/0/1", attempt: 1 },
      { effect: "three", id: "a/2/0", attempt: 1 },
    ]);
  });
}

function describeMany(options: ConformanceOptions): void {
  const check = casesOf(options, "outbox of actors", withActors);

  check("more than 10,000 open effects of a few actors, delivered once each, in order", async (
    provider,
  ) => {
    const deliveries = new Deliveries();
    const ids = ["a", "b", "c"];
    const each = 3_501;
    {
      // None is delivered yet.
      const deliver = () => new Promise<void>(() => {});
      const slow = { timeoutMs: 1, initialDelayMs: 60_000, maxDelayMs: 60_000 };
      await using actors = startAllOn(provider, account, { outbox: { deliver, ...slow } });
      await Promise.all(
        ids.map((id) => actors.tell(id, { type: "add", amounts: [1], effects: range(1, each) })),
      );
      assert.deepEqual(await actors.outbox.counts(), { open: 3 * each, dead: 0 });
    }
    await using actors = startAll(provider, deliveries);
    // More is decided while those are read.
    for (const id of ids) await actors.tell(id, { type: "add", amounts: [2], effects: ["last"] });
    await actors.outbox.drained();
    assert.deepEqual(await actors.outbox.counts(), { open: 0, dead: 0 });
    for (const id of ids) {
      const ofActor = deliveries.seen.filter(({ id: effectId }) => effectId.startsWith(`${id}/`));
      assert.deepEqual(ofActor.map(({ effect }) => effect), [...range(1, each), "last"]);
    }
  });

  check("thousands that fail and are tried again, with several at once", async (provider) => {
    const deliveries = new Deliveries();
    deliveries.onDeliver = async (_effect, { attempt }) => {
      await turn();
      if (attempt === 1) throw FAILURE;
    };
    await using actors = startAll(provider, deliveries, { concurrency: 50 });
    for (const id of ["a", "b"]) {
      await actors.tell(id, { type: "add", amounts: [1], effects: range(1, 500) });
    }
    await actors.outbox.drained();
    assert.equal(deliveries.seen.length, 2_000);
    for (const id of ["a", "b"]) {
      const ofActor = deliveries.seen.filter(({ id: effectId }) => effectId.startsWith(`${id}/`));
      for (const attempt of [1, 2]) {
        const effects = ofActor.filter((seen) => seen.attempt === attempt)
          .map(({ effect }) => effect as number);
        assert.deepEqual(effects.toSorted((one, other) => one - other), range(1, 500));
      }
    }
  });
}
