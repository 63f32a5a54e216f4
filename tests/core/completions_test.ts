import assert from "node:assert/strict";
import { MemoryPersistenceProvider } from "../../adapters/memory.ts";
import { test } from "../harness.ts";

test("an aborted append is settled once, whatever its expectation was", async () => {
  const provider = await MemoryPersistenceProvider.open();
  const journal = provider.createMessageJournal<string>();
  const controller = new AbortController();
  const aborted = journal.append("actor", "never", {
    expectedSequenceNumber: 7,
    signal: controller.signal,
  });
  controller.abort(new Error("aborted"));
  await assert.rejects(aborted, /^Error: aborted$/);
  const appended = journal.append("actor", "first");
  await provider.close();
  assert.equal(await appended, 0);
});

test("aborted appends keep their room only until the next commit is planned", async () => {
  await using provider = await MemoryPersistenceProvider.open({ maxPendingMessages: 2 });
  const journal = provider.createBatchedMessageJournal<number>({ maxBatchDelayMs: 2 ** 31 - 1 });
  const controller = new AbortController();
  const { signal } = controller;
  const aborted = [1, 2].map((message) => journal.append("actor", message, { signal }));
  const results = Promise.allSettled(aborted);
  controller.abort(new Error("aborted"));
  assert.deepEqual((await results).map(({ status }) => status), ["rejected", "rejected"]);
  // There is no room for it, so it starts a commit, which finds out that nothing is left.
  assert.equal(await journal.append("actor", 3), 0);
  assert.equal((await provider.stats()).pending.messages, 0);
});

test("an abort during the commit has no effect", async () => {
  await using provider = await MemoryPersistenceProvider.open();
  const journal = provider.createMessageJournal<string>();
  const controller = new AbortController();
  const appended = journal.append("actor", "message", { signal: controller.signal });
  assert.equal(await appended, 0);
  controller.abort();
  assert.equal((await journal.readFrom("actor", 0)).length, 1);
});
