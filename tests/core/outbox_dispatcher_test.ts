import assert from "node:assert/strict";
import { ActorEvents } from "../../core/actors/actor_events.ts";
import { OutboxDispatcher } from "../../core/actors/outbox_dispatcher.ts";
import type { EffectDelivery, OutboxOptions } from "../../core/actors/outbox_options.ts";
import { checkOutbox } from "../../core/actors/outbox_options.ts";
import type { ActorProblem } from "../../core/actors/report.ts";
import { PersistenceError } from "../../core/errors/persistence_error.ts";
import { NO_TELEMETRY } from "../../core/telemetry/telemetry_hub.ts";
import { Deferred } from "../../core/util/promises.ts";
import { TestClock } from "../../testing/test_clock.ts";
import { range } from "../conformance/fixture.ts";
import { countHeld } from "../garbage.ts";
import { test } from "../harness.ts";
import { FakeOutboxStore, storageFailure, type TestEffect } from "./fake_outbox_store.ts";

/** An attempt that a dispatcher has begun. */
interface Attempt extends EffectDelivery {
  readonly atMs: number;
  /** Ends it. */
  readonly end: Deferred<void>;
}

/** A dispatcher on a store, with a clock and deliveries that the test drives. */
class Fixture {
  readonly clock = new TestClock();
  readonly store: FakeOutboxStore;
  readonly attempts: Attempt[] = [];
  readonly problems: ActorProblem[] = [];
  /** What each attempt ends with at once; without it the test ends it. */
  answer: ((effect: TestEffect) => void) | undefined = () => {};
  readonly dispatcher: OutboxDispatcher<TestEffect>;

  constructor(
    options: Partial<OutboxOptions<TestEffect>> = {},
    store: FakeOutboxStore = new FakeOutboxStore(),
  ) {
    this.store = store;
    const deliver = (effect: TestEffect, delivery: EffectDelivery) => {
      assert.deepEqual(effect, { actorId: delivery.actorId, number: delivery.sequenceNumber });
      const end = new Deferred<void>();
      this.attempts.push({ ...delivery, atMs: this.clock.monotonic(), end });
      if (!this.answer) return end.promise;
      this.answer(effect);
    };
    this.dispatcher = new OutboxDispatcher<TestEffect>({
      kind: "cart",
      actorId: undefined,
      options: checkOutbox<TestEffect>({ deliver, ...options }, "test"),
      store,
      clock: this.clock,
      callContext: undefined,
      events: new ActorEvents("cart", this.clock, NO_TELEMETRY),
      owner: this,
      report: (problem) => this.problems.push(problem),
    });
  }

  /** The ids of the attempts, in order. */
  get ids(): string[] {
    return this.attempts.map(({ id }) => id);
  }

  /** What was reported, in order. */
  get problemTypes(): string[] {
    return this.problems.map(({ type }) => type);
  }

  /** Lets everything go on as far as it comes. */
  async settle(): Promise<void> {
    await this.clock.advance(0);
  }

  /** Ends the last attempt at an effect. */
  async end(id: string, error?: unknown): Promise<void> {
    const attempt = this.attempts.findLast((attempt) => attempt.id === id);
    assert.ok(attempt, `${id} is being delivered`);
    if (error === undefined) attempt.end.resolve();
    else attempt.end.reject(error);
    await this.settle();
  }
}

const refused = new Error("refused");
const refuse = () => {
  throw refused;
};

test("outbox dispatcher: effects of an actor go out in order, one at a time, beside others", async () => {
  const fixture = new Fixture();
  const { store, dispatcher } = fixture;
  fixture.answer = undefined;
  store.decide("a", [1, 2]);
  store.decide("b", [7]);
  dispatcher.start();
  await fixture.settle();
  assert.deepEqual(fixture.ids, ["a/1/0", "b/7/0"]);
  dispatcher.add(store.decide("a", [5, 6]));
  dispatcher.add(store.decide("c", [0]));
  await fixture.end("b/7/0");
  assert.deepEqual(fixture.ids, ["a/1/0", "b/7/0", "c/0/0"]);
  for (const next of ["a/1/0", "a/2/0", "a/5/0", "a/6/0"]) await fixture.end(next);
  assert.deepEqual(fixture.ids.slice(3), ["a/2/0", "a/5/0", "a/6/0"]);
  assert.ok(fixture.attempts.every(({ attempt, kind }) => attempt === 1 && kind === "cart"));
  await fixture.end("c/0/0");
  await dispatcher.drained();
  assert.deepEqual(store.openIds, []);
  assert.deepEqual(fixture.problems, []);
});

test("outbox dispatcher: of an actor go out as many at once as it says, of all a bounded number", async () => {
  const fixture = new Fixture({ concurrency: 3 });
  fixture.answer = undefined;
  fixture.store.decide("a", range(0, 9));
  for (const actor of range(1, 300)) fixture.store.decide(`b${actor}`, [0]);
  fixture.dispatcher.start();
  await fixture.settle();
  assert.deepEqual(fixture.ids.slice(0, 3), ["a/0/0", "a/1/0", "a/2/0"]);
  assert.equal(fixture.attempts.length, 256);
  await fixture.end("a/1/0");
  assert.equal(fixture.attempts.length, 257);
  await fixture.end("a/0/0");
  const ofA = () => fixture.attempts.filter(({ actorId }) => actorId === "a").length;
  while (fixture.store.openIds.length > 0) {
    for (const { end } of fixture.attempts) end.resolve();
    await fixture.settle();
  }
  assert.equal(ofA(), 10);
  assert.equal(fixture.attempts.length, 310);
});

test("outbox dispatcher: after a failure the delay doubles up to its bound, and attempts are counted", async () => {
  const fixture = new Fixture({ initialDelayMs: 100, maxDelayMs: 1_000, maxAttempts: Infinity });
  fixture.answer = refuse;
  fixture.dispatcher.add(fixture.store.decide("a", [1]));
  fixture.dispatcher.start();
  await fixture.clock.advance(10_000);
  const { attempts } = fixture;
  const delays = attempts.slice(1).map(({ atMs }, index) => atMs - (attempts[index]?.atMs ?? 0));
  for (const [index, delay] of delays.entries()) {
    const longest = Math.min(1_000, 100 * 2 ** index);
    assert.ok(delay >= longest / 2 && delay <= longest + 1, `delay ${index}: ${delay}`);
  }
  assert.ok(delays.length >= 11, `${delays.length} delays`);
  assert.deepEqual(attempts.map(({ attempt }) => attempt), range(1, attempts.length));
  assert.deepEqual(fixture.problems[1], {
    type: "delivery",
    kind: "cart",
    actorId: "a",
    error: refused,
    effectId: "a/1/0",
    attempt: 2,
  });
  await fixture.dispatcher.stop();
  const again = new Fixture({ maxDelayMs: 1_000 }, fixture.store);
  // The time of day goes on while the process does not run.
  await again.clock.advance(10_000);
  again.dispatcher.start();
  await again.clock.advance(1_000);
  assert.deepEqual(again.attempts.map(({ attempt }) => attempt), [attempts.length + 1]);
});

test("outbox dispatcher: an attempt that is not due waits, also after a restart", async () => {
  const fixture = new Fixture();
  const { store, dispatcher, clock } = fixture;
  store.decide("a", [1], { attempts: 3, dueAt: new Date(clock.now() + 500) });
  store.decide("a", [2]);
  dispatcher.start();
  await clock.advance(499);
  assert.deepEqual(fixture.ids, []);
  assert.deepEqual(clock.pending, [{ inMs: 1, keepsAlive: false }]);
  await clock.advance(1);
  assert.deepEqual(fixture.attempts.map(({ id, attempt }) => [id, attempt]), [
    ["a/1/0", 4],
    ["a/2/0", 1],
  ]);
});

test("outbox dispatcher: a time of day that was set back holds up nothing for long", async () => {
  const fixture = new Fixture({ maxDelayMs: 1_000 });
  const { store, dispatcher, clock } = fixture;
  const year = 365 * 86_400_000;
  store.decide("a", [1], { attempts: 1, dueAt: new Date(clock.now() + year) });
  store.decide("b", [1], { dueAt: new Date(clock.now() + year) });
  dispatcher.start();
  await fixture.settle();
  assert.deepEqual(fixture.ids, ["b/1/0"], "what was never tried is due at once");
  await clock.advance(1_000);
  assert.deepEqual(fixture.ids, ["b/1/0", "a/1/0"]);
  fixture.answer = refuse;
  dispatcher.add(store.decide("c", [1]));
  await fixture.settle();
  clock.setTime(new Date(clock.now() - year));
  fixture.answer = () => {};
  await clock.advance(1_000);
  assert.deepEqual(fixture.ids.slice(2), ["c/1/0", "c/1/0"]);
});

test("outbox dispatcher: what fails too often is given up, and those after it go on", async () => {
  const fixture = new Fixture({ maxAttempts: 3, initialDelayMs: 10 });
  const { store, dispatcher, clock } = fixture;
  fixture.answer = ({ number }) => {
    if (number === 1) throw refused;
  };
  store.decide("a", [1, 2]);
  dispatcher.start();
  await clock.advance(100);
  assert.deepEqual(fixture.ids, ["a/1/0", "a/1/0", "a/1/0", "a/2/0"]);
  assert.deepEqual(store.deadIds, ["a/1/0"]);
  assert.deepEqual(fixture.problemTypes, ["delivery", "delivery", "delivery", "dead-letter"]);
  assert.equal(fixture.problems[3]?.attempt, 3);
  await dispatcher.drained();
  const [letter] = (await store.deadLetters()).effects;
  assert.deepEqual([letter?.attempts, letter?.lastError], [3, "refused"]);
  fixture.answer = () => {};
  const revived = letter && await store.revive(letter);
  assert.ok(revived);
  dispatcher.add([revived]);
  await dispatcher.drained();
  assert.deepEqual(fixture.attempts.at(-1)?.id, "a/1/0");
  assert.equal(fixture.attempts.at(-1)?.attempt, 1);
});

test("outbox dispatcher: an attempt that does not end is aborted, and counts as failed", async () => {
  const fixture = new Fixture({ timeoutMs: 1_000, initialDelayMs: 10 });
  fixture.answer = undefined;
  fixture.dispatcher.add(fixture.store.decide("a", [1]));
  fixture.dispatcher.start();
  await fixture.clock.advance(999);
  assert.equal(fixture.attempts[0]?.signal.aborted, false);
  await fixture.clock.advance(11);
  assert.equal(fixture.attempts[0]?.signal.aborted, true);
  assert.equal(fixture.problems[0]?.type, "delivery");
  const { error } = fixture.problems[0];
  assert.ok(error instanceof PersistenceError && error.code === "TIMEOUT");
  assert.equal(fixture.attempts.length, 2);
  // The first one ends after all, which changes nothing.
  fixture.attempts[0]?.end.resolve();
  await fixture.settle();
  assert.deepEqual(fixture.store.openIds, ["a/1/0"]);
  await fixture.end("a/1/0");
  assert.deepEqual(fixture.store.openIds, []);
});

test("outbox dispatcher: a confirmation that fails is tried again, later and later, without a delivery", async () => {
  const fixture = new Fixture();
  const { store, dispatcher, clock } = fixture;
  const triedAt: number[] = [];
  store.before = (call) => {
    if (call !== "confirm") return;
    triedAt.push(clock.monotonic());
    if (triedAt.length <= 10) throw storageFailure();
  };
  store.decide("a", [1, 2, 3]);
  dispatcher.start();
  await clock.advance(0);
  assert.deepEqual(fixture.ids, ["a/1/0", "a/2/0", "a/3/0"], "the others do not wait for it");
  await clock.advance(60_000);
  const delays = triedAt.slice(1, 11).map((atMs, index) => atMs - (triedAt[index] ?? 0));
  assert.deepEqual(delays, [100, 200, 400, 800, 1_600, 3_200, 6_400, 10_000, 10_000, 10_000]);
  assert.equal(fixture.attempts.length, 3);
  assert.deepEqual(fixture.problemTypes, Array(10).fill("outbox"));
  assert.deepEqual(store.openIds, []);
  await dispatcher.drained();
});

test("outbox dispatcher: whenever a delivery ends, it is confirmed", async () => {
  // At some of these moments the confirmation of the one before has just been stored.
  for (const microtasks of range(0, 40)) {
    const fixture = new Fixture();
    const { store, dispatcher } = fixture;
    fixture.answer = undefined;
    store.decide("a", [1]);
    store.decide("b", [1]);
    dispatcher.start();
    await fixture.settle();
    const [first, second] = fixture.attempts;
    first?.end.resolve();
    for (let left = microtasks; left > 0; left--) await undefined;
    second?.end.resolve();
    await fixture.settle();
    assert.deepEqual(store.openIds, [], `${microtasks} microtasks`);
  }
});

test("outbox dispatcher: reading and giving up are tried again, later and later", async () => {
  for (const failing of ["open", "bury"] as const) {
    const fixture = new Fixture({ maxAttempts: 1 });
    const { store, dispatcher, clock } = fixture;
    fixture.answer = refuse;
    let failures = 0;
    const triedAt: number[] = [];
    store.before = (call) => {
      if (call !== failing) return;
      triedAt.push(clock.monotonic());
      if (failures++ < 4) throw storageFailure();
    };
    store.decide("a", [1]);
    dispatcher.start();
    await clock.advance(5_000);
    const delays = triedAt.slice(1, 5).map((atMs, index) => atMs - (triedAt[index] ?? 0));
    assert.deepEqual(delays, [100, 200, 400, 800], failing);
    assert.equal(fixture.attempts.length, 1);
    assert.deepEqual(store.deadIds, ["a/1/0"]);
  }
});

test("outbox dispatcher: a postponement that cannot be stored holds in memory", async () => {
  const fixture = new Fixture({ initialDelayMs: 100 });
  const { store, dispatcher, clock } = fixture;
  let failures = 0;
  fixture.answer = () => {
    if (failures++ < 2) throw refused;
  };
  store.before = (call) => {
    if (call === "postpone") throw storageFailure();
  };
  dispatcher.add(store.decide("a", [1]));
  dispatcher.start();
  await clock.advance(1_000);
  assert.deepEqual(fixture.attempts.map(({ attempt }) => attempt), [1, 2, 3]);
  assert.deepEqual(fixture.problemTypes, ["delivery", "outbox", "delivery", "outbox"]);
  assert.deepEqual(store.openIds, []);
});

test("outbox dispatcher: what becomes open while the store is read goes out once, in order", async () => {
  const fixture = new Fixture();
  const { store, dispatcher } = fixture;
  store.decide("a", range(0, 1_200));
  let page = 2_000;
  store.before = (call) => {
    if (call !== "open" || page > 2_010) return;
    // Before it reads, and after it has read.
    dispatcher.add(store.decide("a", [++page]));
  };
  store.after = (call) => {
    if (call === "open" && page <= 2_010) dispatcher.add(store.decide("a", [++page]));
  };
  dispatcher.start();
  await dispatcher.drained();
  assert.deepEqual(
    fixture.attempts.map(({ sequenceNumber }) => sequenceNumber),
    [...range(0, 1_200), ...range(2_001, page)],
  );
});

test("outbox dispatcher: what is confirmed while the store is read does not go out again", async () => {
  const fixture = new Fixture();
  const { store, dispatcher } = fixture;
  fixture.answer = undefined;
  store.decide("a", [1]);
  const second = new Deferred<void>();
  let reads = 0;
  store.after = (call) => {
    if (call !== "open") return;
    // So it is read once more, and that takes its time.
    if (++reads === 1) dispatcher.add(store.decide("a", [2]));
    if (reads === 2) return second.promise;
  };
  dispatcher.start();
  await fixture.settle();
  assert.deepEqual([reads, fixture.ids], [2, ["a/1/0"]]);
  await fixture.end("a/1/0");
  assert.deepEqual(store.openIds, ["a/2/0"]);
  second.resolve();
  await fixture.settle();
  assert.deepEqual(fixture.ids, ["a/1/0", "a/2/0"]);
  await fixture.end("a/2/0");
  await dispatcher.drained();
});

test("outbox dispatcher: of 15,000 open effects a bounded part is in memory", async () => {
  const fixture = new Fixture();
  const { store, dispatcher } = fixture;
  fixture.answer = undefined;
  for (const actor of range(1, 150)) store.decide(`actor ${actor}`, range(0, 99));
  dispatcher.start();
  await fixture.settle();
  const held = await countHeld(store.handedOut);
  assert.ok(held >= 256 && held <= 11_000, `${held} effects are in memory`);
  fixture.answer = () => {};
  for (const { end } of fixture.attempts) end.resolve();
  await dispatcher.drained();
  assert.equal(fixture.attempts.length, 15_000);
  const next = new Map<string, number>();
  for (const { actorId, sequenceNumber } of fixture.attempts) {
    assert.equal(sequenceNumber, next.get(actorId) ?? 0, actorId);
    next.set(actorId, sequenceNumber + 1);
  }
  assert.equal(await countHeld(store.handedOut) < 1_000, true, "nothing stays");
});

test("outbox dispatcher: an actor with ever so many effects does not hold up the others", async () => {
  const fixture = new Fixture({ maxAttempts: Infinity });
  const { store, dispatcher, clock } = fixture;
  let isDown = true;
  fixture.answer = ({ actorId }) => {
    if (isDown && actorId === "a") throw refused;
  };
  store.decide("a", range(0, 19_999));
  store.decide("b", range(0, 9));
  dispatcher.start();
  await clock.advance(1_000);
  const ofB = () => fixture.attempts.filter(({ actorId }) => actorId === "b").length;
  assert.equal(ofB(), 10);
  dispatcher.add(store.decide("b", [10]));
  dispatcher.add(store.decide("a", [20_000]));
  await fixture.settle();
  assert.equal(ofB(), 11);
  isDown = false;
  fixture.attempts.length = 0;
  await clock.advance(120_000);
  await dispatcher.drained();
  assert.deepEqual(fixture.attempts.map(({ sequenceNumber }) => sequenceNumber), range(0, 20_000));
});

test("outbox dispatcher: a stop waits for what is under way, and begins nothing", async () => {
  const fixture = new Fixture();
  const { store, dispatcher } = fixture;
  fixture.answer = undefined;
  store.decide("a", [1, 2]);
  store.decide("b", [1]);
  dispatcher.start();
  await fixture.settle();
  const drained = dispatcher.drained();
  let hasStopped = false;
  const stopped = dispatcher.stop().then(() => (hasStopped = true));
  await fixture.end("b/1/0", refused);
  assert.ok(!hasStopped);
  await fixture.end("a/1/0");
  await stopped;
  await drained;
  assert.deepEqual(fixture.ids, ["a/1/0", "b/1/0"]);
  assert.deepEqual(store.openIds, ["a/2/0", "b/1/0"]);
  dispatcher.add(store.decide("c", [1]));
  await fixture.clock.advance(100_000);
  assert.deepEqual(fixture.ids, ["a/1/0", "b/1/0"]);
  assert.deepEqual(fixture.clock.pending, []);
});

test("outbox dispatcher: a stop does not wait until a failing storage is well again", async () => {
  for (const failing of ["open", "confirm"] as const) {
    const fixture = new Fixture();
    const { store, dispatcher, clock } = fixture;
    store.before = (call) => {
      if (call === failing) throw storageFailure();
    };
    store.decide("a", [1]);
    dispatcher.start();
    await clock.advance(1_000);
    await dispatcher.stop();
    assert.deepEqual(clock.pending, []);
    assert.deepEqual(store.openIds, ["a/1/0"]);
  }
});

test("outbox dispatcher: once the store can never be used again, nothing is delivered any more", async () => {
  for (const code of ["CLOSED", "READ_ONLY", "REOPEN_REQUIRED"] as const) {
    const fixture = new Fixture();
    const { store, dispatcher, clock } = fixture;
    store.before = (call) => {
      if (call === "confirm") throw new PersistenceError(code, "no more");
    };
    dispatcher.start();
    await fixture.settle();
    dispatcher.add(store.decide("a", [1]));
    await clock.advance(1_000);
    // It could not be confirmed, so it would go out twice.
    dispatcher.add(store.decide("a", [2]));
    await clock.advance(100_000);
    assert.deepEqual(fixture.ids, ["a/1/0"]);
    assert.deepEqual(fixture.problemTypes, code === "CLOSED" ? [] : ["outbox"]);
    await dispatcher.drained();
  }
});

test("outbox dispatcher: that of one actor delivers its effects only", async () => {
  const store = new FakeOutboxStore();
  store.decide("a", [1]);
  store.decide("b", [1, 2]);
  const delivered: number[] = [];
  const clock = new TestClock();
  const dispatcher = new OutboxDispatcher<TestEffect>({
    kind: "cart",
    actorId: "b",
    options: checkOutbox<TestEffect>({
      deliver: ({ number }) => void delivered.push(number),
    }, "test"),
    store,
    clock,
    callContext: undefined,
    events: new ActorEvents("cart", clock, NO_TELEMETRY),
    owner: store,
    report: ({ error }) => assert.fail(String(error)),
  });
  dispatcher.start();
  await dispatcher.drained();
  assert.deepEqual(delivered, [1, 2]);
  assert.deepEqual(store.openIds, ["a/1/0"]);
});

test("outbox dispatcher: what is delivered in the moment in which a confirmation ends is confirmed, too", async () => {
  for (const microtasks of range(0, 30)) {
    const fixture = new Fixture({ concurrency: 2 });
    const { store, dispatcher } = fixture;
    fixture.answer = undefined;
    store.after = (call) => {
      if (call !== "confirm") return;
      store.after = () => {};
      void (async () => {
        for (const _ of range(1, microtasks)) await undefined;
        fixture.attempts[1]?.end.resolve();
      })();
    };
    store.decide("a", [1, 2]);
    dispatcher.start();
    await fixture.settle();
    await fixture.end("a/1/0");
    await fixture.settle();
    assert.deepEqual(store.openIds, [], `${microtasks} microtasks later`);
    await dispatcher.drained();
  }
});

test("outbox dispatcher: without order, what waits for its next attempt holds up nothing", async () => {
  const fixture = new Fixture({ concurrency: 2, initialDelayMs: 100, maxDelayMs: 100 });
  const { store, dispatcher, clock } = fixture;
  const poison = new Set([0, 1, 2, 5]);
  fixture.answer = ({ number }) => {
    if (poison.has(number)) throw refused;
  };
  store.decide("a", range(0, 9));
  dispatcher.start();
  await fixture.settle();
  assert.deepEqual(fixture.ids, range(0, 9).map((number) => `a/${number}/0`));
  dispatcher.add(store.decide("a", [10]));
  await fixture.settle();
  assert.deepEqual(store.openIds, ["a/0/0", "a/1/0", "a/2/0", "a/5/0"]);
  assert.equal(clock.pending.length, 1, "one timer for all that wait");
  poison.clear();
  await clock.advance(100);
  assert.deepEqual(fixture.attempts.slice(11).map(({ attempt }) => attempt), [2, 2, 2, 2]);
  await dispatcher.drained();
  assert.deepEqual(clock.pending, []);
});

test("outbox dispatcher: without order, 400 that always fail hold up nothing, and come again and again", async () => {
  for (const isRestarted of [false, true]) {
    const options = {
      concurrency: 4,
      initialDelayMs: 500,
      maxDelayMs: 2_000,
      maxAttempts: Infinity,
    };
    const fixture = new Fixture(options);
    const { store, dispatcher, clock } = fixture;
    let isDown = true;
    fixture.answer = ({ number }) => {
      if (isDown && number < 400) throw refused;
    };
    const later = isRestarted ? { attempts: 1, dueAt: new Date(clock.now() + 1_000) } : {};
    store.decide("a", range(0, 399), later);
    store.decide("a", range(400, 409));
    dispatcher.start();
    await clock.advance(0);
    assert.equal(store.openIds.length, 400, "those that can be delivered were");
    const held = await countHeld(store.handedOut);
    assert.ok(held < 300, `${held} effects are in memory`);
    await clock.advance(100);
    dispatcher.add(store.decide("a", [410]));
    await fixture.settle();
    assert.equal(store.openIds.length, 400);
    await clock.advance(20_000);
    const counts = new Map<number, number>();
    for (const { sequenceNumber } of fixture.attempts) {
      counts.set(sequenceNumber, (counts.get(sequenceNumber) ?? 0) + 1);
    }
    for (const number of range(0, 399)) {
      const count = counts.get(number) ?? 0;
      assert.ok(count >= 5, `${number} was tried ${count} times`);
    }
    isDown = false;
    await clock.advance(5_000);
    await dispatcher.drained();
    assert.deepEqual(store.openIds, []);
    assert.deepEqual(clock.pending, []);
  }
});

test("outbox dispatcher: 60 actors that are held up, each with 300 effects, hold up no others", async () => {
  for (const isRestarted of [false, true]) {
    const fixture = new Fixture({ initialDelayMs: 1_000, maxAttempts: Infinity });
    const { store, dispatcher, clock } = fixture;
    let isDown = true;
    fixture.answer = ({ actorId }) => {
      if (isDown && actorId.startsWith("a")) throw refused;
    };
    const later = isRestarted ? { attempts: 1, dueAt: new Date(clock.now() + 1_000) } : {};
    for (const actor of range(1, 60)) {
      store.decide(`a${actor}`, [0], later);
      store.decide(`a${actor}`, range(1, 299));
    }
    for (const actor of range(1, 10)) store.decide(`b${actor}`, range(0, 9));
    dispatcher.start();
    await clock.advance(100);
    const ofB = () => fixture.attempts.filter(({ actorId }) => actorId.startsWith("b")).length;
    assert.equal(ofB(), 100);
    dispatcher.add(store.decide("b1", [10]));
    dispatcher.add(store.decide("a1", [300]));
    await fixture.settle();
    assert.equal(ofB(), 101);
    const held = await countHeld(store.handedOut);
    assert.ok(held <= 1_000, `${held} effects are in memory`);
    isDown = false;
    fixture.attempts.length = 0;
    await clock.advance(60_000);
    await dispatcher.drained();
    const next = new Map<string, number>();
    for (const { actorId, sequenceNumber } of fixture.attempts) {
      assert.equal(sequenceNumber, next.get(actorId) ?? 0, actorId);
      next.set(actorId, sequenceNumber + 1);
    }
    assert.equal(next.get("a1"), 301);
    assert.equal(next.get("a60"), 300);
  }
});

test("outbox dispatcher: a dead letter that is retried is found, also before what was read", async () => {
  for (const concurrency of [1, 2]) {
    const fixture = new Fixture({ concurrency, maxAttempts: 1 });
    const { store, dispatcher } = fixture;
    fixture.answer = ({ number }) => {
      if (number === 0) throw refused;
    };
    store.decide("a", range(0, 999));
    dispatcher.start();
    let isRevived = false;
    store.after = async (call) => {
      if (call !== "bury" || isRevived) return;
      isRevived = true;
      await undefined;
    };
    while (store.deadIds.length === 0) await undefined;
    fixture.answer = () => {};
    const [letter] = (await store.deadLetters()).effects;
    const revived = letter && await store.revive(letter);
    assert.ok(revived);
    dispatcher.add([revived]);
    await dispatcher.drained();
    assert.deepEqual(store.openIds, [], `concurrency ${concurrency}`);
    assert.equal(fixture.ids.filter((id) => id === "a/0/0").length, 2);
  }
});

test("outbox dispatcher: what under way has too many bytes keeps others waiting", async () => {
  const fixture = new Fixture({ concurrency: 10 });
  const { store, dispatcher } = fixture;
  fixture.answer = undefined;
  store.bytes = 30 * 2 ** 20;
  for (const actor of range(1, 20)) store.decide(`a${actor}`, [0, 1]);
  dispatcher.start();
  await fixture.settle();
  assert.equal(fixture.attempts.length, 3);
  let most = 0;
  while (store.openIds.length > 0) {
    const open = fixture.attempts.filter(({ id }) => store.openIds.includes(id));
    most = Math.max(most, open.length);
    open[0]?.end.resolve();
    await fixture.settle();
  }
  assert.equal(most, 3);
  assert.equal(fixture.attempts.length, 40);
  await dispatcher.drained();
});

test("outbox dispatcher: damaged keys are reported once, and hold up nothing", async () => {
  const fixture = new Fixture();
  const { store, dispatcher, clock } = fixture;
  const damage = new PersistenceError("CORRUPT", "a key is damaged");
  store.damage = damage;
  store.decide("a", range(0, 999));
  store.decide("b", [1]);
  dispatcher.start();
  await dispatcher.drained();
  assert.deepEqual(store.openIds, []);
  assert.equal(fixture.attempts.length, 1_001);
  assert.deepEqual(fixture.problems, [{
    type: "outbox",
    kind: "cart",
    actorId: "",
    error: damage,
  }]);
  const { length } = store.calls;
  await clock.advance(100_000);
  assert.equal(store.calls.length, length, "it is not read again and again");
});

test("outbox dispatcher: effects of an actor that is deleted are not delivered", async () => {
  for (const concurrency of [1, 2]) {
    const fixture = new Fixture({ concurrency, initialDelayMs: 100 });
    const { store, dispatcher, clock } = fixture;
    fixture.answer = ({ number }) => {
      if (number < 2) throw refused;
    };
    store.decide("a", range(0, 9).filter((number) => number < concurrency));
    dispatcher.start();
    await fixture.settle();
    store.decide("a", [5]);
    store.delete("a");
    fixture.answer = () => {};
    fixture.attempts.length = 0;
    await clock.advance(1_000);
    await dispatcher.drained();
    assert.deepEqual(fixture.ids, []);
    assert.deepEqual(clock.pending, []);
  }
});

test("outbox dispatcher: an actor that was deleted begins anew with the same ids", async () => {
  for (const ends of ["before", "after", "fails"] as const) {
    const fixture = new Fixture({ initialDelayMs: 100 });
    const { store, dispatcher, clock } = fixture;
    fixture.answer = undefined;
    dispatcher.start();
    dispatcher.add(store.decide("a", [0]));
    await fixture.settle();
    store.delete("a");
    if (ends === "before") await fixture.end("a/0/0");
    await clock.advance(1);
    dispatcher.add(store.decide("a", [0, 1], { decidedAt: new Date(clock.now()) }));
    await fixture.settle();
    if (ends === "after") await fixture.end("a/0/0");
    if (ends === "fails") await fixture.end("a/0/0", refused);
    assert.deepEqual(store.openIds, ["a/0/0", "a/1/0"], ends);
    assert.deepEqual(fixture.attempts.map(({ id, attempt }) => [id, attempt]), [
      ["a/0/0", 1],
      ["a/0/0", 1],
    ]);
    await fixture.end("a/0/0");
    await fixture.end("a/1/0");
    await dispatcher.drained();
    assert.deepEqual(store.openIds, []);
  }
});

test("outbox dispatcher: what is read and told of is delivered once", async () => {
  const fixture = new Fixture();
  const { store, dispatcher } = fixture;
  fixture.answer = undefined;
  const effects = store.decide("a", [0, 1]);
  dispatcher.start();
  await fixture.settle();
  dispatcher.add(effects);
  await fixture.end("a/0/0");
  await fixture.end("a/1/0");
  await dispatcher.drained();
  assert.deepEqual(fixture.ids, ["a/0/0", "a/1/0"]);
});
