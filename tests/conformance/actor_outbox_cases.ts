import assert from "node:assert/strict";
import { PersistenceError } from "../../core/errors.ts";
import { PersistenceProvider } from "../../core/provider.ts";
import {
  account,
  Deliveries,
  log,
  Problems,
  startOn,
  storedOf,
  turn,
  until,
  withObserved,
} from "./actor_fixture.ts";
import { assertFails, casesOf, errorOf, range, withProvider } from "./fixture.ts";
import type { ConformanceOptions } from "./types.ts";

/** Registers the cases about effects that must happen at least once. */
export function describeOutbox(options: ConformanceOptions): void {
  const check = casesOf(options, "actor outbox", withProvider());

  for (const kind of ["events", "commands"] as const) {
    check(`${kind}: an effect is delivered once it is durable, in order, with a stable id`, async (
      provider,
    ) => {
      const deliveries = new Deliveries();
      const stored: number[] = [];
      deliveries.onDeliver = async () => {
        stored.push((await storedOf(provider)).length);
      };
      {
        await using actor = start(provider, kind, deliveries);
        await actor.say("x", ["first", { second: true }]);
        await actor.say("y", []);
        await actor.say("z", ["third"]);
        await until(() => deliveries.seen.length === 3);
        await until(() => actor.isIdle);
      }
      assert.deepEqual(deliveries.seen.map(({ effect }) => effect), [
        "first",
        { second: true },
        "third",
      ]);
      assert.equal(new Set(deliveries.seen.map(({ id }) => id)).size, 3);
      assert.equal(deliveries.seen[0]?.id, "a/0/0");
      assert.equal(deliveries.seen[1]?.id, "a/0/1");
      assert.ok(stored.every((count) => count > 0));

      await using again = start(provider, kind, deliveries);
      assert.deepEqual(await again.read(), ["x", "y", "z"]);
      await turn();
      assert.equal(deliveries.seen.length, 3, "what is confirmed is not delivered again");
    });

    check(`${kind}: it is tried again until it is confirmed, also after a restart`, async (
      provider,
    ) => {
      const deliveries = new Deliveries();
      const problems = new Problems();
      deliveries.onDeliver = () => Promise.reject(new Error("so wants the test"));
      const ids = new Set<string>();
      for (const withSnapshot of [false, true, false]) {
        const actor = start(provider, kind, deliveries, problems);
        if (ids.size === 0) await actor.say("x", ["mail"]);
        if (withSnapshot) await actor.snapshot();
        const { length } = deliveries.seen;
        await until(() => deliveries.seen.length > length + 2);
        assert.equal(actor.isIdle, false, "it has something to do");
        await actor.stop();
        for (const { effect, id } of deliveries.seen) {
          assert.equal(effect, "mail");
          ids.add(id);
        }
      }
      assert.equal(ids.size, 1);
      assert.ok(
        problems.all.every(({ type, effectId }) =>
          type === "delivery" && effectId !== undefined && ids.has(effectId)
        ),
      );
      assert.deepEqual(problems.all.slice(0, 2).map(({ attempt }) => attempt), [1, 2]);
      deliveries.onDeliver = () => {};
      {
        await using actor = start(provider, kind, deliveries);
        assert.deepEqual(await actor.read(), ["x"]);
        await until(() => actor.isIdle);
      }
      const { length } = deliveries.seen;
      await using actor = start(provider, kind, deliveries);
      await actor.read();
      await turn();
      assert.equal(deliveries.seen.length, length);
    });
  }

  check("an effect without an event is stored, too, and events stay readable", async (provider) => {
    const deliveries = new Deliveries();
    {
      await using actor = startOn(provider, account, { outbox: deliveries });
      await actor.ask({ type: "add", amounts: [], effects: ["alone"] });
      await actor.ask({ type: "add", amounts: [1, 2] });
      await until(() => actor.isIdle);
      assert.deepEqual(await actor.ask({ type: "read" }), [1, 2]);
    }
    assert.deepEqual(deliveries.seen.map(({ effect }) => effect), ["alone"]);
    const stored = await storedOf(provider);
    assert.deepEqual(stored[0], { "@cajun/actor": 1, effects: ["alone"] });
    assert.ok(stored.some((entry) => JSON.stringify(entry) === `{"add":2}`));
  });

  check("by default effects are delivered in their order, one by one", async (provider) => {
    const deliveries = new Deliveries();
    let running = 0;
    deliveries.onDeliver = async (_effect, { attempt }) => {
      assert.equal(running++, 0);
      await turn();
      running--;
      if (attempt === 1) throw new Error("so wants the test");
    };
    await using actor = start(provider, "events", deliveries);
    await Promise.all(range(1, 5).map((number) => actor.say(`${number}`, [number])));
    await until(() => actor.isIdle);
    assert.deepEqual(
      deliveries.seen.map(({ effect }) => effect),
      range(1, 5).flatMap((number) => [number, number]),
    );
  });

  check("several at once where that is wanted", async (provider) => {
    const deliveries = new Deliveries();
    let running = 0;
    let most = 0;
    deliveries.onDeliver = async () => {
      most = Math.max(most, ++running);
      await turn();
      running--;
    };
    await using actor = startOn(provider, account, {
      outbox: { ...deliveries, concurrency: 3 },
    });
    await actor.tell({ type: "add", amounts: [1], effects: range(1, 10) });
    await until(() => actor.isIdle);
    assert.equal(most, 3);
    assert.equal(deliveries.seen.length, 10);
  });

  check("an attempt that takes too long is aborted and counts as failed", async (provider) => {
    const deliveries = new Deliveries();
    const problems = new Problems();
    deliveries.onDeliver = (_effect, { attempt, signal }) =>
      attempt > 1 ? undefined : new Promise((resolve) => {
        signal.addEventListener("abort", () => resolve());
      });
    await using actor = startOn(provider, account, {
      outbox: { ...deliveries, timeoutMs: 10 },
      ...problems,
    });
    await actor.tell({ type: "add", amounts: [1], effects: ["slow"] });
    await until(() => actor.isIdle);
    assert.equal(deliveries.seen.length, 2);
    const error = problems.all[0]?.error;
    assert.ok(error instanceof PersistenceError && error.code === "TIMEOUT");
  });

  check("confirmations of many effects share entries", async (provider) => {
    const deliveries = new Deliveries();
    await using actor = startOn(provider, account, {
      outbox: { ...deliveries, concurrency: 100 },
      snapshotPolicy: "manual",
    });
    await actor.tell({ type: "add", amounts: [1], effects: range(1, 100) });
    await until(() => actor.isIdle);
    assert.ok((await storedOf(provider)).length < 20);
  });

  const observed = casesOf(options, "actor outbox", withObserved);

  observed("what is lost is not delivered; what cannot be confirmed is delivered again", async (
    storage,
    provider,
  ) => {
    const deliveries = new Deliveries();
    const actor = start(provider, "events", deliveries);
    await actor.read();
    storage.failCommit = () => new PersistenceError("STORAGE_FULL", "Cannot commit: full");
    await assertFails(() => actor.say("x", ["lost"]), "STORAGE_FULL");
    assert.equal(deliveries.seen.length, 0);
    storage.failCommit = () => undefined;
    deliveries.onDeliver = () => {
      storage.failCommit = () => new PersistenceError("REOPEN_REQUIRED", "Cannot commit: unknown");
    };
    await actor.say("y", ["kept"]);
    await actor.terminated;
    storage.failCommit = () => undefined;
    deliveries.onDeliver = () => {};
    await using reopened = await PersistenceProvider.openOn(storage.inner);
    {
      await using again = start(reopened, "events", deliveries);
      assert.deepEqual(await again.read(), ["y"]);
      await until(() => again.isIdle);
    }
    assert.deepEqual(deliveries.seen.map(({ effect }) => effect), ["kept", "kept"]);
    assert.equal(deliveries.seen[0]?.id, deliveries.seen[1]?.id);
  });

  check("effects that cannot be stored refuse their command", async (provider) => {
    const deliveries = new Deliveries();
    await using actor = start(provider, "events", deliveries);
    assert.ok(await errorOf(() => actor.say("x", [() => {}])));
    assert.deepEqual(await actor.read(), []);
    assert.deepEqual(deliveries.seen, []);
  });
}

/** An actor of either kind that can be told a letter, with effects. */
interface Teller extends AsyncDisposable {
  readonly isIdle: boolean;
  readonly terminated: Promise<void>;
  say(letter: string, effects: readonly unknown[]): Promise<unknown>;
  read(): Promise<string[]>;
  snapshot(): Promise<void>;
  stop(): Promise<void>;
}

function start(
  provider: PersistenceProvider,
  kind: "events" | "commands",
  deliveries: Deliveries,
  problems: Problems = new Problems(),
): Teller {
  const outbox = { deliver: deliveries.deliver };
  if (kind === "commands") {
    const actor = startOn(provider, log(), { outbox, ...problems });
    return tellerOf(
      actor,
      (text, effects) => actor.tell({ text, effects }),
      () => actor.ask({ read: true }),
    );
  }
  const actor = startOn(provider, account, { outbox, ...problems });
  return tellerOf(
    actor,
    (letter, effects) => actor.tell({ type: "add", amounts: [letter.charCodeAt(0)], effects }),
    async () => (await actor.ask({ type: "read" })).map((code) => String.fromCharCode(code)),
  );
}

function tellerOf(
  actor: Omit<Teller, "say" | "read">,
  say: Teller["say"],
  read: Teller["read"],
): Teller {
  return {
    get isIdle() {
      return actor.isIdle;
    },
    terminated: actor.terminated,
    say,
    read,
    snapshot: () => actor.snapshot(),
    stop: () => actor.stop(),
    [Symbol.asyncDispose]: () => actor.stop(),
  };
}
