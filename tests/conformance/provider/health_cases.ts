import assert from "node:assert/strict";
import type { HealthOptions, ProviderHealth } from "../../../core/ports/health.ts";
import type { StorageStats } from "../../../core/ports/storage.ts";
import { PersistenceProvider } from "../../../core/provider.ts";
import { assertRefused, casesOf, range, withPlace, withProvider, withStorage } from "../fixture.ts";
import { messagesOf } from "../journal/fixture.ts";
import { ObservedStorage } from "../observed_storage.ts";
import type { ConformanceOptions } from "../types.ts";

/** A storage whose figures a test makes up. */
class MeasuredStorage extends ObservedStorage {
  figures: Partial<StorageStats> = {};

  override async stats(): Promise<StorageStats> {
    return { ...await super.stats(), ...this.figures };
  }
}

/**
 * Registers the cases about the health of a provider.
 *
 * @param options The test runner and the storage under test.
 */
export function describeHealth(options: ConformanceOptions): void {
  const onProvider = casesOf(options, "provider health", withProvider());
  const onStorage = casesOf(options, "provider health", withStorage);

  onProvider(
    "it is healthy, again and again, and that disturbs nothing",
    async (provider, storage) => {
      const journal = provider.createMessageJournal<unknown>();
      const before = (await storage.stats()).entries;
      const calls = range(0, 19).flatMap((index) => [
        journal.append("a", index),
        provider.isHealthy(),
      ]);
      assert.deepEqual(await Promise.all(calls), range(0, 19).flatMap((index) => [index, true]));
      assert.deepEqual(await messagesOf(journal), range(0, 19));
      const after = (await storage.stats()).entries;
      assert.deepEqual([after.heads, after.snapshots], [before.heads, 0]);
      assert.ok(after.log <= before.log + 20, "probes are not in the log");
      assert.ok(after.meta <= before.meta + 1, "probes do not pile up");
    },
  );

  onStorage("it really writes and reads: if either fails it is not healthy", async (inner) => {
    const storage = new ObservedStorage(inner);
    await using provider = await PersistenceProvider.openOn(storage);
    const { commits } = storage;
    assert.equal(await provider.isHealthy(), true);
    assert.equal(storage.commits, commits + 1);
    storage.failCommit = () => new Error("so wants the test");
    assert.equal(await provider.isHealthy(), false);
    storage.failCommit = () => undefined;
    assert.equal(await provider.isHealthy(), true);
    storage.readError = new Error("so wants the test");
    assert.equal(await provider.isHealthy(), false);
    storage.readError = undefined;
    assert.equal(await provider.isHealthy(), true);
  });

  onProvider("after close it is not healthy", async (provider) => {
    const closed = provider.close();
    assert.equal(await provider.isHealthy(), false);
    await closed;
    assert.equal(await provider.isHealthy(), false);
  });

  const readOnly = casesOf(options, "provider health", withPlace, "readOnly");
  readOnly("open for reading it is healthy if it can read", async (place) => {
    await (await PersistenceProvider.openOn(await place.openStorage())).close();
    const storage = new ObservedStorage(await place.openStorage({ readOnly: true }));
    await using provider = await PersistenceProvider.openOn(storage);
    assert.equal(await provider.isHealthy(), true);
    storage.readError = new Error("so wants the test");
    assert.equal(await provider.isHealthy(), false);
    storage.readError = undefined;
  });

  describeFindings(options);
}

function describeFindings(options: ConformanceOptions): void {
  const onProvider = casesOf(options, "provider health", withProvider());
  const onStorage = casesOf(options, "provider health", withStorage);

  onProvider("it says how long a write and a read took, and what there is", async (provider) => {
    await provider.createMessageJournal<string>().append("a", "b");
    const { status, reasons, writeMs, readMs, stats } = await provider.health();
    assert.deepEqual([status, reasons], ["healthy", []]);
    assert.ok(writeMs !== undefined && writeMs >= 0 && readMs !== undefined && readMs >= 0);
    assert.equal(stats?.committedMessages, 1);
  });

  onStorage("what fails makes it unhealthy, and is named", async (inner) => {
    const storage = new ObservedStorage(inner);
    await using provider = await PersistenceProvider.openOn(storage);
    storage.failCommit = () => new Error("no ink");
    const unwritable = await provider.health();
    assert.deepEqual(typesOf(unwritable), ["unhealthy", "write-failed"]);
    assert.match(unwritable.reasons[0]?.message ?? "", /no ink/);
    assert.equal(unwritable.writeMs, undefined);
    storage.failCommit = () => undefined;
    storage.readError = new Error("no glasses");
    const unreadable = await provider.health();
    assert.deepEqual(typesOf(unreadable), ["unhealthy", "read-failed"]);
    assert.match(String(unreadable.reasons[0]?.error), /no glasses/);
    assert.equal(unreadable.readMs, undefined);
    assert.notEqual(unreadable.writeMs, undefined);
    storage.readError = undefined;
    assert.deepEqual(typesOf(await provider.health()), ["healthy"]);
  });

  onStorage("a storage that hangs does not hang it", async (inner) => {
    const storage = new ObservedStorage(inner);
    await using provider = await PersistenceProvider.openOn(storage);
    const release = storage.holdCommits();
    assert.deepEqual(typesOf(await provider.health({ timeoutMs: 20 })), [
      "unhealthy",
      "timed-out",
    ]);
    release();
    assert.deepEqual(typesOf(await provider.health()), ["healthy"]);
  });

  onStorage("figures beyond their limits make it degraded, not unhealthy", async (inner) => {
    const storage = new MeasuredStorage(inner);
    await using provider = await PersistenceProvider.openOn(storage);
    const found = async (figures: Partial<StorageStats>, limits: HealthOptions = {}) => {
      storage.figures = figures;
      return typesOf(await provider.health(limits));
    };
    assert.deepEqual(await found({ usedBytes: 90, limitBytes: 100 }), ["healthy"]);
    assert.deepEqual(await found({ usedBytes: 91, limitBytes: 100 }), ["degraded", "nearly-full"]);
    assert.deepEqual(await found({ usedBytes: 91, limitBytes: 100 }, { maxUsedShare: 1 }), [
      "healthy",
    ]);
    const oldestReader = { processId: 7, transactions: 11 };
    assert.deepEqual(await found({ oldestReader }, { maxReaderTransactions: 11 }), ["healthy"]);
    assert.deepEqual(
      await found({ oldestReader, usedBytes: 2, limitBytes: 2 }, { maxReaderTransactions: 10 }),
      ["degraded", "nearly-full", "standing-reader"],
    );
  });

  onStorage("calls that wait for room make it degraded", async (inner) => {
    const storage = new ObservedStorage(inner);
    await using provider = await PersistenceProvider.openOn(storage, { maxPendingMessages: 1 });
    const journal = provider.createMessageJournal<number>();
    const releaseFirst = storage.holdCommits();
    const appends = range(1, 4).map((number) => journal.append(`${number}`, number));
    await storage.commitHeld();
    const health = provider.health();
    // The probe is in the commit of the second one. When that ends, the third one is being committed,
    // and the fourth one waits.
    const releaseSecond = storage.holdCommits();
    releaseFirst();
    await appends[0];
    await storage.commitHeld();
    const releaseOthers = storage.holdCommits();
    releaseSecond();
    assert.deepEqual(typesOf(await health), ["degraded", "held-back"]);
    releaseOthers();
    await Promise.all(appends);
    assert.deepEqual(typesOf(await provider.health()), ["healthy"]);
  });

  onProvider("once it is closed, or being closed, it is unhealthy", async (provider) => {
    const closed = provider.close();
    assert.deepEqual(typesOf(await provider.health()), ["unhealthy", "closed"]);
    await closed;
    assert.deepEqual(typesOf(await provider.health()), ["unhealthy", "closed"]);
  });

  onProvider("limits that make no sense are refused", async (provider) => {
    const bad: readonly HealthOptions[] = [
      { timeoutMs: 0 },
      { timeoutMs: 2 ** 31 },
      { maxWriteMs: -1 },
      { maxUsedShare: 1.1 },
      { maxUsedShare: Number.NaN },
      { maxReaderTransactions: 0.5 },
    ];
    for (const limits of bad) {
      await assertRefused(() => provider.health(limits), "range");
    }
  });

  const readOnly = casesOf(options, "provider health", withPlace, "readOnly");
  readOnly("open for reading it says how long a read took, and no more", async (place) => {
    await (await PersistenceProvider.openOn(await place.openStorage())).close();
    const storage = await place.openStorage({ readOnly: true });
    await using provider = await PersistenceProvider.openOn(storage);
    const { status, writeMs, readMs } = await provider.health();
    assert.deepEqual([status, writeMs], ["healthy", undefined]);
    assert.ok(readMs !== undefined && readMs >= 0);
  });
}

/** The status, and the types of the reasons. */
function typesOf({ status, reasons }: ProviderHealth): string[] {
  return [status, ...reasons.map(({ type }) => type)];
}
