import assert from "node:assert/strict";
import { HEAD_BYTES_BEFORE_TAIL } from "../../../core/format/head.ts";
import { xxh32 } from "../../../core/format/xxh32.ts";
import { readUint32, writeUint32 } from "../../../core/util/bytes.ts";
import { PersistenceProvider } from "../../../core/provider.ts";
import type { ProviderOptions } from "../../../core/ports/provider.ts";
import { sealEnvelope } from "../../../core/format/envelope.ts";
import { type Keyspace, KEYSPACES, type StoredEntry } from "../../../core/ports/storage.ts";
import { collectLog } from "../collect_log.ts";
import { assertFails, casesOf, outcomesOf, range, withPlace } from "../fixture.ts";
import { asciiCodec, messagesOf, replayedOf } from "../journal/fixture.ts";
import { JournalModel, RandomCalls } from "../journal/model.ts";
import { withRandom } from "../random.ts";
import { keptOf, save } from "../snapshots/fixture.ts";
import { commit, dump, EVERYTHING, group, hasVersion, put, remove } from "../storage/fixture.ts";
import { assertSameValue } from "../same_value.ts";
import type { ConformanceOptions, OpenStorageOptions, StoragePlace } from "../types.ts";
import { richValues } from "../values.ts";

/**
 * Registers the cases about what survives that the storage under test is closed and opened again.
 * They are skipped if `supports.reopen` is false.
 *
 * @param options The test runner and the storage under test.
 *
 * @example A storage of one's own, under Node's test runner
 * ```ts
 * import { test } from "node:test";
 * import { describeReopen } from "@cajun/persistence/conformance";
 * import { MemoryDatabase, MemoryStorage } from "@cajun/persistence/memory";
 *
 * describeReopen({
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
export function describeReopen(options: ConformanceOptions): void {
  describeStorageReopen(options);
  describeJournalReopen(options);
  describeSnapshotReopen(options);
  describeStoreReopen(options);
}

function describeStorageReopen(options: ConformanceOptions): void {
  const check = casesOf(options, "reopen storage", withPlace, "reopen");

  check("keys, values and versions of all keyspaces are there", async (place) => {
    const first = await place.openStorage();
    for (const keyspace of KEYSPACES) {
      await commit(first, put("a", keyspace, { keyspace, version: 1 }), put("b", "", { keyspace }));
      await commit(first, put("c", "x", { keyspace }), remove("b", keyspace));
    }
    const stats = (await first.stats()).entries;
    await first.close();
    await using storage = await place.openStorage();
    for (const keyspace of KEYSPACES) {
      assert.deepEqual(await dump(storage, keyspace), [`a=${keyspace}@1`, "c=x@0"]);
    }
    assert.deepEqual({ ...(await storage.stats()).entries }, { ...stats });
  });

  check("conditions see versions from before", async (place) => {
    const first = await place.openStorage();
    await commit(first, put("a", "1", { version: Number.MAX_SAFE_INTEGER }));
    await first.close();
    await using storage = await place.openStorage();
    const groups = [
      group([put("a", "2", { version: 4 })], hasVersion("a", 1)),
      group([put("a", "3", { version: 5 })], hasVersion("a", Number.MAX_SAFE_INTEGER)),
    ];
    assert.deepEqual(await storage.commit(groups), [false, true]);
    assert.deepEqual(await dump(storage), ["a=3@5"]);
  });

  check(
    "commits that were called before close are there, those that it refused are not",
    async (place) => {
      const first = await place.openStorage();
      const commits = range(0, 49).map((index) => commit(first, put(`${index}`, "x")));
      const closed = first.close();
      const late = outcomesOf([first.commit([group([put("late", "x")])])]);
      await Promise.all([...commits, closed]);
      assert.deepEqual(await late, ["CLOSED"]);
      await using storage = await place.openStorage();
      const page = await storage.scan("entries", EVERYTHING);
      assert.equal(page.length, 50);
    },
  );

  check("again and again", async (place) => {
    for (const round of range(0, 4)) {
      await using storage = await place.openStorage();
      assert.deepEqual(await dump(storage), range(0, round - 1).map((key) => `${key}=x@0`));
      await commit(storage, put(`${round}`, "x"));
    }
  });
}

function describeJournalReopen(options: ConformanceOptions): void {
  const check = casesOf(options, "reopen journal", withPlace, "reopen");

  check("everything acknowledged is there, and numbers go on", async (place) => {
    const messages: unknown[] = [];
    for (const round of range(0, 4)) {
      await using provider = await open(place);
      const journal = provider.createMessageJournal<unknown>();
      assert.deepEqual(await messagesOf(journal), messages);
      assert.equal(await journal.getHighestSequenceNumber("a"), messages.length - 1);
      messages.push(`single ${round}`, "x", "y");
      assert.equal(await journal.append("a", `single ${round}`), 3 * round);
      assert.deepEqual(await journal.appendBatch("a", ["x", "y"]), [
        3 * round + 1,
        3 * round + 2,
      ]);
    }
  });

  check("every kind of value comes back as it went in", async (place) => {
    const first = await open(place);
    await first.createMessageJournal<unknown>().appendBatch(
      "a",
      richValues.map(([, value]) => value),
    );
    await first.close();
    await using provider = await open(place);
    const messages = await messagesOf(provider.createMessageJournal());
    for (const [index, [name, value]] of richValues.entries()) {
      assertSameValue(messages[index], value, name);
    }
  });

  check("timestamps are those of the append", async (place) => {
    const first = await open(place);
    const journal = first.createMessageJournal<unknown>();
    await journal.appendBatch("a", range(0, 4));
    const before = await journal.readFrom("a", 0);
    await first.close();
    await new Promise((resolve) => setTimeout(resolve, 3));
    await using provider = await open(place);
    assert.deepEqual(await provider.createMessageJournal().readFrom("a", 0), before);
  });

  check("thousands of messages over frames are there", async (place) => {
    const first = await open(place);
    await first.createMessageJournal().appendBatch("a", range(0, 9_999));
    await first.close();
    await using provider = await open(place);
    const journal = provider.createMessageJournal<unknown>();
    assert.deepEqual(await messagesOf(journal), range(0, 9_999));
    assert.deepEqual(await replayedOf(journal, 5_000), range(5_000, 9_999));
    assert.equal(await journal.append("a", "next"), 10_000);
  });

  for (const before of [0, 1, 4, 9, 10, 100]) {
    check(`a truncation before ${before} of 10 holds, and numbers go on`, async (place) => {
      const first = await open(place);
      await first.createMessageJournal().appendBatch("a", range(0, 9));
      await first.createMessageJournal().truncateBefore("a", before);
      await first.close();
      await using provider = await open(place);
      const journal = provider.createMessageJournal<unknown>();
      assert.deepEqual(await messagesOf(journal), range(before, 9));
      assert.equal(await journal.getHighestSequenceNumber("a"), 9);
      const wrong = { expectedSequenceNumber: 0 };
      await assertFails(() => journal.append("a", "x", wrong), "CONFLICT", {
        actualSequenceNumber: 10,
      });
      assert.equal(await journal.append("a", 10, { expectedSequenceNumber: 10 }), 10);
      assert.deepEqual(await messagesOf(journal), range(Math.min(before, 10), 10));
    });
  }

  check("what was accepted before the provider closed is there", async (place) => {
    const first = await open(place);
    const journal = first.createMessageJournal<unknown>();
    const batched = first.createBatchedMessageJournal<unknown>({ maxBatchDelayMs: 60_000 });
    const outcomes = outcomesOf([
      ...range(0, 49).map((index) => (index % 2 ? batched : journal).append("a", index)),
      batched.append("b", "waits"),
    ]);
    await first.close();
    assert.deepEqual(await outcomes, [...range(0, 49), 0]);
    await using provider = await open(place);
    assert.deepEqual(await messagesOf(provider.createMessageJournal()), range(0, 49));
    assert.deepEqual(await messagesOf(provider.createMessageJournal(), "b"), ["waits"]);
  });

  check(
    "random calls, then close: what is there is what a model holds",
    (place) =>
      withRandom(options.seed, async (random) => {
        const model = new JournalModel();
        for (const _ of range(0, 2)) {
          const provider = await open(place);
          const calls = new RandomCalls(
            [provider.createMessageJournal(), provider.createBatchedMessageJournal()],
            random,
            model,
          );
          for (const _ of range(1, 100)) calls.make();
          await provider.close();
          await calls.settle();
        }
        await using provider = await open(place);
        await model.assertSame(provider.createMessageJournal());
      }),
  );

  const readOnly = casesOf(options, "reopen journal", withPlace, "reopen", "readOnly");
  readOnly("read-only, everything can be read", async (place) => {
    const first = await open(place);
    await first.createMessageJournal().appendBatch("a", range(0, 9));
    await save(first.createSnapshotStore(), [9]);
    await first.close();
    await using provider = await open(place, {}, { readOnly: true });
    assert.deepEqual(await messagesOf(provider.createMessageJournal()), range(0, 9));
    assert.deepEqual(await keptOf(provider.createSnapshotStore()), [9]);
    assert.equal((await provider.stats()).storage.entries.log, 1);
  });

  const limited = casesOf(options, "reopen journal", withPlace, "reopen", "sizeLimit");
  limited(
    "full, then with a larger limit: everything acknowledged is there and goes on",
    async (place) => {
      const first = await open(place, {}, { limitBytes: 2 ** 20 });
      const journal = first.createMessageJournal<unknown>();
      let stored = 0;
      for (; stored < 64; stored++) {
        const [outcome] = await outcomesOf([journal.append("a", new Uint8Array(2 ** 15))]);
        if (outcome === "STORAGE_FULL") break;
        assert.equal(outcome, stored);
      }
      assert.ok(stored > 1 && stored < 33, `${stored} messages of 32 KiB in 1 MiB`);
      assert.equal(await journal.getHighestSequenceNumber("a"), stored - 1);
      assert.equal((await journal.readFrom("a", 0)).length, stored, "reading goes on when full");
      await first.close();
      await using provider = await open(place, {}, { limitBytes: 2 ** 23 });
      const again = provider.createMessageJournal<unknown>();
      assert.equal((await again.readFrom("a", 0)).length, stored);
      for (const index of range(stored, stored + 39)) {
        assert.equal(await again.append("a", new Uint8Array(2 ** 15)), index);
      }
    },
  );

  const full = casesOf(options, "reopen journal", withPlace, "sizeLimit");
  full("full, a truncation makes room", async (place) => {
    await using provider = await open(place, {}, { limitBytes: 2 ** 20 });
    const journal = provider.createMessageJournal<unknown>();
    let next = 0;
    while ((await outcomesOf([journal.append("a", new Uint8Array(2 ** 15))]))[0] === next) next++;
    await journal.truncateBefore("a", next);
    assert.deepEqual(await messagesOf(journal), []);
    assert.equal(await journal.append("a", "small"), next);
    assert.equal(await journal.append("a", new Uint8Array(2 ** 15)), next + 1);
  });
}

function describeSnapshotReopen(options: ConformanceOptions): void {
  const check = casesOf(options, "reopen snapshots", withPlace, "reopen");

  check("snapshots are there, with state, number and timestamp", async (place) => {
    const first = await open(place);
    await save(first.createSnapshotStore(), [10, 20, 30, 40]);
    const before = await first.createSnapshotStore().getLatestSnapshot("a");
    await first.close();
    await using provider = await open(place);
    const snapshots = provider.createSnapshotStore<unknown>();
    assert.deepEqual(await snapshots.getLatestSnapshot("a"), before);
    assert.deepEqual(await keptOf(snapshots), [40, 30, 20]);
    await save(snapshots, [35]);
    assert.deepEqual(await keptOf(snapshots), [40, 35, 30]);
  });

  check("deleted ones stay deleted", async (place) => {
    const first = await open(place);
    const snapshots = first.createSnapshotStore<unknown>();
    await save(snapshots, [10, 20, 30]);
    await snapshots.deleteSnapshots("a", { sequenceNumber: 20 });
    await first.close();
    await using provider = await open(place);
    assert.deepEqual(await keptOf(provider.createSnapshotStore()), [30, 10]);
  });

  check("saves that were called before close are there", async (place) => {
    const first = await open(place);
    const snapshots = first.createSnapshotStore<unknown>();
    const saves = range(0, 9).map((index) => snapshots.saveSnapshot(`${index}`, index, index));
    await Promise.all([...saves, first.close()]);
    await using provider = await open(place);
    for (const index of range(0, 9)) {
      const snapshot = await provider.createSnapshotStore().getLatestSnapshot(`${index}`);
      assert.equal(snapshot?.state, index);
    }
  });
}

function describeStoreReopen(options: ConformanceOptions): void {
  const check = casesOf(options, "reopen provider", withPlace, "reopen");

  check("another codec is refused with CODEC_MISMATCH, the same name is fine", async (place) => {
    const first = await open(place, { codec: asciiCodec("one") });
    await first.createMessageJournal().append("a", "x");
    await first.close();
    await assertFails(() => open(place, { codec: asciiCodec("two") }), "CODEC_MISMATCH");
    await assertFails(() => open(place), "CODEC_MISMATCH");
    await using provider = await open(place, { codec: asciiCodec("one") });
    assert.deepEqual(await messagesOf(provider.createMessageJournal()), ["x"]);
  });

  for (const keyspace of KEYSPACES) {
    check(
      `data of a newer format in "${keyspace}" is UNSUPPORTED_FORMAT, not CORRUPT`,
      async (place) => {
        const first = await open(place);
        // So long that it is a frame of its own.
        await first.createMessageJournal().append("a", "x".repeat(20_000));
        await save(first.createSnapshotStore(), [0]);
        const outbox = first.createActorStore({ kind: "test" });
        await outbox.append("a", [outbox.prepareEntries("a", ["x"], { effects: ["mail"] })], 0);
        await first.close();
        const storage = await place.openStorage();
        if (keyspace !== "log") await collectLog(storage);
        const [entry] = await storage.scan(keyspace, EVERYTHING);
        assert.ok(entry);
        await commit(
          storage,
          put(entry.key, newer(entry, keyspace), { keyspace, version: entry.version }),
        );
        await storage.close();

        if (keyspace === "meta" || keyspace === "log") {
          await assertFails(() => open(place), "UNSUPPORTED_FORMAT");
          return;
        }
        await using provider = await open(place);
        const journal = provider.createMessageJournal<unknown>();
        const snapshots = provider.createSnapshotStore<unknown>();
        const reading = {
          heads: () => journal.getHighestSequenceNumber("a"),
          entries: () => journal.readFrom("a", 0),
          snapshots: () => snapshots.getLatestSnapshot("a"),
          outbox: () => provider.createActorStore({ kind: "test" }).outbox.open({ limit: 1 }),
        };
        await assertFails(reading[keyspace], "UNSUPPORTED_FORMAT", { actorId: "a" });
        if (keyspace !== "heads") return;
        await assertFails(() => journal.append("a", "y"), "UNSUPPORTED_FORMAT");
        await assertFails(() => journal.truncateBefore("a", 1), "UNSUPPORTED_FORMAT");
      },
    );
  }

  check("an empty place that was opened and closed is still as good as new", async (place) => {
    for (const _ of range(0, 2)) await (await open(place)).close();
    await using provider = await open(place);
    assert.equal(await provider.createMessageJournal().append("a", "x"), 0);
  });
}

/** A record with a version of its format that is yet to come, and otherwise sound. */
function newer({ key, value }: StoredEntry, keyspace: Keyspace): Uint8Array {
  const record = value.slice();
  if (keyspace === "log") return newerLogRecord(key, record);
  sealEnvelope(key, record, 255, keyspace === "heads" ? HEAD_BYTES_BEFORE_TAIL : record.length);
  return record;
}

/**
 * A record of the log as a later version would write it. Its checksum is that of its header and of
 * its directory.
 *
 * @param key Its key.
 * @param record The record, which is changed.
 * @returns The record.
 */
export function newerLogRecord(key: Uint8Array, record: Uint8Array): Uint8Array {
  const items = readUint32(record, 5, "little-endian");
  record[4] = 255;
  const ofHeader = xxh32(record, 4, 13, xxh32(key, 0, key.length, 0));
  const checksum = xxh32(record, record.length - 12 * items, record.length, ofHeader);
  writeUint32(record, 0, checksum, "little-endian");
  return record;
}

async function open(
  place: StoragePlace,
  options: ProviderOptions = {},
  storageOptions: OpenStorageOptions = {},
): Promise<PersistenceProvider> {
  return await PersistenceProvider.openOn(await place.openStorage(storageOptions), options);
}
