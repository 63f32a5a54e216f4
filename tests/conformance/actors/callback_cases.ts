import assert from "node:assert/strict";
import type { StatefulActor } from "../../../core/actors/stateful_actor.ts";
import { eventSourced } from "../../../core/actors/behavior.ts";
import { ArgumentTypeError } from "../../../core/errors/persistence_error.ts";
import { assertFails, casesOf, errorOf } from "../fixture.ts";
import type { ConformanceOptions } from "../types.ts";
import { gate, Problems, startOn, storedOf, turn, until, withActors } from "./fixture.ts";
import { FAILING, FAILURE, type Job, namedWorker, never, PROMISES, worker } from "./job_fixture.ts";
import type { PersistenceProvider } from "../../../core/provider.ts";

/** How an asker waits for an answer that does not come. */
const IMPATIENT = { timeoutMs: 10 };

/** Registers the cases about callbacks of messages that throw, reject, or never settle. */
export function describeCallbacks(options: ConformanceOptions): void {
  describeHandlers(options);
  describeApply(options);
  describeAnswers(options);
  describeIsReadOnly(options);
}

function describeHandlers(options: ConformanceOptions): void {
  const check = casesOf(options, "actor callback", withActors);

  for (const [name, fail] of FAILING) {
    check(`handle, events, ${name}: nothing is journaled, the asker gets the error`, async (
      provider,
    ) => {
      const actor = startOn(provider, worker);
      assert.equal(await actor.ask({ add: 1 }), 1);
      assert.equal(await errorOf(() => actor.ask({ add: 2, run: fail })), FAILURE);
      await assertWorks(actor, { add: 4 }, 5);
      assert.deepEqual(await storedOf(provider), [1, 4]);
    });

    check(`handle, commands, ${name}: it is remembered, the asker gets the error`, async (
      provider,
    ) => {
      const jobs = { fail: { run: fail } };
      const actor = startOn(provider, namedWorker(jobs));
      assert.equal(await actor.ask({ name: "add", add: 1 }), 1);
      assert.equal(await errorOf(() => actor.ask({ name: "fail", add: 2 })), FAILURE);
      await assertWorks(actor, { name: "add", add: 4 }, 5);
      // By now it would be accepted.
      const again = startOn(provider, namedWorker({}));
      await assertWorks(again, { name: "add", add: 0 }, 5);
    });
  }

  for (const [name, fail] of FAILING) {
    for (const supervision of ["resume", "restart"] as const) {
      check(`handle ${name}, ${supervision}: what waits is handled after that, in order`, async (
        provider,
      ) => {
        const later = async () => {
          await turn();
        };
        const events = startOn(provider, worker, { supervision });
        const run = [undefined, fail, later, undefined, fail, fail, later, undefined];
        const answers = run.map((run) => events.ask({ add: 1, run }).catch(() => "refused"));
        const expected = [1, "refused", 2, 3, "refused", "refused", 4, 5];
        assert.deepEqual(await Promise.all(answers), expected);
        await events.stop();
        const commands = startOn(
          provider,
          namedWorker({ later: { run: later }, fail: { run: fail } }),
          {
            kind: "commands",
            supervision,
          },
        );
        const names = ["add", "fail", "later", "add", "fail", "fail", "later", "add"];
        const told = names.map((name) => commands.ask({ name, add: 1 }).catch(() => "refused"));
        assert.deepEqual(await Promise.all(told), expected);
        await commands.stop();
      });
    }
  }

  const slow: readonly (readonly [string, (provider: PersistenceProvider) => Hanging])[] = [
    ["events", (provider) => {
      const actor = startOn(provider, worker);
      return {
        actor,
        hang: () => actor.ask({ run: never }, IMPATIENT),
        add: (options = {}) => actor.ask({ add: 1 }, options),
      };
    }],
    ["commands", (provider) => {
      const behavior = namedWorker({ hang: { run: never } });
      const actor = startOn(provider, behavior);
      return {
        actor,
        hang: () => actor.ask({ name: "hang", read: true }, IMPATIENT),
        add: (options = {}) => actor.ask({ name: "add", add: 1 }, options),
      };
    }],
  ];
  for (const [name, startHanging] of slow) {
    check(`handle, ${name}, never settles: TIMEOUT; stop with a time ends the actor`, async (
      provider,
    ) => {
      const { actor, hang, add } = startHanging(provider);
      assert.equal(await add(), 1);
      await assertFails(hang, "TIMEOUT", { actorId: "a", kind: "test" });
      await assertFails(() => add(IMPATIENT), "TIMEOUT", { actorId: "a" });
      await actor.stop({ timeoutMs: 5 });
      assert.equal(actor.status, "stopped");
      await actor.terminated;
      const again = startHanging(provider);
      // With command sourcing what waited was durable, and is handled now.
      assert.equal(await again.add(), name === "events" ? 2 : 3);
      await again.actor.stop();
    });
  }

  check("stop with a time rejects what has not been answered, and says so", async (provider) => {
    const problems = new Problems();
    const actor = startOn(provider, worker, { onProblem: problems.onProblem });
    const asked = [
      actor.ask({ run: never }),
      actor.ask({ add: 1 }),
      actor.tell({ add: 2 }),
      actor.snapshot(),
    ];
    for (const call of asked) call.catch(() => {});
    await actor.stop({ timeoutMs: 5 });
    for (const call of asked) await assertFails(() => call, "TIMEOUT", { actorId: "a" });
    assert.deepEqual(new Set(problems.types), new Set(["stop", "stopped", "message"]));
    assert.deepEqual(await storedOf(provider), []);
    await actor.stop();
  });

  check("what a handler that was given up gives later has no effect", async (provider) => {
    const { opened, open } = gate();
    const actor = startOn(provider, worker);
    const asked = actor.ask({ add: 1, run: () => opened });
    asked.catch(() => {});
    await actor.recovered;
    await actor.stop({ timeoutMs: 1 });
    open();
    await assertFails(() => asked, "TIMEOUT");
    await turn();
    assert.deepEqual(await storedOf(provider), []);
  });

  const thrownOf: readonly (readonly [string, unknown])[] = [
    ["undefined", undefined],
    ["null", null],
    ["a text", "text"],
    ["0", 0],
    ["a symbol", Symbol("text")],
    ["an object", { code: "TIMEOUT" }],
    ["an object that is no text", Object.create(null)],
    ["a frozen error", Object.freeze(new Error("frozen"))],
  ];
  for (const [name, thrown] of thrownOf) {
    check(`a handler may throw anything, such as ${name}`, async (provider) => {
      const fail = () => {
        throw thrown;
      };
      for (const supervision of ["resume", "restart", "stop"] as const) {
        const problems = new Problems();
        const actor = startOn(provider, worker, { supervision, onProblem: problems.onProblem });
        assert.equal(await errorOf(() => actor.ask({ run: fail })), thrown);
        if (supervision === "stop") {
          await actor.terminated;
          assert.deepEqual(problems.types, ["stopped"]);
          await assertFails(() => actor.ask({}), "CLOSED");
        } else {
          await assertWorks(actor, { add: 0 }, 0);
        }
      }
    });
  }
}

function describeApply(options: ConformanceOptions): void {
  const check = casesOf(options, "actor callback", withActors);

  const failing = [...FAILING.slice(0, 1), ...PROMISES];
  for (const [name, fail] of failing) {
    check(`apply ${name}: nothing of the message is journaled, the state is recovered`, async (
      provider,
    ) => {
      const behavior = eventSourced({
        initialState: () => ({ sum: 0, seen: 0 }),
        handle: (_state: Sum, events: number[]) => ({ events, reply: (state: Sum) => state.sum }),
        apply(state: Sum, add: number) {
          // In place, so that a state that is not recovered shows.
          state.sum += add;
          return add < 0 ? fail() as Sum : state;
        },
      });
      for (const supervision of ["resume", "restart"] as const) {
        const actor = startOn(provider, behavior, { actorId: supervision, supervision });
        await actor.ask([1, 2]);
        const calls = [actor.ask([10, -1, 20]), actor.ask([4])];
        const error = await errorOf(() => calls[0]);
        if (name === "throws") assert.equal(error, FAILURE);
        else assert.ok(error instanceof ArgumentTypeError);
        assert.equal(await calls[1], 7);
        await assertWorks(actor, [8], 15);
        assert.deepEqual(await storedOf(provider, supervision), [1, 2, 4, 8]);
      }
    });
  }
}

interface Sum {
  sum: number;
}

function describeAnswers(options: ConformanceOptions): void {
  const check = casesOf(options, "actor callback", withActors);

  for (const [name, fail] of FAILING) {
    for (const sourcing of ["events", "commands"] as const) {
      check(
        `reply, ${sourcing}, ${name}: the asker gets the error, what was decided stands`,
        async (
          provider,
        ) => {
          const { actor, ask, add } = startWith(provider, sourcing, { reply: fail });
          assert.equal(await errorOf(ask), FAILURE);
          // Nobody need wait for an answer: one that rejects does not end the process.
          await actor.stop();
          assert.equal(await startWith(provider, sourcing, {}).add(), 1 + 1);
          await assertFails(add, "CLOSED");
        },
      );

      check(`reply, ${sourcing}, ${name} to one that was told: it is reported`, async (
        provider,
      ) => {
        const problems = new Problems();
        const { actor, tell } = startWith(provider, sourcing, { reply: fail }, problems);
        void tell();
        await until(() => problems.types.length > 0);
        assert.deepEqual(problems.all.map(({ type, error }) => [type, error]), [
          ["message", FAILURE],
        ]);
        await actor.stop();
      });

      check(`afterPersist, ${sourcing}, ${name}: the asker gets the error`, async (provider) => {
        const afterPersist = () => fail() as Promise<void>;
        const { actor, ask } = startWith(provider, sourcing, { afterPersist });
        assert.equal(await errorOf(ask), FAILURE);
        await actor.stop();
        assert.equal(await startWith(provider, sourcing, {}).add(), 2, "what was decided stands");
      });
    }
  }

  for (const sourcing of ["events", "commands"] as const) {
    check(`reply, ${sourcing}, never settles: TIMEOUT, and nobody else waits for it`, async (
      provider,
    ) => {
      const { actor, ask, add } = startWith(provider, sourcing, { reply: never });
      // What is given up before the actor has recovered is not begun.
      assert.equal(await add(), 1);
      const asked = ask(IMPATIENT);
      asked.catch(() => {});
      assert.equal(await add(), 3);
      await assertFails(() => asked, "TIMEOUT", { actorId: "a" });
      await actor.stop();
    });

    check(`afterPersist, ${sourcing}, never settles: TIMEOUT; a stop waits for it`, async (
      provider,
    ) => {
      const { actor, ask, add } = startWith(provider, sourcing, { afterPersist: never });
      // What is given up before the actor has recovered is not begun.
      assert.equal(await add(), 1);
      const asked = ask(IMPATIENT);
      asked.catch(() => {});
      assert.equal(await add(), 3);
      await assertFails(() => asked, "TIMEOUT", { actorId: "a" });
      let hasStopped = false;
      const stopped = actor.stop().then(() => hasStopped = true);
      await turn(5);
      assert.equal(hasStopped, false);
      await actor.stop({ timeoutMs: 1 });
      await stopped;
      await actor.terminated;
    });

    check(`afterPersist, ${sourcing}, never settles: stop with a time answers the asker`, async (
      provider,
    ) => {
      const scene = startWith(provider, sourcing, { afterPersist: never });
      const asked = scene.ask();
      asked.catch(() => {});
      await scene.add();
      await scene.actor.stop({ timeoutMs: 1 });
      await assertFails(() => asked, "TIMEOUT", { actorId: "a" });
    });
  }
}

function describeIsReadOnly(options: ConformanceOptions): void {
  const check = casesOf(options, "actor callback", withActors);

  for (const [name, fail] of [...FAILING.slice(0, 1), ...PROMISES]) {
    check(`isReadOnly ${name}: the message is not journaled`, async (provider) => {
      const behavior = namedWorker({});
      if (behavior.type !== "commands") assert.fail();
      const bad: typeof behavior = {
        type: "commands",
        commands: {
          ...behavior.commands,
          isReadOnly: (job) => job.name === "bad" ? fail() as boolean : false,
        },
      };
      const actor = startOn(provider, bad);
      await actor.ask({ name: "add", add: 1 });
      const error = await errorOf(() => actor.ask({ name: "bad", add: 2 }));
      if (name === "throws") assert.equal(error, FAILURE);
      else assert.ok(error instanceof ArgumentTypeError);
      await assertWorks(actor, { name: "add", add: 4 }, 5);
      assert.equal((await storedOf(provider)).length, 2);
    });
  }
}

/** An actor with a handler that hangs. */
interface Hanging {
  readonly actor: {
    readonly status: string;
    readonly terminated: Promise<void>;
    stop(options?: { timeoutMs?: number }): Promise<void>;
  };
  hang(): Promise<unknown>;
  add(options?: { timeoutMs?: number }): Promise<unknown>;
}

/** What a case does with an actor of either way of sourcing, whose job has such callbacks. */
interface Scene {
  readonly actor: Hanging["actor"];
  /** Asks it to do the job, and to add 1. */
  ask(options?: { timeoutMs?: number }): Promise<unknown>;
  /** Tells it to. */
  tell(): Promise<unknown>;
  /** Asks it to add 1. */
  add(): Promise<unknown>;
}

function startWith(
  provider: PersistenceProvider,
  sourcing: "events" | "commands",
  job: Omit<Job, "add">,
  problems: Problems = new Problems(),
): Scene {
  const overrides = { onProblem: problems.onProblem };
  if (sourcing === "events") {
    const actor = startOn(provider, worker, overrides);
    return {
      actor,
      ask: (options = {}) => actor.ask({ add: 1, ...job }, options),
      tell: () => actor.tell({ add: 1, ...job }),
      add: () => actor.ask({ add: 1 }),
    };
  }
  const actor = startOn(provider, namedWorker({ job }), overrides);
  return {
    actor,
    ask: (options = {}) => actor.ask({ name: "job", add: 1 }, options),
    tell: () => actor.tell({ name: "job", add: 1 }),
    add: () => actor.ask({ name: "add", add: 1 }),
  };
}

/** It answers, and stops. */
async function assertWorks<State, Message, Reply>(
  actor: StatefulActor<State, Message, Reply>,
  message: NoInfer<Message>,
  answer: unknown,
): Promise<void> {
  assert.equal(await actor.ask(message), answer);
  await actor.stop();
  assert.equal(actor.status, "stopped");
}
