import assert from "node:assert/strict";
import { FRAME_MAX_ENTRIES } from "../../../core/format/frame.ts";
import { assertFails, casesOf, errorOf, range } from "../fixture.ts";
import {
  asciiCodec,
  type JournalKind,
  numbersOf,
  replayedOf,
  withJournal,
  withObserved,
} from "./fixture.ts";
import type { ConformanceOptions } from "../types.ts";

/** Sizes of batches that are awaited one by one, and so make frames with edges of all kinds. */
const SMALL_FRAMES = [1, 3, 1, 5, 2];

/** Two full frames and a part, cut by the limit of entries. */
const LARGE_BATCH = 2 * FRAME_MAX_ENTRIES + 10;

/** Registers the cases about `readFrom`, `replay` and `getHighestSequenceNumber`. */
export function describeReading(options: ConformanceOptions, kind: JournalKind): void {
  const check = casesOf(options, `${kind.name} reading`, withJournal(kind));
  const observed = casesOf(options, `${kind.name} reading`, withObserved(kind));
  const ofTexts = casesOf(
    options,
    `${kind.name} reading`,
    withJournal(kind, { codec: asciiCodec() }),
  );
  const ways = [
    ["readFrom", numbersOf] as const,
    ["replay", replayedOf] as const,
  ];

  check("an actor that is not known has highest number -1 and no entries", async (journal) => {
    await journal.append("b", "x");
    assert.equal(await journal.getHighestSequenceNumber("a"), -1);
    for (const [, numbers] of ways) {
      assert.deepEqual(await numbers(journal), []);
      assert.deepEqual(await numbers(journal, 5, { to: 9, limit: 3 }), []);
      assert.deepEqual(await numbers(journal, Number.MAX_SAFE_INTEGER), []);
    }
  });

  check("reading does not make an actor known", async (journal, { storage }) => {
    const before = { ...(await storage.stats()).entries };
    await journal.readFrom("a", 0);
    await replayedOf(journal);
    await journal.getHighestSequenceNumber("a");
    assert.deepEqual({ ...(await storage.stats()).entries }, before);
  });

  check("the highest number is that of the last append", async (journal) => {
    for (const expected of range(0, 4)) {
      await journal.append("a", "x");
      assert.equal(await journal.getHighestSequenceNumber("a"), expected);
    }
    await journal.appendBatch("a", range(0, 9));
    assert.equal(await journal.getHighestSequenceNumber("a"), 14);
  });

  for (const [way, numbers] of ways) {
    check(
      `${way} gives exactly what lies within every choice of from, to and limit`,
      async (journal) => {
        let count = 0;
        for (const size of SMALL_FRAMES) {
          await journal.appendBatch("a", range(count, count + size - 1));
          count += size;
        }
        for (const limit of [undefined, 0, 1, 2, 5, count, count + 1]) {
          for (const from of range(0, count + 1)) {
            const rows = [undefined, ...range(0, count + 1)].map(async (to) => {
              const some = {
                ...(to !== undefined && { to }),
                ...(limit !== undefined && { limit }),
              };
              const expected = range(from, Math.min(to ?? count, count - 1)).slice(0, limit);
              const name = `from ${from} to ${to} limit ${limit}`;
              assert.deepEqual(await numbers(journal, from, some), expected, name);
            });
            await Promise.all(rows);
          }
        }
      },
    );

    check(`${way} across, at the edges of, and inside of full frames`, async (journal) => {
      await journal.appendBatch("a", range(0, LARGE_BATCH - 1));
      assert.deepEqual(await numbers(journal), range(0, LARGE_BATCH - 1));
      const edges = [FRAME_MAX_ENTRIES, 2 * FRAME_MAX_ENTRIES, LARGE_BATCH];
      for (const from of edges.flatMap((edge) => [edge - 1, edge])) {
        for (const to of edges.flatMap((edge) => [edge - 1, edge])) {
          const expected = range(from, Math.min(to, LARGE_BATCH - 1));
          const limited = { to, limit: FRAME_MAX_ENTRIES + 1 };
          assert.deepEqual(
            await numbers(journal, from, limited),
            expected.slice(0, FRAME_MAX_ENTRIES + 1),
          );
          if (to <= from + 4) assert.deepEqual(await numbers(journal, from, { to }), expected);
        }
      }
    });

    check(`${way} with frames that are cut by their size in bytes`, async (journal) => {
      await journal.appendBatch("a", range(0, 39).map(() => "x".repeat(9_000)));
      for (const from of range(0, 40)) {
        assert.deepEqual(
          await numbers(journal, from, { limit: 9 }),
          range(from, 39).slice(0, 9),
        );
      }
    });

    check(`${way} gives each message with its own number`, async (journal) => {
      await journal.appendBatch("a", range(0, 5_000).map((index) => ({ index })));
      await journal.append("a", { index: 5_001 });
      const entries = way === "readFrom"
        ? await journal.readFrom("a", 0)
        : await collect(journal.replay("a", 0));
      assert.equal(entries.length, 5_002);
      for (const { actorId, sequenceNumber, message } of entries) {
        assert.deepEqual({ actorId, message }, {
          actorId: "a",
          message: { index: sequenceNumber },
        });
      }
    });

    check(`${way} takes the largest numbers`, async (journal) => {
      await journal.appendBatch("a", ["x", "y"]);
      const largest = Number.MAX_SAFE_INTEGER;
      assert.deepEqual(await numbers(journal, 0, { to: largest, limit: largest }), [0, 1]);
      assert.deepEqual(await numbers(journal, largest, { to: largest, limit: largest }), []);
    });

    check(`${way} gives the entries of one actor only`, async (journal) => {
      const ids = ["a", "a\0", "aa", "b", "A"];
      for (const id of ids) await journal.appendBatch(id, [id, id, id]);
      for (const id of ids) {
        assert.deepEqual(await numbers(journal, 1, {}, id), [1, 2]);
        for (const { actorId, message } of await journal.readFrom(id, 0)) {
          assert.deepEqual([actorId, message], [id, id]);
        }
      }
    });

    observed(`${way} never sees an append that is not committed`, async (journal, storage) => {
      await journal.append("a", "committed");
      const release = storage.holdCommits();
      const waiting = [journal.append("a", "waiting"), journal.appendBatch("a", [1, 2])];
      await storage.commitHeld();
      assert.deepEqual(await numbers(journal), [0]);
      assert.equal(await journal.getHighestSequenceNumber("a"), 0);
      release();
      await Promise.all(waiting);
      assert.deepEqual(await numbers(journal), [0, 1, 2, 3]);
    });
  }

  check(
    "readFrom while appends run gives a journal without gap from the start",
    async (journal) => {
      const appends = range(0, 499).map((index) => journal.append("a", index));
      let known = 0;
      const all = Promise.allSettled(appends);
      let settled = false;
      void all.then(() => settled = true);
      while (!settled) {
        const numbers = await numbersOf(journal);
        assert.ok(numbers.length >= known);
        known = numbers.length;
        assert.deepEqual(numbers, range(0, known - 1));
        await new Promise((resolve) => setTimeout(resolve, 0));
      }
      assert.deepEqual(await numbersOf(journal), range(0, 499));
    },
  );

  ofTexts(
    "a message that the codec cannot decode is CORRUPT, with actor and number",
    async (journal) => {
      await journal.appendBatch("a", ["x", "y", "undecodable", "z"]);
      const damage = { actorId: "a", sequenceNumber: 2 };
      const error = await assertFails(() => journal.readFrom("a", 0), "CORRUPT", damage);
      assert.ok(error.cause instanceof Error);
      await assertFails(() => replayedOf(journal), "CORRUPT", damage);
      assert.deepEqual(await numbersOf(journal, 0, { to: 1 }), [0, 1]);
      assert.deepEqual(await numbersOf(journal, 3), [3]);
    },
  );
}

/** Registers the cases about `replay` alone. */
export function describeReplay(options: ConformanceOptions, kind: JournalKind): void {
  const check = casesOf(options, `${kind.name} replay`, withJournal(kind));
  const observed = casesOf(options, `${kind.name} replay`, withObserved(kind));

  check("it may be left early, and begun again", async (journal) => {
    await journal.appendBatch("a", range(0, 9_999));
    for (const stop of [0, 1, FRAME_MAX_ENTRIES - 1, FRAME_MAX_ENTRIES, 9_998]) {
      const numbers: number[] = [];
      for await (const { sequenceNumber } of journal.replay("a", 0)) {
        numbers.push(sequenceNumber);
        if (sequenceNumber === stop) break;
      }
      assert.deepEqual(numbers, range(0, stop));
    }
    assert.equal(await journal.append("a", "goes on"), 10_000);
  });

  check("an error of the consumer ends it", async (journal) => {
    await journal.appendBatch("a", range(0, 9));
    const failure = new Error("consumer");
    const consume = async () => {
      for await (const { sequenceNumber } of journal.replay("a", 0)) {
        if (sequenceNumber === 3) throw failure;
      }
    };
    assert.equal(await errorOf(consume), failure);
  });

  check(
    "several at once, of one actor and of several, do not disturb each other",
    async (journal) => {
      await journal.appendBatch("a", range(0, 4_999));
      await journal.appendBatch("b", range(0, 99));
      const replays = await Promise.all([
        replayedOf(journal),
        replayedOf(journal, 2_500),
        replayedOf(journal, 0, {}, "b"),
        replayedOf(journal, 0, { limit: 10 }),
      ]);
      assert.deepEqual(replays, [
        range(0, 4_999),
        range(2_500, 4_999),
        range(0, 99),
        range(0, 9),
      ]);
    },
  );

  observed(
    "it reads page by page, while the consumer goes on, and not ahead of it",
    async (journal, storage) => {
      // 4 MB, so that no page of a sensible size holds all.
      for (const part of range(0, 3)) {
        await journal.appendBatch("a", range(0, 249).map(() => `${part}`.repeat(4_000)));
      }
      const whole = storage.scannedBytes;
      const replay = journal.replay("a", 0)[Symbol.asyncIterator]();
      await replay.next();
      const atFirst = storage.scannedBytes - whole;
      await new Promise((resolve) => setTimeout(resolve, 5));
      assert.equal(storage.scannedBytes - whole, atFirst, "nothing is read ahead");
      assert.ok(atFirst < 2_000_000, `${atFirst} bytes for the first entry`);
      let count = 1;
      while (!(await replay.next()).done) count++;
      assert.equal(count, 1_000);
      assert.ok(storage.scannedBytes - whole >= 4_000_000);
    },
  );

  check("what is appended while it runs does not make it endless", async (journal) => {
    await journal.appendBatch("a", range(0, 9));
    const numbers: number[] = [];
    for await (const { sequenceNumber } of journal.replay("a", 0)) {
      numbers.push(sequenceNumber);
      await journal.append("a", "more");
      assert.ok(numbers.length <= 10);
    }
    assert.deepEqual(numbers, range(0, 9));
    assert.deepEqual(await numbersOf(journal), range(0, 19));
  });

  check(
    "if the entries to come are truncated meanwhile, it throws TRUNCATED",
    async (journal) => {
      for (const part of range(0, 3)) {
        await journal.appendBatch("a", range(0, 249).map(() => `${part}`.repeat(4_000)));
      }
      const numbers: number[] = [];
      const consume = async () => {
        for await (const { sequenceNumber } of journal.replay("a", 0)) {
          numbers.push(sequenceNumber);
          if (numbers.length === 1) await journal.truncateBefore("a", 999);
        }
      };
      await assertFails(consume, "TRUNCATED", { actorId: "a" });
      assert.deepEqual(numbers, range(0, numbers.length - 1), "nothing is skipped silently");
      assert.deepEqual(await replayedOf(journal), [999]);
    },
  );

  check("if what it has passed is truncated meanwhile, it goes on", async (journal) => {
    for (const part of range(0, 3)) {
      await journal.appendBatch("a", range(0, 249).map(() => `${part}`.repeat(4_000)));
    }
    const numbers: number[] = [];
    for await (const { sequenceNumber } of journal.replay("a", 0)) {
      numbers.push(sequenceNumber);
      if (sequenceNumber % 100 === 99) await journal.truncateBefore("a", sequenceNumber);
    }
    assert.deepEqual(numbers, range(0, 999));
  });

  check("an aborted signal ends it with its reason, before and while it runs", async (journal) => {
    await journal.appendBatch("a", range(0, 9));
    const reason = new Error("stop");
    const aborted = { signal: AbortSignal.abort(reason) };
    assert.equal(await errorOf(() => replayedOf(journal, 0, aborted)), reason);
    const controller = new AbortController();
    const numbers: number[] = [];
    const consume = async () => {
      for await (const entry of journal.replay("a", 0, { signal: controller.signal })) {
        numbers.push(entry.sequenceNumber);
        if (entry.sequenceNumber === 4) controller.abort(reason);
      }
    };
    assert.equal(await errorOf(consume), reason);
    assert.deepEqual(numbers, range(0, 4));
  });

  check("a signal that is aborted afterwards changes nothing", async (journal) => {
    await journal.appendBatch("a", range(0, 9));
    const controller = new AbortController();
    const { signal } = controller;
    assert.deepEqual(await replayedOf(journal, 0, { signal }), range(0, 9));
    controller.abort();
  });

  check(
    "if the journal is closed meanwhile, it ends with CLOSED or has all",
    async (journal) => {
      for (const part of range(0, 3)) {
        await journal.appendBatch("a", range(0, 249).map(() => `${part}`.repeat(4_000)));
      }
      const numbers: number[] = [];
      const consume = async () => {
        for await (const { sequenceNumber } of journal.replay("a", 0)) {
          numbers.push(sequenceNumber);
          if (numbers.length === 1) await journal.close();
        }
      };
      await assertFails(consume, "CLOSED");
      assert.deepEqual(numbers, range(0, numbers.length - 1));
    },
  );
}

async function collect<Entry>(entries: AsyncIterable<Entry>): Promise<Entry[]> {
  const collected: Entry[] = [];
  for await (const entry of entries) collected.push(entry);
  return collected;
}
