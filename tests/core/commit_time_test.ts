import assert from "node:assert/strict";
import { MemoryStorage } from "../../adapters/memory.ts";
import { CommitQueue } from "../../core/commit/commit_queue.ts";
import { CommitTime } from "../../core/commit/commit_time.ts";
import { Log } from "../../core/log/log.ts";
import { ObservedStorage } from "../conformance/observed_storage.ts";
import { test } from "../harness.ts";

test("one slow commit weighs a quarter", () => {
  const commitTime = new CommitTime();
  commitTime.observe(4);
  commitTime.observe(104);
  assert.equal(commitTime.averageMs, 29);
});

test("the commit queue learns how long its commits take", async () => {
  await using storage = new ObservedStorage(await MemoryStorage.open());
  const limits = {
    maxPendingMessages: 1,
    maxPendingBytes: 1,
    maxHotBytes: 1,
    backpressure: "wait" as const,
  };
  const queue = new CommitQueue(storage, await Log.open(storage), limits);
  const release = storage.holdCommits();
  const written = queue.write({ conditions: [], changes: [] });
  await storage.commitHeld();
  await new Promise((resolve) => setTimeout(resolve, 10));
  release();
  await written;
  assert.ok(queue.commitTime.averageMs >= 5, `${queue.commitTime.averageMs} ms`);
});
