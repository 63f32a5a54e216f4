import assert from "node:assert/strict";
import { assertFails, casesOf, errorOf, outcomesOf, range } from "../fixture.ts";
import {
  type JournalKind,
  messagesOf,
  numbersOf,
  replayedOf,
  withJournal,
  withObserved,
  withTwoWriters,
} from "./fixture.ts";
import { withRandom } from "../random.ts";
import type { ConformanceOptions } from "../types.ts";

/** Registers the cases about `startAt`. */
export function describeStart(options: ConformanceOptions, kind: JournalKind): void {
  const check = casesOf(options, `${kind.name} start`, withJournal(kind));
  const checkTwo = casesOf(options, `${kind.name} start`, withTwoWriters(kind));
  const observed = casesOf(options, `${kind.name} start`, withObserved(kind));
  const crowded = casesOf(
    options,
    `${kind.name} start`,
    withObserved(kind, { maxPendingMessages: 2 }),
  );

  for (const start of [0, 1, 7, 4_096, 2 ** 40]) {
    check(`at ${start} a journal begins at ${start}`, async (journal) => {
      await journal.startAt("a", start);
      assert.equal(await journal.getHighestSequenceNumber("a"), start - 1);
      assert.deepEqual(await messagesOf(journal), []);
      assert.equal(await journal.append("a", "x"), start);
      assert.deepEqual(await journal.appendBatch("a", ["y", "z"]), [start + 1, start + 2]);
      const { entries, lowest, highest, origin } = await journal.read("a");
      assert.deepEqual(entries.map(({ message }) => message), ["x", "y", "z"]);
      assert.deepEqual([lowest, highest, origin], [start, start + 2, start]);
      assert.deepEqual(await replayedOf(journal, start + 1), [start + 1, start + 2]);
      assert.deepEqual(await numbersOf(journal, 0, { reverse: true, limit: 1 }), [start + 2]);
    });
  }

  check("at the largest number nothing can be appended any more", async (journal) => {
    await journal.startAt("a", Number.MAX_SAFE_INTEGER - 1);
    assert.equal(await journal.append("a", "x"), Number.MAX_SAFE_INTEGER - 1);
    await assertFails(() => journal.append("a", "y"), "STORAGE_FULL", { actorId: "a" });
    assert.deepEqual(await messagesOf(journal), ["x"]);
  });

  check("a journal with entries is refused", async (journal) => {
    await journal.appendBatch("a", range(0, 4));
    await journal.truncateBefore("a", 2);
    for (const sequenceNumber of [0, 4, 5, 9]) {
      const conflict = { actorId: "a", sequenceNumber, actualSequenceNumber: 5 };
      const call = () => journal.startAt("a", sequenceNumber);
      const { message } = await assertFails(call, "CONFLICT", conflict);
      assert.match(message, /^Cannot start journal of .*: it has entries 2 to 4$/);
    }
    assert.equal(await journal.append("a", 5), 5);
    assert.deepEqual(await messagesOf(journal), [2, 3, 4, 5]);
  });

  check("a journal never goes back, and may go on further ahead", async (journal) => {
    await journal.appendBatch("a", range(0, 4));
    await journal.truncateBefore("a", 5);
    const conflict = { actorId: "a", sequenceNumber: 4, actualSequenceNumber: 5 };
    const { message } = await assertFails(() => journal.startAt("a", 4), "CONFLICT", conflict);
    assert.match(message, /: its next sequence number is already 5$/);
    const originOf = async () => (await journal.read("a")).origin;
    assert.equal(await originOf(), 0);
    for (const start of [5, 5, 9]) {
      await journal.startAt("a", start);
      assert.equal(await originOf(), start);
    }
    assert.equal(await journal.append("a", 9), 9);
    await assertFails(() => journal.startAt("a", 20), "CONFLICT", { actualSequenceNumber: 10 });
    assert.deepEqual(await messagesOf(journal), [9]);
  });

  check("at 0 an unknown actor stays unknown", async (journal, { storage }) => {
    await journal.append("b", "x");
    const before = { ...(await storage.stats()).entries };
    await journal.startAt("a", 0);
    assert.deepEqual({ ...(await storage.stats()).entries }, before);
  });

  check('a journal that has only been started is "empty" and does not "exist"', async (journal) => {
    await journal.startAt("a", 5);
    const exists = { expectedSequenceNumber: "exists" } as const;
    await assertFails(() => journal.append("a", "x", exists), "CONFLICT", {
      actualSequenceNumber: 5,
    });
    assert.equal(await journal.append("a", "x", { expectedSequenceNumber: "empty" }), 5);
    assert.equal(await journal.append("a", "y", exists), 6);
    assert.equal(await journal.append("a", "z", { expectedSequenceNumber: 7 }), 7);
  });

  check("between calls that are not awaited it holds its place", async (journal, { create }) => {
    const other = create<unknown>();
    const outcomes = outcomesOf([
      journal.append("a", "0"),
      journal.startAt("a", 9),
      other.appendBatch("a", ["1", "2"]),
      other.truncateBefore("a", 3),
      journal.startAt("a", 10),
      journal.append("a", "10", { expectedSequenceNumber: 10 }),
      other.startAt("a", 12),
      journal.truncateBefore("a", 11),
      journal.startAt("a", 12),
      journal.startAt("a", 14),
      other.append("a", "14"),
      journal.append("b", "0"),
    ]);
    assert.deepEqual(await outcomes, [
      0,
      "CONFLICT",
      [1, 2],
      undefined,
      undefined,
      10,
      "CONFLICT",
      undefined,
      undefined,
      undefined,
      14,
      0,
    ]);
    assert.deepEqual(await messagesOf(journal), ["14"]);
  });

  observed("what waits for it is encoded at once, and can be aborted", async (journal, storage) => {
    const release = storage.holdCommits();
    const controller = new AbortController();
    const started = journal.startAt("a", 5);
    await storage.commitHeld();
    const message = { text: "as it was" };
    const appended = [journal.append("a", message), journal.append("a", "next")];
    const aborted = errorOf(() => journal.append("a", "x", { signal: controller.signal }));
    message.text = "changed";
    controller.abort("enough");
    assert.equal(await aborted, "enough");
    const closed = journal.close();
    release();
    await Promise.all([started, closed]);
    assert.deepEqual(await Promise.all(appended), [5, 6]);
  });

  crowded("it holds its place among calls that wait for room", async (journal, storage) => {
    const release = storage.holdCommits();
    const first = [journal.append("a", 0), journal.append("a", 1)];
    await storage.commitHeld();
    const outcomes = outcomesOf([
      journal.append("a", 2),
      journal.truncateBefore("a", 3),
      journal.startAt("a", 10),
      journal.append("a", 10),
      journal.append("a", 11),
      journal.append("b", 0),
      journal.startAt("a", 20),
      journal.append("a", 12),
      journal.truncateBefore("a", 13),
      journal.startAt("a", 30),
      journal.append("a", 30),
    ]);
    release();
    assert.deepEqual(await Promise.all(first), [0, 1]);
    assert.deepEqual(
      await outcomes,
      [2, undefined, undefined, 10, 11, 0, "CONFLICT", 12, undefined, undefined, 30],
    );
    assert.deepEqual(await messagesOf(journal), [30]);
  });

  observed("if it fails, what was called after it goes on", async (journal, storage) => {
    let commits = 0;
    storage.failCommit = () => commits++ === 0 ? new Error("so wants the test") : undefined;
    const started = assertFails(() => journal.startAt("a", 5), "STORAGE_FAILED", { actorId: "a" });
    const appended = journal.append("a", "x");
    await started;
    assert.equal(await appended, 0);
  });

  checkTwo(
    "of a start and an append by another provider one is first",
    (one, other) =>
      withRandom(options.seed, async (random) => {
        for (const round of range(0, 49)) {
          const actorId = `${round}`;
          const delayed = async <Result>(call: () => Promise<Result>) => {
            for (let turns = random.below(12); turns > 0; turns--) await undefined;
            return await call();
          };
          const [started, appended] = await outcomesOf([
            delayed(() => one.startAt(actorId, 5)),
            delayed(() => other.append(actorId, "x")),
          ]);
          assert.deepEqual(
            [started, appended],
            started === undefined ? [undefined, 5] : ["CONFLICT", 0],
          );
          assert.deepEqual(await messagesOf(one, actorId), ["x"]);
        }
      }),
  );
}
