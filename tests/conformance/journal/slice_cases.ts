import assert from "node:assert/strict";
import { FRAME_MAX_ENTRIES } from "../../../core/format/frame.ts";
import type { MessageJournal } from "../../../core/ports/journal.ts";
import type { ReadRangeOptions } from "../../../core/ports/journal_options.ts";
import type { Storage } from "../../../core/ports/storage.ts";
import { assertFails, casesOf, range } from "../fixture.ts";
import {
  type JournalKind,
  numbersOf,
  replayedOf,
  withJournal,
  withObserved,
  withTwoWriters,
} from "./fixture.ts";
import { withRandom } from "../random.ts";
import { commit, EVERYTHING, put, remove } from "../storage/fixture.ts";
import type { ConformanceOptions } from "../types.ts";

/** Sizes of batches that are awaited one by one, and so make frames with edges of all kinds. */
const SMALL_FRAMES = [1, 3, 1, 5, 2];
/** A message so long that two of it do not share a frame, nor one the tail of a journal. */
const LONG = "x".repeat(20_000);
const { MIN_SAFE_INTEGER, MAX_SAFE_INTEGER } = Number;

type Way = (journal: MessageJournal<unknown>, options: ReadRangeOptions) => Promise<number[]>;

/** All ways of reading, with the same options. */
const WAYS: Readonly<Record<string, Way>> = {
  read: async (journal, options) => {
    const { entries } = await journal.read("a", options);
    return entries.map(({ sequenceNumber }) => sequenceNumber);
  },
  readFrom: (journal, { from = 0, ...options }) => numbersOf(journal, from, options),
  replay: (journal, { from = 0, ...options }) => replayedOf(journal, from, options),
  readable: async (journal, { from = 0, ...options }) => {
    const reader = journal.readable("a", from, options).getReader();
    const numbers: number[] = [];
    for (let next = await reader.read(); !next.done; next = await reader.read()) {
      numbers.push(next.value.sequenceNumber);
    }
    return numbers;
  },
};

/** What a journal with these numbers must give. */
function expectedOf(
  numbers: readonly number[],
  { from = 0, to = MAX_SAFE_INTEGER, limit = MAX_SAFE_INTEGER, reverse = false }: ReadRangeOptions,
): number[] {
  const within = numbers.filter((number) => number >= from && number <= to);
  return (reverse ? within.toReversed() : within).slice(0, limit);
}

/** Registers the cases about `read`, and about the bounds of all reads. */
export function describeSlices(options: ConformanceOptions, kind: JournalKind): void {
  const check = casesOf(options, `${kind.name} slice`, withJournal(kind));
  const checkTwo = casesOf(options, `${kind.name} slice`, withTwoWriters(kind));

  check("it has the entries, and the lowest and the highest number", async (journal) => {
    const incarnations = new Set<number>();
    const rangeOf = async () => {
      const { entries, incarnation, ...numbers } = await journal.read("a");
      assert.deepEqual(entries, await journal.readFrom("a", 0));
      incarnations.add(incarnation);
      return numbers;
    };
    assert.deepEqual(await rangeOf(), { lowest: 0, highest: -1, origin: 0 });
    await journal.append("a", "x");
    assert.deepEqual(await rangeOf(), { lowest: 0, highest: 0, origin: 0 });
    await journal.appendBatch("a", range(1, 9));
    assert.deepEqual(await rangeOf(), { lowest: 0, highest: 9, origin: 0 });
    await journal.truncateBefore("a", 4);
    assert.deepEqual(await rangeOf(), { lowest: 4, highest: 9, origin: 0 });
    await journal.truncateBefore("a", 10);
    assert.deepEqual(await rangeOf(), { lowest: 10, highest: 9, origin: 0 });
    await journal.append("a", "y");
    assert.deepEqual(await rangeOf(), { lowest: 10, highest: 10, origin: 0 });
    const [none, one] = [...incarnations];
    assert.deepEqual([none, incarnations.size], [0, 2]);
    assert.ok(Number.isSafeInteger(one) && Number(one) > 0, `${one}`);
  });

  check("the numbers are those of the journal, whatever part of it is read", async (journal) => {
    await journal.appendBatch("a", range(0, 9));
    await journal.truncateBefore("a", 2);
    const numbers = { lowest: 2, highest: 9, origin: 0 };
    const parts = [{ limit: 0 }, { from: 50 }, { to: -1 }, { limit: 1, reverse: true }, { to: 3 }];
    for (const part of parts) {
      const { entries, lowest, highest, origin } = await journal.read("a", part);
      assert.deepEqual({ lowest, highest, origin }, numbers);
      assert.equal(entries.length, expectedOf(range(2, 9), part).length);
    }
  });

  checkTwo("entries and numbers are from one state", async (one, other) => {
    let settled = false;
    const writing = (async () => {
      for (const index of range(0, 199)) {
        await other.appendBatch("a", [index, LONG]);
        if (index % 3 === 0) await other.truncateBefore("a", 2 * index - 4 < 0 ? 0 : 2 * index - 4);
      }
    })().finally(() => settled = true);
    while (!settled) {
      for (const reverse of [false, true]) {
        const { entries, lowest, highest } = await slice(one, { reverse });
        const numbers = entries.map(({ sequenceNumber }) => sequenceNumber);
        const expected = range(lowest, highest);
        assert.deepEqual(numbers, reverse ? expected.toReversed() : expected);
      }
      await new Promise((resolve) => setTimeout(resolve, 0));
    }
    await writing;
  });

  for (const [name, way] of Object.entries(WAYS)) {
    check(`${name} takes any bounds: what is on no side of them is empty`, async (journal) => {
      await journal.appendBatch("a", range(0, 5));
      await journal.truncateBefore("a", 2);
      const bounds = [MIN_SAFE_INTEGER, -7, -1, -0, 0, 1, 2, 4, 5, 6, 99, MAX_SAFE_INTEGER];
      for (const reverse of [false, true]) {
        for (const from of bounds) {
          for (const to of bounds) {
            for (const limit of [0, 1, 3, MAX_SAFE_INTEGER]) {
              const part = { from, to, limit, reverse };
              const numbers = await way(journal, part);
              assert.deepEqual(numbers, expectedOf(range(2, 5), part), JSON.stringify(part));
            }
          }
        }
      }
      assert.deepEqual(await way(journal, { from: -1 }), range(2, 5));
      assert.deepEqual(await way(journal, { to: -1 }), []);
      assert.deepEqual(await way(journal, { from: 5, to: 4 }), []);
    });
  }
}

/** A reader may be overtaken by a truncation in the midst: then it reads again. */
async function slice(journal: MessageJournal<unknown>, options: ReadRangeOptions) {
  for (;;) {
    try {
      return await journal.read("a", options);
    } catch (error) {
      if (!(error instanceof Error && "code" in error && error.code === "TRUNCATED")) throw error;
    }
  }
}

/** Registers the cases about reading from the end. */
export function describeReverseReading(options: ConformanceOptions, kind: JournalKind): void {
  const check = casesOf(options, `${kind.name} reverse`, withJournal(kind));
  const observed = casesOf(options, `${kind.name} reverse`, withObserved(kind));

  for (const [name, way] of Object.entries(WAYS)) {
    check(`${name} gives the same entries from the end, for every choice of bounds`, async (
      journal,
    ) => {
      let count = 0;
      for (const size of SMALL_FRAMES) {
        await journal.appendBatch("a", range(count, count + size - 1).map(() => LONG));
        count += size;
      }
      await journal.appendBatch("a", ["short", "short"]);
      count += 2;
      for (const limit of [undefined, 0, 1, 2, 5, count, count + 1]) {
        for (const from of range(0, count + 1)) {
          const rows = [undefined, ...range(0, count + 1)].map(async (to) => {
            const part = {
              from,
              reverse: true,
              ...(to !== undefined && { to }),
              ...(limit !== undefined && { limit }),
            };
            const expected = expectedOf(range(0, count - 1), part);
            assert.deepEqual(await way(journal, part), expected, JSON.stringify(part));
          });
          await Promise.all(rows);
        }
      }
    });
  }

  check("across, at the edges of, and inside of full frames", async (journal) => {
    const count = 2 * FRAME_MAX_ENTRIES + 10;
    await journal.appendBatch("a", range(0, count - 1));
    assert.deepEqual(await numbersOf(journal, 0, { reverse: true }), range(0, count - 1).reverse());
    const edges = [0, FRAME_MAX_ENTRIES, 2 * FRAME_MAX_ENTRIES, count];
    for (const to of edges.flatMap((edge) => [edge - 1, edge])) {
      for (const limit of [1, 2, 11, FRAME_MAX_ENTRIES + 1]) {
        const part = { to, limit, reverse: true };
        assert.deepEqual(await numbersOf(journal, 0, part), expectedOf(range(0, count - 1), part));
      }
    }
  });

  check("each message comes with its own number, time and type", async (journal) => {
    for (const index of range(0, 9)) {
      await journal.appendBatch("a", range(0, 99).map((part) => ({ index, part })));
    }
    const { entries } = await journal.read("a");
    assert.equal(entries.length, 1_000);
    assert.deepEqual((await journal.read("a", { reverse: true })).entries, entries.toReversed());
  });

  check(
    "random journals, random parts of them, in both directions",
    (journal, { create }) =>
      withRandom(options.seed, async (random) => {
        const other = create<unknown>();
        let next = 0;
        let first = 0;
        for (const _ of range(1, 40)) {
          const size = 1 + random.below(random.below(4) === 0 ? 600 : 12);
          const length = random.below(3) === 0 ? random.below(9_000) : random.below(40);
          await (random.below(2) === 0 ? journal : other)
            .appendBatch("a", range(1, size).map(() => "x".repeat(length)));
          next += size;
          if (random.below(4) === 0) {
            first = Math.max(first, next - random.below(900));
            await journal.truncateBefore("a", first);
          }
          for (const way of Object.values(WAYS)) {
            const part = {
              from: random.below(next + 4) - 2,
              to: random.below(next + 4) - 2,
              limit: random.below(3) === 0 ? MAX_SAFE_INTEGER : random.below(50),
              reverse: random.below(2) === 0,
            };
            const expected = expectedOf(range(first, next - 1), part);
            assert.deepEqual(await way(journal, part), expected, JSON.stringify(part));
          }
        }
      }),
  );

  observed("the last entries are read without the rest", async (journal, storage) => {
    for (const _ of range(0, 99)) await journal.appendBatch("a", range(0, 9).map(() => LONG));
    await journal.append("a", "short");
    const bytesFor = async (limit: number) => {
      const before = storage.scannedBytes;
      const { entries } = await journal.read("a", { limit, reverse: true });
      assert.equal(entries[0]?.sequenceNumber, 1_000);
      assert.equal(entries.length, limit);
      return storage.scannedBytes - before;
    };
    assert.equal(await bytesFor(1), 0, "the last one is in the head");
    assert.ok(await bytesFor(2) < 2 * LONG.length);
    assert.ok(await bytesFor(10) < 20 * LONG.length);
    // From inside, too.
    const before = storage.scannedBytes;
    const inside = { to: 500, limit: 3, reverse: true };
    assert.deepEqual(await numbersOf(journal, 0, inside), [500, 499, 498]);
    assert.ok(storage.scannedBytes - before < 10 * LONG.length);
  });

  check("entries that are truncated meanwhile are not skipped in silence", async (journal) => {
    await journal.appendBatch("a", range(0, 299).map(() => LONG));
    const numbers: number[] = [];
    const consume = async () => {
      for await (const { sequenceNumber } of journal.replay("a", 0, { reverse: true })) {
        numbers.push(sequenceNumber);
        if (numbers.length === 1) await journal.truncateBefore("a", 290);
      }
    };
    await assertFails(consume, "TRUNCATED", { actorId: "a" });
    assert.deepEqual(numbers, range(300 - numbers.length, 299).reverse());
    assert.deepEqual(await replayedOf(journal, 0, { reverse: true }), range(290, 299).reverse());
  });

  check("a frame that is missing, doubled or of another journal is CORRUPT", async (
    journal,
    { storage },
  ) => {
    await journal.appendBatch("a", range(0, 9).map(() => LONG));
    const frames = await storage.scan("entries", EVERYTHING);
    assert.equal(frames.length, 10);
    const read = () => journal.read("a", { reverse: true });
    for (const [sequenceNumber, { key, value, version }] of frames.entries()) {
      await commit(storage, remove(key, "entries"));
      await assertFails(read, "CORRUPT", { actorId: "a", sequenceNumber });
      await putFrame(storage, key, value, version + 1);
      await assertFails(read, "CORRUPT", { actorId: "a", sequenceNumber });
      await assertFails(() => journal.readFrom("a", 0), "CORRUPT", { sequenceNumber });
      await putFrame(storage, key, value, version);
    }
    assert.deepEqual(await numbersOf(journal, 0, { reverse: true }), range(0, 9).reverse());
  });
}

async function putFrame(
  storage: Storage,
  key: Uint8Array,
  value: Uint8Array,
  version: number,
): Promise<void> {
  await commit(storage, put(key, value, { keyspace: "entries", version }));
}
