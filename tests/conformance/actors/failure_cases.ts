import assert from "node:assert/strict";
import {
  PersistenceError,
  type PersistenceErrorCode,
} from "../../../core/errors/persistence_error.ts";
import type { PersistenceProvider } from "../../../core/provider.ts";
import {
  account,
  type Amounts,
  LOG,
  log,
  openOn,
  Problems,
  startOn,
  storedOf,
  turn,
  withObserved,
} from "./fixture.ts";
import { assertFails, casesOf, range, withStorage } from "../fixture.ts";
import { ObservedStorage } from "../observed_storage.ts";
import type { ConformanceOptions } from "../types.ts";

/** Registers the cases about failures of the storage, and about other processes. */
export function describeFailures(options: ConformanceOptions): void {
  describeStorageFailures(options);
  describeConflicts(options);
}

function describeStorageFailures(options: ConformanceOptions): void {
  const observed = casesOf(options, "actor failure", withObserved);

  observed("a failure that passes is retried, and nothing is journaled twice", async (
    storage,
    provider,
  ) => {
    await using events = startOn(provider, account);
    await using commands = startOn(provider, log(), { kind: LOG, actorId: "b" });
    await Promise.all([events.recovered, commands.recovered]);
    failNext(storage, 3, "STORAGE_FAILED");
    const answers = Promise.all([
      ...range(1, 5).map((amount) => events.ask({ type: "add", amounts: [amount] })),
      ...range(1, 5).map((number) => commands.ask({ text: `${number}` })),
    ]);
    assert.deepEqual((await answers)[4], range(1, 5));
    assert.deepEqual((await answers)[9], range(1, 5).map(String));
    assert.deepEqual(await storedOf(provider), range(1, 5).map((add) => ({ add })));
    assert.equal((await storedOf(provider, "b", LOG)).length, 5);
  });

  observed("one that does not pass rejects what was under way; then the actor goes on", async (
    storage,
    provider,
  ) => {
    await using events = startOn(provider, account);
    await using commands = startOn(provider, log(), { kind: LOG, actorId: "b" });
    // How a kind is journaled is stored before its first actor recovers: that must not fail.
    await Promise.all([events.recovered, commands.recovered]);
    for (const code of ["STORAGE_FAILED", "STORAGE_FULL"] as const) {
      storage.failCommit = () => new PersistenceError(code, "Cannot commit: so wants the test");
      const calls = [
        events.ask({ type: "add", amounts: [1] }),
        events.ask({ type: "add", amounts: [2, 3] }),
        commands.ask({ text: "lost" }),
      ];
      const read = events.ask({ type: "read" });
      await Promise.all(calls.map((call) => assertFails(() => call, code)));
      assert.deepEqual(await read, [], "what only reads is answered all the same");
      storage.failCommit = () => undefined;
    }
    assert.deepEqual(await events.ask({ type: "add", amounts: [4] }), [4]);
    assert.deepEqual(await commands.ask({ text: "kept" }), ["kept"]);
  });

  observed("commands that were decided on lost events are decided again", async (
    storage,
    provider,
  ) => {
    await using actor = startOn(provider, account);
    await actor.recovered;
    const lost = actor.ask({ type: "unencodable" });
    const kept = range(1, 10).map((amount) => actor.ask({ type: "add", amounts: [amount] }));
    const read = actor.ask({ type: "read" });
    await assertFails(() => lost, "UNENCODABLE");
    assert.deepEqual((await Promise.all(kept)).map(({ length }) => length), range(1, 10));
    assert.deepEqual(await read, range(1, 10));
    assert.equal((await storedOf(provider)).length, 10);
    assert.ok(storage.commits > 0);
  });

  observed("a failed recovery is retried; if it goes on failing the actor stops", async (
    storage,
    provider,
  ) => {
    storage.readError = new PersistenceError("STORAGE_FAILED", "Cannot read: so wants the test");
    const patient = startOn(provider, account, { retry: { initialDelayMs: 20, maxRetries: 10 } });
    const asked = patient.ask({ type: "add", amounts: [1] });
    const problems = new Problems();
    const impatient = startOn(provider, account, {
      retry: { maxRetries: 0 },
      onProblem: problems.onProblem,
    });
    await assertFails(() => impatient.ask({ type: "read" }), "STORAGE_FAILED", { actorId: "a" });
    await assertFails(() => impatient.recovered, "STORAGE_FAILED");
    assert.deepEqual(problems.types, ["stopped"]);
    storage.readError = undefined;
    assert.deepEqual(await asked, [1]);
    await patient.stop();
  });

  observed("if the outcome is unknown the actor stops, and says so", async (
    storage,
    provider,
  ) => {
    const problems = new Problems();
    const actor = startOn(provider, account, { onProblem: problems.onProblem });
    await actor.recovered;
    storage.failCommit = () =>
      new PersistenceError("REOPEN_REQUIRED", "Cannot commit: so wants the test");
    const calls = [1, 2, 3].map((amount) => actor.ask({ type: "add", amounts: [amount] }));
    const details = { actorId: "a" };
    await Promise.all(calls.map((call) => assertFails(() => call, "REOPEN_REQUIRED", details)));
    await actor.terminated;
    await assertFails(() => actor.ask({ type: "read" }), "REOPEN_REQUIRED");
    assert.deepEqual(problems.types, ["stopped"]);
    storage.failCommit = () => undefined;
  });

  observed("retries without a delay let others have a turn", async (storage, provider) => {
    const retry = { maxRetries: 1_000_000, initialDelayMs: 0, maxDelayMs: 0 };
    await using events = startOn(provider, account, { retry });
    await using commands = startOn(provider, log(), { kind: LOG, retry });
    await Promise.all([events.recovered, commands.recovered]);
    storage.failCommit = () =>
      new PersistenceError("STORAGE_FAILED", "Cannot commit: so wants the test");
    const asked = [events.ask({ type: "add", amounts: [1] }), commands.ask({ text: "x" })];
    // A timer that never came would never let them end.
    for (const _ of range(1, 5)) await turn(1);
    storage.failCommit = () => undefined;
    assert.deepEqual(await Promise.all<unknown>(asked), [[1], ["x"]]);
  });

  observed("stop waits for retries", async (storage, provider) => {
    const actor = startOn(provider, account);
    await actor.recovered;
    failNext(storage, 2, "STORAGE_FAILED");
    const asked = actor.ask({ type: "add", amounts: [1] });
    await actor.stop();
    assert.deepEqual(await asked, [1]);
  });
}

function describeConflicts(options: ConformanceOptions): void {
  const two = casesOf(
    options,
    "actor conflict",
    (factory, run: (one: PersistenceProvider, other: PersistenceProvider) => Promise<void>) =>
      withStorage(factory, async (storage) => {
        await using one = await openOn(new ObservedStorage(storage));
        await using other = await openOn(new ObservedStorage(storage));
        await run(one, other);
      }),
  );

  two("a command is decided again on what another process has written", async (one, other) => {
    const first = startOn(one, account);
    const second = startOn(other, account);
    assert.deepEqual(await first.ask({ type: "add", amounts: [1] }), [1]);
    assert.deepEqual(await second.ask({ type: "add", amounts: [2] }), [1, 2]);
    assert.deepEqual(await first.ask({ type: "add", amounts: [3, 4] }), [1, 2, 3, 4]);
    assert.deepEqual(await second.ask({ type: "add", amounts: [5] }), [1, 2, 3, 4, 5]);
    assert.deepEqual(await storedOf(one), range(1, 5).map((add) => ({ add })));
    await Promise.all([first.stop(), second.stop()]);
  });

  two("both may be busy: each command is decided on what is really there", async (one, other) => {
    const actors = [startOn(one, account), startOn(other, account)] as const;
    const logs = [
      startOn(one, log(), { kind: LOG, actorId: "b" }),
      startOn(other, log(), { kind: LOG, actorId: "b" }),
    ] as const;
    const answers: Promise<Amounts>[] = [];
    const texts: Promise<string[]>[] = [];
    for (const round of range(1, 20)) {
      for (const [index, actor] of actors.entries()) {
        answers.push(actor.ask({ type: "add", amounts: [round * 2 + index] }));
        texts.push(logs[index === 0 ? 0 : 1].ask({ text: `${round} ${index}` }));
      }
      if (round % 3 === 0) await turn();
    }
    await Promise.all([...answers, ...texts]);
    const stored = await storedOf(one);
    const amounts = stored.map((event) => (event as { add: number }).add);
    assert.deepEqual(amounts.toSorted((a, b) => a - b), range(2, 41));
    // An answer is the state after its own event: nothing was decided on anything else.
    for (const answer of await Promise.all(answers)) {
      assert.deepEqual(answer, amounts.slice(0, answer.length));
    }
    await Promise.all(texts);
    const lines = (await storedOf(one, "b", LOG)).map((line) => (line as { text: string }).text);
    assert.equal(new Set(lines).size, 40);
    for (const text of await Promise.all(texts)) {
      assert.deepEqual(text, lines.slice(0, text.length));
    }
    await Promise.all([...actors, ...logs].map((actor) => actor.stop()));
  });
}

/** Lets the next commits fail. */
function failNext(storage: ObservedStorage, count: number, code: PersistenceErrorCode): void {
  let left = count;
  storage.failCommit = () =>
    left-- > 0 ? new PersistenceError(code, "Cannot commit: so wants the test") : undefined;
}
