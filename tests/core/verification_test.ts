import assert from "node:assert/strict";
import { MemoryDatabase, MemoryPersistenceProvider, MemoryStorage } from "../../adapters/memory.ts";
import {
  eventSourced,
  type Keyspace,
  KEYSPACES,
  PersistenceProvider,
  StatefulActors,
  type StoredEntry,
  type VerifyOptions,
  type VerifyReport,
} from "../../mod.ts";
import { range } from "../conformance/fixture.ts";
import { randomFrom } from "../conformance/random.ts";
import { test } from "../harness.ts";

/** A store with something of everything. */
async function filled(): Promise<MemoryDatabase> {
  const database = new MemoryDatabase();
  const provider = await MemoryPersistenceProvider.open({ database, maxHotBytes: 2_000 });
  const doors = provider.createMessageJournal<unknown>({ kind: "door" });
  for (const number of range(0, 39)) {
    await doors.append(`${number % 5}`, { text: "opened", number }, { metadata: { number } });
  }
  await doors.appendBatch("bulk", range(1, 3_000));
  await doors.truncateBefore("1", 3);
  const states = provider.createSnapshotStore<unknown>({ kind: "door" });
  for (const number of range(0, 4)) await states.saveSnapshot("0", { number }, number);
  await provider.createConsumerRegistry({ kind: "door" }).register("0", "reader", 2);
  const typed = provider.createMessageJournal<number>({ schema: { name: "count", version: 2 } });
  await typed.appendBatch("without kind", [1, 2, 3]);
  const carts = await StatefulActors.start({
    provider,
    kind: "cart",
    behavior: eventSourced({
      initialState: 0,
      handle: (_sum: number, amount: number) => ({ events: [amount], effects: [{ amount }] }),
      apply: (sum: number, amount: number) => sum + amount,
    }),
    outbox: {
      deliver: ({ amount }: { amount: number }) => {
        throw new Error(`not now: ${amount}`);
      },
      maxAttempts: 1,
    },
    onProblem: () => {},
  });
  for (const number of range(1, 3)) await carts.tell("1", number);
  await carts.outbox.drained();
  await carts.stop();
  await provider.isHealthy();
  await doors.append("hot", "the last one");
  await provider.close();
  return database;
}

async function verify(database: MemoryDatabase, options?: VerifyOptions): Promise<VerifyReport> {
  await using provider = await MemoryPersistenceProvider.open({ database, readOnly: true });
  return await provider.verify(options);
}

/** The records of a keyspace, which may be replaced. */
function recordsOf(database: MemoryDatabase, keyspace: Keyspace): StoredEntry[] {
  const records = database.keyspaces.get(keyspace);
  assert.ok(records);
  return records;
}

/** Changes a byte of a record. Returns what undoes that. */
function damage(records: StoredEntry[], index: number, offset: number, bits = 1): () => void {
  const before = records[index];
  assert.ok(before);
  const value = before.value.slice();
  value[offset] = (value[offset] ?? 0) ^ bits;
  records[index] = { ...before, value };
  return () => {
    records[index] = before;
  };
}

test("verify: a sound store, with something of everything", async () => {
  const database = await filled();
  const { isSound, problems, records, journals, entries, erased } = await verify(database);
  assert.deepEqual(problems, []);
  assert.equal(isSound, true);
  for (const keyspace of KEYSPACES) {
    assert.equal(records[keyspace], recordsOf(database, keyspace).length, keyspace);
    assert.ok(records[keyspace] > 0, `the test has no record in ${keyspace}`);
  }
  assert.deepEqual([journals, entries, erased], [9, 40 - 3 + 3_000 + 3 + 3 + 1, 0]);
});

test("verify: each of a thousand bytes that are damaged is found", async () => {
  const database = await filled();
  const random = randomFrom();
  const places = KEYSPACES.flatMap((keyspace) =>
    recordsOf(database, keyspace).map((_, index) => ({ keyspace, index }))
  );
  for (const round of range(1, 1_000)) {
    const { keyspace, index } = places[random.below(places.length)] ??
      { keyspace: "log", index: 0 };
    const records = recordsOf(database, keyspace);
    const offset = random.below(records[index]?.value.length ?? 1);
    const undo = damage(records, index, offset, 1 + random.below(255));
    const place = `seed ${random.seed}, round ${round}: byte ${offset} of ${keyspace} ${index}`;
    let report: VerifyReport | undefined;
    try {
      report = await verify(database);
    } catch (error) {
      // A store whose information is damaged cannot even be opened.
      assert.equal(keyspace, "meta", `${place}: ${error}`);
    }
    assert.ok(!report?.isSound, place);
    if (report) assert.ok(report.problems.length > 0 && report.problemCount > 0, place);
    undo();
  }
  assert.equal((await verify(database)).isSound, true);
});

/** A journal of 3,000 messages in frames, and snapshots at some numbers. */
async function framed(snapshots: readonly number[]): Promise<MemoryDatabase> {
  const database = new MemoryDatabase();
  const provider = await MemoryPersistenceProvider.open({ database });
  const journal = provider.createMessageJournal<string>();
  for (const _ of range(1, 3)) {
    await journal.appendBatch(
      "1",
      range(1, 1_000).map((number) => `message ${number}`.padEnd(100)),
    );
  }
  const states = provider.createSnapshotStore<string>();
  for (const number of snapshots) await states.saveSnapshot("1", `state ${number}`, number);
  await provider.close();
  return database;
}

async function lossOf(database: MemoryDatabase): Promise<string | undefined> {
  const { damagedActors } = await verify(database);
  assert.ok(damagedActors.length <= 1);
  return damagedActors[0]?.loses;
}

test("verify: what is lost of an actor", async () => {
  const covered = await framed([1_500, 2_999]);
  const frames = recordsOf(covered, "entries");
  assert.ok(frames.length >= 3);
  damage(frames, 0, 100);
  assert.equal(await lossOf(covered), "history");
  damage(recordsOf(covered, "snapshots"), 1, 20);
  // The older one and the entries after it.
  assert.equal(await lossOf(covered), "history");
  damage(frames, frames.length - 1, 100);
  assert.equal(await lossOf(covered), "state");

  const complete = await framed([1_500]);
  damage(recordsOf(complete, "snapshots"), 0, 20);
  assert.equal(await lossOf(complete), "nothing");
  recordsOf(complete, "entries").splice(1, 1);
  assert.equal(await lossOf(complete), "state");

  const without = await framed([]);
  assert.equal(await lossOf(without), undefined);
  damage(recordsOf(without, "entries"), 0, 100);
  assert.equal(await lossOf(without), "state");
});

test("verify: a journal that was truncated needs its snapshot", async () => {
  const database = await framed([1_500]);
  {
    await using provider = await MemoryPersistenceProvider.open({ database });
    await provider.createMessageJournal<string>().truncateBefore("1", 1_501);
  }
  assert.equal(await lossOf(database), undefined);
  damage(recordsOf(database, "snapshots"), 0, 20);
  assert.equal(await lossOf(database), "state");
});

test("verify: entries that are missing are reported with their number", async () => {
  const database = await framed([]);
  const frames = recordsOf(database, "entries");
  frames.splice(1, 1);
  const { problems, problemCount } = await verify(database);
  assert.equal(problemCount, 1);
  const [problem] = problems;
  assert.deepEqual([problem?.place, problem?.actorId, problem?.code], ["journal", "1", "CORRUPT"]);
  assert.ok((problem?.sequenceNumber ?? 0) > 0);
});

test("verify: an effect that is damaged", async () => {
  const database = await filled();
  damage(recordsOf(database, "outbox"), 0, 30);
  const { damagedActors } = await verify(database);
  assert.deepEqual(damagedActors, [{ kind: "cart", actorId: "1", loses: "effects" }]);
});

test("verify: an item of the log that is damaged concerns its actor", async () => {
  const database = new MemoryDatabase();
  const provider = await MemoryPersistenceProvider.open({ database });
  const journal = provider.createMessageJournal<string>();
  await Promise.all(["1", "2", "3"].map((actorId) => journal.append(actorId, "message")));
  await provider.close();
  const [record] = recordsOf(database, "log");
  const text = new TextDecoder("latin1").decode(record?.value);
  damage(recordsOf(database, "log"), 0, text.indexOf("message"));
  const { problems, damagedActors } = await verify(database);
  assert.ok(problems.some(({ place }) => place === "log"));
  const hasLost = damagedActors.filter(({ loses }) => loses === "state");
  assert.deepEqual(hasLost.map(({ actorId }) => actorId), ["1"]);
});

test("verify: more problems than are wanted are counted", async () => {
  const database = await filled();
  const records = recordsOf(database, "outbox");
  for (const index of range(0, records.length - 1)) damage(records, index, 30);
  const { problems, problemCount, isSound } = await verify(database, { maxProblems: 1 });
  assert.deepEqual([problems.length, problemCount, isSound], [1, records.length, false]);
  const none = await verify(database, { maxProblems: 0 });
  assert.deepEqual([none.problems.length, none.isSound], [0, false]);
});

test("verify: while others write, truncate and delete, nothing seems to be wrong", async () => {
  const provider = await MemoryPersistenceProvider.open({ maxHotBytes: 20_000 });
  const journal = provider.createMessageJournal<string>();
  const snapshots = provider.createSnapshotStore<number>();
  const random = randomFrom();
  let isOver = false;
  let writes = 0;
  const write = async () => {
    while (!isOver) {
      const actorId = `${random.below(20)}`;
      const choice = random.below(100);
      const highest = await journal.getHighestSequenceNumber(actorId);
      if (choice < 70) await journal.appendBatch(actorId, range(1, 40).map((n) => `message ${n}`));
      else if (choice < 80 && highest >= 0) {
        await snapshots.saveSnapshot(actorId, highest, highest);
      } else if (choice < 90 && highest >= 0) await journal.truncateBefore(actorId, highest - 10);
      else if (choice < 95) await provider.deleteActor(actorId);
      else await provider.eraseActor(actorId);
      writes++;
      await new Promise((resolve) => setTimeout(resolve, 0));
    }
  };
  const writers = [write(), write(), write()];
  for (const round of range(1, 15)) {
    const { problems } = await provider.verify();
    assert.deepEqual(problems, [], `seed ${random.seed}, round ${round}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  isOver = true;
  await Promise.all(writers);
  assert.ok(writes > 0);
  await provider.close();
});

test("verify: progress, and a signal", async () => {
  const database = await filled();
  const steps: string[] = [];
  const { records, journals } = await verify(database, {
    onProgress: ({ phase, done, total }) => {
      assert.ok(done <= total);
      steps.push(`${phase} ${done}`);
    },
  });
  const total = KEYSPACES.reduce((sum, keyspace) => sum + records[keyspace], 0);
  assert.ok(steps.includes(`records ${total}`) && steps.includes(`journals ${journals}`));

  const controller = new AbortController();
  const reason = new Error("enough");
  const aborted = verify(database, {
    signal: controller.signal,
    onProgress: () => controller.abort(reason),
  });
  await assert.rejects(aborted, reason);
  await assert.rejects(verify(database, { signal: AbortSignal.abort(reason) }), reason);
});

test("verify: a provider that is closed meanwhile ends it", async () => {
  const storage = await MemoryStorage.open({ database: await filled() });
  const provider = await PersistenceProvider.openOn(storage);
  const verifying = provider.verify();
  await provider.close();
  await assert.rejects(verifying, (error: Error) => "code" in error && error.code === "CLOSED");
  await assert.rejects(provider.verify());
});

test("verify: bad options are refused", async () => {
  await using provider = await MemoryPersistenceProvider.open();
  const bad: unknown[] = [
    { decode: 1 },
    { maxProblems: -1 },
    { onProgress: 1 },
    { signal: 1 },
    { decodes: true },
  ];
  for (const options of bad) {
    await assert.rejects(
      provider.verify(options as VerifyOptions),
      (error: Error) => "code" in error && error.code === "INVALID_ARGUMENT",
    );
  }
});
