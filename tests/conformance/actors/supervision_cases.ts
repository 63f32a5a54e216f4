import assert from "node:assert/strict";
import type { StatefulActor } from "../../../core/actors/stateful_actor.ts";
import type { SupervisionDirective } from "../../../core/actors/options.ts";
import { commandSourced } from "../../../core/actors/behavior.ts";
import { PersistenceError } from "../../../core/errors/persistence_error.ts";
import {
  account,
  type Command,
  journalOf,
  KIND,
  type Line,
  LOG,
  log,
  Problems,
  snapshotsOf,
  startOn,
  storedOf,
  turn,
  until,
  withActors,
  withObserved,
} from "./fixture.ts";
import { assertFails, casesOf, errorOf, range } from "../fixture.ts";
import { dump } from "../storage/fixture.ts";
import type { ConformanceOptions } from "../types.ts";

/** Registers the cases about what handlers throw, and which messages they refuse. */
export function describeRefusals(options: ConformanceOptions): void {
  describeSupervision(options);
  describeRefusedMessages(options);
}

function describeSupervision(options: ConformanceOptions): void {
  const check = casesOf(options, "actor supervision", withActors);

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
    check(`${supervision}: the state is that of the journal, also if it was spoilt`, async (
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
    for (const kind of [KIND, LOG]) {
      const problems = new Problems();
      const refusal = new Error("refused");
      const asked = kind === KIND
        ? [...askInTurns(
          startOn(provider, account, {
            supervision: "stop",
            onProblem: problems.onProblem,
          }),
          [{ type: "add", amounts: [1] }, { type: "refuse", error: refusal }, { type: "read" }],
        )]
        : [...askInTurns(
          startOn(provider, log(), { kind, supervision: "stop", onProblem: problems.onProblem }),
          [{ text: "x" }, { text: "y", fail: true }, { read: true }],
        )];
      assert.equal((await asked[0] as unknown[]).length, 1);
      const error = await errorOf(() => asked[1]);
      assert.ok(error instanceof Error && error.message === "refused");
      const closed = await assertFails(() => asked[2], "CLOSED", { actorId: "a" });
      assert.equal(closed.cause, error);
      assert.deepEqual(problems.types, ["stopped"]);
    }
    assert.equal((await storedOf(provider)).length, 1);
    await using again = startOn(provider, log(), { kind: LOG });
    assert.deepEqual(await again.ask({ read: true }), ["x"], "the refused one stays refused");
  });

  check("a supervisor decides for each error", async (provider) => {
    const told: [unknown, unknown][] = [];
    const decisions: SupervisionDirective[] = ["resume", "restart", "stop"];
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
      () => "ignore" as SupervisionDirective,
    ];
    for (const supervision of supervisors) {
      const problems = new Problems();
      const actor = startOn(provider, account, { supervision, onProblem: problems.onProblem });
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
  const check = casesOf(options, "actor refusal", withActors);

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

  check("it is left out also if the handler would accept it by now", async (provider) => {
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
      await journalOf(provider).appendBatch("a", lines);
      const kept = ["1", "2", "4", "5", "7", "8"];
      const problems = new Problems();
      {
        await using actor = startOn(provider, log(), { onProblem: problems.onProblem });
        assert.deepEqual(await actor.ask({ read: true }), kept);
      }
      assert.deepEqual(problems.types, ["message", "message", "message", "message"]);
      assert.deepEqual(await storedOf(provider), lines, "the journal has the messages alone");
      await using actor = startOn(provider, log(), { onProblem: problems.onProblem });
      assert.deepEqual(await actor.ask({ read: true }), kept);
      assert.equal(problems.types.length, 4, "but only once");
    },
  );

  check("an actor that is started and stopped again and again stores nothing", async (
    provider,
    storage,
  ) => {
    let meta: string[] | undefined;
    for (const round of range(1, 3)) {
      await using actor = startOn(provider, log());
      if (round === 1) await actor.tell({ text: "x" });
      assert.deepEqual(await actor.ask({ read: true }), ["x"]);
      await actor.stop();
      meta ??= await dump(storage, "meta");
    }
    assert.deepEqual(await storedOf(provider), [{ text: "x" }]);
    assert.deepEqual(await dump(storage, "meta"), meta);
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
  observed("if the state cannot be restored after a refusal, it is not saved either", async (
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
    const saved = await snapshotsOf<string[]>(provider).getLatestSnapshot("a");
    assert.deepEqual(saved?.state, ["x"]);
    await using again = startOn(provider, log());
    assert.deepEqual(await again.ask({ read: true }), ["x"]);
  });

  observed("one that was acknowledged is not refused when the actor goes back", async (
    storage,
    provider,
  ) => {
    let refused: string | undefined;
    const behavior = log((text) => text === refused);
    const actor = startOn(provider, behavior);
    await actor.tell({ text: "x" });
    // From now on the handler is not what it was, which it must not do.
    refused = "x";
    let failures = 0;
    storage.failCommit = () =>
      failures++ === 0
        ? new PersistenceError("STORAGE_FAILED", "Cannot commit: so wants the test")
        : undefined;
    await assertFails(() => actor.ask({ text: "y" }), "RECOVERY_FAILED", { actorId: "a" });
    await actor.terminated;
    refused = undefined;
    await using again = startOn(provider, behavior);
    assert.deepEqual(await again.ask({ read: true }), ["x"], "nothing is lost");
  });

  observed("until the refusal is durable, nothing after it is answered", async (
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
