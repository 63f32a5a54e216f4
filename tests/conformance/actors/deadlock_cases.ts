import assert from "node:assert/strict";
import type { StatefulActor } from "../../../core/actors/stateful_actor.ts";
import type { StatefulActors } from "../../../core/actors/stateful_actors.ts";
import { assertFails, casesOf, range } from "../fixture.ts";
import type { ConformanceOptions } from "../types.ts";
import { gate, openOn, Problems, startAllOn, startOn, turn, until, withActors } from "./fixture.ts";
import { type Job, type NamedJob, namedWorker, worker } from "./job_fixture.ts";

/** Registers the cases about callbacks that wait for themselves. */
export function describeDeadlocks(options: ConformanceOptions): void {
  describeHandlers(options);
  describeCircles(options);
}

type Worker = StatefulActor<number, Job, unknown>;
type Workers = StatefulActors<number, Job, unknown>;

function describeHandlers(options: ConformanceOptions): void {
  const check = casesOf(options, "actor deadlock", withActors);

  const ofOne: readonly (readonly [string, (actor: Worker) => Promise<unknown>])[] = [
    ["ask", (actor) => actor.ask({})],
    ["snapshot", (actor) => actor.snapshot()],
  ];
  for (const [name, call] of ofOne) {
    check(`${name} of an actor in its own handler is refused at once, and named`, async (
      provider,
    ) => {
      await using actor: Worker = startOn(provider, worker, { askTimeoutMs: 2 ** 31 - 1 });
      await actor.ask({ add: 1 });
      const error = await assertFails(() => actor.ask({ run: () => call(actor) }), "DEADLOCK", {
        actorId: "a",
        kind: "test",
      });
      assert.match(
        error.message,
        /handler would wait for itself \(actor "a" of kind "test" waits for actor "a" of kind "test"\)/,
      );
      assert.equal(await actor.ask({ add: 2 }), 3, "it goes on");
      await actor.snapshot();
    });

    check(`${name} that a handler does not await is harmless`, async (provider) => {
      await using actor: Worker = startOn(provider, worker);
      const run = () => void call(actor);
      assert.equal(await actor.ask({ add: 1, run }), 1);
      const runLater = async () => {
        await turn();
        run();
      };
      assert.equal(await actor.ask({ add: 1, run: runLater }), 2);
      assert.equal(await actor.ask({ add: 1 }), 3);
    });
  }

  check("stop of an actor in its own handler is refused at once; it stops all the same", async (
    provider,
  ) => {
    for (const isAwaited of [true, false]) {
      const actor: Worker = startOn(provider, worker, { actorId: `${isAwaited}` });
      const run = () => isAwaited ? actor.stop() : void actor.stop();
      const asked = actor.ask({ add: 1, run });
      if (isAwaited) await assertFails(() => asked, "DEADLOCK");
      else assert.equal(await asked, 1);
      await actor.terminated;
      assert.equal(actor.status, "stopped");
      await assertFails(() => actor.ask({}), "CLOSED");
      await actor.stop();
    }
  });

  const ofMany: readonly (readonly [string, (actors: Workers, id: string) => Promise<unknown>])[] =
    [
      ["ask", (actors, id) => actors.ask(id, {})],
      ["snapshot", (actors, id) => actors.snapshot(id)],
      ["passivate", (actors, id) => actors.passivate(id)],
      ["stop", (actors) => actors.stop()],
      ["passivate and ask", (actors, id) => {
        void actors.passivate(id);
        return actors.ask(id, {});
      }],
      ["passivate and snapshot", (actors, id) => {
        void actors.passivate(id);
        return actors.snapshot(id);
      }],
      ["passivate and recover", (actors, id) => {
        void actors.passivate(id);
        return actors.recover([id]);
      }],
    ];
  for (const [name, call] of ofMany) {
    // What recovers is not sent by handlers: nobody need be able to forget it.
    for (const isAwaited of name.endsWith("recover") ? [true] : [true, false]) {
      const outcome = isAwaited ? "is refused at once" : "not awaited, is harmless";
      check(`${name} of actors in a handler of one: ${outcome}`, async (provider) => {
        const actors: Workers = startAllOn(provider, worker);
        await actors.ask("a", { add: 1 });
        const run = () => isAwaited ? call(actors, "a") : void call(actors, "a");
        const asked = actors.ask("a", { add: 1, run });
        if (isAwaited) await assertFails(() => asked, "DEADLOCK", { actorId: "a" });
        else assert.equal(await asked, 2);
        if (name === "stop") await assertFails(() => actors.ask("a", {}), "CLOSED");
        else assert.equal(await actors.ask("a", { add: 1 }), isAwaited ? 2 : 3, "it goes on");
        await actors.stop();
      });
    }
  }

  check("with command sourcing, and in a replay, handlers are refused likewise", async (
    provider,
    storage,
  ) => {
    let actor: StatefulActor<number, NamedJob, unknown> | undefined;
    const behavior = namedWorker({ ask: { run: () => actor?.ask({ name: "read", read: true }) } });
    const problems = new Problems();
    actor = startOn(provider, behavior, { onProblem: problems.onProblem });
    await actor.ask({ name: "add", add: 1 });
    await assertFails(() => actor?.ask({ name: "ask", add: 1 }), "DEADLOCK", { actorId: "a" });
    assert.equal(await actor.ask({ name: "add", add: 1 }), 2);
    await actor.stop();
    // As if the process had been killed before it was handled.
    const journal = provider.createMessageJournal({ kind: "test" });
    await journal.append("a", { name: "ask", add: 1 });
    await using again = await openOn(storage);
    actor = startOn(again, behavior, { onProblem: problems.onProblem });
    assert.equal(await actor.ask({ name: "add", add: 1 }), 3);
    assert.deepEqual(problems.types, ["message"]);
    await actor.stop();
  });

  check("what a handler has started and not awaited may use its actor when it has ended", async (
    provider,
  ) => {
    const problems = new Problems();
    await using actor: Worker = startOn(provider, worker, { onProblem: problems.onProblem });
    const later: Promise<unknown>[] = [];
    const { opened, open } = gate();
    const after = async (call: () => Promise<unknown>) => {
      await opened;
      await turn();
      return await call();
    };
    await actor.ask({
      run: () => {
        later.push(after(() => actor.ask({ add: 1 })));
        later.push(after(() => actor.snapshot()));
      },
    });
    open();
    assert.deepEqual(await Promise.all(later), [1, undefined]);
    await actor.ask({ run: () => void later.push(after(() => actor.stop())) });
    await later[2];
    assert.deepEqual(problems.all, []);
  });

  // Messages that wait together are begun in one go: each must be known apart from the others.
  for (const own of ["ask", "snapshot"] as const) {
    check(`of messages begun in one go, one whose handler awaits ${own} is refused at once`, async (
      provider,
    ) => {
      await using actor: Worker = startOn(provider, worker, { askTimeoutMs: 2 ** 31 - 1 });
      const call = async () => {
        await turn();
        return own === "ask" ? await actor.ask({}) : await actor.snapshot();
      };
      const outcomes = await Promise.allSettled([
        actor.ask({ add: 1 }),
        actor.ask({ add: 1, run: () => undefined }),
        actor.ask({ add: 10, run: call }),
        actor.ask({ add: 1 }),
      ]);
      const ends = outcomes.map((outcome) =>
        outcome.status === "fulfilled" ? outcome.value : outcome.reason.code
      );
      assert.deepEqual(ends, [1, 2, "DEADLOCK", 3]);
    });
  }

  check("what a handler has started may ask its actor while a later handler is under way", async (
    provider,
  ) => {
    await using actor: Worker = startOn(provider, worker);
    const { opened, open } = gate();
    const later: Promise<unknown>[] = [];
    const askLater = async () => {
      await turn();
      const asked = actor.ask({ add: 1 });
      open();
      return await asked;
    };
    // The first two handlers are over when the third one waits, though all began in one go.
    const asked = Promise.all([
      actor.ask({ add: 10 }),
      actor.ask({ add: 10, run: () => void later.push(askLater()) }),
      actor.ask({ add: 10, run: () => opened }),
    ]);
    await asked;
    assert.deepEqual(await Promise.all(later), [31]);
  });

  check("without a context of calls there is a time-out", async (provider) => {
    const plain = { clock: provider.clock, callContext: undefined };
    const createActorStore: typeof provider.createActorStore = (options) =>
      provider.createActorStore(options);
    const actor: Worker = startOn({ ...plain, createActorStore }, worker, { askTimeoutMs: 20 });
    const run = () => actor.ask({});
    await assertFails(() => actor.ask({ run }), "TIMEOUT", { actorId: "a" });
    await assertFails(() => actor.ask({ run }, { timeoutMs: Infinity }), "TIMEOUT");
    assert.equal(await actor.ask({ add: 1 }, { timeoutMs: Infinity }), 1);
    await actor.stop();
  });
}

function describeCircles(options: ConformanceOptions): void {
  const check = casesOf(options, "actor circle", withActors);

  for (const length of [2, 3, 7]) {
    check(`${length} actors that ask in a circle: it is refused at once, and named`, async (
      provider,
    ) => {
      await using actors: Workers = startAllOn(provider, worker);
      const ask = (from: number): Promise<unknown> =>
        actors.ask(`${from % length}`, {
          add: 1,
          ...(from < length && { run: () => ask(from + 1) }),
        });
      const error = await assertFails(() => ask(0), "DEADLOCK", { actorId: "0" });
      const names = [...range(0, length - 1), 0].map((number) =>
        `actor "${number}" of kind "test"`
      );
      assert.ok(error.message.includes(`(${names.join(" waits for ")})`), error.message);
      for (const number of range(0, length - 1)) {
        assert.equal(await actors.ask(`${number}`, { add: 1 }), 1, "nothing was journaled");
      }
    });
  }

  check(
    "of calls that a handler awaits together, those that close a circle are refused at once",
    async (
      provider,
    ) => {
      await using actors: Workers = startAllOn(provider, worker, { askTimeoutMs: 2 ** 31 - 1 });
      const askA = () => actors.ask("a", { add: 1 });
      const run = async () => {
        const outcomes = await Promise.allSettled([
          actors.ask("b", { add: 1, run: () => actors.ask("c", { add: 1, run: askA }) }),
          actors.ask("d", { add: 1, run: askA }),
          actors.ask("e", { add: 1 }),
        ]);
        return outcomes.map((outcome) =>
          outcome.status === "fulfilled" ? outcome.value : outcome.reason.code
        );
      };
      assert.deepEqual(await actors.ask("a", { add: 1, run }), ["DEADLOCK", "DEADLOCK", 1]);
      assert.equal(await actors.ask("a", {}), 1);
      for (const id of ["b", "c", "d"]) assert.equal(await actors.ask(id, {}), 0);
    },
  );

  check("what a handler asks and does not await may ask back, also while a later one waits", async (
    provider,
  ) => {
    await using actors: Workers = startAllOn(provider, worker);
    const { opened, open } = gate();
    const answers: Promise<unknown>[] = [];
    const askBack = async () => {
      await turn();
      const asked = actors.ask("a", { add: 1 });
      open();
      return await asked;
    };
    const pipe = () => void answers.push(actors.ask("b", { run: askBack }));
    await Promise.all([
      actors.ask("a", { add: 10, run: pipe }),
      actors.ask("a", { add: 10, run: () => opened }),
    ]);
    assert.deepEqual(await Promise.all(answers), [21]);
  });

  check("a circle over two kinds is one, too", async (provider) => {
    await using ones: Workers = startAllOn(provider, worker, { kind: "one" });
    await using others: Workers = startAllOn(provider, worker, { kind: "other" });
    await assertFails(
      () => ones.ask("a", { run: () => others.ask("a", { run: () => ones.ask("a", {}) }) }),
      "DEADLOCK",
      { actorId: "a", kind: "one" },
    );
    // The same id of another kind is another actor.
    assert.equal(await ones.ask("a", { run: () => others.ask("a", { add: 5 }) }), 5);
    assert.equal(await ones.ask("a", { run: () => others.snapshot("a") }), 0);
  });

  const circles: readonly (readonly [string, (actors: Workers) => Promise<unknown>])[] = [
    ["snapshot", (actors) => actors.snapshot("a")],
    ["passivate", (actors) => actors.passivate("a")],
    ["stop", (actors) => actors.stop()],
  ];
  for (const [name, call] of circles) {
    check(`another actor that is asked cannot await ${name} of the asker`, async (provider) => {
      const actors: Workers = startAllOn(provider, worker);
      const run = () => actors.ask("b", { run: () => call(actors) });
      await assertFails(() => actors.ask("a", { run }), "DEADLOCK");
      await actors.stop();
    });
  }

  const besides: readonly (readonly [string, (call: () => Promise<unknown>) => Job])[] = [
    ["reply", (call) => ({ reply: () => call() })],
    ["afterPersist", (call) => ({
      afterPersist: async () => {
        await call();
      },
    })],
  ];
  for (const [name, jobOf] of besides) {
    check(`${name} may use its own actor`, async (provider) => {
      const actors: Workers = startAllOn(provider, worker);
      const calls = [
        () => actors.ask("a", { add: 1 }),
        () => actors.tell("a", { add: 1 }),
        () => actors.snapshot("a"),
        () => actors.passivate("a"),
        () => actors.ask("a", { add: 1 }),
      ];
      for (const call of calls) await actors.ask("a", { add: 10, ...jobOf(call) });
      assert.equal(await actors.ask("a", {}), 53);
      await actors.stop();
    });

    check(`${name} cannot ask the handler that waits for it`, async (provider) => {
      await using actors: Workers = startAllOn(provider, worker);
      const job = jobOf(() => actors.ask("a", {}));
      const error = await assertFails(
        () => actors.ask("a", { run: () => actors.ask("b", { add: 1, ...job }) }),
        "DEADLOCK",
        { actorId: "a" },
      );
      assert.match(error.message, /"a" of kind "test" waits for actor "b".*waits for actor "a"/);
      assert.equal(await actors.ask("b", {}), 1, "what was decided stands");
      assert.equal(await actors.ask("a", { add: 3 }), 3);
    });
  }

  check("afterPersist cannot await stop, which waits for it; a reply can", async (provider) => {
    const refused: Worker = startOn(provider, worker);
    const job = { add: 1, afterPersist: () => refused.stop() };
    await assertFails(() => refused.ask(job), "DEADLOCK", { actorId: "a" });
    await refused.terminated;
    const actor: Worker = startOn(provider, worker);
    assert.equal(await actor.ask({ add: 1, reply: () => actor.stop() }), undefined);
    assert.equal(actor.status, "stopped");
  });

  check("deliver may use its own actor, but not await stop, or the outbox", async (provider) => {
    const done: unknown[] = [];
    const attempts: (() => Promise<unknown>)[] = [
      () => actors.ask("a", { add: 1 }),
      () => actors.tell("a", { add: 1 }),
      () => actors.snapshot("a"),
      () => actors.passivate("a"),
      () => actors.ask("a", { run: () => actors.ask("b", { add: 5 }) }),
      () => actors.outbox.drained(),
      () => actors.ask("b", { run: () => actors.outbox.drained() }),
      () => actors.stop(),
    ];
    const actors: Workers = startAllOn(provider, worker, {
      outbox: {
        deliver: async (index) => {
          const code = await attempts[index as number]?.().then(
            () => "done",
            (error) => error.code,
          );
          done.push(code);
        },
      },
    });
    await actors.ask("a", { add: 1, effects: range(0, attempts.length - 1) });
    await until(() => done.length === attempts.length);
    assert.deepEqual(done, [
      ...Array(5).fill("done"),
      "DEADLOCK",
      "DEADLOCK",
      "DEADLOCK",
    ]);
    await actors.stop();
  });

  check("a problem may be answered by stopping the actor that has it", async (provider) => {
    const stopped: Promise<void>[] = [];
    const actor: Worker = startOn(provider, worker, {
      supervision: "resume",
      onProblem: () => void stopped.push(actor.stop()),
      snapshotPolicy: {
        when: () => {
          throw new Error("so wants the test");
        },
      },
    });
    assert.equal(await actor.ask({ add: 1 }), 1);
    await Promise.all(stopped);
    assert.equal(actor.status, "stopped");
    assert.ok(stopped.length > 0);
  });
}
