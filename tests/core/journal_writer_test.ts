import assert from "node:assert/strict";
import fc from "fast-check";
import { type InFlightTask, inFlightTask } from "../../core/actors/in_flight.ts";
import { JournalWriter, type RunStore } from "../../core/actors/journal_writer.ts";
import { OwnJournal } from "../../core/actors/own_journal.ts";
import type { AppendedRuns, PreparedEntries } from "../../core/ports/actor_store.ts";
import type { OpenEffect } from "../../core/ports/outbox_store.ts";
import { Deferred } from "../../core/util/promises.ts";
import { test } from "../harness.ts";

const MAX_ENTRIES = 4_096;
const MAX_BYTES = 2 ** 20;

type Task = InFlightTask<number, void>;

const newJournal = () => new OwnJournal({ incarnation: 0, origin: 0 });

/** A call of a store that waits for the test. */
interface Append {
  readonly runs: readonly PreparedEntries[];
  readonly first: number;
  readonly effects: Deferred<readonly OpenEffect[]>;
}

/** A writer, whose store answers when the test says so. */
class Fixture implements RunStore {
  readonly maxRunBytes: number;
  readonly appends: Append[] = [];
  readonly durable: (readonly Task[])[] = [];
  readonly failed: { readonly run: readonly Task[]; readonly error: unknown }[] = [];
  readonly writer: JournalWriter<number, void>;

  constructor(maxRunBytes = Infinity) {
    this.maxRunBytes = maxRunBytes;
    this.writer = new JournalWriter<number, void>("a", this, {
      durable: (run) => this.durable.push(run),
      failed: (run, error) => this.failed.push({ run, error }),
    });
  }

  append(
    actorId: string,
    runs: readonly PreparedEntries[],
    first: number,
  ): Promise<AppendedRuns> {
    assert.equal(actorId, "a");
    const effects = new Deferred<readonly OpenEffect[]>();
    this.appends.push({ runs, first, effects });
    return effects.promise.then((effects) => ({ effects, position: 1 }));
  }

  /** Adds a task, and returns it. */
  push(count = 1, bytes = 10, effects = 0): Task {
    const prepared = Array.from({ length: effects }, () => ({ bytes: new Uint8Array(1) }));
    const entries: PreparedEntries = { count, bytes, effects: prepared };
    const request = { type: "snapshot", isAutomatic: true, resolve() {}, reject() {} } as const;
    const task = inFlightTask<number, void>(request, -1, entries);
    this.writer.push(task);
    return task;
  }

  /** Lets the last call of the store succeed. */
  async succeed(effects: readonly OpenEffect[] = []): Promise<void> {
    this.appends.at(-1)?.effects.resolve(effects);
    await turn();
  }

  /** Lets the last call of the store fail. */
  async fail(error: unknown): Promise<void> {
    this.appends.at(-1)?.effects.reject(error);
    await turn();
  }
}

function turn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}

test("journal writer: while a run is being appended, the next one is collected", async () => {
  const fixture = new Fixture();
  const { writer, appends, durable } = fixture;
  writer.reset(7, newJournal());
  const first = [fixture.push(), fixture.push(2)];
  await turn();
  const second = [fixture.push(0, 0, 1), fixture.push(3)];
  await turn();
  assert.deepEqual(appends.map(({ runs, first }) => [runs.length, first]), [[2, 7]]);
  await fixture.succeed();
  assert.deepEqual(durable, [first]);
  assert.deepEqual(appends.map(({ runs, first }) => [runs.length, first]), [[2, 7], [2, 10]]);
  let isIdle = false;
  void writer.idle.then(() => (isIdle = true));
  await turn();
  assert.ok(!isIdle);
  await fixture.succeed();
  assert.deepEqual(durable, [first, second]);
  assert.deepEqual([...first, ...second].map(({ last }) => last), [7, 9, 9, 12]);
  assert.ok(isIdle);
  await writer.idle;
  assert.equal(appends.length, 2);
});

test("journal writer: what joins within a few microtasks shares a run", async () => {
  const fixture = new Fixture();
  fixture.writer.reset(0, newJournal());
  for (let joined = 0; joined < 100; joined++) {
    fixture.push();
    await undefined;
  }
  await turn();
  assert.deepEqual(fixture.appends.map(({ runs }) => runs.length), [100]);
  await fixture.succeed();
});

test("journal writer: each task gets its own effects", async () => {
  const fixture = new Fixture();
  fixture.writer.reset(0, newJournal());
  const tasks = [fixture.push(1, 10, 2), fixture.push(), fixture.push(0, 10, 1)];
  await turn();
  const effects = [0, 1, 2].map((index): OpenEffect => ({
    actorId: "a",
    sequenceNumber: 0,
    index,
    bytes: 1,
    timestamp: new Date(0),
    attempts: 0,
    dueAt: new Date(0),
  }));
  await fixture.succeed(effects);
  assert.deepEqual(tasks.map((task) => task.effects.map(({ index }) => index)), [[0, 1], [], [2]]);
});

test("journal writer: after a failure nothing is appended before a new beginning", async () => {
  const fixture = new Fixture();
  const { writer, appends, failed, durable } = fixture;
  writer.reset(0, newJournal());
  const first = fixture.push();
  await turn();
  fixture.push();
  const error = new Error("the disk is gone");
  await fixture.fail(error);
  assert.deepEqual(failed, [{ run: [first], error }]);
  await writer.idle;
  assert.equal(appends.length, 1, "what was collected after it was decided on it");
  // The actor hears of the failure later, and may have begun more until then.
  fixture.push();
  await turn();
  assert.equal(appends.length, 1, "so was what comes after the failure");
  writer.reset(5, newJournal());
  const again = fixture.push();
  await turn();
  await fixture.succeed();
  assert.deepEqual(durable, [[again]]);
  assert.equal(again.last, 5);
});

test("journal writer: of a run from before a new beginning nothing is heard", async () => {
  for (const fails of [false, true]) {
    const fixture = new Fixture();
    const { writer, appends, durable, failed } = fixture;
    writer.reset(0, newJournal());
    fixture.push();
    await turn();
    fixture.push();
    writer.reset(3, newJournal());
    const task = fixture.push();
    await turn();
    assert.equal(appends.length, 1, "one at a time");
    if (fails) await fixture.fail(new Error("late"));
    else await fixture.succeed();
    assert.deepEqual([durable, failed], [[], []]);
    assert.deepEqual(appends.map(({ runs, first }) => [runs.length, first]), [[1, 0], [1, 3]]);
    await fixture.succeed();
    assert.deepEqual(durable, [[task]]);
  }
});

test("journal writer: one by one, until one is durable", async () => {
  const fixture = new Fixture();
  const { writer, appends, durable } = fixture;
  writer.reset(0, newJournal());
  writer.appendSingly();
  const tasks = [0, 1, 2, 3].map(() => fixture.push());
  await turn();
  assert.deepEqual(appends.map(({ runs }) => runs.length), [1]);
  await fixture.fail(new Error("not this one"));
  writer.reset(0, newJournal());
  for (const task of tasks.slice(1)) writer.push(task);
  await turn();
  assert.deepEqual(appends.map(({ runs }) => runs.length), [1, 1]);
  await fixture.succeed();
  assert.deepEqual(appends.map(({ runs }) => runs.length), [1, 1, 2]);
  await fixture.succeed();
  assert.deepEqual(durable, [[tasks[1]], [tasks[2], tasks[3]]]);
});

const tasks = fc.array(
  fc.record({
    count: fc.oneof(fc.nat(3), fc.integer({ min: 0, max: MAX_ENTRIES })),
    bytes: fc.oneof(fc.nat(100), fc.integer({ min: 0, max: 2 * MAX_BYTES })),
    /** After how many microtasks the next one comes. */
    pause: fc.nat(10),
  }),
  { maxLength: 60, size: "max" },
);

test("journal writer: runs are bounded, and hold everything in order", async () => {
  await fc.assert(fc.asyncProperty(
    tasks,
    fc.constantFrom(1_000, MAX_BYTES, Infinity),
    async (tasks, maxRunBytes) => {
      const fixture = new Fixture(maxRunBytes);
      const { writer, durable, appends } = fixture;
      writer.reset(0, newJournal());
      const pushed: Task[] = [];
      let next = 0;
      for (const { count, bytes, pause } of tasks) {
        pushed.push(fixture.push(count, bytes));
        for (let left = pause; left > 0; left--) await undefined;
        if (pause % 3 === 0) appends.at(-1)?.effects.resolve([]);
      }
      while (durable.flat().length < pushed.length) await fixture.succeed();
      assert.deepEqual(durable.flat(), pushed);
      for (const { runs, first } of appends) {
        assert.equal(first, next);
        const count = runs.reduce((sum, { count }) => sum + count, 0);
        const bytes = runs.reduce((sum, { bytes }) => sum + bytes, 0);
        next += count;
        if (runs.length === 1) continue;
        assert.ok(count <= MAX_ENTRIES, `${count} entries`);
        assert.ok(bytes <= Math.min(MAX_BYTES, maxRunBytes), `${bytes} bytes`);
      }
      const numbered = pushed.map(({ last, entries }) => [last - (entries?.count ?? 0) + 1, last]);
      const ends = [-1, ...numbered.map(([, last]) => last)];
      assert.deepEqual(numbered.map(([first = 0]) => first - 1), ends.slice(0, -1));
    },
  ));
});
