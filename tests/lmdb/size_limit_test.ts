import assert from "node:assert/strict";
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { LmdbPersistenceProvider, type LmdbProviderOptions } from "../../adapters/lmdb/mod.ts";
import type { MessageJournal } from "../../core/ports/journal.ts";
import type { PersistenceProvider } from "../../core/provider.ts";
import { assertFails, outcomesOf, range } from "../conformance/fixture.ts";
import { withRandom } from "../conformance/random.ts";
import { test } from "../harness.ts";
import { withDirectory } from "../temporary_directory.ts";

const MIB = 2 ** 20;
/** By what factor the file may exceed the limit, because large values do not fit into all gaps. */
const TOLERANCE = 1.25;
const TOLERANCE_WITH_GAPS = 1.6;
/** What docs/format.md promises, and a little for what one commit needs beside its values. */
const TOLERANCE_IN_WORST_CASE = 1.55;
/** If the limit does not work, the disk must not fill up. */
const MAX_FILLING = 64 * MIB;

const FILLINGS = [[MIB, 100], [MIB, 1_000], [2 * MIB, 5_000], [2 * MIB, 70_000]] as const;
for (const [mapSize, messageBytes] of FILLINGS) {
  test(`size limit: ${mapSize} bytes, filled with messages of ${messageBytes}`, () =>
    withDirectory(async (path) => {
      let count = 0;
      {
        await using provider = await open({ path, mapSize });
        const journal = provider.createMessageJournal<Uint8Array>();
        count = await fill(journal, "a", messageBytes);
        assert.ok(count * messageBytes > 0.4 * mapSize, `full with ${count} messages`);
        await assertWithin(path, mapSize);
        assert.equal((await provider.stats()).storage.limitBytes, mapSize);

        // Refused again, it stores nothing and takes no number, alone or in a batch.
        const full = () => journal.append("a", messageOf(count, messageBytes));
        const batch = range(count, count + 9).map((number) => messageOf(number, messageBytes));
        await assertFails(full, "STORAGE_FULL", { actorId: "a" });
        await assertFails(() => journal.appendBatch("a", batch), "STORAGE_FULL");
        assert.equal(await journal.getHighestSequenceNumber("a"), count - 1);
        await assertHolds(journal, "a", 0, count, messageBytes);
      }
      {
        await using provider = await open({ path, mapSize });
        const journal = provider.createMessageJournal<Uint8Array>();
        await assertFails(() => journal.append("a", new Uint8Array(messageBytes)), "STORAGE_FULL");
        await assertHolds(journal, "a", 0, count, messageBytes);
      }
      await using larger = await open({ path, mapSize: 4 * mapSize });
      const journal = larger.createMessageJournal<Uint8Array>();
      await assertHolds(journal, "a", 0, count, messageBytes);
      assert.ok(await fill(journal, "a", messageBytes, count) > 2 * count);
      await assertWithin(path, 4 * mapSize);
    }));
}

test("size limit: truncation works on a full storage and makes room, again and again", () =>
  withDirectory(async (path) => {
    const mapSize = 2 * MIB;
    await using provider = await open({ path, mapSize });
    const journal = provider.createMessageJournal<Uint8Array>();
    let first = 0;
    let next = await fill(journal, "a", 1_000);
    for (const part of [0.5, 1, 0.1, 0.9, 0.5, 1, 1, 0.5]) {
      first += Math.floor((next - first) * part);
      await journal.truncateBefore("a", first);
      const more = await fill(journal, "a", 1_000, next);
      assert.ok(more > next, `no room after truncation before ${first}`);
      next = more;
      await assertHolds(journal, "a", first, next - first, 1_000);
      await assertWithin(path, mapSize);
    }
  }));

test("size limit: a write that does not fit does not keep others out of the same commit", () =>
  withDirectory(async (path) => {
    await using provider = await open({ path, mapSize: 2 * MIB });
    const journal = provider.createMessageJournal<Uint8Array>();
    const snapshots = provider.createSnapshotStore<Uint8Array>();
    for (const round of range(0, 2)) {
      const small = (actorId: string) => journal.append(actorId, new Uint8Array(100));
      const outcomes = await outcomesOf([
        small("before"),
        journal.append("large", new Uint8Array(3 * MIB)),
        small("after"),
        snapshots.saveSnapshot("large", new Uint8Array(3 * MIB), 0),
        small("last"),
      ]);
      assert.deepEqual(outcomes, [round, "STORAGE_FULL", round, "STORAGE_FULL", round]);
    }
    assert.equal(await journal.getHighestSequenceNumber("large"), -1);
    assert.equal(await snapshots.getLatestSnapshot("large"), undefined);
    assert.equal(await journal.append("large", new Uint8Array(100)), 0);
  }));

test("size limit: on a full storage, truncation succeeds beside appends that do not fit", () =>
  withDirectory(async (path) => {
    await using provider = await open({ path, mapSize: MIB });
    const journal = provider.createMessageJournal<Uint8Array>();
    const count = await fill(journal, "a", 5_000);
    const outcomes = await outcomesOf([
      journal.append("b", new Uint8Array(300_000)),
      journal.truncateBefore("a", count),
    ]);
    assert.deepEqual(outcomes, ["STORAGE_FULL", undefined]);
    assert.equal(await journal.append("b", new Uint8Array(300_000)), 0);
    assert.equal(await journal.append("a", new Uint8Array(5_000)), count);
  }));

test("size limit: snapshots fill it, and make room when they are deleted", () =>
  withDirectory(async (path) => {
    const mapSize = 2 * MIB;
    await using provider = await open({ path, mapSize });
    const snapshots = provider.createSnapshotStore<Uint8Array>({ keep: 1_000 });
    const state = (number: number) => messageOf(number, 50_000);
    const save = (number: number) => snapshots.saveSnapshot("a", state(number), number);
    let next = 0;
    for (const _ of range(1, 3)) {
      const before = next;
      while ((await outcomesOf([save(next)]))[0] !== "STORAGE_FULL") {
        next++;
        assert.ok(next < 1_000, "it is never full");
      }
      assert.ok(next - before > 10, `full with ${next - before} snapshots`);
      const latest = await snapshots.getLatestSnapshot("a");
      assert.equal(latest?.sequenceNumber, next - 1);
      assert.deepEqual(latest.state, state(next - 1));
      await assertWithin(path, mapSize);
      await snapshots.deleteSnapshots("a", { maxSequenceNumber: next - 2 });
    }
  }));

test("size limit: snapshots that replace each other never fill it", () =>
  withDirectory(async (path) => {
    const mapSize = 2 * MIB;
    await using provider = await open({ path, mapSize });
    const snapshots = provider.createSnapshotStore<Uint8Array>({ keep: 2 });
    for (const number of range(0, 60)) {
      await snapshots.saveSnapshot("a", messageOf(number, 300_000), number);
      await snapshots.saveSnapshot("b", messageOf(number, 1_000), 0);
    }
    await assertWithin(path, mapSize);
    assert.equal((await provider.stats()).failedPrunes, 0);
  }));

test("size limit: messages of several MiB", () =>
  withDirectory(async (path) => {
    const mapSize = 16 * MIB;
    await using provider = await open({ path, mapSize });
    const journal = provider.createMessageJournal<Uint8Array>();
    const count = await fill(journal, "a", 3 * MIB);
    assert.ok(count >= 3 && count <= 5, `full with ${count} messages`);
    await assertHolds(journal, "a", 0, count, 3 * MIB);
    assert.equal(await journal.append("b", new Uint8Array(1_000)), 0);
    await assertWithin(path, mapSize);
    await journal.truncateBefore("a", count - 1);
    assert.equal(await journal.append("a", messageOf(count, 3 * MIB)), count);
    await assertHolds(journal, "a", count - 1, 2, 3 * MIB);
    await assertWithin(path, mapSize);
  }));

test("size limit: if large messages do not fit into the gaps, the file does not grow forever", () =>
  withDirectory(async (path) => {
    const mapSize = 8 * MIB;
    await using provider = await open({ path, mapSize });
    const journal = provider.createMessageJournal<Uint8Array>();
    for (const round of range(1, 4)) {
      await fillInTurn(journal, [`small-${round}`, `gaps-${round}`], 3_000);
      await journal.truncateBefore(`gaps-${round}`, Number.MAX_SAFE_INTEGER);
      await fillInTurn(journal, [`large-${round}`], 200_000);
      assert.ok(await journal.getHighestSequenceNumber(`large-${round}`) > 5, `round ${round}`);
      await assertWithin(path, mapSize, TOLERANCE_WITH_GAPS);
      await journal.truncateBefore(`large-${round}`, Number.MAX_SAFE_INTEGER);
      await journal.truncateBefore(`small-${round - 1}`, Number.MAX_SAFE_INTEGER);
    }
  }));

test("size limit: values that never fit into the gaps of smaller ones: the documented worst case", () =>
  withDirectory(async (path) => {
    const mapSize = 8 * MIB;
    await using provider = await open({ path, mapSize });
    const snapshots = provider.createSnapshotStore<Uint8Array>({ keep: 1 });
    let kept: string[] = [];
    let count = 0;
    for (let bytes = 7_900; bytes < mapSize / 8; bytes = 2 * bytes + 200) {
      const added: string[] = [];
      const save = async () => {
        const actorId = `${bytes}-${count++}`;
        const [outcome] = await outcomesOf([
          snapshots.saveSnapshot(actorId, new Uint8Array(bytes), 0),
        ]);
        if (outcome === undefined) added.push(actorId);
        return outcome === undefined;
      };
      while (await save()) assert.ok(count < 10_000, "it is never full");
      await assertWithin(path, mapSize, TOLERANCE_IN_WORST_CASE);
      // Half of all remain, each between two gaps.
      const all = [...kept, ...added];
      kept = all.filter((_, index) => index % 2 === 0);
      const dropped = all.filter((_, index) => index % 2 !== 0);
      for (const actorId of dropped) await snapshots.deleteSnapshots(actorId);
    }
    // What has been deleted is used again.
    for (const actorId of kept) await snapshots.deleteSnapshots(actorId);
    for (let number = 0; number < 20; number++) {
      await snapshots.saveSnapshot(`last-${number}`, new Uint8Array(100_000), 0);
    }
    await assertWithin(path, mapSize, TOLERANCE_IN_WORST_CASE);
  }));

test("size limit: below the size of the file, stored data can be read and truncated", () =>
  withDirectory(async (path) => {
    let count = 0;
    {
      await using provider = await open({ path, mapSize: 4 * MIB });
      count = await fill(provider.createMessageJournal<Uint8Array>(), "a", 1_000);
    }
    const { size } = await stat(join(path, "data.mdb"));
    await using provider = await open({ path, mapSize: MIB });
    const journal = provider.createMessageJournal<Uint8Array>();
    await assertHolds(journal, "a", 0, count, 1_000);
    await assertFails(() => journal.append("a", messageOf(count, 1_000)), "STORAGE_FULL");
    await assertFails(
      () => provider.createSnapshotStore<number>().saveSnapshot("a", 1, 1),
      "STORAGE_FULL",
    );
    await journal.truncateBefore("a", count - 10);
    await assertHolds(journal, "a", count - 10, 10, 1_000);
    // A file does not shrink, but what it holds is below the limit now.
    assert.equal(await journal.append("a", messageOf(count, 1_000)), count);
    await assertWithin(path, size);
  }));

const CHURNS = [
  { mapSize: 2 * MIB, minBytes: 50, maxBytes: 200, maxBatch: 60, steps: 800 },
  { mapSize: 4 * MIB, minBytes: 100, maxBytes: 5_000, maxBatch: 6, steps: 800 },
  { mapSize: 8 * MIB, minBytes: 10, maxBytes: 60_000, maxBatch: 1, steps: 800 },
];
for (const { mapSize, minBytes, maxBytes, maxBatch, steps } of CHURNS) {
  test(`size limit: at 80 % load, messages of ${minBytes} to ${maxBytes} bytes come and go`, () =>
    withRandom(undefined, (random) =>
      withDirectory(async (path) => {
        await using provider = await open({ path, mapSize });
        const journal = provider.createMessageJournal<Uint8Array>();
        const messages: Uint8Array[] = [];
        let first = 0;
        for (let step = 0; step < steps; step++) {
          const batch = range(0, random.below(maxBatch)).map((index) =>
            messageOf(messages.length + index, minBytes + random.below(maxBytes - minBytes + 1))
          );
          messages.push(...batch);
          await journal.appendBatch("a", batch);
          while ((await provider.stats()).storage.usedBytes > 0.8 * mapSize) {
            first = Math.min(first + 10 * maxBatch, messages.length);
            await journal.truncateBefore("a", first);
          }
          await assertWithin(path, mapSize);
        }
        assert.ok(first > messages.length / 2, `only ${first} of ${messages.length} have gone`);
        for await (const { sequenceNumber, message } of journal.replay("a", 0)) {
          assert.equal(sequenceNumber, first++);
          assert.deepEqual(message, messages[sequenceNumber]);
        }
        assert.equal(first, messages.length);
      })));
}

/** None of these tests is about power losses. */
function open(options: LmdbProviderOptions): Promise<PersistenceProvider> {
  return LmdbPersistenceProvider.open({ ...options, durability: "none" });
}

/**
 * Appends until the storage is full: first in groups, which are refused as a whole, then one by
 * one.
 *
 * @returns The number that the next message would get.
 */
async function fill(
  journal: MessageJournal<Uint8Array>,
  actorId: string,
  messageBytes: number,
  first = 0,
): Promise<number> {
  let next = first;
  for (const largest of [Math.ceil(16_000 / messageBytes), 1]) {
    for (let full = false; !full;) {
      // Of uneven size, so that frames differ, too.
      const group = range(next, next + next % largest);
      const outcomes = await outcomesOf(
        group.map((number) => journal.append(actorId, messageOf(number, messageBytes))),
      );
      full = outcomes[0] === "STORAGE_FULL";
      assert.ok(full || next * messageBytes < MAX_FILLING, "it is never full");
      assert.deepEqual(outcomes, full ? group.map(() => "STORAGE_FULL") : group);
      if (!full) next += group.length;
    }
  }
  return next;
}

/**
 * Appends to actors in turn until the storage is full, so that their frames are next to each other.
 */
async function fillInTurn(
  journal: MessageJournal<Uint8Array>,
  actorIds: readonly string[],
  messageBytes: number,
): Promise<void> {
  for (let filled = 0; filled < MAX_FILLING; filled += messageBytes) {
    for (const actorId of actorIds) {
      const [outcome] = await outcomesOf([journal.append(actorId, new Uint8Array(messageBytes))]);
      if (outcome === "STORAGE_FULL") return;
    }
  }
  assert.fail("it is never full");
}

function messageOf(number: number, bytes: number): Uint8Array {
  const message = new Uint8Array(bytes).fill(number % 251);
  new DataView(message.buffer).setUint32(0, number);
  return message;
}

async function assertHolds(
  journal: MessageJournal<Uint8Array>,
  actorId: string,
  first: number,
  count: number,
  messageBytes: number,
): Promise<void> {
  const entries = await journal.readFrom(actorId, 0);
  assert.deepEqual(
    entries.map(({ sequenceNumber }) => sequenceNumber),
    range(first, first + count - 1),
  );
  for (const { sequenceNumber, message } of entries) {
    assert.deepEqual(message, messageOf(sequenceNumber, messageBytes));
  }
}

async function assertWithin(
  path: string,
  mapSize: number,
  tolerance: number = TOLERANCE,
): Promise<void> {
  const { size } = await stat(join(path, "data.mdb"));
  assert.ok(size <= tolerance * mapSize, `${size} bytes instead of ${mapSize}`);
}
