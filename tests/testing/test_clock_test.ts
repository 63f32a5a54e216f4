import assert from "node:assert/strict";
import fc from "fast-check";
import { TestClock } from "../../testing/mod.ts";
import { test } from "../harness.ts";

/** A timer, and what it does when it fires. */
interface Plan {
  readonly delayMs: number;
  /** How many promise reactions come before what it sets and cancels. */
  readonly reactions: number;
  readonly sets: readonly Plan[];
  /** Cancels the timer that was set so many before this one. */
  readonly cancels: number | undefined;
}

/** What is done with a clock. */
interface Program {
  readonly sets: readonly Plan[];
  readonly advances: readonly number[];
}

/** When which timer fired: it is named by the number of those that were set before. */
type Log = (readonly [name: number, atMs: number])[];

/** @param levels How deeply timers set timers. */
function plansOf(levels: number): fc.Arbitrary<Plan> {
  return fc.record({
    delayMs: fc.nat(12),
    reactions: fc.nat(30),
    sets: levels === 0 ? fc.constant([]) : fc.array(plansOf(levels - 1), { maxLength: 3 }),
    cancels: fc.option(fc.integer({ min: 1, max: 6 }), { nil: undefined }),
  });
}

const programs: fc.Arbitrary<Program> = fc.record({
  sets: fc.array(plansOf(2), { minLength: 1, maxLength: 5 }),
  advances: fc.array(fc.nat(15), { minLength: 1, maxLength: 5 }),
});

/** Looks at each millisecond whether one fires then. */
function model({ sets, advances }: Program): Log {
  const log: Log = [];
  const timers: { plan: Plan; name: number; atMs: number; isDone: boolean }[] = [];
  let nowMs = 0;
  const set = (plan: Plan) => {
    timers.push({ plan, name: timers.length, atMs: nowMs + plan.delayMs, isDone: false });
  };
  for (const plan of sets) set(plan);
  const endMs = advances.reduce((sum, ms) => sum + ms, 0);
  for (; nowMs <= endMs; nowMs++) {
    for (;;) {
      const due = timers.find(({ atMs, isDone }) => atMs === nowMs && !isDone);
      if (!due) break;
      due.isDone = true;
      log.push([due.name, nowMs]);
      const cancelled = timers[due.name - (due.plan.cancels ?? 0)];
      if (cancelled) cancelled.isDone = true;
      for (const plan of due.plan.sets) set(plan);
    }
  }
  return log;
}

async function actual({ sets, advances }: Program): Promise<Log> {
  const log: Log = [];
  const clock = new TestClock();
  const timers: { cancel(): void }[] = [];
  const set = (plan: Plan) => {
    const name = timers.length;
    const fire = async () => {
      log.push([name, clock.monotonic()]);
      for (let count = 0; count < plan.reactions; count++) await undefined;
      timers[name - (plan.cancels ?? 0)]?.cancel();
      for (const nested of plan.sets) set(nested);
    };
    timers.push(clock.setTimer(() => void fire(), plan.delayMs, true));
  };
  for (const plan of sets) set(plan);
  for (const ms of advances) await clock.advance(ms);
  return log;
}

test("test clock: timers fire in the order of a model that looks at each millisecond", async () => {
  const property = fc.asyncProperty(programs, async (program) => {
    assert.deepEqual(await actual(program), model(program));
  });
  await fc.assert(property);
});

test("test clock: it stands still until it is moved", async () => {
  const clock = new TestClock();
  assert.equal(new Date(clock.now()).toISOString(), "2000-01-01T00:00:00.000Z");
  let fired = 0;
  clock.setTimer(() => fired++, 0, true);
  await new Promise((resolve) => setTimeout(resolve, 5));
  assert.deepEqual([fired, clock.monotonic(), clock.pending.length], [0, 0, 1]);
  await clock.advance(0);
  assert.deepEqual([fired, clock.monotonic(), clock.pending.length], [1, 0, 0]);
  await clock.advance(86_400_000);
  assert.equal(new Date(clock.now()).toISOString(), "2000-01-02T00:00:00.000Z");
});

test("test clock: what has begun before it is moved sets its timers first", async () => {
  const clock = new TestClock();
  const log: string[] = [];
  const sleep = (ms: number) =>
    new Promise<void>((resolve) => void clock.setTimer(resolve, ms, true));
  const work = async () => {
    for (let count = 0; count < 1_000; count++) await undefined;
    for (let round = 1; round <= 3; round++) {
      await sleep(100);
      log.push(`${round} at ${clock.monotonic()}`);
    }
  };
  const working = work();
  await clock.advance(250);
  assert.deepEqual(log, ["1 at 100", "2 at 200"]);
  await clock.advance(50);
  await working;
  assert.deepEqual(log, ["1 at 100", "2 at 200", "3 at 300"]);
});

test("test clock: setting the time of day moves no timer", async () => {
  const clock = new TestClock(new Date(1_000));
  let firedAt = 0;
  clock.setTimer(() => firedAt = clock.now(), 10, false);
  clock.setTime(new Date(0));
  assert.deepEqual([clock.now(), clock.monotonic()], [0, 0]);
  assert.deepEqual(clock.pending, [{ inMs: 10, keepsAlive: false }]);
  await clock.advance(4);
  clock.setTime(new Date(5_000));
  assert.deepEqual(clock.pending, [{ inMs: 6, keepsAlive: false }]);
  await clock.advance(6);
  assert.deepEqual([firedAt, clock.monotonic()], [5_006, 10]);
});

test("test clock: one that is moved twice at once is moved in turn", async () => {
  const clock = new TestClock();
  const log: number[] = [];
  for (const ms of [1, 2, 3]) clock.setTimer(() => log.push(clock.monotonic()), ms, true);
  await Promise.all([clock.advance(2), clock.advance(1)]);
  assert.deepEqual(log, [1, 2, 3]);
});

test("test clock: what a timer throws is thrown to who moves the clock", async () => {
  const clock = new TestClock();
  let fired = false;
  clock.setTimer(
    () => {
      throw new RangeError("no");
    },
    5,
    true,
  );
  clock.setTimer(() => fired = true, 6, true);
  await assert.rejects(clock.advance(10), RangeError);
  assert.deepEqual([clock.monotonic(), fired], [5, false]);
  await clock.advance(1);
  assert.equal(fired, true);
});

test("test clock: bad arguments are refused", async () => {
  const refused = { code: "INVALID_ARGUMENT" };
  const clock = new TestClock();
  for (const ms of [-1, 0.5, NaN, Infinity, "1"]) {
    await assert.rejects(clock.advance(ms as number), refused);
  }
  for (const delayMs of [-1, NaN, 2 ** 31, Infinity]) {
    assert.throws(() => clock.setTimer(() => {}, delayMs, true), refused);
  }
  assert.throws(() => clock.setTimer(undefined as never, 1, true), refused);
  assert.throws(() => clock.setTimer(() => {}, 1, undefined as never), refused);
  assert.throws(() => clock.setTime(new Date(NaN)), refused);
  assert.throws(() => new TestClock(0 as never), refused);
  assert.deepEqual(clock.pending, []);
});
