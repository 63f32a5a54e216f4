import assert from "node:assert/strict";
import type {
  StatefulActors,
  StatefulActorsOptions,
} from "../../../core/actors/stateful_actors.ts";
import type { PersistenceProvider } from "../../../core/provider.ts";
import {
  account,
  type Amounts,
  type Command,
  type Event,
  gate,
  journalOf,
  Problems,
  startAllOn,
  storedOf,
  turn,
  until,
  withActors,
} from "./fixture.ts";
import {
  assertFails,
  assertRefused,
  assertThrowsRefused,
  casesOf,
  errorOf,
  range,
} from "../fixture.ts";
import type { ConformanceOptions } from "../types.ts";

/** Registers the cases about many actors, of which only the busy ones are in memory. */
export function describeManyActors(options: ConformanceOptions): void {
  const check = casesOf(options, "actors", withActors);

  check("each has its own state, and comes back after it has left", async (provider) => {
    await using actors = startAll(provider);
    const ids = range(1, 50).map((number) => `actor ${number}`);
    for (const round of range(1, 3)) {
      const answers = await Promise.all(
        ids.map((id, index) => actors.ask(id, { type: "add", amounts: [index] })),
      );
      answers.forEach((answer, index) => assert.deepEqual(answer, Array(round).fill(index)));
      assert.equal(actors.active, 50);
      await Promise.all(ids.map((id) => actors.passivate(id)));
      assert.equal(actors.active, 0);
    }
    await actors.passivate("nobody");
  });

  check("idle ones leave by themselves, busy ones stay", async (provider) => {
    await using actors = startAll(provider, { passivateAfterMs: 10 });
    let release = () => {};
    const after = new Promise<void>((resolve) => {
      release = resolve;
    });
    const busy = actors.ask("busy", { type: "addLater", amount: 1, after });
    await actors.tell("idle", { type: "add", amounts: [1] });
    await until(() => actors.active === 1);
    for (const _ of range(1, 5)) await turn(5);
    assert.equal(actors.active, 1);
    release();
    assert.deepEqual(await busy, [1]);
    await until(() => actors.active === 0);
    assert.deepEqual(await actors.ask("busy", { type: "add", amounts: [2] }), [1, 2]);
    assert.deepEqual(await actors.ask("idle", { type: "read" }), [1]);
  });

  check("beyond the bound those that were used least recently leave", async (provider) => {
    await using actors = startAll(provider, { maxActive: 5 });
    for (const number of range(1, 20)) {
      await actors.tell(`${number}`, { type: "add", amounts: [number] });
      await actors.tell("favourite", { type: "add", amounts: [number] });
      assert.ok(actors.active <= 5);
    }
    for (const number of range(1, 20)) {
      assert.deepEqual(await actors.ask(`${number}`, { type: "read" }), [number]);
    }
    assert.deepEqual(await actors.ask("favourite", { type: "read" }), range(1, 20));
  });

  check("messages to one that is leaving wait for its successor, in order", async (provider) => {
    await using actors = startAll(provider);
    const answers: Promise<Amounts>[] = [];
    const left: Promise<void>[] = [];
    for (const number of range(1, 60)) {
      answers.push(actors.ask("a", { type: "add", amounts: [number] }));
      if (number % 7 === 0) left.push(actors.passivate("a"));
      if (number % 20 === 0) await turn();
    }
    assert.deepEqual((await Promise.all(answers))[59], range(1, 60));
    await Promise.all(left);
    assert.equal((await storedOf(provider)).length, 60);
  });

  for (const givenUp of [1, 3]) {
    check(`also if ${givenUp} successors are given up before their turn`, async (provider) => {
      await using actors = startAll(provider);
      const { opened, open } = gate();
      const first = actors.ask("a", { type: "addLater", amount: 1, after: opened });
      const left = [actors.passivate("a")];
      for (const amount of range(1, givenUp)) {
        const controller = new AbortController();
        const { signal } = controller;
        const lost = actors.ask("a", { type: "add", amounts: [-amount] }, { signal });
        controller.abort(new Error("given up"));
        await assert.rejects(lost, /given up/);
        left.push(actors.passivate("a"));
      }
      const second = actors.ask("a", { type: "add", amounts: [2] });
      await turn();
      open();
      assert.deepEqual(await first, [1]);
      assert.deepEqual(await second, [1, 2]);
      await Promise.all(left);
      assert.deepEqual(await actors.ask("a", { type: "read" }), [1, 2]);
    });
  }

  check("one that has stopped by itself is started anew by the next message", async (provider) => {
    const problems = new Problems();
    await using actors = startAll(provider, { supervision: "stop", onProblem: problems.onProblem });
    await actors.tell("a", { type: "add", amounts: [1] });
    assert.ok(await errorOf(() => actors.ask("a", { type: "refuse", error: new Error("x") })));
    assert.deepEqual(await actors.ask("a", { type: "read" }), [1]);
    assert.deepEqual(problems.types, ["stopped"]);
    assert.equal(actors.active, 1);
  });

  check("recover tells how many could not be, and goes on", async (provider) => {
    const journal = journalOf<Event>(provider);
    for (const id of ["a", "b", "c"]) await journal.append(id, { add: 1 });
    await journal.append("b", { spoilt: true });
    const problems = new Problems();
    await using actors = startAll(provider, { onProblem: problems.onProblem });
    const seen: unknown[] = [];
    const counts = await actors.recover(["a", "b", "c", "d"], {
      onProgress: (progress) => void seen.push(progress),
    });
    assert.deepEqual(counts, { recovered: 3, failed: 1 });
    assert.equal(seen.length, 4);
    assert.deepEqual(problems.all.map(({ type, actorId }) => [type, actorId]), [["stopped", "b"]]);
    await assertFails(() => actors.ask("b", { type: "read" }), "RECOVERY_FAILED", {
      actorId: "b",
      sequenceNumber: 1,
    });
  });

  check("recover can be aborted", async (provider) => {
    await using actors = startAll(provider);
    const controller = new AbortController();
    const reason = new Error("enough");
    const aborted = () =>
      actors.recover(range(1, 1_000).map(String), {
        signal: controller.signal,
        onProgress: ({ recovered }) => recovered === 100 && controller.abort(reason),
      });
    assert.equal(await errorOf(aborted), reason);
    assert.ok(actors.active < 300);
  });

  check("stop finishes what was accepted, then refuses", async (provider) => {
    const actors = startAll(provider);
    const ids = range(1, 20).map(String);
    const asked = ids.map((id) => actors.ask(id, { type: "add", amounts: [1] }));
    await actors.stop();
    await actors.stop();
    for (const answer of await Promise.all(asked)) assert.deepEqual(answer, [1]);
    await assertFails(() => actors.ask("1", { type: "read" }), "CLOSED", { actorId: "1" });
    await assertFails(() => actors.tell("1", { type: "read" }), "CLOSED");
    await assertFails(() => actors.recover(["1"]), "CLOSED");
    assert.equal(actors.active, 0);
  });

  check("bad arguments are refused at the call", async (provider) => {
    await using actors = startAll(provider);
    await assertRefused(() => actors.ask("", { type: "read" }), "range");
    await assertRefused(() => actors.tell(7 as unknown as string, { type: "read" }), "type");
    await assertRefused(() => actors.recover([""]), "range");
    await assertRefused(() => actors.recover([], { signal: {} as AbortSignal }), "type");
    assert.equal(actors.active, 0);
    const bad = (change: object) => () => startAll(provider, change);
    assertThrowsRefused(bad({ passivateAfterMs: 0 }), "range");
    assertThrowsRefused(bad({ maxActive: 0 }), "range");
    assertThrowsRefused(bad({ behavior: {} }), "type");
    assertThrowsRefused(bad({ retention: { mode: "x" } }), "range");
    assertThrowsRefused(bad({ snapshotPolicy: { everyMessages: 0 } }), "range");
    assertThrowsRefused(bad({ outbox: {} }), "type");
    // However many were refused, others have their turn.
    for (const _ of range(1, 200)) await errorOf(() => actors.ask("", { type: "read" }));
    assert.deepEqual(await actors.ask("a", { type: "read" }), []);
  });
}

function startAll(
  provider: PersistenceProvider,
  overrides: Partial<StatefulActorsOptions<Amounts, Command, Event, Amounts, unknown>> = {},
): StatefulActors<Amounts, Command, Amounts> {
  return startAllOn(provider, account, overrides);
}
