import assert from "node:assert/strict";
import { MemoryDatabase, MemoryPersistenceProvider } from "../../adapters/memory.ts";
import { test } from "../harness.ts";

/** A journal that has seen the head of "actor" at 1, and one of another process that moved it to 6. */
async function staleAndFreshJournal(options: { maxPendingMessages?: number } = {}) {
  const database = new MemoryDatabase();
  const provider = await MemoryPersistenceProvider.open({ database, ...options });
  const stale = provider.createMessageJournal<number>();
  const fresh = (await MemoryPersistenceProvider.open({ database })).createMessageJournal<number>();
  await stale.append("actor", 0);
  await fresh.appendBatch("actor", [1, 2, 3, 4, 5]);
  return { stale, fresh };
}

test("an expectation is checked against the head as it is, not as it was last seen", async () => {
  const { stale } = await staleAndFreshJournal();
  assert.equal(await stale.append("actor", 6, { expectedSequenceNumber: 6 }), 6);
});

test("an expectation that was right once conflicts with the head as it is", async () => {
  const { stale } = await staleAndFreshJournal();
  await assert.rejects(stale.append("actor", 1, { expectedSequenceNumber: 1 }), {
    code: "CONFLICT",
    sequenceNumber: 1,
    actualSequenceNumber: 6,
  });
});

test("a truncation reaches the end of the journal as it is, not as it was last seen", async () => {
  const { stale, fresh } = await staleAndFreshJournal();
  await stale.truncateBefore("actor", 1);
  await fresh.append("actor", 6);
  await stale.truncateBefore("actor", 5);
  assert.deepEqual((await fresh.readFrom("actor", 0)).map((entry) => entry.sequenceNumber), [5, 6]);
});

test("an append of a writer that was overtaken gets the next number", async () => {
  const { stale, fresh } = await staleAndFreshJournal();
  assert.deepEqual(await Promise.all([stale.append("actor", 6), stale.append("actor", 7)]), [6, 7]);
  assert.equal((await fresh.readFrom("actor", 0)).length, 8);
});

test("a truncation that is called while a commit is being planned reaches just as far", async () => {
  for (let microtasks = 0; microtasks < 40; microtasks++) {
    const { stale, fresh } = await staleAndFreshJournal();
    await stale.truncateBefore("actor", 6);
    await fresh.appendBatch("actor", [6, 7, 8]);
    // It contradicts nothing in the head as it was last seen, so that is not read again for it.
    const before = stale.truncateBefore("actor", 1);
    for (let left = microtasks; left > 0; left--) await undefined;
    await Promise.all([before, stale.truncateBefore("actor", 8)]);
    const numbers = (await fresh.readFrom("actor", 0)).map((entry) => entry.sequenceNumber);
    assert.deepEqual(numbers, [8], `after ${microtasks} microtasks`);
  }
});

test("a truncation that is admitted while a commit is being planned reaches just as far", async () => {
  for (const actorId of ["actor", "another actor"]) {
    const { stale, fresh } = await staleAndFreshJournal({ maxPendingMessages: 1 });
    await stale.truncateBefore("actor", 6);
    await fresh.appendBatch("actor", [6, 7, 8]);
    const controller = new AbortController();
    const { signal } = controller;
    // One is admitted and cancelled; the others wait for room until the commit without it is planned.
    const cancelled = assert.rejects(stale.append(actorId, 9, { signal }), {
      message: "cancelled",
    });
    const before = stale.truncateBefore("actor", 1);
    const waiting = stale.append("third actor", 0);
    const truncation = stale.truncateBefore("actor", 8);
    controller.abort(new Error("cancelled"));
    await Promise.all([cancelled, before, waiting, truncation]);
    const numbers = (await fresh.readFrom("actor", 0)).map((entry) => entry.sequenceNumber);
    assert.deepEqual(numbers, [8]);
  }
});
