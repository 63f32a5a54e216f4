import assert from "node:assert/strict";
import { assertFails, casesOf, errorOf, outcomesOf, range } from "../fixture.ts";
import { type JournalKind, messagesOf, withJournal, withObserved } from "./fixture.ts";
import { withRandom } from "../random.ts";
import type { ConformanceOptions } from "../types.ts";

/** Registers the cases about `expectedSequenceNumber`. */
export function describeExpectation(options: ConformanceOptions, kind: JournalKind): void {
  const check = casesOf(options, `${kind.name} expectation`, withJournal(kind));
  const expecting = (expectedSequenceNumber: number) => ({ expectedSequenceNumber });

  check("the right one is met, from 0 on", async (journal) => {
    assert.equal(await journal.append("a", "x", expecting(0)), 0);
    assert.equal(await journal.append("a", "y", expecting(1)), 1);
    assert.deepEqual(await journal.appendBatch("a", ["z", "z", "z"], expecting(2)), [2, 3, 4]);
    assert.equal(await journal.append("a", "end", expecting(5)), 5);
  });

  for (const [what, expected] of [["too low", 1], ["zero", 0], ["too high", 3], ["far", 2 ** 52]]) {
    check(`one that is ${what} is a CONFLICT that tells the actual one`, async (journal) => {
      await journal.appendBatch("a", ["x", "y"]);
      const wrong = expecting(Number(expected));
      const details = {
        actorId: "a",
        sequenceNumber: wrong.expectedSequenceNumber,
        actualSequenceNumber: 2,
      };
      await assertFails(() => journal.append("a", "z", wrong), "CONFLICT", details);
      await assertFails(() => journal.appendBatch("a", ["z", "z"], wrong), "CONFLICT", details);
      assert.deepEqual(await messagesOf(journal), ["x", "y"]);
      assert.equal(await journal.append("a", "z", expecting(2)), 2);
    });
  }

  check(
    "a wrong one for an unknown actor is a CONFLICT, and leaves no trace",
    async (journal, { storage }) => {
      const before = { ...(await storage.stats()).entries };
      await assertFails(() => journal.append("a", "x", expecting(1)), "CONFLICT", {
        actualSequenceNumber: 0,
      });
      assert.equal(await journal.getHighestSequenceNumber("a"), -1);
      assert.deepEqual({ ...(await storage.stats()).entries }, before);
    },
  );

  check("appends that are not awaited may build on each other", async (journal) => {
    const appends = range(0, 99).map((next) => journal.append("a", next, expecting(next)));
    assert.deepEqual(await Promise.all(appends), range(0, 99));
    assert.deepEqual(await messagesOf(journal), range(0, 99));
  });

  check("a wrong one in between is refused alone, and leaves no gap", async (journal) => {
    const outcomes = outcomesOf([
      journal.append("a", "0", expecting(0)),
      journal.append("a", "1", expecting(1)),
      journal.append("a", "wrong", expecting(9)),
      journal.append("a", "2", expecting(2)),
      journal.appendBatch("a", ["wrong", "wrong"], expecting(1)),
      journal.appendBatch("a", ["3", "4"], expecting(3)),
      journal.append("a", "5"),
    ]);
    assert.deepEqual(await outcomes, [0, 1, "CONFLICT", 2, "CONFLICT", [3, 4], 5]);
    assert.deepEqual(await messagesOf(journal), ["0", "1", "2", "3", "4", "5"]);
  });

  check("of two that expect the same number, the first one called gets it", async (journal) => {
    const outcomes = outcomesOf([
      journal.append("a", "first", expecting(0)),
      journal.append("a", "second", expecting(0)),
      journal.append("a", "third", expecting(0)),
    ]);
    assert.deepEqual(await outcomes, [0, "CONFLICT", "CONFLICT"]);
    assert.deepEqual(await messagesOf(journal), ["first"]);
  });

  check("one after a message that cannot be encoded counts without it", async (journal) => {
    const outcomes = outcomesOf([
      journal.append("a", "0", expecting(0)),
      journal.append("a", () => {}, expecting(1)),
      journal.append("a", "1", expecting(1)),
    ]);
    assert.deepEqual(await outcomes, [0, "UNENCODABLE", 1]);
  });

  check("truncation does not change what is expected", async (journal) => {
    await journal.appendBatch("a", range(0, 4));
    await journal.truncateBefore("a", 5);
    await assertFails(() => journal.append("a", "x", expecting(0)), "CONFLICT", {
      actualSequenceNumber: 5,
    });
    assert.equal(await journal.append("a", "x", expecting(5)), 5);
  });

  check("actors expect independently", async (journal) => {
    const outcomes = outcomesOf([
      journal.append("a", "0", expecting(0)),
      journal.append("b", "0", expecting(0)),
      journal.append("b", "1", expecting(1)),
      journal.append("a", "wrong", expecting(2)),
      journal.append("c", "0", expecting(0)),
    ]);
    assert.deepEqual(await outcomes, [0, 0, 1, "CONFLICT", 0]);
  });
}

/** Registers the cases about `signal`. */
export function describeAbort(options: ConformanceOptions, kind: JournalKind): void {
  const check = casesOf(options, `${kind.name} abort`, withJournal(kind));
  const observed = casesOf(options, `${kind.name} abort`, withObserved(kind));

  for (const reason of [new Error("stop"), "stop", 0]) {
    check(
      `an aborted signal rejects with its reason (${typeof reason}), nothing is stored`,
      async (journal) => {
        const signal = AbortSignal.abort(reason);
        assert.equal(await errorOf(() => journal.append("a", "x", { signal })), reason);
        assert.equal(await errorOf(() => journal.appendBatch("a", ["x"], { signal })), reason);
        assert.equal(await journal.getHighestSequenceNumber("a"), -1);
      },
    );
  }

  check("the default reason is an AbortError", async (journal) => {
    const error = await errorOf(() => journal.append("a", "x", { signal: AbortSignal.abort() }));
    assert.ok(error instanceof Error);
    assert.equal(error.name, "AbortError");
  });

  check("a signal that is not aborted changes nothing", async (journal) => {
    const { signal } = new AbortController();
    assert.equal(await journal.append("a", "x", { signal }), 0);
    assert.deepEqual(await journal.appendBatch("a", ["y", "z"], { signal }), [1, 2]);
  });

  check("an abort after the append has resolved changes nothing", async (journal) => {
    const controller = new AbortController();
    assert.equal(await journal.append("a", "x", { signal: controller.signal }), 0);
    controller.abort();
    assert.equal(await journal.append("a", "y"), 1);
    assert.deepEqual(await messagesOf(journal), ["x", "y"]);
  });

  observed("an abort while the append is being committed has no effect", async (
    journal,
    storage,
  ) => {
    const release = storage.holdCommits();
    const controller = new AbortController();
    const { signal } = controller;
    const appended = [journal.append("a", 0, { signal }), journal.append("a", 1, { signal })];
    await storage.commitHeld();
    controller.abort();
    release();
    assert.deepEqual(await Promise.all(appended), [0, 1]);
    assert.deepEqual(await messagesOf(journal), [0, 1]);
  });

  check(
    "an abort at once takes the append back, and those around it leave no gap",
    async (journal) => {
      const controller = new AbortController();
      const { signal } = controller;
      const around = [journal.append("a", "0")];
      const aborted = [
        errorOf(() => journal.append("a", "x", { signal })),
        errorOf(() => journal.appendBatch("a", ["y", "z"], { signal })),
      ];
      around.push(journal.append("a", "1", { expectedSequenceNumber: 1 }));
      const reason = new Error("changed my mind");
      controller.abort(reason);
      assert.deepEqual(await Promise.all(aborted), [reason, reason]);
      assert.deepEqual(await Promise.all(around), [0, 1]);
      assert.deepEqual(await messagesOf(journal), ["0", "1"]);
    },
  );

  check("when all that waits is taken back, nothing is stored", async (journal, { storage }) => {
    const before = { ...(await storage.stats()).entries };
    const controller = new AbortController();
    const { signal } = controller;
    const aborted = range(0, 9).map((index) =>
      errorOf(() => journal.append("a", index, { signal }))
    );
    controller.abort("all");
    assert.deepEqual(await Promise.all(aborted), range(0, 9).map(() => "all"));
    assert.equal(await journal.getHighestSequenceNumber("a"), -1);
    assert.deepEqual({ ...(await storage.stats()).entries }, before);
    assert.equal(await journal.append("a", "next"), 0);
  });

  check(
    "what was rejected is not in the journal, what resolved is, at whatever random moment it was aborted",
    (journal) =>
      withRandom(options.seed, async (random) => {
        const reason = new Error("aborted");
        const attempts = range(0, 299).map(async (index) => {
          await new Promise((resolve) => setTimeout(resolve, random.below(8)));
          const controller = new AbortController();
          const appended = journal.append("a", index, { signal: controller.signal });
          const abort = () => controller.abort(reason);
          if (random.below(3) === 0) abort();
          else if (random.below(2) === 0) setTimeout(abort, random.below(4));
          else for (let turns = random.below(30); turns >= 0; turns--) await undefined;
          abort();
          try {
            return { index, sequenceNumber: await appended };
          } catch (error) {
            assert.equal(error, reason);
            return { index, sequenceNumber: undefined };
          }
        });
        const outcomes = await Promise.all(attempts);
        const expected: number[] = [];
        for (const { index, sequenceNumber } of outcomes) {
          if (sequenceNumber !== undefined) expected[sequenceNumber] = index;
        }
        assert.deepEqual(await messagesOf(journal), expected);
      }),
  );
}
