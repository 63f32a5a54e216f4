import assert from "node:assert/strict";
import { PersistenceProvider } from "../../../core/provider.ts";
import { casesOf, outcomesOf, range, withProvider, withStorage } from "../fixture.ts";
import { ObservedStorage } from "../observed_storage.ts";
import { describeProviderClosing } from "./close_cases.ts";
import { describeHealth } from "./health_cases.ts";
import { describeLog } from "./log_cases.ts";
import { describeOptionNames } from "./option_name_cases.ts";
import { describeCodec, describeOpening } from "./open_cases.ts";
import type { ConformanceOptions } from "../types.ts";

/**
 * Registers the cases about a provider on the storage under test: options, codec, health, figures,
 * the log, `sync` and `close`; and that every options bag of the library refuses unknown names.
 *
 * @param options The test runner and the storage under test.
 *
 * @example A storage of one's own, under Node's test runner
 * ```ts
 * import { test } from "node:test";
 * import { describeProvider } from "@cajun/persistence/conformance";
 * import { MemoryDatabase, MemoryStorage } from "@cajun/persistence/memory";
 *
 * describeProvider({
 *   test,
 *   factory: {
 *     supports: (await MemoryStorage.open()).supports,
 *     createPlace() {
 *       const database = new MemoryDatabase();
 *       return Promise.resolve({
 *         openStorage: ({ readOnly = false, limitBytes } = {}) =>
 *           MemoryStorage.open({
 *             database,
 *             readOnly,
 *             ...(limitBytes !== undefined && { maxBytes: limitBytes }),
 *           }),
 *         cleanup: () => Promise.resolve(),
 *       });
 *     },
 *   },
 * });
 * ```
 */
export function describeProvider(options: ConformanceOptions): void {
  describeOpening(options);
  describeOptionNames(options);
  describeCodec(options);
  describeHealth(options);
  describeStats(options);
  describeLog(options);
  describeProviderClosing(options);
}

function describeStats(options: ConformanceOptions): void {
  const onProvider = casesOf(options, "provider stats", withProvider());
  const onStorage = casesOf(options, "provider stats", withStorage);

  onProvider("counts begin at 0, and there is nothing that waits", async (provider, storage) => {
    const { storage: figures, pending, ...counts } = await provider.stats();
    assert.deepEqual(counts, {
      commits: 0,
      failedCommits: 0,
      committedMessages: 0,
      conflicts: 0,
      failedCollections: 0,
      lastCollectionError: undefined,
      failedPrunes: 0,
      lastPruneError: undefined,
      failedTelemetry: 0,
      lastTelemetryError: undefined,
      log: { position: 0, hotBytes: 0, hotActors: 0 },
    });
    assert.deepEqual({ ...pending }, { messages: 0, bytes: 0, waitingForRoom: 0 });
    assert.deepEqual({ ...figures }, { ...(await storage.stats()) });
  });

  onStorage("counts move with what happens", async (inner) => {
    const storage = new ObservedStorage(inner);
    await using provider = await PersistenceProvider.openOn(storage);
    const journal = provider.createMessageJournal<unknown>();
    await journal.append("a", 0);
    await journal.appendBatch("a", range(1, 9));
    await outcomesOf([journal.append("a", 0, { expectedSequenceNumber: 0 })]);
    const { commits, committedMessages, failedCommits } = await provider.stats();
    assert.deepEqual([commits, committedMessages, failedCommits], [2, 10, 0]);
    storage.failCommit = () => new Error("so wants the test");
    await outcomesOf([journal.append("a", 0)]);
    storage.failCommit = () => undefined;
    await journal.append("a", 10);
    const after = await provider.stats();
    assert.deepEqual([after.commits, after.committedMessages, after.failedCommits], [3, 11, 1]);
    assert.deepEqual({ ...after.storage.entries }, { ...(await inner.stats()).entries });
  });

  onStorage("a writer that another one overtook is counted as a conflict", async (storage) => {
    await using one = await PersistenceProvider.openOn(storage);
    await using other = await PersistenceProvider.openOn(storage);
    await one.createMessageJournal().append("a", 0);
    await other.createMessageJournal().append("a", 1);
    assert.equal(await one.createMessageJournal().append("a", 2), 2);
    assert.deepEqual([(await one.stats()).conflicts, (await other.stats()).conflicts], [1, 0]);
  });

  onProvider(
    "1,000 appends over 100 actors that are not awaited share few commits",
    async (provider) => {
      const journal = provider.createMessageJournal<unknown>();
      await Promise.all(range(0, 999).map((index) => journal.append(`${index % 100}`, index)));
      const { commits, committedMessages } = await provider.stats();
      assert.equal(committedMessages, 1_000);
      assert.ok(commits <= 3, `${commits} commits`);
    },
  );

  onStorage("what arrives while a commit runs goes out with the next one", async (inner) => {
    const storage = new ObservedStorage(inner);
    await using provider = await PersistenceProvider.openOn(storage);
    const journal = provider.createMessageJournal<unknown>();
    const { commits } = storage;
    const release = storage.holdCommits();
    const appends = [journal.append("a", 0)];
    await storage.commitHeld();
    for (const index of range(1, 50)) {
      appends.push(journal.append(`${index % 7}`, index));
      await new Promise((resolve) => setTimeout(resolve, 0));
    }
    assert.equal(storage.commits, commits + 1, "one commit at a time");
    release();
    await Promise.all(appends);
    assert.equal(storage.commits, commits + 2);
  });
}
