import assert from "node:assert/strict";
import { AdaptiveBatching, BatchPolicy } from "../../core/commit/batch_policy.ts";
import { CommitTime } from "../../core/commit/commit_time.ts";
import { test } from "../harness.ts";

/** Arrivals of one message each, `everyMs` apart, until a time. */
function arrive(batching: AdaptiveBatching, fromMs: number, toMs: number, everyMs: number): void {
  for (let nowMs = fromMs; nowMs < toMs; nowMs += everyMs) batching.arrive(1, nowMs);
}

function commitsOf(ms: number): CommitTime {
  const commitTime = new CommitTime();
  for (let count = 0; count < 50; count++) commitTime.observe(ms);
  return commitTime;
}

test("before the first commit nothing waits", () => {
  const batching = new AdaptiveBatching(new CommitTime(), 0);
  arrive(batching, 0, 100, 0.1);
  assert.deepEqual([batching.size, batching.delayMs], [1, 0]);
});

test("a batch is what arrives during one commit, and waits as long", () => {
  const batching = new AdaptiveBatching(commitsOf(5), 0);
  arrive(batching, 0, 500, 0.1);
  assert.ok(Math.abs(batching.size - 50) <= 2, `${batching.size} messages`);
  assert.equal(batching.delayMs, 5);
});

test("each message of a batch counts", () => {
  const batching = new AdaptiveBatching(commitsOf(5), 0);
  for (let nowMs = 0; nowMs < 500; nowMs += 5) batching.arrive(100, nowMs);
  assert.ok(Math.abs(batching.size - 100) <= 2, `${batching.size} messages`);
});

test("a lone caller that appends less often than commits take does not wait for others", () => {
  const batching = new AdaptiveBatching(commitsOf(5), 0);
  arrive(batching, 0, 5_000, 20);
  assert.equal(batching.size, 1);
});

test("a burst makes batches grow while it lasts, and a silence makes them small again", () => {
  const batching = new AdaptiveBatching(commitsOf(5), 0);
  arrive(batching, 0, 1_000, 100);
  assert.equal(batching.size, 1);
  arrive(batching, 1_000, 1_040, 0.01);
  assert.ok(batching.size > 200, `${batching.size} messages`);
  batching.arrive(1, 2_000);
  assert.ok(batching.size <= 21, `${batching.size} messages`);
  batching.arrive(1, 2_100);
  assert.equal(batching.size, 1);
});

test("slower commits make batches larger, quicker ones smaller", () => {
  const commitTime = commitsOf(2);
  const batching = new AdaptiveBatching(commitTime, 0);
  arrive(batching, 0, 500, 0.1);
  const { size } = batching;
  for (let count = 0; count < 50; count++) commitTime.observe(20);
  assert.ok(batching.size > 5 * size, `${batching.size} messages after ${size}`);
  for (let count = 0; count < 50; count++) commitTime.observe(0.1);
  assert.deepEqual([batching.size, batching.delayMs], [1, 0]);
});

test("an adaptive policy releases a lone message at once, however slow commits are", () => {
  const released: string[] = [];
  const limits = { maxSize: 100, maxBytes: 100, maxDelayMs: 60_000, adaptive: true };
  const policy = new BatchPolicy<string>(limits, commitsOf(10_000), (actors) => {
    released.push(...actors);
  });
  policy.join("a", 1, 1);
  assert.deepEqual(released, ["a"]);
  policy.change({ adaptive: false });
  policy.join("b", 1, 1);
  assert.deepEqual(released, ["a"]);
  policy.change({ adaptive: true });
  assert.deepEqual(released, ["a", "b"]);
});

test("under load a batch is released after the time of a commit, long before the limit", async () => {
  let released = 0;
  let releasedTwice = () => {};
  const all = new Promise<void>((resolve) => releasedTwice = resolve);
  const limits = {
    maxSize: 2 ** 31 - 1,
    maxBytes: 2 ** 31 - 1,
    maxDelayMs: 600_000,
    adaptive: true,
  };
  const policy = new BatchPolicy<string>(limits, commitsOf(20), () => {
    released++;
    if (released === 2) releasedTwice();
  });
  policy.join("a", 1_000, 1);
  assert.equal(released, 1);
  await new Promise((resolve) => setTimeout(resolve, 30));
  policy.join("a", 1, 1);
  assert.equal(released, 1, "it waits for others");
  await all;
});
