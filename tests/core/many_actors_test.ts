/**
 * Many actors on one provider. What is tried here does not depend on the storage, and takes long on
 * a slow one: so it is not in the conformance suites.
 *
 * @module
 */

import assert from "node:assert/strict";
import { MemoryPersistenceProvider } from "../../adapters/memory.ts";
import type { StatefulActors } from "../../core/actors/stateful_actors.ts";
import { gate, Problems, startAllOn } from "../conformance/actors/fixture.ts";
import { type Job, worker } from "../conformance/actors/job_fixture.ts";
import { patience } from "../conformance/batching/fixture.ts";
import { range } from "../conformance/fixture.ts";
import { messagesOf } from "../conformance/journal/fixture.ts";
import { test } from "../harness.ts";

/** More than a provider remembers. */
const MANY = 12_000;

test("many actors in turn keep their numbers", async () => {
  await using provider = await MemoryPersistenceProvider.open();
  const journal = provider.createMessageJournal<unknown>();
  const ids = range(1, MANY).map((index) => `actor ${index}`);
  for (const expected of range(0, 1)) {
    const numbers = await Promise.all(ids.map((id) => journal.append(id, id)));
    assert.ok(numbers.every((number) => number === expected));
  }
  for (const id of ["actor 1", `actor ${MANY / 2}`, `actor ${MANY}`]) {
    assert.deepEqual(await messagesOf(journal, id), [id, id]);
  }
});

test("a message that waits keeps its place, however many actors come by", async () => {
  await using provider = await MemoryPersistenceProvider.open();
  const journal = provider.createMessageJournal<unknown>();
  const batched = provider.createBatchedMessageJournal<unknown>(patience(1_000));
  const waiting = batched.append("a", 0);
  await Promise.all(range(1, MANY).map((index) => journal.append(`actor ${index}`, index)));
  assert.equal(await journal.getHighestSequenceNumber("a"), -1);
  assert.equal(await journal.append("a", 1), 1);
  assert.equal(await waiting, 0);
  assert.deepEqual(await messagesOf(journal), [0, 1]);
});

test("a message that thousands of actors pass on does not overflow the stack", async () => {
  await using provider = await MemoryPersistenceProvider.open();
  const problems = new Problems();
  await using actors: StatefulActors<number, Job, unknown> = startAllOn(provider, worker, {
    onProblem: problems.onProblem,
  });
  await actors.recover(range(1, 5_000).map(String));
  const passed = gate();
  const pass = (left: number): Job => ({
    run: () => {
      if (left === 0) passed.open();
      else void actors.tell(`${left}`, pass(left - 1));
    },
  });
  await actors.tell("5000", pass(5_000));
  await passed.opened;
  assert.deepEqual(problems.all, []);
});

// How much is done until then depends on how fast the machine is, but it is far from the end.
test("timers have a turn while a message goes round among thousands of actors", async () => {
  await using provider = await MemoryPersistenceProvider.open();
  await using actors: StatefulActors<number, Job, unknown> = startAllOn(provider, worker);
  await actors.recover(range(0, 2_999).map(String));
  let handled = 0;
  let isOver = false;
  const pass = (to: number): Job => ({
    run: () => {
      handled++;
      if (!isOver && handled < 1_000_000) void actors.tell(`${to}`, pass((to + 1) % 3_000));
      else isOver = true;
    },
  });
  const timer = new Promise((resolve) => setTimeout(resolve, 0));
  await actors.tell("0", pass(1));
  await timer;
  assert.ok(!isOver, `it went round ${handled} times before the first timer`);
  isOver = true;
});

test("timers have a turn while an actor with slow handlers has much to do", async () => {
  await using provider = await MemoryPersistenceProvider.open();
  await using actors: StatefulActors<number, Job, unknown> = startAllOn(provider, worker);
  await actors.recover(["a"]);
  let handled = 0;
  const slow: Job = {
    run: () => {
      handled++;
      for (const endMs = performance.now() + 1; performance.now() < endMs;);
    },
  };
  const told = range(1, 400).map(() => actors.tell("a", slow));
  await new Promise((resolve) => setTimeout(resolve, 0));
  const byThen = handled;
  await Promise.all(told);
  assert.equal(handled, 400);
  assert.ok(byThen < 200, `${byThen} of 400 were handled before the first timer`);
});
