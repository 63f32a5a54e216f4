import assert from "node:assert/strict";
import { FRAME_MAX_ENTRIES } from "../../../core/format/frame.ts";
import { KEYSPACES, type Storage } from "../../../core/ports/storage.ts";
import { collectLog } from "../collect_log.ts";
import { casesOf, range } from "../fixture.ts";
import {
  type JournalKind,
  messagesOf,
  numbersOf,
  replayedOf,
  withJournal,
  withTwoWriters,
} from "./fixture.ts";
import { EVERYTHING, textOf } from "../storage/fixture.ts";
import type { ConformanceOptions } from "../types.ts";

/** Registers the cases about `truncateBefore`. */
export function describeTruncation(options: ConformanceOptions, kind: JournalKind): void {
  const check = casesOf(options, `${kind.name} truncation`, withJournal(kind));
  const checkTwo = casesOf(options, `${kind.name} truncation`, withTwoWriters(kind));

  for (const before of range(0, 14)) {
    check(
      `before ${before} of 12 entries in frames of 1, 3, 1, 5 and 2 removes what is below`,
      async (journal) => {
        let count = 0;
        for (const size of [1, 3, 1, 5, 2]) {
          await journal.appendBatch("a", range(count, count + size - 1));
          count += size;
        }
        await journal.truncateBefore("a", before);
        const retained = range(before, 11);
        assert.deepEqual(await messagesOf(journal), retained);
        assert.deepEqual(await replayedOf(journal), retained);
        for (const from of range(0, 13)) {
          assert.deepEqual(await numbersOf(journal, from), range(Math.max(from, before), 11));
        }
        assert.deepEqual(await numbersOf(journal, 0, { to: before - 1 < 0 ? 0 : before - 1 }), [
          ...(before === 0 ? [0] : []),
        ]);
        assert.deepEqual(await numbersOf(journal, 0, { limit: 2 }), retained.slice(0, 2));
        assert.equal(await journal.getHighestSequenceNumber("a"), 11);
        assert.equal(await journal.append("a", 12), 12);
        assert.deepEqual(await messagesOf(journal), [...retained, 12]);
      },
    );
  }

  for (
    const before of [
      FRAME_MAX_ENTRIES - 1,
      FRAME_MAX_ENTRIES,
      FRAME_MAX_ENTRIES + 1,
      2 * FRAME_MAX_ENTRIES - 1,
      2 * FRAME_MAX_ENTRIES,
      9_999,
      10_000,
    ]
  ) {
    check(`before ${before} of 10,000 entries in one batch`, async (journal) => {
      await journal.appendBatch("a", range(0, 9_999));
      await journal.truncateBefore("a", before);
      assert.deepEqual(await messagesOf(journal), range(before, 9_999));
      assert.equal(await journal.append("a", "next"), 10_000);
    });
  }

  check("an unknown actor stays unknown", async (journal, { storage }) => {
    await journal.append("b", "x");
    const before = { ...(await storage.stats()).entries };
    await journal.truncateBefore("a", 0);
    await journal.truncateBefore("a", 100);
    assert.equal(await journal.getHighestSequenceNumber("a"), -1);
    assert.deepEqual({ ...(await storage.stats()).entries }, before);
    assert.equal(await journal.append("a", "x"), 0);
    assert.deepEqual(await messagesOf(journal), ["x"]);
  });

  check("far beyond the end removes all, and the next append goes on", async (journal) => {
    await journal.appendBatch("a", range(0, 4));
    await journal.truncateBefore("a", Number.MAX_SAFE_INTEGER);
    assert.deepEqual(await messagesOf(journal), []);
    assert.deepEqual(await replayedOf(journal), []);
    assert.equal(await journal.getHighestSequenceNumber("a"), 4);
    assert.equal(await journal.append("a", 5), 5);
    assert.deepEqual(await messagesOf(journal), [5]);
    assert.deepEqual(await numbersOf(journal, 3), [5]);
  });

  check("it is idempotent, and a lower one afterwards brings nothing back", async (journal) => {
    await journal.appendBatch("a", range(0, 9));
    for (const before of [5, 5, 3, 0, 5]) {
      await journal.truncateBefore("a", before);
      assert.deepEqual(await messagesOf(journal), range(5, 9));
    }
    await journal.truncateBefore("a", 7);
    assert.deepEqual(await messagesOf(journal), range(7, 9));
  });

  check("again and again, journal and numbers stay sound", async (journal) => {
    let next = 0;
    for (const round of range(1, 15)) {
      await journal.appendBatch("a", range(next, next + round - 1));
      next += round;
      await journal.truncateBefore("a", Math.max(0, next - 3));
      assert.deepEqual(await messagesOf(journal), range(Math.max(0, next - 3), next - 1));
      assert.equal(await journal.getHighestSequenceNumber("a"), next - 1);
    }
  });

  check("it gives the keyspace back", async (journal, { storage }) => {
    // So long that each one is a frame of its own, which the log only refers to.
    const long = "x".repeat(20_000);
    for (const _ of range(0, 19)) await journal.append("a", long);
    await journal.append("b", long);
    const { entries } = await storage.stats();
    await journal.truncateBefore("a", 15);
    const after = (await storage.stats()).entries;
    assert.ok(after.entries < entries.entries);
    await journal.truncateBefore("a", 20);
    assert.equal((await storage.stats()).entries.entries, 1, "only that of the other actor");
  });

  check("it gives back what is in the log, too, once that is collected", async (
    journal,
    { storage },
  ) => {
    const long = "x".repeat(2_000);
    const isKept = (text: string) => (bytes: Uint8Array) => textOf(bytes).includes(text);
    const keeps = async (text: string) => (await valuesIn(storage)).some(isKept(text));
    for (const round of ["hot", "collected"]) {
      await journal.appendBatch("a", range(0, 19).map((index) => `${round} ${index} ${long}`));
      if (round === "collected") await collectLog(storage);
      assert.ok(await keeps(`${round} 19`));
      const next = await journal.getHighestSequenceNumber("a") + 1;
      await journal.truncateBefore("a", next);
      await collectLog(storage);
      assert.ok(!await keeps(round));
      assert.equal((await storage.stats()).entries.entries, 0);
    }
  });

  check("it does not touch other actors, whatever their ids have in common", async (journal) => {
    const ids = ["a", "a\0", "a\0\0b", "a\0b", "aa", "ab", "b", "a\u{1}", "\0", "a/", "a\xff"];
    for (const id of ids) await journal.appendBatch(id, [id, id]);
    for (const [index, id] of ids.entries()) {
      await journal.truncateBefore(id, 2);
      for (const [other, otherId] of ids.entries()) {
        const expected = other <= index ? [] : [otherId, otherId];
        assert.deepEqual(await messagesOf(journal, otherId), expected);
      }
    }
    for (const id of ids) assert.equal(await journal.append(id, "x"), 2);
  });

  check("between appends that are not awaited it holds its place", async (journal) => {
    const appended = [
      ...range(0, 4).map((index) => journal.append("a", index)),
      journal.truncateBefore("a", 100),
      ...range(5, 7).map((index) => journal.append("a", index)),
    ];
    assert.deepEqual(await Promise.all(appended), [0, 1, 2, 3, 4, undefined, 5, 6, 7]);
    assert.deepEqual(await messagesOf(journal), [5, 6, 7]);
  });

  check("several between appends that are not awaited", async (journal) => {
    await Promise.all([
      journal.truncateBefore("a", 5),
      journal.appendBatch("a", range(0, 9)),
      journal.truncateBefore("a", 3),
      journal.truncateBefore("a", 2),
      journal.append("a", 10),
      journal.truncateBefore("a", 11),
      journal.append("a", 11),
      journal.append("a", 12),
      journal.truncateBefore("a", 0),
    ]);
    assert.deepEqual(await messagesOf(journal), [11, 12]);
    assert.equal(await journal.getHighestSequenceNumber("a"), 12);
  });

  check("of an append that has not resolved it removes the message, too", async (journal) => {
    const appended = journal.append("a", "x");
    await journal.truncateBefore("a", 1);
    assert.equal(await appended, 0);
    assert.deepEqual(await messagesOf(journal), []);
    assert.equal(await journal.getHighestSequenceNumber("a"), 0);
  });

  checkTwo(
    "it removes what another provider on the same storage appended meanwhile",
    async (one, other) => {
      await one.append("a", 0);
      await other.appendBatch("a", range(1, 9));
      await one.truncateBefore("a", 8);
      assert.deepEqual(await messagesOf(other), [8, 9]);
      await one.appendBatch("a", range(10, 14));
      await other.truncateBefore("a", 12);
      await other.truncateBefore("a", 11);
      assert.deepEqual(await messagesOf(one), [12, 13, 14]);
    },
  );

  check(
    "readers that run meanwhile see the journal from some beginning on, without gap",
    async (journal) => {
      await journal.appendBatch("a", range(0, 99));
      for (const index of range(100, 119)) await journal.append("a", index);
      const truncations = range(1, 40).map((step) => journal.truncateBefore("a", 3 * step));
      let settled = false;
      const all = Promise.allSettled(truncations).finally(() => settled = true);
      let first = 0;
      while (!settled) {
        const numbers = await numbersOf(journal);
        const begin = numbers[0] ?? 120;
        assert.ok(begin >= first);
        first = begin;
        assert.deepEqual(numbers, range(first, 119));
        await new Promise((resolve) => setTimeout(resolve, 0));
      }
      for (const { status } of await all) assert.equal(status, "fulfilled");
      assert.deepEqual(await numbersOf(journal), []);
    },
  );
}

/** All values that are stored. */
async function valuesIn(storage: Storage): Promise<Uint8Array[]> {
  const values: Uint8Array[] = [];
  for (const keyspace of KEYSPACES) {
    for (const { value } of await storage.scan(keyspace, EVERYTHING)) values.push(value);
  }
  return values;
}
