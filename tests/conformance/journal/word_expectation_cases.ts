import assert from "node:assert/strict";
import { assertFails, casesOf, outcomesOf, range } from "../fixture.ts";
import { type JournalKind, messagesOf, withJournal, withTwoWriters } from "./fixture.ts";
import { withRandom } from "../random.ts";
import type { ConformanceOptions } from "../types.ts";

const EXISTS = { expectedSequenceNumber: "exists" } as const;
const EMPTY = { expectedSequenceNumber: "empty" } as const;

/** Registers the cases about the expectations "exists" and "empty". */
export function describeWordExpectation(options: ConformanceOptions, kind: JournalKind): void {
  const check = casesOf(options, `${kind.name} expectation`, withJournal(kind));
  const checkTwo = casesOf(options, `${kind.name} expectation`, withTwoWriters(kind));

  check('a journal without any entry is "empty", and does not "exist"', async (
    journal,
    { storage },
  ) => {
    const before = { ...(await storage.stats()).entries };
    const conflict = { actorId: "a", sequenceNumber: undefined, actualSequenceNumber: 0 };
    const error = await assertFails(() => journal.append("a", "x", EXISTS), "CONFLICT", conflict);
    assert.match(error.message, /expected a journal that has had entries, but it has had none$/);
    await assertFails(() => journal.appendBatch("a", ["x"], EXISTS), "CONFLICT", conflict);
    assert.deepEqual({ ...(await storage.stats()).entries }, before);
    assert.equal(await journal.append("a", "x", EMPTY), 0);
  });

  check('a journal with entries "exists", and is not "empty"', async (journal) => {
    await journal.append("a", "0");
    const one = await assertFails(() => journal.append("a", "x", EMPTY), "CONFLICT", {
      actorId: "a",
      sequenceNumber: undefined,
      actualSequenceNumber: 1,
    });
    assert.match(one.message, /expected an empty journal, but it has entry 0$/);
    assert.deepEqual(await journal.appendBatch("a", ["1", "2"], EXISTS), [1, 2]);
    await journal.truncateBefore("a", 1);
    const two = await assertFails(() => journal.appendBatch("a", ["x"], EMPTY), "CONFLICT");
    assert.match(two.message, /expected an empty journal, but it has entries 1 to 2$/);
    assert.deepEqual(await messagesOf(journal), ["1", "2"]);
  });

  check('a journal whose entries have all been truncated "exists" and is "empty"', async (
    journal,
  ) => {
    await journal.appendBatch("a", range(0, 4));
    await journal.truncateBefore("a", 5);
    assert.equal(await journal.append("a", "x", EXISTS), 5);
    await journal.truncateBefore("a", 6);
    assert.equal(await journal.append("a", "y", EMPTY), 6);
    await assertFails(() => journal.append("a", "z", EMPTY), "CONFLICT");
  });

  check("calls that are not awaited see what those before them lead to", async (journal) => {
    const outcomes = outcomesOf([
      journal.append("a", "x", EXISTS),
      journal.append("a", "0", EMPTY),
      journal.append("a", "x", EMPTY),
      journal.append("a", "1", EXISTS),
      journal.truncateBefore("a", 1),
      journal.append("a", "x", EMPTY),
      journal.truncateBefore("a", 2),
      journal.append("a", "2", EMPTY),
      journal.append("a", "3", EXISTS),
      journal.append("b", "x", EXISTS),
      journal.append("b", "0", EMPTY),
    ]);
    assert.deepEqual(await outcomes, [
      "CONFLICT",
      0,
      "CONFLICT",
      1,
      undefined,
      "CONFLICT",
      undefined,
      2,
      3,
      "CONFLICT",
      0,
    ]);
    assert.deepEqual(await messagesOf(journal), ["2", "3"]);
  });

  checkTwo("they are checked against what another provider wrote meanwhile", async (one, other) => {
    await assertFails(() => one.append("a", "x", EXISTS), "CONFLICT");
    await other.append("a", "0");
    await assertFails(() => one.append("a", "x", EMPTY), "CONFLICT", { actualSequenceNumber: 1 });
    assert.equal(await one.append("a", "1", EXISTS), 1);
    await other.truncateBefore("a", 2);
    assert.equal(await one.append("a", "2", EMPTY), 2);
    await one.truncateBefore("a", 3);
    await other.append("a", "3");
    await assertFails(() => one.append("a", "x", EMPTY), "CONFLICT", { actualSequenceNumber: 4 });
  });

  checkTwo(
    'of writers that expect an "empty" journal one gets it',
    (one, other) =>
      withRandom(options.seed, async (random) => {
        for (const round of range(0, 19)) {
          const writers = range(0, 5).map(() => random.below(2) === 0 ? one : other);
          const outcomes = await outcomesOf(
            writers.map((writer, index) => writer.append(`${round}`, index, EMPTY)),
          );
          assert.deepEqual(outcomes.filter((outcome) => outcome !== "CONFLICT"), [0]);
          const [winner] = await messagesOf(one, `${round}`);
          assert.equal(outcomes[Number(winner)], 0);
        }
      }),
  );
}
