import assert from "node:assert/strict";
import { MemoryStorage } from "../../adapters/memory.ts";
import { type Behavior, commandSourced, eventSourced } from "../../core/actors/behavior.ts";
import { ActorLoop } from "../../core/actors/loop.ts";
import type { StatefulActorOptions } from "../../core/actors/options.ts";
import type { ActorProblem } from "../../core/actors/report.ts";
import { StatefulActor } from "../../core/actors/stateful_actor.ts";
import { StatefulActors } from "../../core/actors/stateful_actors.ts";
import { PersistenceError } from "../../core/errors/persistence_error.ts";
import { PersistenceProvider } from "../../core/provider.ts";
import { Deferred } from "../../core/util/promises.ts";
import { KeptOpenStorage } from "../conformance/observed_storage.ts";
import { test } from "../harness.ts";

/** Each of these was found by the histories of `actor_model/`, which are random and long. */

/** What an actor is told: numbers that are added up, and what its handler waits for. */
interface Message {
  readonly add: number;
  readonly after?: Promise<void>;
  readonly reply?: Promise<number>;
}

const sum = eventSourced({
  initialState: 0,
  handle(_sum: number, { add, after, reply }: Message) {
    const decision = { events: [add], reply: (sum: number) => reply ?? sum };
    return after ? after.then(() => decision) : decision;
  },
  apply(sum: number, add: number) {
    if (add < 0) throw new RangeError("only more");
    return sum + add;
  },
});

/** Runs a test with a storage that the test can watch, and that outlives what is on it. */
async function withStorage(run: (storage: KeptOpenStorage) => Promise<void>): Promise<void> {
  await using memory = await MemoryStorage.open();
  await run(new KeptOpenStorage(memory));
}

function start<Stored, State, Sent, Reply, Effect>(
  provider: PersistenceProvider,
  behavior: Behavior<State, Sent, Stored, Reply, Effect>,
  options: Partial<StatefulActorOptions<State, Sent, Stored, Reply, Effect>> = {},
): StatefulActor<State, Sent, Reply> {
  return StatefulActor.start<State, Sent, Stored, Reply, Effect>({
    provider,
    kind: "sum",
    actorId: "1",
    behavior,
    retry: { maxRetries: 0 },
    onProblem: () => {},
    ...options,
  });
}

test("actor: no handler sees the state that an asynchronous one has led to, and that is taken back", () =>
  withStorage(async (storage) => {
    const seen: number[] = [];
    const behavior = eventSourced({
      initialState: { sum: 0 },
      handle({ sum }: { sum: number }, { add, after }: Message) {
        seen.push(sum);
        const decision = {
          events: [Math.abs(add), add],
          reply: (state: { sum: number }) => state.sum,
        };
        return after ? after.then(() => decision) : decision;
      },
      apply(state: { sum: number }, add: number) {
        if (add < 0) throw new RangeError("only more");
        state.sum += add;
        return state;
      },
    });
    await using provider = await PersistenceProvider.openOn(storage);
    await using actor = start(provider, behavior);
    const spoilt = actor.ask({ add: -100, after: Promise.resolve() });
    const answers = Promise.all([1, 2, 3].map((add) => actor.ask({ add })));
    await assert.rejects(spoilt, RangeError);
    assert.deepEqual(await answers, [2, 6, 12]);
    assert.deepEqual(seen, [0, 0, 2, 6]);
  }));

test("actors: one that leaves is succeeded when it has left, whatever came and went meanwhile", () =>
  withStorage(async (storage) => {
    await using provider = await PersistenceProvider.openOn(storage);
    let underWay = 0;
    await using actors = StatefulActors.start({
      provider,
      kind: "sum",
      behavior: eventSourced({
        initialState: 0,
        async handle(_sum: number, { add, after }: Message) {
          assert.equal(++underWay, 1, "one at a time");
          await after;
          underWay--;
          return { events: [add], reply: (sum: number) => sum };
        },
        apply: (sum: number, add: number) => sum + add,
      }),
    });
    const mayGoOn = new Deferred<void>();
    const first = actors.ask("1", { add: 1, after: mayGoOn.promise });
    const isLeaving = actors.passivate("1");
    const controller = new AbortController();
    const second = actors.ask("1", { add: 2 }, { signal: controller.signal });
    controller.abort(new Error("not wanted any more"));
    await assert.rejects(second, /not wanted/);
    const isLeavingAgain = actors.passivate("1");
    await new Promise((resolve) => setTimeout(resolve, 1));
    const third = actors.ask("1", { add: 3 });
    await new Promise((resolve) => setTimeout(resolve, 1));
    mayGoOn.resolve();
    assert.deepEqual(await Promise.all([first, third]), [1, 4]);
    await Promise.all([isLeaving, isLeavingAgain]);
  }));

test("actor: a message whose handler is under way when nothing can be stored any more is rejected", () =>
  withStorage(async (storage) => {
    await using provider = await PersistenceProvider.openOn(storage);
    const actor = start(provider, sum);
    await actor.ask({ add: 1 });
    storage.failCommit = () => new PersistenceError("CLOSED", "the disk is gone");
    const hasDecided = new Deferred<void>();
    const first = actor.ask({ add: 2 });
    const second = actor.ask({ add: 3, after: hasDecided.promise });
    await new Promise((resolve) => setTimeout(resolve, 1));
    hasDecided.resolve();
    await assert.rejects(first, { code: "CLOSED" });
    await assert.rejects(second, { code: "CLOSED" });
    await actor.stop();
  }));

test("actor: who tells it something does not wait for an answer that takes its time", () =>
  withStorage(async (storage) => {
    const problems: ActorProblem[] = [];
    await using provider = await PersistenceProvider.openOn(storage);
    await using actor = start(provider, sum, { onProblem: (problem) => problems.push(problem) });
    await actor.tell({ add: 1, reply: new Promise(() => {}) });
    await actor.tell({ add: 2, reply: Promise.reject(new Error("no answer")) });
    assert.equal(await actor.ask({ add: 3 }), 6);
    assert.deepEqual(problems.map(({ type, error }) => [type, String(error)]), [
      ["message", "Error: no answer"],
    ]);
  }));

test("actor: a command that was journaled, and not handled, is refused as it would have been", () =>
  withStorage(async (storage) => {
    await using provider = await PersistenceProvider.openOn(storage);
    const journal = provider.createMessageJournal<number>({ kind: "sum" });
    await journal.appendBatch("1", [1, -1, 2]);
    const problems: ActorProblem[] = [];
    const behavior = commandSourced({
      initialState: { sum: 0 },
      handle(state: { sum: number }, add: number) {
        state.sum += add;
        const outcome = { state, reply: ({ sum }: { sum: number }) => sum };
        // Types forbid it.
        return add < 0 ? Object.assign(outcome, { events: [add] as never }) : outcome;
      },
    });
    {
      await using actor = start(
        provider,
        behavior,
        {
          onProblem: (problem) => problems.push(problem),
        },
      );
      assert.equal(await actor.ask(10), 13);
      assert.deepEqual(problems.map(({ type }) => type), ["message"]);
      await assert.rejects(actor.ask(-10), { code: "INVALID_ARGUMENT" });
      assert.equal(await actor.ask(100), 113);
    }
    await using again = start(
      provider,
      behavior,
    );
    assert.equal(await again.ask(0), 113);
  }));

test("actor: a command whose effects cannot be stored takes effect later, and its error says so", () =>
  withStorage(async (storage) => {
    const delivered: number[] = [];
    const behavior = commandSourced({
      initialState: 0,
      handle: (sum: number, add: number) => ({
        state: sum + add,
        effects: [add],
        reply: (sum: number) => sum,
      }),
    });
    const options = { outbox: { deliver: (add: number) => void delivered.push(add) } };
    await using provider = await PersistenceProvider.openOn(storage);
    {
      await using actor = start(provider, behavior, options);
      assert.equal(await actor.ask(1), 1);
      await actor.outbox.drained();
      storage.failCommit = (groups) =>
        groups.some(({ changes }) => changes.some(({ keyspace }) => keyspace === "outbox"))
          ? new PersistenceError("STORAGE_FAILED", "the disk does not answer")
          : undefined;
      const [first, second] = await Promise.allSettled([actor.ask(2), actor.ask(3)]);
      for (const { status, reason } of [first, second] as PromiseRejectedResult[]) {
        assert.equal(status, "rejected");
        // With the code of the storage a caller would send it again.
        assert.equal(reason.code, "OUTCOME_UNKNOWN");
        assert.match(reason.message, /the message may still take effect/);
      }
    }
    storage.failCommit = () => undefined;
    await using again = start(provider, behavior, options);
    assert.equal(await again.ask(4), 10);
    await again.outbox.drained();
    assert.deepEqual(delivered, [1, 2, 3, 4]);
  }));

test("actor: a caller that has come to the end of its stack leaves no loop half way", async () => {
  const context = { actorId: "1", outsideCalls: (call: () => void) => call() };
  // Only its queue of events is used.
  const loop = new ActorLoop<number, number, number>({ context } as never);
  // How much stack each step needs changes as the code becomes hot.
  for (let round = 0; round < 10; round++) {
    let attempts = 0;
    const dive = () => {
      try {
        dive();
      } catch {
        // Here the stack ends. On the way back each attempt has a little more of it.
      }
      if (attempts++ >= 300) return;
      try {
        loop.dispatch(() => {});
      } catch {
        // A caller would get this error.
      }
    };
    dive();
    let hasRun = false;
    loop.dispatch(() => {
      hasRun = true;
    });
    await Promise.resolve();
    assert.ok(hasRun, `round ${round}`);
  }
});
