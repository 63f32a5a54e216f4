import assert from "node:assert/strict";
import { eventSourced } from "../../../core/actors/behavior.ts";
import type { SupervisionDirective } from "../../../core/actors/options.ts";
import type { ActorProblem } from "../../../core/actors/report.ts";
import type { ConsumerPositions } from "../../../core/ports/consumers.ts";
import { assertFails, assertThrowsRefused, casesOf, errorOf, range } from "../fixture.ts";
import type { ConformanceOptions } from "../types.ts";
import {
  account,
  journalOf,
  Problems,
  quickDelivery,
  settled,
  startAllOn,
  startOn,
  storedOf,
  turn,
  until,
  withActors,
} from "./fixture.ts";
import { FAILING, FAILURE, namedWorker, never, PROMISES, worker } from "./job_fixture.ts";

/** Registers the cases about callbacks beside messages that throw, reject, or never settle. */
export function describeObservers(options: ConformanceOptions): void {
  describeInitialState(options);
  describeDecisions(options);
  describeProgress(options);
  describeProblems(options);
  describeDelivering(options);
  describePositions(options);
}

function describeInitialState(options: ConformanceOptions): void {
  const check = casesOf(options, "actor initial state", withActors);

  for (const [name, fail] of [...FAILING.slice(0, 1), ...PROMISES]) {
    check(`a function that ${name}: the actor does not start`, async (provider) => {
      let isBad = true;
      const initialState = () => isBad ? fail() as number : 7;
      const behaviors = [
        eventSourced({
          initialState,
          handle: (_sum: number, add: number) => ({ events: [add], reply: (sum: number) => sum }),
          apply: (sum: number, add: number) => sum + add,
        }),
      ];
      for (const behavior of behaviors) {
        const problems = new Problems();
        const { onProblem } = problems;
        await using actors = startAllOn(provider, behavior, { onProblem });
        const actor = startOn(provider, behavior, { onProblem });
        const error = await assertFails(() => actor.ask(1), "RECOVERY_FAILED", {
          kind: "test",
          actorId: "a",
        });
        if (name === "throws") assert.ok(error.message.includes(FAILURE.message));
        await assertFails(() => actor.recovered, "RECOVERY_FAILED");
        await actor.terminated;
        await assertFails(() => actors.ask("a", 1), "RECOVERY_FAILED");
        assert.deepEqual(problems.types, ["stopped", "stopped"]);
        isBad = false;
        assert.equal(await actors.ask("a", 1), 8, "it may go well later");
        await actor.stop();
      }
    });
  }

  check("a function that gives another state each time gives each actor its own", async (
    provider,
  ) => {
    await using actors = startAllOn(
      provider,
      eventSourced({
        initialState: (actorId: string) => [actorId],
        handle: () => ({ reply: (state: string[]) => state.join() }),
        apply: (state: string[], _event: string) => state,
      }),
    );
    assert.deepEqual(
      await Promise.all(["x", "y"].map((id) => actors.ask(id, undefined))),
      ["x", "y"],
    );
  });
}

function describeDecisions(options: ConformanceOptions): void {
  const check = casesOf(options, "actor callback", withActors);

  for (const [name, fail] of [...FAILING.slice(0, 1), ...PROMISES]) {
    for (const sourcing of ["events", "commands"] as const) {
      check(`supervision, ${sourcing}, ${name}: the actor stops`, async (provider) => {
        const problems = new Problems();
        const overrides = {
          supervision: () => fail() as SupervisionDirective,
          onProblem: problems.onProblem,
        };
        const refusal = new Error("refused");
        const run = () => {
          throw refusal;
        };
        const actor = startOn(provider, worker, overrides);
        const ask = () => actor.ask({ run });
        if (sourcing === "events") {
          assert.ok(await errorOf(ask));
          await actor.terminated;
          await actor.stop();
        } else {
          await actor.stop();
          const kind = "commands";
          const other = startOn(provider, namedWorker({ run: { run } }), { ...overrides, kind });
          assert.equal(await errorOf(() => other.ask({ name: "run" })), refusal);
          await other.terminated;
          await other.stop();
        }
        assert.deepEqual(problems.types, ["stopped"]);
      });
    }

    for (const sourcing of ["events", "commands"] as const) {
      check(`when, ${sourcing}, ${name}: it is reported, and counts as false`, async (provider) => {
        const problems = new Problems();
        let calls = 0;
        const overrides = {
          onProblem: problems.onProblem,
          snapshotPolicy: {
            everyMs: Infinity,
            when: () => ++calls % 2 === 1 ? fail() as boolean : false,
          },
        };
        const sums = range(1, 6);
        if (sourcing === "events") {
          const actor = startOn(provider, worker, overrides);
          const run = () => calls % 4 === 0 ? Promise.resolve(undefined) : undefined;
          for (const sum of sums) assert.equal(await actor.ask({ add: 1, run }), sum);
          await actor.stop();
        } else {
          const actor = startOn(provider, namedWorker({}), overrides);
          for (const sum of sums) assert.equal(await actor.ask({ name: "add", add: 1 }), sum);
          await actor.stop();
        }
        assert.deepEqual(
          problems.all.map(({ type, callback }) => [type, callback]),
          Array(3).fill(["callback", "when"]),
        );
        assert.equal((await storedOf(provider)).length, 6);
      });
    }
  }
}

function describeProgress(options: ConformanceOptions): void {
  const check = casesOf(options, "actor callback", withActors);

  for (const [name, fail] of [...FAILING, ["never settles", never] as const]) {
    check(`onProgress ${name}: it is reported, and the recovery goes on`, async (provider) => {
      await journalOf(provider).appendBatch("a", range(1, 5).map((add) => ({ add })));
      const problems = new Problems();
      const { onProblem } = problems;
      const onProgress = () => fail() as void;
      const actor = startOn(provider, account, { onProblem, onProgress });
      assert.deepEqual(await actor.ask({ type: "read" }), range(1, 5));
      await actor.stop();
      const expected = name === "never settles" ? 0 : 2;
      await until(() => problems.types.length === expected);
      const actors = startAllOn(provider, account, { onProblem });
      const counts = await actors.recover(["a"], { onProgress });
      assert.deepEqual(counts, { recovered: 1, failed: 0 });
      await until(() => problems.types.length === expected * 3 / 2);
      assert.ok(
        problems.all.every((problem) =>
          problem.type === "callback" && problem.callback === "onProgress" &&
          problem.error === FAILURE
        ),
      );
      await actors.stop();
    });
  }
}

function describeProblems(options: ConformanceOptions): void {
  const check = casesOf(options, "actor callback", withActors);

  for (const [name, fail] of [...FAILING, ["never settles", never] as const]) {
    check(`onProblem ${name}: it is written to the console`, async (provider) => {
      const { written, restore } = captureConsole();
      try {
        const seen: ActorProblem[] = [];
        const actor = startOn(provider, worker, {
          onProblem: (problem) => {
            seen.push(problem);
            return fail() as void;
          },
        });
        void actor.tell({
          run: () => {
            throw new Error("refused");
          },
        });
        await until(() => seen.length > 0);
        if (name !== "never settles") await until(() => written.length === 2);
        assert.equal(await actor.ask({ add: 1 }), 1);
        await actor.stop();
        assert.deepEqual(
          written,
          name === "never settles" ? [] : [
            `Actor "a" of kind "test" (message): Error: refused`,
            `onProblem failed on that: ${FAILURE}`,
          ],
        );
      } finally {
        restore();
      }
    });
  }

  check("without onProblem problems are written to the console", async (provider) => {
    const { written, restore } = captureConsole();
    try {
      const actor = startOn(provider, worker, { onProblem: undefined as never });
      void actor.tell({
        run: () => {
          throw new Error("refused");
        },
      });
      await until(() => written.length > 0);
      await actor.stop();
      assert.deepEqual(written, [`Actor "a" of kind "test" (message): Error: refused`]);
    } finally {
      restore();
    }
  });

  const unawaited: readonly (readonly [string, "one" | "all", string])[] = [
    ["after a stop", "one", "a"],
    ["after a stop", "all", "a"],
    ["with an empty id", "all", ""],
    ["with an id that is not a string", "all", 7 as unknown as string],
    ["with an id that is a symbol", "all", Symbol("a") as unknown as string],
    ["with an id without a prototype", "all", Object.create(null)],
    ["with an id that is not well-formed", "all", "\ud800"],
    ["with bad options", "one", "a"],
    ["with bad options", "all", "a"],
  ];
  for (const [when, which, actorId] of unawaited) {
    check(`tell of ${which}, not awaited, ${when}: onProblem is told`, async (provider) => {
      const problems = new Problems();
      const { onProblem } = problems;
      const actor = startOn(provider, worker, { onProblem });
      const actors = startAllOn(provider, worker, { onProblem });
      const options: object = when === "with bad options" ? { metdata: 1 } : {};
      if (when === "after a stop") await Promise.all([actor.stop(), actors.stop()]);
      if (which === "one") void actor.tell({}, options);
      else void actors.tell(actorId, {}, options);
      await turn();
      assert.deepEqual(problems.types, ["message"]);
      await Promise.all([actor.stop(), actors.stop()]);
    });
  }
}

function describeDelivering(options: ConformanceOptions): void {
  const check = casesOf(options, "actor callback", withActors);

  const thrown = [undefined, "text", Object.create(null)];
  const failing: readonly (readonly [string, () => unknown])[] = [
    ...FAILING,
    ...thrown.map((value) =>
      [`throws ${typeof value}`, () => {
        throw value;
      }] as const
    ),
  ];
  for (const [name, fail] of failing) {
    check(`deliver ${name}: it is reported and called again, then given up`, async (provider) => {
      const problems = new Problems();
      const attempts: number[] = [];
      const actor = startOn(provider, worker, {
        onProblem: problems.onProblem,
        outbox: {
          deliver: (_effect, { attempt }) => {
            attempts.push(attempt);
            return fail() as void;
          },
          maxAttempts: 3,
          ...quickDelivery,
        },
      });
      await actor.tell({ add: 1, effects: ["mail"] });
      await actor.outbox.drained();
      assert.deepEqual(attempts, [1, 2, 3]);
      assert.deepEqual(problems.types, ["delivery", "delivery", "delivery", "dead-letter"]);
      assert.deepEqual(await actor.outbox.counts(), { open: 0, dead: 1 });
      assert.equal(await actor.ask({ add: 1 }), 2);
      await actor.stop();
    });
  }

  check("deliver never settles: it is aborted, which counts as an attempt", async (provider) => {
    const problems = new Problems();
    const actor = startOn(provider, worker, {
      onProblem: problems.onProblem,
      outbox: { deliver: never, timeoutMs: 2, maxAttempts: 2, ...quickDelivery },
    });
    await actor.tell({ add: 1, effects: ["mail"] });
    await actor.outbox.drained();
    assert.deepEqual(problems.types, ["delivery", "delivery", "dead-letter"]);
    assert.equal(await actor.ask({ add: 1 }), 2);
    await actor.stop();
  });
}

function describePositions(options: ConformanceOptions): void {
  const check = casesOf(options, "actor callback", withActors);

  for (const [name, fail] of [...FAILING, ["never settles", never] as const]) {
    check(`lowestNeeded ${name}: nothing is truncated, and snapshots go on`, async (provider) => {
      const problems = new Problems();
      const consumers: ConsumerPositions = { lowestNeeded: () => fail() as Promise<number> };
      const actor = startOn(provider, worker, {
        onProblem: problems.onProblem,
        snapshotPolicy: "manual",
        retention: { mode: "onSnapshot", retainMessagesBeforeSnapshot: 0, consumers },
      });
      for (const sum of range(1, 3)) {
        assert.equal(await actor.ask({ add: 1 }), sum);
        await actor.snapshot();
        if (name !== "never settles") await settled(actor);
      }
      await actor.stop();
      assert.deepEqual(problems.types, name === "never settles" ? [] : Array(3).fill("retention"));
      assert.equal((await storedOf(provider)).length, 3);
      const again = startOn(provider, worker);
      assert.equal(await again.ask({}), 3);
      assert.equal((await again.recovered).snapshot?.sequenceNumber, 2);
      await again.stop();
    });
  }

  check("bad positions of consumers truncate nothing", async (provider) => {
    for (const bad of [NaN, "7", null, {}, -5, Promise.resolve("x")]) {
      const actorId = String(bad);
      const consumers = { lowestNeeded: () => bad } as unknown as ConsumerPositions;
      const actor = startOn(provider, worker, {
        actorId,
        snapshotPolicy: "manual",
        retention: { mode: "onSnapshot", retainMessagesBeforeSnapshot: 0, consumers },
      });
      await actor.ask({ add: 1 });
      await actor.snapshot();
      await actor.stop();
      assert.equal((await storedOf(provider, actorId)).length, 1, actorId);
    }
    const bad = { retention: { consumers: { lowestNeeded: 7 } } };
    assertThrowsRefused(() => startOn(provider, worker, bad as object), "type");
  });
}

function captureConsole(): { written: string[]; restore: () => void } {
  const { error } = console;
  const written: string[] = [];
  console.error = (...parts: unknown[]) => void written.push(parts.map(String).join(" "));
  return {
    written,
    restore: () => {
      console.error = error;
    },
  };
}
