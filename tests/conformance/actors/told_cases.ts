import assert from "node:assert/strict";
import type { StatefulActor } from "../../../core/actors/stateful_actor.ts";
import type { StatefulActors } from "../../../core/actors/stateful_actors.ts";
import { assertFails, casesOf, range } from "../fixture.ts";
import type { ConformanceOptions } from "../types.ts";
import { gate, Problems, startAllOn, startOn, turn, until, withActors } from "./fixture.ts";
import { type Job, namedWorker, worker } from "./job_fixture.ts";

type Worker = StatefulActor<number, Job, unknown>;
type Workers = StatefulActors<number, Job, unknown>;

/** How one asks who must get the answer. */
const PATIENT = { timeoutMs: Infinity };

/** Registers the cases about messages that actors tell each other. */
export function describeTold(options: ConformanceOptions): void {
  const check = casesOf(options, "actor told by itself", withActors);

  check("a message is let through; if it is awaited that is told after askTimeoutMs", async (
    provider,
  ) => {
    for (const sourcing of ["events", "commands"]) {
      let tell = (): Promise<unknown> => Promise.resolve();
      const problems = new Problems();
      const overrides = { kind: sourcing, askTimeoutMs: 20, onProblem: problems.onProblem };
      if (sourcing === "events") {
        await using actor: Worker = startOn(provider, worker, overrides);
        tell = () => actor.tell({ add: 5 });
        const error = await assertFails(
          () => actor.ask({ add: 1, run: tell }, PATIENT),
          "DEADLOCK",
          { actorId: "a" },
        );
        assert.match(error.message, /would wait for itself/);
        assert.equal(await actor.ask({}, PATIENT), 5, "what was told is handled all the same");
      } else {
        const behavior = namedWorker({ tell: { run: () => tell() } });
        await using actor = startOn(provider, behavior, overrides);
        tell = () => actor.tell({ name: "add", add: 5 });
        const asked = actor.ask({ name: "tell", add: 1 }, PATIENT);
        await assertFails(() => asked, "DEADLOCK", { actorId: "a" });
        assert.equal(await actor.ask({ name: "read", read: true }, PATIENT), 5);
      }
      assert.deepEqual(problems.types, ["message"]);
    }
  });

  check("over other actors, too", async (provider) => {
    const problems = new Problems();
    await using actors: Workers = startAllOn(provider, worker, {
      askTimeoutMs: 20,
      onProblem: problems.onProblem,
    });
    const tellBack = () => actors.tell("a", { add: 5 });
    const tell = () => actors.tell("b", { add: 1, run: tellBack });
    await assertFails(() => actors.ask("a", { run: tell }, PATIENT), "DEADLOCK", { actorId: "a" });
    assert.equal(await actors.ask("a", {}, PATIENT), 5);
    const askBack = () => actors.ask("a", { add: 5 }, { timeoutMs: 20 });
    const tellToAsk = () => actors.tell("b", { add: 1, run: askBack });
    await assertFails(() => actors.ask("a", { run: tellToAsk }, PATIENT), "DEADLOCK");
  });

  check("what is told and not awaited waits as long as it takes", async (provider) => {
    const problems = new Problems();
    await using actor: Worker = startOn(provider, worker, {
      askTimeoutMs: 10,
      onProblem: problems.onProblem,
    });
    const { opened, open } = gate();
    const told: Promise<void>[] = [];
    const run = () => void told.push(actor.tell({ add: 1 }));
    // The handler that tells ends at once; one after it takes its time.
    const asked = actor.ask({ run }, PATIENT);
    const slow = actor.ask({ add: 1, run: () => opened }, PATIENT);
    await asked;
    const again = actor.ask({ run }, PATIENT);
    await turn(30);
    open();
    await Promise.all([slow, again, ...told]);
    await Promise.all(told);
    assert.equal(await actor.ask({}, PATIENT), 3);
    assert.deepEqual(problems.all, []);
  });

  check("a circle of messages that nobody awaits goes on for ever, and others have a turn", async (
    provider,
  ) => {
    await using actors: Workers = startAllOn(provider, worker);
    let handled = 0;
    const pass = (to: string): Job => ({
      run: () => {
        handled++;
        if (!isOver) void actors.tell(to, pass(to === "a" ? "b" : "a"));
      },
    });
    let isOver = false;
    await actors.tell("a", pass("b"));
    // Timers run, though there is always something to do.
    for (const _ of range(1, 3)) await turn();
    assert.ok(handled > 0);
    isOver = true;
    assert.equal(await actors.ask("a", { add: 1 }), 1);
  });

  check(
    "200 actors that leave, and whose handlers ask ones that are not in memory",
    async (provider) => {
      await using actors: Workers = startAllOn(provider, worker);
      const { opened, open } = gate();
      const ids = range(1, 200).map((number) => `${number}`);
      const asked = ids.map((id) =>
        actors.ask(id, {
          add: 1,
          run: async () => {
            await opened;
            return await actors.ask(`other ${id}`, { add: 7 });
          },
        })
      );
      await until(() => actors.active === 200);
      await Promise.all(ids.map((id) => actors.recover([id])));
      const left = ids.map((id) => actors.passivate(id));
      // Their successors wait for them, and must not keep the others from recovering.
      const after = ids.map((id) => actors.ask(id, {}));
      open();
      assert.deepEqual(await Promise.all(asked), Array(200).fill(7));
      await Promise.all(left);
      assert.deepEqual(await Promise.all(after), Array(200).fill(1));
    },
  );
}
