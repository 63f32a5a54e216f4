import assert from "node:assert/strict";
import { PersistenceError } from "../../../core/errors/persistence_error.ts";
import {
  account,
  Deliveries,
  gate,
  journalOf,
  openOn,
  Problems,
  quickDelivery,
  startOn,
  storedOf,
  turn,
  until,
  withActors,
  withObserved,
} from "./fixture.ts";
import { type Sourcing, startTeller, untilCounts } from "./outbox_fixture.ts";
import { assertFails, casesOf, errorOf, range } from "../fixture.ts";
import type { ConformanceOptions } from "../types.ts";

const SOURCINGS: readonly Sourcing[] = ["events", "commands"];

/** Registers the cases about effects that must happen at least once. */
export function describeOutbox(options: ConformanceOptions): void {
  describeDelivery(options);
  describeOrder(options);
  describeLosses(options);
}

function describeDelivery(options: ConformanceOptions): void {
  const check = casesOf(options, "actor outbox", withActors);

  for (const kind of SOURCINGS) {
    check(`${kind}: an effect is delivered once it is durable, in order, with a stable id`, async (
      provider,
    ) => {
      const deliveries = new Deliveries();
      const stored: number[] = [];
      deliveries.onDeliver = async (_effect, delivery) => {
        assert.equal(delivery.kind, kind);
        const journal = provider.createMessageJournal({ kind });
        stored.push(await journal.getHighestSequenceNumber("a") - delivery.sequenceNumber);
      };
      {
        await using actor = startTeller(provider, kind, { deliveries });
        await actor.say("x", ["first", { second: true }]);
        await actor.say("y", []);
        await actor.say("z", ["third"]);
        await actor.outbox.drained();
      }
      assert.deepEqual(
        deliveries.seen.map(({ effect, id }) => [effect, id]),
        [["first", "a/0/0"], [{ second: true }, "a/0/1"], ["third", "a/2/0"]],
      );
      assert.ok(stored.every((after) => after >= 0));

      await using again = startTeller(provider, kind, { deliveries });
      assert.deepEqual(await again.read(), ["x", "y", "z"]);
      await again.outbox.drained();
      await turn();
      assert.equal(deliveries.seen.length, 3, "what is confirmed is not delivered again");
      assert.deepEqual(await again.outbox.counts(), { open: 0, dead: 0 });
    });

    check(`${kind}: it is tried again until it is confirmed, also after a restart`, async (
      provider,
    ) => {
      const deliveries = new Deliveries();
      const problems = new Problems();
      deliveries.onDeliver = () => Promise.reject(new Error("so wants the test"));
      const ids = new Set<string>();
      const outbox = { maxAttempts: Infinity };
      for (const withSnapshot of [false, true, false]) {
        const actor = startTeller(provider, kind, { deliveries, problems, outbox });
        if (ids.size === 0) await actor.say("x", ["mail"]);
        if (withSnapshot) await actor.snapshot();
        const { length } = deliveries.seen;
        await until(() => deliveries.seen.length > length + 2);
        assert.deepEqual(await actor.outbox.counts(), { open: 1, dead: 0 });
        await actor.stop();
        for (const { effect, id } of deliveries.seen) {
          assert.equal(effect, "mail");
          ids.add(id);
        }
      }
      assert.equal(ids.size, 1);
      assert.deepEqual(
        deliveries.seen.map(({ attempt }) => attempt),
        range(1, deliveries.seen.length),
        "attempts before a restart count",
      );
      assert.ok(
        problems.all.every(({ type, effectId, actorId, kind: ofKind }) =>
          type === "delivery" && effectId === "a/0/0" && actorId === "a" && ofKind === kind
        ),
      );
      assert.deepEqual(
        problems.all.map(({ attempt }) => attempt),
        range(1, deliveries.seen.length),
      );
      deliveries.onDeliver = () => {};
      {
        await using actor = startTeller(provider, kind, { deliveries });
        assert.deepEqual(await actor.read(), ["x"]);
        await actor.outbox.drained();
      }
      const { length } = deliveries.seen;
      await using actor = startTeller(provider, kind, { deliveries });
      await actor.read();
      await actor.outbox.drained();
      assert.equal(deliveries.seen.length, length);
    });

    check(`${kind}: each attempt gets a copy of what was stored`, async (provider) => {
      const deliveries = new Deliveries();
      const seen: string[] = [];
      deliveries.onDeliver = (effect, { attempt }) => {
        const { list } = effect as { list: number[] };
        seen.push(list.join());
        list.push(attempt);
        if (attempt < 3) throw new Error("so wants the test");
      };
      const effect = { list: [7] };
      await using actor = startTeller(provider, kind, { deliveries });
      await actor.say("x", [effect]);
      effect.list.push(8);
      await actor.outbox.drained();
      assert.deepEqual(seen, ["7", "7", "7"]);
    });
  }

  check("an effect without an event is stored, too, and the journal has events alone", async (
    provider,
  ) => {
    const deliveries = new Deliveries();
    {
      await using actor = startOn(provider, account, { outbox: { deliver: deliveries.deliver } });
      await actor.ask({ type: "add", amounts: [], effects: ["alone"] });
      await actor.ask({ type: "add", amounts: [1, 2] });
      await actor.ask({ type: "add", amounts: [], effects: ["later", "last"] });
      await actor.outbox.drained();
      assert.deepEqual(await actor.ask({ type: "read" }), [1, 2]);
    }
    assert.deepEqual(deliveries.seen.map(({ effect }) => effect), ["alone", "later", "last"]);
    assert.equal(new Set(deliveries.seen.map(({ id }) => id)).size, 3);
    assert.deepEqual(await storedOf(provider), [{ add: 1 }, { add: 2 }]);
  });

  check("readers of the journal see what the user journaled, and nothing else", async (
    provider,
  ) => {
    const deliveries = new Deliveries();
    {
      await using actor = startOn(provider, account, { outbox: { deliver: deliveries.deliver } });
      await actor.ask({ type: "add", amounts: [1], effects: ["mail"] });
      await errorOf(() => actor.ask({ type: "refuse", error: new Error("refused") }));
      await actor.ask({ type: "add", amounts: [2, 3], effects: ["more", "mails"] });
      await actor.outbox.drained();
    }
    const journal = journalOf(provider);
    const numbers: number[] = [];
    for await (const { sequenceNumber, message } of journal.replay("a", 0)) {
      numbers.push(sequenceNumber);
      assert.deepEqual(message, { add: sequenceNumber + 1 });
    }
    assert.deepEqual(numbers, [0, 1, 2], "the numbers are dense");
  });

  check("an attempt that takes too long is aborted and counts as failed", async (provider) => {
    const deliveries = new Deliveries();
    const problems = new Problems();
    const aborted: unknown[] = [];
    deliveries.onDeliver = (_effect, { attempt, signal }) =>
      attempt > 1 ? undefined : new Promise((resolve) => {
        signal.addEventListener("abort", () => {
          aborted.push(signal.reason);
          resolve();
        });
      });
    await using actor = startOn(provider, account, {
      outbox: { deliver: deliveries.deliver, timeoutMs: 10, ...quickDelivery },
      onProblem: problems.onProblem,
    });
    await actor.tell({ type: "add", amounts: [1], effects: ["slow"] });
    await actor.outbox.drained();
    assert.equal(deliveries.seen.length, 2);
    const error = problems.all[0]?.error;
    assert.ok(error instanceof PersistenceError && error.code === "TIMEOUT");
    assert.equal(aborted[0], error);
  });
}

function describeOrder(options: ConformanceOptions): void {
  const check = casesOf(options, "actor outbox", withActors);

  check("by default effects are delivered in their order, one by one", async (provider) => {
    const deliveries = new Deliveries();
    let running = 0;
    deliveries.onDeliver = async (_effect, { attempt }) => {
      assert.equal(running++, 0);
      await turn();
      running--;
      if (attempt === 1) throw new Error("so wants the test");
    };
    await using actor = startTeller(provider, "events", { deliveries });
    await Promise.all(range(1, 5).map((number) => actor.say(`${number}`, [number])));
    await actor.outbox.drained();
    assert.deepEqual(
      deliveries.seen.map(({ effect }) => effect),
      range(1, 5).flatMap((number) => [number, number]),
    );
  });

  check("so they are after restarts, also those without an event, and the first of all", async (
    provider,
  ) => {
    const deliveries = new Deliveries();
    deliveries.onDeliver = () => Promise.reject(new Error("not now"));
    const decided: string[] = [];
    for (const life of range(1, 4)) {
      await using actor = startOn(provider, account, {
        outbox: { deliver: deliveries.deliver, ...quickDelivery, maxAttempts: Infinity },
      });
      for (const [index, amounts] of [[], [], [life], [], [life, life], []].entries()) {
        const effects = [`${life} ${index} a`, `${life} ${index} b`];
        decided.push(...effects);
        // What comes before the first event of all has no number that is its own.
        await actor.tell({ type: "add", amounts, effects });
      }
    }
    deliveries.onDeliver = () => {};
    deliveries.seen.length = 0;
    await using actor = startOn(provider, account, { outbox: { deliver: deliveries.deliver } });
    await actor.outbox.drained();
    assert.deepEqual(deliveries.seen.map(({ effect }) => effect), decided);
    assert.equal(new Set(deliveries.seen.map(({ id }) => id)).size, decided.length);
  });

  check("an effect that waits for its next attempt holds up those of other actors not", async (
    provider,
  ) => {
    const deliveries = new Deliveries();
    deliveries.onDeliver = (effect) => {
      if (effect === "poison") throw new Error("so wants the test");
    };
    const problems = new Problems();
    const outbox = { initialDelayMs: 60_000, maxDelayMs: 60_000 };
    await using one = startTeller(provider, "events", { deliveries, problems, outbox });
    await using other = startTeller(provider, "events", { actorId: "b", deliveries, outbox });
    await one.say("x", ["poison", "after it"]);
    await until(() => problems.types.length > 0);
    await other.say("y", ["other"]);
    await until(() => deliveries.seen.some(({ effect }) => effect === "other"));
    assert.ok(!deliveries.seen.some(({ effect }) => effect === "after it"));
    await untilCounts(other.outbox, { open: 2, dead: 0 });
  });

  for (const concurrency of [2, 3]) {
    check(`${concurrency} at once if that is wanted`, async (provider) => {
      const deliveries = new Deliveries();
      let running = 0;
      let most = 0;
      deliveries.onDeliver = async () => {
        most = Math.max(most, ++running);
        await turn();
        running--;
      };
      const outbox = { concurrency };
      await using actor = startTeller(provider, "events", { deliveries, outbox });
      await actor.say("x", range(1, 10));
      await actor.outbox.drained();
      assert.equal(most, concurrency);
      assert.equal(deliveries.seen.length, 10);
    });
  }
}

function describeLosses(options: ConformanceOptions): void {
  const observed = casesOf(options, "actor outbox", withObserved);

  observed("what is lost is not delivered; what cannot be confirmed is delivered again", async (
    storage,
    provider,
  ) => {
    const deliveries = new Deliveries();
    const actor = startTeller(provider, "events", { deliveries });
    await actor.read();
    storage.failCommit = () => new PersistenceError("STORAGE_FULL", "Cannot commit: full");
    await assertFails(() => actor.say("x", ["lost"]), "STORAGE_FULL");
    assert.equal(deliveries.seen.length, 0);
    storage.failCommit = () => undefined;
    deliveries.onDeliver = () => {
      storage.failCommit = () => new PersistenceError("REOPEN_REQUIRED", "Cannot commit: unknown");
    };
    await actor.say("y", ["kept"]);
    await until(() => deliveries.seen.length > 0);
    await assertFails(() => actor.say("z", []), "REOPEN_REQUIRED");
    await actor.stop();
    storage.failCommit = () => undefined;
    deliveries.onDeliver = () => {};
    await using reopened = await openOn(storage.inner);
    {
      await using again = startTeller(reopened, "events", { deliveries });
      assert.deepEqual(await again.read(), ["y"]);
      await again.outbox.drained();
    }
    assert.deepEqual(deliveries.seen.map(({ effect }) => effect), ["kept", "kept"]);
    assert.equal(deliveries.seen[0]?.id, deliveries.seen[1]?.id);
  });

  observed("confirmations of many effects share commits", async (storage, provider) => {
    const deliveries = new Deliveries();
    const all = gate();
    deliveries.onDeliver = () => {
      if (deliveries.seen.length === 100) all.open();
      return all.opened;
    };
    const outbox = { concurrency: 100 };
    await using actor = startTeller(provider, "events", { deliveries, outbox });
    await actor.say("x", range(1, 100));
    await actor.outbox.drained();
    assert.ok(storage.commits < 20, `${storage.commits} commits`);
  });

  for (const kind of SOURCINGS) {
    observed(`${kind}: effects that cannot be stored refuse their message`, async (
      _storage,
      provider,
    ) => {
      const deliveries = new Deliveries();
      await using actor = startTeller(provider, kind, { deliveries });
      for (const bad of [() => {}, Symbol("x"), new (class Mail {})(), Promise.resolve()]) {
        await assertFails(() => actor.say("x", ["good", bad]), "UNENCODABLE", { actorId: "a" });
      }
      assert.deepEqual(await actor.read(), []);
      await actor.say("y", ["good"]);
      await actor.outbox.drained();
      assert.deepEqual(deliveries.seen.map(({ effect }) => effect), ["good"]);
      assert.deepEqual(await actor.read(), ["y"]);
    });
  }
}
