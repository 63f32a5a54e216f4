import assert from "node:assert/strict";
import type { StatefulActor } from "../../../core/actors/stateful_actor.ts";
import { commandSourced, eventSourced } from "../../../core/actors/behavior.ts";
import type { PersistenceProvider } from "../../../core/provider.ts";
import {
  account,
  journalOf,
  LOG,
  log,
  startOn,
  storedOf,
  turn,
  until,
  withActors,
  withObserved,
} from "./fixture.ts";
import { assertFails, casesOf, errorOf, range } from "../fixture.ts";
import type { ConformanceOptions } from "../types.ts";

/** Registers the cases about messages: their order, and when they are answered. */
export function describeMessages(options: ConformanceOptions): void {
  const check = casesOf(options, "actor messages", withActors);

  check("events are journaled as they are, and answered with the state after them", async (
    provider,
  ) => {
    await using actor = startOn(provider, account);
    assert.deepEqual(await actor.ask({ type: "add", amounts: [1] }), [1]);
    assert.deepEqual(await actor.ask({ type: "add", amounts: [2, 3] }), [1, 2, 3]);
    assert.equal(await actor.tell({ type: "add", amounts: [4] }), undefined);
    assert.deepEqual(await actor.ask({ type: "read" }), [1, 2, 3, 4]);
    assert.deepEqual(await storedOf(provider), [{ add: 1 }, { add: 2 }, { add: 3 }, { add: 4 }]);
  });

  check("messages are journaled as they are, then handled", async (provider) => {
    await using actor = startOn(provider, log());
    assert.deepEqual(await actor.ask({ text: "x" }), ["x"]);
    assert.deepEqual(await actor.ask({ read: true }), ["x"]);
    await actor.tell({ text: "y" });
    assert.deepEqual(await actor.ask({ read: true }), ["x", "y"]);
    assert.deepEqual(await storedOf(provider), [{ text: "x" }, { text: "y" }]);
  });

  check("what only reads is not journaled, and is answered in its place", async (provider) => {
    await using events = startOn(provider, account);
    await using commands = startOn(provider, log(), { kind: LOG, actorId: "b" });
    const answers = await Promise.all(
      range(1, 20).flatMap((amount) => [
        events.ask({ type: "add", amounts: [amount] }),
        events.ask({ type: "read" }),
        commands.ask({ text: `${amount}` }),
        commands.ask({ read: true }),
      ]),
    );
    for (const [index, answer] of answers.entries()) {
      const count = Math.floor(index / 4) + 1;
      assert.deepEqual(answer, index % 4 < 2 ? range(1, count) : range(1, count).map(String));
    }
    assert.equal((await storedOf(provider)).length, 20);
    assert.equal((await storedOf(provider, "b", LOG)).length, 20);
  });

  check("what is sent before recovery is done waits in order", async (provider) => {
    await journalOf(provider).appendBatch("a", range(1, 50).map((add) => ({ add })));
    await using actor = startOn(provider, account);
    assert.equal(actor.status, "recovering");
    const answers = [51, 52, 53].map((amount) => actor.ask({ type: "add", amounts: [amount] }));
    assert.deepEqual(await Promise.all(answers), [range(1, 51), range(1, 52), range(1, 53)]);
    assert.equal(actor.status, "running");
    const { replayed, sequenceNumber, snapshot } = await actor.recovered;
    assert.deepEqual([replayed, sequenceNumber, snapshot], [50, 49, undefined]);
  });

  check("handlers take turns, also those that take their time", async (provider) => {
    await using actor = startOn(provider, account);
    let release = () => {};
    const after = new Promise<void>((resolve) => {
      release = resolve;
    });
    const answers = [
      actor.ask({ type: "addLater", amount: 1, after }),
      actor.ask({ type: "add", amounts: [2] }),
      actor.ask({ type: "addLater", amount: 3, after }),
      actor.ask({ type: "read" }),
    ];
    await turn();
    assert.equal(actor.pending, 4);
    release();
    assert.deepEqual(await Promise.all(answers), [[1], [1, 2], [1, 2, 3], [1, 2, 3]]);
    assert.equal(actor.pending, 0);
  });

  check("a handler may send its own actor a message", async (provider) => {
    const actor: StatefulActor<number, number, number> = startOn(
      provider,
      eventSourced<number, number, number, number, unknown>({
        initialState: 0,
        handle(_state, left) {
          if (left > 0) void actor.tell(left - 1);
          return { events: [left], reply: (sum) => sum };
        },
        apply: (sum, left) => sum + left,
      }),
    );
    assert.equal(await actor.ask(4), 4);
    await actor.stop();
    assert.deepEqual(await storedOf(provider), [4, 3, 2, 1, 0]);
  });

  check("a handler that returns nothing has no consequences", async (provider) => {
    await using actor = startOn(
      provider,
      eventSourced<null, null, null, void, unknown>({
        initialState: null,
        handle() {},
        apply: (state) => state,
      }),
    );
    assert.equal(await actor.ask(null), undefined);
    assert.deepEqual(await storedOf(provider), []);
  });

  check("messages of every shape are stored as they are", async (provider) => {
    const odd = [null, undefined, 0, "", [], {}, { "@cajun/actor": 1 }, {
      "@cajun/actor": { refused: 0 },
    }, { "@cajun/actor": 9, confirmed: [[0, 0]] }];
    const behavior = commandSourced<unknown[], unknown, unknown[], unknown>({
      initialState: [],
      handle: (state, message) => ({ state: [...state, message], reply: (state) => state }),
    });
    {
      await using actor = startOn(provider, behavior);
      for (const message of odd) await actor.tell(message);
      await actor.snapshot();
      await actor.tell("after");
    }
    await using actor = startOn(provider, behavior);
    assert.deepEqual(await actor.ask("last"), [...odd, "after", "last"]);
    assert.equal((await actor.recovered).snapshot?.sequenceNumber, odd.length - 1);
  });

  check("a state of every shape is saved as it is", async (provider) => {
    const behavior = commandSourced<unknown, unknown, unknown, unknown>({
      initialState: "nothing",
      handle: (_state, message) => ({ state: message, reply: (state) => state }),
      isReadOnly: (message) => message === "read",
    });
    for (const state of [null, undefined, { "@cajun/actor": 2, content: 5 }, { content: 5 }]) {
      const actorId = JSON.stringify(state) ?? "undefined";
      {
        await using actor = startOn(provider, behavior, { actorId });
        await actor.tell(state);
        await actor.snapshot();
      }
      const { state: recovered } = await recoveredOf(provider, behavior, actorId);
      assert.deepEqual(recovered, state);
    }
  });

  describeDurability(options);
}

/** A read-only message gives no state of its own, so the answer is the recovered one. */
async function recoveredOf(
  provider: PersistenceProvider,
  behavior: Parameters<typeof startOn<unknown, unknown, unknown, unknown>>[1],
  actorId: string,
): Promise<{ state: unknown }> {
  await using actor = startOn(provider, behavior, { actorId });
  return { state: await actor.ask("read") };
}

function describeDurability(options: ConformanceOptions): void {
  const observed = casesOf(options, "actor durability", withObserved);

  observed("nothing is answered before it is durable, errors and reads neither", async (
    storage,
    provider,
  ) => {
    await using events = startOn(provider, account);
    await using commands = startOn(provider, log(), { kind: LOG, actorId: "b" });
    await Promise.all([events.recovered, commands.recovered]);
    const release = storage.holdCommits();
    let answered = 0;
    const calls = [
      events.ask({ type: "add", amounts: [1] }),
      events.ask({ type: "read" }),
      events.tell({ type: "refuse", error: new Error("refused") }).catch((error) => error.message),
      commands.ask({ text: "x" }),
      commands.ask({ read: true }),
    ].map((call) =>
      call.then((answer: unknown) => {
        answered++;
        return answer;
      })
    );
    await storage.commitHeld();
    for (const _ of range(1, 3)) await turn();
    assert.equal(answered, 0);
    assert.deepEqual(await storedOf(provider), []);
    release();
    assert.deepEqual(await Promise.all(calls), [[1], [1], "refused", ["x"], ["x"]]);
  });

  observed("while a write is in flight the mailbox goes on: a busy actor commits in groups", async (
    storage,
    provider,
  ) => {
    let handled = 0;
    const counter = eventSourced<number, number, number>({
      initialState: 0,
      handle(_state, amount) {
        handled++;
        return { events: [amount] };
      },
      apply: (state, amount) => state + amount,
    });
    await using actor = startOn(provider, counter, { snapshotPolicy: "manual" });
    await actor.recovered;
    const before = storage.commits;
    const release = storage.holdCommits();
    const first = actor.ask(0);
    await storage.commitHeld();
    const others = range(1, 100).map((amount) => actor.ask(amount));
    await until(() => handled === 101);
    release();
    await Promise.all([first, ...others]);
    assert.equal(storage.commits, before + 2);
  });

  observed("what a command decides goes into the journal wholly or not at all", async (
    storage,
    provider,
  ) => {
    await using actor = startOn(provider, account, { retry: { maxRetries: 0 } });
    await actor.recovered;
    storage.failCommit = () => new Error("so wants the test");
    await assertFails(() => actor.ask({ type: "add", amounts: range(1, 5) }), "STORAGE_FAILED");
    storage.failCommit = () => undefined;
    assert.deepEqual(await actor.ask({ type: "add", amounts: [6, 7] }), [6, 7]);
    assert.deepEqual(await storedOf(provider), [{ add: 6 }, { add: 7 }]);
  });

  const check = casesOf(options, "actor durability", withActors);

  check("side effects happen once, after durability, never in replay", async (provider) => {
    const calls: unknown[] = [];
    const call = async () => {
      calls.push(await storedOf(provider));
    };
    {
      await using actor = startOn(provider, account);
      assert.deepEqual(await actor.ask({ type: "afterPersist", amount: 1, call }), [1]);
      assert.deepEqual(calls, [[{ add: 1 }]], "and the answer waits for them");
    }
    await using actor = startOn(provider, account);
    assert.deepEqual(await actor.ask({ type: "read" }), [1]);
    assert.equal(calls.length, 1);
  });

  check(
    "a side effect that fails is told to the asker, and nothing is undone",
    async (provider) => {
      await using actor = startOn(provider, account);
      const failure = new Error("so wants the test");
      for (
        const call of [() => Promise.reject(failure), () => {
          throw failure;
        }]
      ) {
        assert.equal(
          await errorOf(() => actor.ask({ type: "afterPersist", amount: 1, call })),
          failure,
        );
      }
      assert.deepEqual(await actor.ask({ type: "read" }), [1, 1]);
    },
  );

  check("an answer that cannot be made is told to the asker, and nothing is undone", async (
    provider,
  ) => {
    await using actor = startOn(provider, account);
    const error = await errorOf(() => actor.ask({ type: "badReply", amount: 1 }));
    assert.ok(error instanceof Error && error.message === "no reply");
    assert.deepEqual(await actor.ask({ type: "read" }), [1]);
  });
}
