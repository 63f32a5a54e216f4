import assert from "node:assert/strict";
import { SnapshotPolicy, type SnapshotPolicyOptions } from "../../core/snapshot_policy.ts";
import { test } from "../harness.ts";

const NO_TIME: SnapshotPolicyOptions<null> = { everyMs: Infinity };

test("snapshot policy: while a save is slower than the interval, the interval doubles", () => {
  const policy = policyOf({ ...NO_TIME, everyMessages: 10 });
  const backOffs: number[] = [];
  for (let save = 0; save < 9; save++) {
    messagesUntilDue(policy);
    backOffs.push(policy.backOff);
    policy.taken();
    // The next one is due before this one has been saved.
    messagesUntilOvertaken(policy);
    policy.saved();
  }
  assert.deepEqual(backOffs, [1, 2, 4, 8, 16, 32, 64, 64, 64]);
});

test("snapshot policy: where saves are in time again, the interval shrinks to what was asked", () => {
  const policy = policyOf({ ...NO_TIME, everyMessages: 10 });
  assert.equal(messagesUntilDue(policy), 10);
  policy.taken();
  messagesUntilOvertaken(policy);
  policy.saved();
  assert.equal(policy.backOff, 2);
  // Ten have come meanwhile.
  assert.equal(messagesUntilDue(policy), 10);
  policy.taken();
  policy.saved();
  assert.equal(policy.backOff, 1);
  assert.equal(messagesUntilDue(policy), 10);
});

test("snapshot policy: a failed save counts again, and waits longer", () => {
  const policy = policyOf({ ...NO_TIME, everyMessages: 10 });
  assert.equal(messagesUntilDue(policy), 10);
  policy.taken();
  policy.failed(10);
  assert.equal(policy.isDue(), false);
  assert.equal(messagesUntilDue(policy), 10, "twenty, of which ten are there");
});

test("snapshot policy: manual is never due", () => {
  const policy = policyOf("manual");
  for (let left = 1_000; left > 0; left--) assert.equal(policy.observe(1, 1_000, null, 0), false);
  policy.stop();
});

test("snapshot policy: what was replayed counts", () => {
  const policy = policyOf({ ...NO_TIME, everyMessages: 10, everyBytes: 1_000 });
  policy.reset(9, 10);
  assert.equal(policy.isDue(), false);
  policy.reset(10, 10);
  assert.equal(policy.isDue(), true);
  policy.reset(1, 1_000);
  assert.equal(policy.isDue(), true);
});

test("snapshot policy: time begins with the first change, and waits for a save", async () => {
  let times = 0;
  const policy = new SnapshotPolicy<null>({ everyMs: 2 }, () => void times++, "test");
  await pause(10);
  assert.equal(times, 0, "nothing has changed");
  policy.observe(1, 0, null, 0);
  while (times === 0) await pause(1);
  policy.observe(1, 0, null, 1);
  policy.taken();
  policy.observe(1, 0, null, 2);
  await pause(20);
  assert.equal(times, 1, "one at a time");
  policy.saved();
  while (times === 1) await pause(1);
  policy.stop();
});

function policyOf(options: SnapshotPolicyOptions<null> | "manual"): SnapshotPolicy<null> {
  return new SnapshotPolicy<null>(options, () => assert.fail("no time was set"), "test");
}

function messagesUntilDue(policy: SnapshotPolicy<null>): number {
  for (let messages = 1;; messages++) if (policy.observe(1, 0, null, 0)) return messages;
}

function messagesUntilOvertaken(policy: SnapshotPolicy<null>): void {
  const { backOff } = policy;
  for (let left = 10 * backOff; left > 0; left--) {
    assert.equal(policy.observe(1, 0, null, 0), false, "not while one is being saved");
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
