import assert from "node:assert/strict";
import { effectKey } from "../../../core/format/effect_record.ts";
import { addressOf } from "../../../core/format/actor_address.ts";
import type { EffectPlace } from "../../../core/ports/outbox_store.ts";
import type { Storage } from "../../../core/ports/storage.ts";
import { assertFails, assertRefused, casesOf, errorOf, range } from "../fixture.ts";
import { commit, put } from "../storage/fixture.ts";
import type { ConformanceOptions } from "../types.ts";
import {
  account,
  Deliveries,
  Problems,
  quickDelivery,
  startAllOn,
  startOn,
  turn,
  until,
  withActors,
} from "./fixture.ts";
import { allOf, type Sourcing, startTeller } from "./outbox_fixture.ts";

/** Registers the cases about effects that are given up. */
export function describeDeadLetters(options: ConformanceOptions): void {
  describeGivenUp(options);
  describeLetters(options);
  describeDamage(options);
}

const FAILURE = new Error("so wants the test");

/** Deliveries that fail for a poison. */
function poisoned(): Deliveries {
  const deliveries = new Deliveries();
  deliveries.onDeliver = (effect) => {
    if (effect === "poison") throw FAILURE;
  };
  return deliveries;
}

function describeGivenUp(options: ConformanceOptions): void {
  const check = casesOf(options, "dead letters", withActors);

  for (const sourcing of ["events", "commands"] satisfies Sourcing[]) {
    check(`${sourcing}: after maxAttempts an effect is given up, and those after it go on`, async (
      provider,
    ) => {
      const deliveries = poisoned();
      const problems = new Problems();
      const outbox = { maxAttempts: 3 };
      await using actor = startTeller(provider, sourcing, { deliveries, problems, outbox });
      const before = Date.now();
      await actor.say("x", ["first", "poison", "after it"]);
      await actor.say("y", ["last"]);
      await actor.outbox.drained();
      assert.deepEqual(
        deliveries.seen.map(({ effect, attempt }) => [effect, attempt]),
        [
          ["first", 1],
          ["poison", 1],
          ["poison", 2],
          ["poison", 3],
          ["after it", 1],
          ["last", 1],
        ],
      );
      assert.deepEqual(problems.types, ["delivery", "delivery", "delivery", "dead-letter"]);
      const { kind, actorId, effectId, attempt, error } = problems.all[3] ?? {};
      assert.deepEqual([kind, actorId, effectId, attempt], [sourcing, "a", "a/0/1", 3]);
      assert.equal(error, FAILURE);
      assert.deepEqual(await actor.outbox.counts(), { open: 0, dead: 1 });
      const [letter, ...others] = await allOf(actor.outbox.deadLetters());
      assert.deepEqual(others, []);
      assert.ok(letter);
      const { id, sequenceNumber, index, attempts, lastError, effect, timestamp } = letter;
      assert.deepEqual(
        { id, sequenceNumber, index, attempts, lastError, effect },
        {
          id: "a/0/1",
          sequenceNumber: 0,
          index: 1,
          attempts: 3,
          lastError: FAILURE.message,
          effect: "poison",
        },
      );
      assert.ok(timestamp.getTime() >= before && timestamp.getTime() <= Date.now());
    });
  }

  check("attempts before a restart count", async (provider) => {
    const deliveries = poisoned();
    const problems = new Problems();
    const outbox = { maxAttempts: 5 };
    for (const life of range(1, 10)) {
      const actor = startTeller(provider, "events", { deliveries, problems, outbox });
      if (life === 1) await actor.say("x", ["poison", "after it"]);
      const { length } = deliveries.seen;
      const isOver = () => problems.types.includes("dead-letter");
      await until(() => deliveries.seen.length > length || isOver());
      await actor.stop();
    }
    await using actor = startTeller(provider, "events", { deliveries });
    await actor.outbox.drained();
    const poisons = deliveries.seen.filter(({ effect }) => effect === "poison");
    assert.deepEqual(poisons.map(({ attempt }) => attempt), [1, 2, 3, 4, 5]);
    assert.equal(problems.types.filter((type) => type === "dead-letter").length, 1);
    assert.equal(deliveries.seen.length, 6);
    assert.equal((await allOf(actor.outbox.deadLetters()))[0]?.attempts, 5);
  });

  check("an attempt that is not due is not made after a restart either", async (provider) => {
    const deliveries = poisoned();
    const outbox = { initialDelayMs: 60_000, maxDelayMs: 60_000 };
    const problems = new Problems();
    {
      await using actor = startTeller(provider, "events", { deliveries, problems, outbox });
      await actor.say("x", ["poison"]);
      await until(() => problems.types.length > 0);
    }
    await using actor = startTeller(provider, "events", { deliveries, outbox });
    assert.deepEqual(await actor.read(), ["x"]);
    for (const _ of range(1, 5)) await turn();
    assert.equal(deliveries.seen.length, 1);
    assert.deepEqual(await actor.outbox.counts(), { open: 1, dead: 0 });
  });

  check("maxAttempts Infinity never gives up", async (provider) => {
    const deliveries = poisoned();
    const outbox = { maxAttempts: Infinity };
    await using actor = startTeller(provider, "events", { deliveries, outbox });
    await actor.say("x", ["poison", "after it"]);
    await until(() => deliveries.seen.length > 25);
    assert.ok(deliveries.seen.every(({ effect }) => effect === "poison"));
    assert.deepEqual(await actor.outbox.counts(), { open: 1 + 1, dead: 0 });
  });

  check("what an attempt failed with may be anything, of any length", async (provider) => {
    const thrown = [
      undefined,
      "x".repeat(5_000),
      Object.create(null),
      new Error("é".repeat(2_000)),
    ];
    const deliveries = new Deliveries();
    deliveries.onDeliver = (effect) => {
      throw thrown[effect as number];
    };
    const outbox = { maxAttempts: 1 };
    await using actor = startTeller(provider, "events", { deliveries, outbox });
    await actor.say("x", range(0, 3));
    await actor.outbox.drained();
    const letters = await allOf(actor.outbox.deadLetters());
    assert.deepEqual(letters.map(({ lastError }) => lastError.slice(0, 9)), [
      "undefined",
      "xxxxxxxxx",
      "what was ",
      "ééééééééé",
    ]);
    assert.deepEqual(
      letters.map(({ lastError }) => lastError.length <= 1_000),
      Array(4).fill(true),
    );
  });
}

function describeLetters(options: ConformanceOptions): void {
  const check = casesOf(options, "dead letters", withActors);

  check("one that is retried is delivered from its first attempt on, also after a restart", async (
    provider,
  ) => {
    const deliveries = poisoned();
    const outbox = { maxAttempts: 2 };
    {
      await using actor = startTeller(provider, "events", { deliveries, outbox });
      await actor.say("x", ["poison", "mail"]);
      await actor.outbox.drained();
      const [letter] = await allOf(actor.outbox.deadLetters());
      assert.ok(letter);
      assert.equal(await actor.outbox.retry(letter), true);
      await actor.outbox.drained();
      assert.deepEqual(await actor.outbox.counts(), { open: 0, dead: 1 }, "given up once more");
      deliveries.seen.length = 0;
      deliveries.onDeliver = () => {};
    }
    await using actor = startTeller(provider, "events", { deliveries, outbox });
    await actor.outbox.drained();
    assert.deepEqual(deliveries.seen, [], "by itself it is not delivered");
    const [letter] = await allOf(actor.outbox.deadLetters({ actorId: "a" }));
    assert.ok(letter);
    const { actorId, sequenceNumber, index } = letter;
    assert.equal(await actor.outbox.retry({ actorId, sequenceNumber, index }), true);
    await actor.outbox.drained();
    assert.deepEqual(deliveries.seen, [{ effect: "poison", id: "a/0/0", attempt: 1 }]);
    assert.deepEqual(await actor.outbox.counts(), { open: 0, dead: 0 });
    assert.equal(await actor.outbox.retry(letter), false, "there is none any more");
    assert.equal(await actor.outbox.drop(letter), false);
  });

  check("one that is dropped is never delivered", async (provider) => {
    const deliveries = poisoned();
    const outbox = { maxAttempts: 1 };
    {
      await using actor = startTeller(provider, "events", { deliveries, outbox });
      await actor.say("x", ["poison"]);
      await actor.outbox.drained();
      const [letter] = await allOf(actor.outbox.deadLetters());
      assert.ok(letter);
      const dropped = await Promise.all(range(1, 5).map(() => actor.outbox.drop(letter)));
      assert.deepEqual(dropped.filter(Boolean), [true], "once");
      assert.equal(await actor.outbox.retry(letter), false);
      assert.deepEqual(await actor.outbox.counts(), { open: 0, dead: 0 });
    }
    await using actor = startTeller(provider, "events", { deliveries, outbox });
    await actor.outbox.drained();
    assert.equal(deliveries.seen.length, 1);
  });

  check("they are listed in the order of actors and decisions, of one or all, in pages", async (
    provider,
  ) => {
    const deliveries = new Deliveries();
    deliveries.onDeliver = () => {
      throw FAILURE;
    };
    await using actors = startAllOn(provider, account, {
      outbox: { deliver: deliveries.deliver, maxAttempts: 1 },
    });
    await using others = startAllOn(provider, account, {
      kind: "test2",
      outbox: { deliver: deliveries.deliver, maxAttempts: 1 },
    });
    const odd = ["a", "a\0", "b", "\0", "é", "a/0"];
    for (const id of odd) {
      await actors.tell(id, { type: "add", amounts: [1], effects: range(0, 59) });
      await actors.tell(id, { type: "add", amounts: [], effects: [60] });
      await others.tell(id, { type: "add", amounts: [1], effects: ["other"] });
    }
    await Promise.all([actors.outbox.drained(), others.outbox.drained()]);
    assert.deepEqual(await actors.outbox.counts(), { open: 0, dead: odd.length * 61 });
    assert.deepEqual(await others.outbox.counts(), { open: 0, dead: odd.length });
    const letters = await allOf(actors.outbox.deadLetters());
    const sorted = ["\0", "a", "a\0", "a/0", "b", "é"];
    assert.deepEqual(
      letters.map(({ actorId, effect }) => [actorId, effect]),
      sorted.flatMap((id) => range(0, 60).map((effect) => [id, effect])),
    );
    assert.equal(new Set(letters.map(({ id }) => id)).size, letters.length);
    for (const id of odd) {
      const ofOne = await allOf(actors.outbox.deadLetters({ actorId: id }));
      assert.deepEqual(ofOne.map(({ effect }) => effect), range(0, 60));
    }
    deliveries.onDeliver = () => {};
    for await (const letter of actors.outbox.deadLetters()) await actors.outbox.retry(letter);
    await actors.outbox.drained();
    assert.deepEqual(await actors.outbox.counts(), { open: 0, dead: 0 });
  });

  check("bad places are refused, and after close it is CLOSED", async (provider) => {
    const deliveries = poisoned();
    const actor = startTeller(provider, "events", { deliveries });
    const { outbox } = actor;
    const bad: readonly (readonly [unknown, "type" | "range"])[] = [
      [null, "type"],
      ["a/0/0", "type"],
      [{}, "type"],
      [{ actorId: "a", sequenceNumber: "0", index: 0 }, "type"],
      [{ actorId: "", sequenceNumber: 0, index: 0 }, "range"],
      [{ actorId: "a", sequenceNumber: -2, index: 0 }, "range"],
      [{ actorId: "a", sequenceNumber: 0.5, index: 0 }, "range"],
      [{ actorId: "a", sequenceNumber: 0, index: -1 }, "range"],
      [{ actorId: "a", sequenceNumber: 0, index: NaN }, "range"],
    ];
    for (const [place, type] of bad) {
      await assertRefused(() => outbox.retry(place as EffectPlace), type);
      await assertRefused(() => outbox.drop(place as EffectPlace), type);
    }
    await assertRefused(() => outbox.deadLetters({ actorId: "" }).next(), "range");
    assert.equal(await outbox.drop({ actorId: "a", sequenceNumber: -1, index: 0 }), false);
    await provider.close();
    await assertFails(() => outbox.counts(), "CLOSED");
    await assertFails(() => outbox.deadLetters().next(), "CLOSED");
    await assertFails(() => outbox.drop({ actorId: "a", sequenceNumber: 0, index: 0 }), "CLOSED");
    await actor.stop();
  });

  check("drained can be given up, and ends with a stop", async (provider) => {
    const deliveries = poisoned();
    const outbox = { initialDelayMs: 60_000, maxDelayMs: 60_000 };
    const actor = startTeller(provider, "events", { deliveries, outbox });
    await actor.say("x", ["poison"]);
    const reason = new Error("changed my mind");
    const controller = new AbortController();
    const drained = actor.outbox.drained({ signal: controller.signal });
    controller.abort(reason);
    assert.equal(await errorOf(() => drained), reason);
    const { signal } = controller;
    assert.equal(await errorOf(() => actor.outbox.drained({ signal })), reason);
    await assertRefused(() => actor.outbox.drained({ signal: {} as AbortSignal }), "type");
    const ended = actor.outbox.drained();
    await actor.stop();
    await ended;
  });
}

function describeDamage(options: ConformanceOptions): void {
  const check = casesOf(options, "dead letters", withActors);

  check(
    "a damaged effect is given up at once, and holds up no other",
    async (provider, storage) => {
      const deliveries = new Deliveries();
      deliveries.onDeliver = () => {
        throw FAILURE;
      };
      const late = { deliver: deliveries.deliver, initialDelayMs: 60_000, maxDelayMs: 60_000 };
      {
        await using actors = startAllOn(provider, account, { outbox: late });
        for (const id of ["a", "b", "c"]) {
          await actors.tell(id, { type: "add", amounts: [1], effects: ["mail", "more"] });
        }
        await until(() => deliveries.seen.length === 3);
      }
      await damage(storage, "b", 0);
      const problems = new Problems();
      deliveries.seen.length = 0;
      deliveries.onDeliver = () => {};
      await using actors = startAllOn(provider, account, {
        outbox: { deliver: deliveries.deliver, ...quickDelivery },
        onProblem: problems.onProblem,
      });
      await actors.outbox.drained();
      assert.deepEqual(
        deliveries.seen.map(({ effect, id }) => [id, effect]).toSorted(),
        [["a/0/0", "mail"], ["a/0/1", "more"], ["b/0/1", "more"], ["c/0/0", "mail"], [
          "c/0/1",
          "more",
        ]],
      );
      assert.deepEqual(problems.all.map(({ type, effectId }) => [type, effectId]), [
        ["dead-letter", "b/0/0"],
      ]);
      assert.deepEqual(await actors.outbox.counts(), { open: 0, dead: 1 });
      const [letter, ...others] = await allOf(actors.outbox.deadLetters());
      assert.deepEqual(others, []);
      assert.ok(letter);
      assert.equal(letter.id, "b/0/0");
      assert.match(letter.lastError, /outbox of actor "b"/);
      await assertFails(() => letter.effect, "CORRUPT", { actorId: "b" });
      await assertFails(() => actors.outbox.retry(letter), "CORRUPT", { actorId: "b" });
      assert.equal(await actors.outbox.drop(letter), true);
      assert.deepEqual(await actors.outbox.counts(), { open: 0, dead: 0 });
      // The actor itself is not concerned.
      assert.deepEqual(await actors.ask("b", { type: "add", amounts: [2] }), [1, 2]);
    },
  );

  check(
    "a dead letter that is damaged is listed, and can be dropped",
    async (provider, storage) => {
      const outbox = { deliver: () => Promise.reject(FAILURE), maxAttempts: 1 };
      await using actor = startOn(provider, account, { outbox });
      await actor.tell({ type: "add", amounts: [1], effects: ["mail", "more"] });
      await actor.outbox.drained();
      await damage(storage, "a", 0, "dead");
      const letters = await allOf(actor.outbox.deadLetters());
      assert.deepEqual(letters.map(({ id }) => id), ["a/0/0", "a/0/1"]);
      const [damaged, good] = letters;
      assert.ok(damaged && good);
      await assertFails(() => damaged.effect, "CORRUPT", { actorId: "a" });
      assert.equal(good.effect, "more");
      await assertFails(() => actor.outbox.retry(damaged), "CORRUPT");
      assert.equal(await actor.outbox.drop(damaged), true);
      assert.deepEqual(await actor.outbox.counts(), { open: 0, dead: 1 });
    },
  );
}

/** Changes a byte of an effect. */
async function damage(
  storage: Storage,
  actorId: string,
  index: number,
  state: "open" | "dead" = "open",
): Promise<void> {
  const { key: actor } = addressOf("test", actorId, "damage");
  const key = effectKey(state, actor, 0, index);
  const stored = await storage.get("outbox", key);
  assert.ok(stored);
  const value = stored.value.slice();
  value[value.length - 1] = (value[value.length - 1] ?? 0) ^ 1;
  await commit(storage, put(key, value, { keyspace: "outbox", version: stored.version }));
}
