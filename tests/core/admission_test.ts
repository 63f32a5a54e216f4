import assert from "node:assert/strict";
import { MemoryPersistenceProvider } from "../../adapters/memory.ts";
import { test } from "../harness.ts";

const MANY = 100_000;

// None of these asserts a time, but with a cost per append that grows with what waits they would
// take minutes.

test("100,000 that wait for room are let in, in order", async () => {
  await using provider = await MemoryPersistenceProvider.open({ maxPendingMessages: MANY / 10 });
  const journal = provider.createMessageJournal<number>();
  const appends = Array.from({ length: MANY }, (_, index) => journal.append("a", index));
  assert.equal((await provider.stats()).pending.waitingForRoom > 0, true);
  assert.ok((await Promise.all(appends)).every((number, index) => number === index));
  assert.deepEqual(journal.pending, { messages: 0, bytes: 0 });
});

for (const [how, signalsAre] of [["each by a signal of its own", 1], ["by one signal", MANY]]) {
  test(`100,000 that wait for room are taken back, ${how}`, async () => {
    await using provider = await MemoryPersistenceProvider.open({ maxPendingMessages: MANY / 5 });
    const journal = provider.createMessageJournal<number>();
    const controllers: AbortController[] = [];
    const appends = Array.from({ length: MANY }, (_, index) => {
      if (index % Number(signalsAre) === 0) controllers.push(new AbortController());
      const signal = controllers.at(-1)?.signal;
      return journal.append(`${index % 10}`, index, signal ? { signal } : {}).catch(() =>
        "aborted"
      );
    });
    // From the last to the first, so that nothing is let in because another one has left.
    for (const controller of controllers.reverse()) controller.abort();
    assert.deepEqual(journal.pending, { messages: 0, bytes: 0 });
    assert.ok((await Promise.all(appends)).every((outcome) => outcome === "aborted"));
    assert.equal(await journal.append("0", 0), 0);
    const { pending } = await provider.stats();
    assert.deepEqual({ ...pending }, { messages: 0, bytes: 0, waitingForRoom: 0 });
  });
}
