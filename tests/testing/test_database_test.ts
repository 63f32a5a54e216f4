import assert from "node:assert/strict";
import { PersistenceError } from "../../mod.ts";
import { TestClock, TestDatabase } from "../../testing/mod.ts";
import { test } from "../harness.ts";

const closed = { code: "CLOSED" };

test("test database: what was closed properly is there again", async () => {
  const database = new TestDatabase();
  {
    await using provider = await database.open();
    const accepted = provider.createMessageJournal<number>().append("a", 1);
    await provider.close();
    assert.equal(await accepted, 0);
  }
  await using provider = await database.open();
  assert.equal(await provider.createMessageJournal().getHighestSequenceNumber("a"), 0);
});

test("test database: a crash loses what was not committed, and nothing else", async () => {
  const database = new TestDatabase();
  const first = await database.open();
  const journal = first.createMessageJournal<string>();
  const snapshots = first.createSnapshotStore<string>();
  await journal.append("a", "kept");
  await snapshots.saveSnapshot("a", "kept", 0);
  const calls = [
    journal.append("a", "lost"),
    journal.appendBatch("b", ["lost", "lost"]),
    snapshots.saveSnapshot("b", "lost", 0),
    // Its batch would wait for a timer.
    first.createBatchedMessageJournal<string>({ maxBatchDelayMs: 100_000 }).append("a", "lost"),
  ];
  const settled = Promise.allSettled(calls);
  database.crash();
  for (const [index, result] of (await settled).entries()) {
    assert.ok(result.status === "rejected", `call ${index} resolved`);
    assert.ok(result.reason instanceof PersistenceError, String(result.reason));
    assert.equal(result.reason.code, "CLOSED", `call ${index}`);
  }
  await assert.rejects(journal.append("a", "late"), closed);
  await assert.rejects(journal.readFrom("a", 0), closed);
  await assert.rejects(snapshots.getLatestSnapshot("a"), closed);
  assert.throws(() => first.createMessageJournal(), closed);
  // `await using` closes what has crashed.
  await first.close();

  await using second = await database.open();
  const entries = await second.createMessageJournal<string>().readFrom("a", 0);
  assert.deepEqual(entries.map(({ message }) => message), ["kept"]);
  assert.equal((await second.createSnapshotStore().getLatestSnapshot("a"))?.state, "kept");
  assert.equal(await second.createMessageJournal().getHighestSequenceNumber("b"), -1);
  assert.equal(await second.createSnapshotStore().getLatestSnapshot("b"), undefined);
});

test("test database: it crashes as often as wanted, with whatever is open", async () => {
  const database = new TestDatabase();
  database.crash();
  for (let round = 0; round < 5; round++) {
    const providers = [await database.open(), await database.open()];
    const [journal, other] = providers.map((provider) => provider.createMessageJournal<number>());
    assert.equal(await journal?.append("a", round), round);
    database.crash();
    assert.ok(journal && other);
    await assert.rejects(journal.append("a", round), closed);
    await assert.rejects(other.append("a", round), closed);
  }
});

test("test database: its clock is the one that it was given", () => {
  const clock = new TestClock();
  assert.equal(new TestDatabase(clock).clock, clock);
  assert.ok(new TestDatabase().clock instanceof TestClock);
});

test("test database: options of a provider are taken", async () => {
  const database = new TestDatabase();
  await assert.rejects(database.open({ maxMessageByte: 1 } as never), { code: "INVALID_ARGUMENT" });
  await using provider = await database.open({ maxMessageBytes: 1 });
  await assert.rejects(provider.createMessageJournal().append("a", "long"), { code: "TOO_LARGE" });
});

test("test database: a crash ends background work, and what callers wait for still ends", async () => {
  const database = new TestDatabase();
  const { clock } = await database.open();
  assert.equal(clock.now(), database.clock.now());
  const log: string[] = [];
  const set = (name: string, keepsAlive: boolean) =>
    clock.setTimer(() => log.push(`${name} at ${clock.monotonic()}`), 10, keepsAlive);
  set("before, background", false);
  await database.clock.advance(10);
  set("lost, background", false);
  set("lost, call", true);
  set("cancelled, background", false).cancel();
  set("cancelled, call", true).cancel();
  database.crash();
  set("late, background", false).cancel();
  set("late, background", false);
  set("late, call", true);
  await database.clock.advance(10);
  assert.deepEqual(log, ["before, background at 10", "lost, call at 20", "late, call at 20"]);
  assert.deepEqual(database.clock.pending, []);
});
