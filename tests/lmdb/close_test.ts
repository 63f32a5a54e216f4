import assert from "node:assert/strict";
import {
  LmdbEnvironmentManager,
  LmdbPersistenceProvider,
  LmdbStorage,
} from "../../adapters/lmdb/mod.ts";
import { assertFails, outcomesOf, range } from "../conformance/fixture.ts";
import { commit, EVERYTHING, put } from "../conformance/storage/fixture.ts";
import { test } from "../harness.ts";
import { Child } from "../processes/child.ts";
import { withDirectory } from "../temporary_directory.ts";
import type { ExitJob } from "./children/exiting_writer.ts";

const KEY = Uint8Array.of(1);

test("close: a provider answers every later call with CLOSED", () =>
  withDirectory(async (path) => {
    const provider = await LmdbPersistenceProvider.open({ path });
    const journal = provider.createMessageJournal<number>();
    const batched = provider.createBatchedMessageJournal<number>();
    const snapshots = provider.createSnapshotStore<number>();
    await journal.append("a", 0);
    const replay = journal.replay("a", 0)[Symbol.asyncIterator]();
    await provider.close();

    for (const closed of [journal, batched]) {
      await assertFails(() => closed.append("a", 1), "CLOSED");
      await assertFails(() => closed.appendBatch("a", [1]), "CLOSED");
      await assertFails(() => closed.readFrom("a", 0), "CLOSED");
      await assertFails(() => closed.truncateBefore("a", 0), "CLOSED");
    }
    await assertFails(() => journal.getHighestSequenceNumber("a"), "CLOSED");
    await assertFails(() => replay.next(), "CLOSED");
    await assertFails(() => batched.flush(), "CLOSED");
    await assertFails(() => snapshots.saveSnapshot("a", 1, 1), "CLOSED");
    await assertFails(() => snapshots.getLatestSnapshot("a"), "CLOSED");
    await assertFails(() => snapshots.deleteSnapshots("a"), "CLOSED");
    await assertFails(() => provider.createMessageJournal(), "CLOSED");
    await assertFails(() => provider.createBatchedMessageJournal(), "CLOSED");
    await assertFails(() => provider.createSnapshotStore(), "CLOSED");
    await assertFails(() => provider.stats(), "CLOSED");
    await assertFails(() => provider.sync(), "CLOSED");
    assert.equal(await provider.isHealthy(), false);
    await Promise.all([provider.close(), journal.close(), batched.close(), snapshots.close()]);
  }));

test("close: a storage answers every later call with CLOSED", () =>
  withDirectory(async (path) => {
    const storage = new LmdbStorage(await LmdbEnvironmentManager.open({ path }));
    await commit(storage, put(KEY, "value"));
    await storage.close();
    await assertAllClosed(storage);
    await storage.close();
  }));

test("close: a storage whose environment was closed answers with CLOSED", () =>
  withDirectory(async (path) => {
    const environment = await LmdbEnvironmentManager.open({ path });
    const storage = new LmdbStorage(environment);
    await commit(storage, put(KEY, "value"));
    const closing = environment.close();
    await assertAllClosed(storage);
    await closing;
    await assertAllClosed(storage);
    await storage.close();
  }));

test("close: calls that were made before are acknowledged, and their data is there", () =>
  withDirectory(async (path) => {
    const provider = await LmdbPersistenceProvider.open({ path });
    const journal = provider.createMessageJournal<number>();
    const batched = provider.createBatchedMessageJournal<number>({ maxBatchDelayMs: 60_000 });
    const snapshots = provider.createSnapshotStore<number>();
    const appended = range(0, 99).map((index) =>
      (index % 2 === 0 ? journal : batched).append(`actor-${index % 5}`, index)
    );
    const saved = snapshots.saveSnapshot("actor-0", 7, 0);
    const truncated = journal.truncateBefore("actor-1", 10);
    await provider.close();
    const numbers = range(0, 99).map((index) => Math.floor(index / 5));
    assert.deepEqual(await outcomesOf(appended), numbers);
    assert.deepEqual(await outcomesOf([saved, truncated]), [undefined, undefined]);

    await using reopened = await LmdbPersistenceProvider.open({ path });
    for (const actor of range(0, 4)) {
      const entries = await reopened.createMessageJournal<number>().readFrom(`actor-${actor}`, 0);
      const expected = range(actor === 1 ? 10 : 0, 19).map((number) => 5 * number + actor);
      assert.deepEqual(entries.map(({ message }) => message), expected);
    }
    const latest = await reopened.createSnapshotStore<number>().getLatestSnapshot("actor-0");
    assert.equal(latest?.state, 7);
  }));

test("close: a storage closes after the commits that were called", () =>
  withDirectory(async (path) => {
    const storage = new LmdbStorage(await LmdbEnvironmentManager.open({ path }));
    const commits = range(1, 20).map((key) =>
      storage.commit([{ conditions: [], changes: [put(Uint8Array.of(key), "value")] }])
    );
    const closing = storage.close();
    assert.deepEqual(await outcomesOf(commits), range(1, 20).map(() => [true]));
    await closing;
    await using reopened = new LmdbStorage(await LmdbEnvironmentManager.open({ path }));
    assert.equal(reopened.scan("entries", EVERYTHING).length, 20);
  }));

test("close: when one of two providers on an environment has closed, the other goes on", () =>
  withDirectory(async (path) => {
    const first = await LmdbPersistenceProvider.open({ path });
    const second = await LmdbPersistenceProvider.open({ path });
    const journals = [first, second].map((provider) => provider.createMessageJournal<number>());
    const appended = range(0, 99).map((index) => journals[index % 2]?.append("a", index));
    await first.close();
    const more = journals[1]?.append("a", 100);
    await assertFails(() => journals[0]?.append("a", 101), "CLOSED");
    const numbers = await Promise.all([...appended, more]);
    assert.deepEqual(numbers.sort((a = 0, b = 0) => a - b), range(0, 100));
    assert.equal((await journals[1]?.readFrom("a", 0))?.length, 101);
    assert.equal(await second.isHealthy(), true);
    await second.close();
  }));

const ENDS: readonly ExitJob["how"][] = [
  "exit",
  "exit after some",
  "exit while closing",
  "throw",
  "end",
  "idle",
];
test("close: a process may end without it in any way, with writes in flight", () =>
  withDirectory(async (directory) => {
    const ends = await Promise.all(ENDS.map(async (how) => {
      const path = `${directory}/${how}`;
      await using child = new Child("lmdb/children/exiting_writer", { path, how });
      let acknowledged = -1;
      for (let number; (number = await child.next()) !== undefined;) {
        acknowledged = Math.max(acknowledged, Number(number));
      }
      return { how, path, acknowledged, ...await child.ended };
    }));
    for (const { how, path, acknowledged, code, signal, errors } of ends) {
      assert.deepEqual([code, signal], [how === "throw" ? 1 : 0, null], `${how}: ${errors}`);
      if (how !== "throw") assert.equal(errors, "", how);
      if (how === "end") assert.equal(acknowledged, 400);
      await using provider = await LmdbPersistenceProvider.open({ path });
      for (const actorId of ["a", "b"]) {
        const entries = await provider.createMessageJournal<number>().readFrom(actorId, 0);
        const last = entries[entries.length - 1]?.sequenceNumber ?? -1;
        assert.ok(last >= acknowledged, `${how}: ${last} instead of ${acknowledged}`);
        for (const { sequenceNumber, message } of entries) {
          // Every batch but the first holds 20 messages; "exit after some" appends one more.
          const expected = sequenceNumber === 401 ? 0 : (sequenceNumber + 19) % 20;
          assert.equal(message, sequenceNumber === 0 ? 0 : expected, `${how}: ${sequenceNumber}`);
        }
      }
      assert.equal(await provider.isHealthy(), true);
    }
  }));

async function assertAllClosed(storage: LmdbStorage): Promise<void> {
  await assertFails(() => storage.get("entries", KEY), "CLOSED");
  await assertFails(() => storage.scan("entries", EVERYTHING), "CLOSED");
  await assertFails(() => storage.scan("entries", { ...EVERYTHING, keysOnly: true }), "CLOSED");
  const change = put(KEY, "other");
  await assertFails(() => storage.commit([{ conditions: [], changes: [change] }]), "CLOSED");
  await assertFails(() => storage.commit([]), "CLOSED");
  await assertFails(() => storage.sync(), "CLOSED");
  await assertFails(() => storage.stats(), "CLOSED");
}
