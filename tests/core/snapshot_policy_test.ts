import assert from "node:assert/strict";
import {
  type ChangesSinceSnapshot,
  SnapshotPolicy,
  type SnapshotPolicyOptions,
} from "../../core/actors/snapshot_policy.ts";
import { TestClock } from "../../testing/test_clock.ts";
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

test("snapshot policy: once saves are in time again, the interval shrinks to the configured one", () => {
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

test("snapshot policy: time begins with the first change, and no process waits for it", async () => {
  const { policy, clock, times } = timedPolicyOf({ everyMs: 1_000 });
  assert.deepEqual(delaysOf(clock), [], "nothing has changed");
  policy.observe(1, 0, null, 0);
  await clock.advance(400);
  policy.observe(1, 0, null, 1);
  assert.deepEqual(clock.pending, [{ inMs: 600, keepsAlive: false }]);
  await clock.advance(599);
  assert.equal(times(), 0);
  await clock.advance(1);
  assert.equal(times(), 1);
  assert.deepEqual(delaysOf(clock), [], "until something changes again");
  policy.taken();
  policy.saved();
  await clock.advance(5_000);
  policy.observe(1, 0, null, 2);
  assert.deepEqual(delaysOf(clock), [1_000]);
  policy.stop();
  assert.deepEqual(delaysOf(clock), []);
});

test("snapshot policy: what was replayed starts the clock", async () => {
  const { policy, clock, times } = timedPolicyOf({ everyMs: 1_000 });
  policy.reset(0, 0);
  assert.deepEqual(delaysOf(clock), []);
  policy.reset(3, 30);
  assert.deepEqual(delaysOf(clock), [1_000]);
  await clock.advance(1_000);
  assert.equal(times(), 1);
});

test("snapshot policy: a save that takes longer than the time makes it longer, one at a time", async () => {
  const { policy, clock, times } = timedPolicyOf({ everyMs: 1_000 });
  policy.observe(1, 0, null, 0);
  policy.taken();
  assert.deepEqual(delaysOf(clock), [], "what was taken does not wait");
  policy.observe(1, 0, null, 1);
  await clock.advance(1_000);
  assert.equal(times(), 0, "while one is being saved");
  assert.deepEqual(delaysOf(clock), [1_000], "it is looked at again");
  policy.saved();
  assert.equal(policy.backOff, 2);
  await clock.advance(1_000);
  assert.equal(times(), 1);
  policy.taken();
  policy.saved();
  policy.observe(1, 0, null, 2);
  assert.deepEqual(delaysOf(clock), [1_000], "this save was in time");
});

test("snapshot policy: once stopped it sets no timer any more, whatever ends then", () => {
  const { policy, clock } = timedPolicyOf({ everyMs: 1_000 });
  policy.observe(1, 0, null, 0);
  policy.taken();
  policy.stop();
  policy.failed(1);
  policy.observe(1, 0, null, 1);
  assert.deepEqual(delaysOf(clock), []);
});

test("snapshot policy: when is asked with what has changed", () => {
  const asked: ChangesSinceSnapshot[] = [];
  const policy = policyOf({
    everyMs: Infinity,
    everyMessages: Infinity,
    when: (_state, changes) => asked.push(changes) === 2,
  });
  assert.equal(policy.observe(1, 10, null, 4), false);
  assert.equal(policy.observe(2, 30, null, 6), true);
  assert.deepEqual(asked, [
    { messages: 1, bytes: 10, sequenceNumber: 4 },
    { messages: 3, bytes: 40, sequenceNumber: 6 },
  ]);
  policy.taken();
  assert.equal(policy.observe(1, 10, null, 7), false);
  assert.equal(asked[2]?.messages, 1, "it counts from the snapshot on");
});

test("snapshot policy: a when that throws, or is not synchronous, is reported and counts as false", async () => {
  const error = new Error("when is broken");
  const failures: unknown[] = [];
  const answers = [() => false, () => Promise.reject(error), () => Promise.resolve(true)];
  const throws = () => {
    throw error;
  };
  const clock = new TestClock();
  let answer: () => unknown = throws;
  const policy = new SnapshotPolicy<null>(
    { everyMs: Infinity, when: () => answer() as boolean },
    { clock, onTime: () => {}, whenFailed: (error) => failures.push(error) },
    "test",
  );
  assert.equal(policy.observe(1, 0, null, 0), false);
  assert.deepEqual(failures, [error]);
  for (answer of answers) assert.equal(policy.observe(1, 0, null, 0), false);
  // The rejection that nobody awaits must not end the process.
  await new Promise((resolve) => setTimeout(resolve, 0));
  assert.equal(failures.length, 3);
  assert.ok(failures.slice(1).every((failure) => failure instanceof TypeError));
});

function delaysOf(clock: TestClock): number[] {
  return clock.pending.map(({ inMs }) => inMs);
}

function policyOf(options: SnapshotPolicyOptions<null> | "manual"): SnapshotPolicy<null> {
  return new SnapshotPolicy<null>(options, {
    clock: new TestClock(),
    onTime: () => assert.fail("no time was set"),
    whenFailed: () => assert.fail("when does not fail"),
  }, "test");
}

/** A policy that depends on time alone. */
function timedPolicyOf(options: SnapshotPolicyOptions<null>) {
  const clock = new TestClock();
  let times = 0;
  const policy = new SnapshotPolicy<null>({ everyMessages: Infinity, ...options }, {
    clock,
    onTime: () => times++,
    whenFailed: () => assert.fail("when does not fail"),
  }, "test");
  return { policy, clock, times: () => times };
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
