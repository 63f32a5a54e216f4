import assert from "node:assert/strict";
import type { StatefulActor } from "../../core/actor.ts";
import type { Directive } from "../../core/actor_options.ts";
import { commandSourced } from "../../core/behavior.ts";
import { PersistenceError, type PersistenceErrorCode } from "../../core/errors.ts";
import { PersistenceProvider } from "../../core/provider.ts";
import {
  account,
  type Amounts,
  type Command,
  type Line,
  log,
  Problems,
  startOn,
  storedOf,
  turn,
  until,
  withObserved,
} from "./actor_fixture.ts";
import { assertFails, casesOf, errorOf, range, withProvider, withStorage } from "./fixture.ts";
import { ObservedStorage } from "./observed_storage.ts";
import type { ConformanceOptions } from "./types.ts";

/** Registers the cases about failures: of the storage, of other processes, of handlers. */
export function describeFailures(options: ConformanceOptions): void {
  describeStorageFailures(options);
  describeConflicts(options);
  describeSupervision(options);
  describeRefusedMessages(options);
}

function describeStorageFailures(options: ConformanceOptions): void {
  const observed = casesOf(options, "actor failure", withObserved);

  observed("a failure that passes is retried, and nothing is journaled twice", async (
    storage,
    provider,
  ) => {
    await using events = startOn(provider, account);
    await using commands = startOn(provider, log(), { actorId: "b" });
    await Promise.all([events.recovered, commands.recovered]);
    failNext(storage, 3, "STORAGE_FAILED");
    const answers = Promise.all([
      ...range(1, 5).map((amount) => events.ask({ type: "add", amounts: [amount] })),
      ...range(1, 5).map((number) => commands.ask({ text: `${number}` })),
    ]);
    assert.deepEqual((await answers)[4], range(1, 5));
    assert.deepEqual((await answers)[9], range(1, 5).map(String));
    assert.deepEqual(await storedOf(provider), range(1, 5).map((add) => ({ add })));
    assert.equal((await storedOf(provider, "b")).length, 5);
  });

  observed("one that does not pass rejects what was under way; then the actor goes on", async (
    storage,
    provider,
  ) => {
    await using events = startOn(provider, account);
    await using commands = startOn(provider, log(), { actorId: "b" });
    for (const code of ["STORAGE_FAILED", "STORAGE_FULL"] as const) {
      await events.recovered;
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

  observed("a failed recovery is retried; where it goes on failing the actor stops", async (
    storage,
    provider,
  ) => {
    storage.readError = new PersistenceError("STORAGE_FAILED", "Cannot read: so wants the test");
    const patient = startOn(provider, account, { retry: { initialDelayMs: 20, maxRetries: 10 } });
    const asked = patient.ask({ type: "add", amounts: [1] });
    const problems = new Problems();
    const impatient = startOn(provider, account, { retry: { maxRetries: 0 }, ...problems });
    await assertFails(() => impatient.ask({ type: "read" }), "STORAGE_FAILED", { actorId: "a" });
    await assertFails(() => impatient.recovered, "STORAGE_FAILED");
    assert.deepEqual(problems.types, ["stopped"]);
    storage.readError = undefined;
    assert.deepEqual(await asked, [1]);
    await patient.stop();
  });

  observed("where the outcome is unknown the actor stops, and says so", async (
    storage,
    provider,
  ) => {
    const problems = new Problems();
    const actor = startOn(provider, account, problems);
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
        await using one = await PersistenceProvider.openOn(new ObservedStorage(storage));
        await using other = await PersistenceProvider.openOn(new ObservedStorage(storage));
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
      startOn(one, log(), { actorId: "b" }),
      startOn(other, log(), { actorId: "b" }),
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
    // An answer is the state behind its own event: nothing was decided on anything else.
    for (const answer of await Promise.all(answers)) {
      assert.deepEqual(answer, amounts.slice(0, answer.length));
    }
    await Promise.all(texts);
    const lines = (await storedOf(one, "b")).map((line) => (line as { text: string }).text);
    assert.equal(new Set(lines).size, 40);
    for (const text of await Promise.all(texts)) {
      assert.deepEqual(text, lines.slice(0, text.length));
    }
    await Promise.all([...actors, ...logs].map((actor) => actor.stop()));
  });
}

function describeSupervision(options: ConformanceOptions): void {
  const check = casesOf(options, "actor supervision", withProvider());

  check("an event-sourced command that is refused changes nothing", async (provider) => {
    await using actor = startOn(provider, account);
    const error = new Error("insufficient funds");
    const calls = [
      actor.ask({ type: "add", amounts: [1] }),
      actor.ask({ type: "refuse", error }),
      actor.ask({ type: "add", amounts: [2] }),
    ];
    assert.equal(await errorOf(() => calls[1]), error);
    assert.deepEqual([await calls[0], await calls[2]], [[1], [1, 2]]);
    assert.equal((await storedOf(provider)).length, 2);
  });

  for (const supervision of ["resume", "restart"] as const) {
    check(`${supervision}: the state is that of the journal, also where it was spoilt`, async (
      provider,
    ) => {
      await using actor = startOn(provider, account, { supervision });
      const calls = [
        actor.ask({ type: "add", amounts: [1] }),
        actor.ask({ type: "spoil" }),
        actor.ask({ type: "add", amounts: [2] }),
        actor.ask({ type: "refuse", error: new Error("refused") }),
        actor.ask({ type: "read" }),
      ].map((call) => call.catch((error: Error) => error.message));
      assert.deepEqual(await Promise.all(calls), [[1], "spoilt", [1, 2], "refused", [1, 2]]);
      assert.equal((await storedOf(provider)).length, 2);
    });
  }

  check("stop: what came before is kept, what waits is CLOSED", async (provider) => {
    for (const actorId of ["events", "commands"]) {
      const problems = new Problems();
      const refusal = new Error("refused");
      const asked = actorId === "events"
        ? [...askInTurns(
          startOn(provider, account, { actorId, supervision: "stop", ...problems }),
          [{ type: "add", amounts: [1] }, { type: "refuse", error: refusal }, { type: "read" }],
        )]
        : [...askInTurns(
          startOn(provider, log(), { actorId, supervision: "stop", ...problems }),
          [{ text: "x" }, { text: "y", fail: true }, { read: true }],
        )];
      assert.equal((await asked[0] as unknown[]).length, 1);
      const error = await errorOf(() => asked[1]);
      assert.ok(error instanceof Error && error.message === "refused");
      const closed = await assertFails(() => asked[2], "CLOSED", { actorId });
      assert.equal(closed.cause, error);
      assert.deepEqual(problems.types, ["stopped"]);
    }
    assert.equal((await storedOf(provider, "events")).length, 1);
    await using again = startOn(provider, log(), { actorId: "commands" });
    assert.deepEqual(await again.ask({ read: true }), ["x"], "the refused one stays refused");
  });

  check("a supervisor decides for each error", async (provider) => {
    const told: [unknown, unknown][] = [];
    const decisions: Directive[] = ["resume", "restart", "stop"];
    const actor = startOn(provider, account, {
      supervision: (error, failure) => {
        told.push([error, failure]);
        return decisions.shift() ?? "stop";
      },
    });
    const errors = [1, 2, 3].map((number) => new Error(`${number}`));
    for (const error of errors) {
      assert.equal(await errorOf(() => actor.ask({ type: "refuse", error })), error);
    }
    await actor.terminated;
    assert.deepEqual(
      told,
      errors.map((error) => [error, { actorId: "a", message: { type: "refuse", error } }]),
    );
  });

  check("a supervisor that fails, or says something else, stops the actor", async (provider) => {
    const failure = new Error("so wants the test");
    const supervisors = [
      () => {
        throw failure;
      },
      () => "ignore" as Directive,
    ];
    for (const supervision of supervisors) {
      const problems = new Problems();
      const actor = startOn(provider, account, { supervision, ...problems });
      await errorOf(() => actor.ask({ type: "refuse", error: new Error("refused") }));
      await actor.terminated;
      assert.deepEqual(problems.types, ["stopped"]);
    }
  });

  check("a handler must return what it may, or the asker is told", async (provider) => {
    await using actor = startOn(provider, account);
    const bad = [7, { events: {} }, { events: [{ add: 1 }], effects: {} }, { reply: 1 }, {
      afterPersist: 1,
    }, { effects: ["without an outbox"] }];
    for (const decision of bad) {
      const error = await errorOf(() => actor.ask({ type: "bad", decision } as Command));
      assert.ok(error instanceof TypeError, JSON.stringify(decision));
    }
    assert.deepEqual(await actor.ask({ type: "read" }), []);
    assert.deepEqual(await storedOf(provider), []);
  });
}

function describeRefusedMessages(options: ConformanceOptions): void {
  const check = casesOf(options, "actor refusal", withProvider());

  for (const supervision of ["resume", "restart"] as const) {
    check(`${supervision}: a message that its handler refused is left out in replay, too`, async (
      provider,
    ) => {
      // Changed in place, the state is spoilt by what is refused, and only a restart repairs that.
      const behavior = supervision === "restart" ? log() : immutableLog();
      {
        await using actor = startOn(provider, behavior, { supervision });
        const calls = [
          actor.ask({ text: "x" }),
          actor.ask({ text: "bad", fail: true }),
          actor.ask({ text: "y" }),
          actor.ask({ text: "worse", fail: true }),
          actor.ask({ read: true, fail: true }),
          actor.ask({ read: true }),
        ].map((call) => call.catch((error: Error) => error.message));
        assert.deepEqual(await Promise.all(calls), [
          ["x"],
          "refused",
          ["x", "y"],
          "refused",
          "refused",
          ["x", "y"],
        ]);
        await actor.snapshot();
        await actor.ask({ text: "again", fail: true }).catch(() => {});
        assert.deepEqual(await actor.ask({ text: "z" }), ["x", "y", "z"]);
      }
      await using actor = startOn(provider, behavior, { supervision });
      assert.deepEqual(await actor.ask({ read: true }), ["x", "y", "z"]);
      assert.ok((await actor.recovered).snapshot);
    });
  }

  check("it is left out also where the handler would accept it by now", async (provider) => {
    {
      await using actor = startOn(provider, log((text) => text === "bad"));
      const calls = ["x", "bad", "y"].map((text) => actor.ask({ text }).catch(() => undefined));
      assert.deepEqual(await Promise.all(calls), [["x"], undefined, ["x", "y"]]);
    }
    await using actor = startOn(provider, log());
    assert.deepEqual(await actor.ask({ read: true }), ["x", "y"]);
  });

  check(
    "what was in the journal when the process ended is handled, or refused, by recovery",
    async (
      provider,
    ) => {
      const lines: Line[] = range(0, 9).map((number) => ({
        text: `${number}`,
        fail: number % 3 === 0,
      }));
      await provider.createMessageJournal().appendBatch("a", lines);
      const kept = ["1", "2", "4", "5", "7", "8"];
      const problems = new Problems();
      {
        await using actor = startOn(provider, log(), problems);
        assert.deepEqual(await actor.ask({ read: true }), kept);
      }
      assert.deepEqual(problems.types, ["message", "message", "message", "message"]);
      assert.deepEqual((await storedOf(provider)).slice(10), [
        { "@cajun/actor": 1, refused: [0, 3, 6, 9], handled: 9 },
      ]);
      await using actor = startOn(provider, log(), problems);
      assert.deepEqual(await actor.ask({ read: true }), kept);
      assert.equal(problems.types.length, 4, "but only once");
    },
  );

  check("an actor that is started and stopped again and again stores nothing", async (provider) => {
    for (const round of range(1, 3)) {
      await using actor = startOn(provider, log());
      if (round === 1) await actor.tell({ text: "x" });
      assert.deepEqual(await actor.ask({ read: true }), ["x"]);
    }
    assert.deepEqual(await storedOf(provider), [{ text: "x" }, { "@cajun/actor": 1, handled: 0 }]);
  });

  check("one that was accepted, and is refused by now, stops recovery", async (provider) => {
    {
      await using actor = startOn(provider, log());
      for (const text of ["x", "y", "z"]) await actor.tell({ text });
    }
    const actor = startOn(provider, log((text) => text === "y"));
    const details = { actorId: "a", sequenceNumber: 1 };
    await assertFails(() => actor.ask({ read: true }), "RECOVERY_FAILED", details);
  });

  const observed = casesOf(options, "actor refusal", withObserved);
  observed("where the state cannot be restored after a refusal, it is not saved either", async (
    storage,
    provider,
  ) => {
    const refuses = (text: string) => {
      if (text !== "bad") return false;
      // The marker can be written, but nothing can be read for the restart.
      storage.readError = new PersistenceError("STORAGE_FAILED", "Cannot read: so wants the test");
      return true;
    };
    const actor = startOn(provider, log(refuses), {
      snapshotPolicy: { everyMessages: 1 },
      retry: { maxRetries: 0 },
    });
    await actor.tell({ text: "x" });
    await until(() => actor.isIdle);
    assert.ok(await errorOf(() => actor.tell({ text: "bad" })));
    await actor.terminated;
    storage.readError = undefined;
    const saved = await provider.createSnapshotStore<string[]>().getLatestSnapshot("a");
    assert.deepEqual(saved?.state, ["x"]);
    await using again = startOn(provider, log());
    assert.deepEqual(await again.ask({ read: true }), ["x"]);
  });

  observed("until the refusal is durable, nothing behind it is answered", async (
    storage,
    provider,
  ) => {
    await using actor = startOn(provider, log());
    await actor.recovered;
    const { commits } = storage;
    const release = storage.holdCommits();
    const settled: string[] = [];
    const calls = [
      actor.ask({ text: "bad", fail: true }).catch(() => settled.push("bad")),
      actor.ask({ text: "x" }).then(() => settled.push("x")),
    ];
    await storage.commitHeld();
    const releaseRefusal = storage.holdCommits();
    release();
    await until(() => storage.commits > commits + 1);
    for (const _ of range(1, 3)) await turn();
    assert.deepEqual(settled, []);
    releaseRefusal();
    await Promise.all(calls);
    assert.deepEqual(settled, ["bad", "x"]);
  });
}

function immutableLog(): ReturnType<typeof log> {
  return commandSourced<string[], Line, string[], unknown>({
    initialState: [],
    isReadOnly: (line) => "read" in line,
    handle(state, line) {
      if (line.fail) throw new Error("refused");
      return {
        state: "text" in line ? [...state, line.text] : state,
        reply: (state) => state,
      };
    },
  });
}

function askInTurns<State, Message, Reply>(
  actor: StatefulActor<State, Message, Reply>,
  messages: readonly NoInfer<Message>[],
): Promise<unknown>[] {
  const asked = messages.map((message) => actor.ask(message));
  // Each is looked at later.
  for (const answer of asked) answer.catch(() => {});
  return asked;
}

/** Lets the next commits fail. */
function failNext(storage: ObservedStorage, count: number, code: PersistenceErrorCode): void {
  let left = count;
  storage.failCommit = () =>
    left-- > 0 ? new PersistenceError(code, "Cannot commit: so wants the test") : undefined;
}
