import assert from "node:assert/strict";
import fc from "fast-check";
import { type Deadline, Deadlines } from "../../core/util/deadlines.ts";
import { TestClock } from "../../testing/test_clock.ts";
import { countHeld } from "../garbage.ts";
import { test } from "../harness.ts";

test("deadlines: calls expire in the order of their limits, those that ended do not", async () => {
  const clock = new TestClock();
  const deadlines = new Deadlines(clock);
  const expired: string[] = [];
  const calls = [["b", 15], ["a", 5], ["never", 10_000], ["c", 15], ["d", 15]] as const;
  const [, , , c] = calls.map(([name, limitMs]) =>
    deadlines.watch(limitMs, () => expired.push(name))
  );
  c?.end();
  await clock.advance(14);
  assert.deepEqual(expired, ["a"]);
  await clock.advance(1);
  assert.deepEqual(expired, ["a", "b", "d"]);
  await clock.advance(9_984);
  assert.deepEqual(expired, ["a", "b", "d"]);
  await clock.advance(1);
  assert.deepEqual(expired, ["a", "b", "d", "never"]);
});

test("deadlines: a timer runs only while a call is open, and a process waits for it", async () => {
  const clock = new TestClock();
  const deadlines = new Deadlines(clock);
  assert.deepEqual(clock.pending, []);
  const first = deadlines.watch(30_000, () => assert.fail("it has ended"));
  const second = deadlines.watch(30_000, () => assert.fail("it has ended"));
  assert.deepEqual(clock.pending, [{ inMs: 30_000, keepsAlive: true }], "one for both");
  first.end();
  assert.equal(clock.pending.length, 1);
  second.end();
  second.end();
  assert.deepEqual(clock.pending, []);
  let expired = 0;
  deadlines.watch(1, () => expired++);
  await clock.advance(1);
  assert.equal(expired, 1);
  assert.deepEqual(clock.pending, []);
});

test("deadlines: of calls that are made in one go none expires before its time", async () => {
  const clock = new TestClock();
  let reads = 0;
  /** What the caller does between two calls takes this long. */
  let busyMs = 0;
  const deadlines = new Deadlines({
    monotonic() {
      reads++;
      return clock.monotonic() + busyMs;
    },
    setTimer: (callback, delayMs, keepsAlive) => clock.setTimer(callback, delayMs, keepsAlive),
  });
  const expired: string[] = [];
  deadlines.watch(1_000, () => expired.push("first"));
  busyMs = 900;
  for (const _ of Array(100)) deadlines.watch(1_000, () => expired.push("second"));
  assert.equal(reads, 2, "the clock is not looked at for each");
  await clock.advance(999);
  assert.equal(expired.length, 0);
  await clock.advance(1);
  assert.equal(expired.length, 101);
  // A single one is measured from its own call.
  deadlines.watch(1_000, () => expired.push("third"));
  await clock.advance(999);
  assert.equal(expired.length, 101);
  await clock.advance(1);
  assert.equal(expired.length, 102);
});

test("deadlines: calls that have ended do not pile up after an older one that is open", async () => {
  const deadlines = new Deadlines(new TestClock());
  const oldest = deadlines.watch(30_000, () => {});
  // Nothing but the deadlines refers to these when this function has returned.
  const endMany = () =>
    Array.from({ length: 10_000 }, () => {
      const ended = deadlines.watch(30_000, () => {});
      ended.end();
      return new WeakRef(ended);
    });
  const held = await countHeld(endMany());
  assert.ok(held < 200, `${held} of 10,000 are still in memory`);
  oldest.end();
});

/** What is done to deadlines. Indexes are taken modulo what there is. */
type Step =
  | { readonly type: "watch"; readonly limitMs: number; readonly onExpire: OnExpire }
  | { readonly type: "end"; readonly index: number }
  | { readonly type: "advance"; readonly ms: number };

/** What a call does when its time is over: ends itself, ends another one, or makes a new one. */
type OnExpire = "nothing" | "end itself" | "end another" | "watch";

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      type: fc.constant("watch" as const),
      limitMs: fc.constantFrom(1, 5, 20, 100),
      onExpire: fc.constantFrom<OnExpire>(
        "nothing",
        "nothing",
        "end itself",
        "end another",
        "watch",
      ),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({ type: fc.constant("end" as const), index: fc.nat() }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      type: fc.constant("advance" as const),
      ms: fc.integer({ min: 0, max: 40 }),
    }),
  },
);

/** A call, as the test sees it. */
interface Call {
  readonly atMs: number;
  deadline: Deadline | undefined;
  state: "open" | "ended" | "expired";
}

test("deadlines: each call that has not ended expires at its time, once, and no other does", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60, size: "max" }), async (steps) => {
      const clock = new TestClock();
      const deadlines = new Deadlines(clock);
      const calls: Call[] = [];
      const end = (call: Call | undefined) => {
        call?.deadline?.end();
        if (call?.state === "open") call.state = "ended";
      };
      const watch = (limitMs: number, onExpire: OnExpire) => {
        const call: Call = {
          atMs: clock.monotonic() + limitMs,
          deadline: undefined,
          state: "open",
        };
        calls.push(call);
        call.deadline = deadlines.watch(limitMs, () => {
          assert.equal(call.state, "open");
          assert.equal(clock.monotonic(), call.atMs);
          call.state = "expired";
          if (onExpire === "end itself") end(call);
          if (onExpire === "end another") end(calls.findLast(({ state }) => state === "open"));
          if (onExpire === "watch") watch(limitMs, "nothing");
        });
      };
      for (const step of steps) {
        if (step.type === "watch") watch(step.limitMs, step.onExpire);
        else if (step.type === "end") end(calls[step.index % Math.max(1, calls.length)]);
        else await clock.advance(step.ms);
        const open = calls.filter(({ state }) => state === "open");
        assert.ok(open.every(({ atMs }) => atMs > clock.monotonic()), "none has been forgotten");
        assert.equal(clock.pending.length > 0, open.length > 0, "a timer while a call is open");
      }
    }),
  );
});
