import assert from "node:assert/strict";
import { PersistenceError } from "../../../core/errors/persistence_error.ts";
import { PersistenceProvider } from "../../../core/provider.ts";
import type { WriteGroup } from "../../../core/ports/storage.ts";
import {
  assertFails,
  casesOf,
  causesOf,
  outcomeOf,
  outcomesOf,
  range,
  withPlace,
} from "../fixture.ts";
import { type JournalKind, messagesOf, numbersOf, replayedOf, withObserved } from "./fixture.ts";
import type { ObservedStorage } from "../observed_storage.ts";
import type { ConformanceOptions } from "../types.ts";

/** Registers the cases about a storage that fails. */
export function describeFailure(options: ConformanceOptions, kind: JournalKind): void {
  const check = casesOf(options, `${kind.name} failure`, withObserved(kind));
  const hasWaiters = casesOf(
    options,
    `${kind.name} failure`,
    withObserved(kind, { maxPendingMessages: 3 }),
  );

  for (const code of ["STORAGE_FAILED", "STORAGE_FULL"] as const) {
    check(
      `a commit that fails with ${code} rejects its appends, and later ones go on`,
      async (journal, storage) => {
        assert.equal(await journal.append("a", "0"), 0);
        storage.failCommit = () => failure(code);
        await assertFails(() => journal.append("a", "x"), code, { actorId: "a" });
        await assertFails(() => journal.appendBatch("a", ["x", "y"]), code, { actorId: "a" });
        storage.failCommit = () => undefined;
        assert.equal(await journal.append("a", "1"), 1);
        assert.deepEqual(await journal.appendBatch("a", ["2", "3"]), [2, 3]);
        assert.deepEqual(await messagesOf(journal), ["0", "1", "2", "3"]);
      },
    );
  }

  check("if a storage is full, only the actors whose messages do not fit are refused", async (
    journal,
    storage,
  ) => {
    await Promise.all(["a", "b", "c"].map((id) => journal.appendBatch(id, ["0", "1"])));
    storage.failCommit = (groups) =>
      valueBytes(groups) > 1_000 ? failure("STORAGE_FULL") : undefined;
    const outcomes = outcomesOf([
      journal.append("a", "small"),
      journal.append("b", "large".repeat(1_000)),
      journal.append("b", "small, but after it"),
      journal.truncateBefore("c", 1),
      journal.append("c", "small"),
    ]);
    assert.deepEqual(await outcomes, [2, "STORAGE_FULL", "STORAGE_FULL", undefined, 2]);
    assert.deepEqual(await messagesOf(journal, "a"), ["0", "1", "small"]);
    assert.deepEqual(await messagesOf(journal, "b"), ["0", "1"]);
    assert.deepEqual(await messagesOf(journal, "c"), ["1", "small"]);
    storage.failCommit = () => undefined;
    assert.equal(await journal.append("b", "2"), 2);
  });

  check(
    "if a storage is full, a truncation passes, though appends around it are refused",
    async (
      journal,
      storage,
    ) => {
      await journal.appendBatch("a", ["0", "1", "2"]);
      storage.failCommit = (groups) =>
        valueBytes(groups) > 1_000 ? failure("STORAGE_FULL") : undefined;
      const outcomes = outcomesOf([
        journal.append("a", "large".repeat(1_000)),
        journal.truncateBefore("a", 1),
        journal.append("a", "small, but after it"),
        journal.truncateBefore("a", 2),
      ]);
      assert.deepEqual(await outcomes, ["STORAGE_FULL", undefined, "STORAGE_FULL", undefined]);
      assert.deepEqual(await messagesOf(journal, "a"), ["2"]);
      storage.failCommit = () => undefined;
      assert.equal(await journal.append("a", "3"), 3);
    },
  );

  check(
    "an error of another kind is STORAGE_FAILED with that error as cause",
    async (journal, storage) => {
      const cause = new Error("disk on fire");
      storage.failCommit = () => cause;
      const error = await assertFails(() => journal.append("a", "x"), "STORAGE_FAILED");
      assert.ok(causesOf(error).includes(cause));
    },
  );

  check(
    "appends in the failed commit and after it on the actor reject, in order, no gap",
    async (journal, storage) => {
      await journal.append("a", "0");
      const release = storage.holdCommits();
      const order: number[] = [];
      const outcomes: Promise<unknown>[] = [];
      const append = (index: number) =>
        outcomes.push(outcomeOf(
          journal.append("a", `lost ${index}`).finally(() => {
            order.push(index);
          }),
        ));
      range(0, 4).forEach(append);
      await storage.commitHeld();
      range(5, 9).forEach(append);
      failOnce(storage);
      release();
      assert.deepEqual(await Promise.all(outcomes), range(0, 9).map(() => "STORAGE_FAILED"));
      assert.deepEqual(order, range(0, 9));
      assert.equal(await journal.append("a", "1"), 1);
      assert.deepEqual(await messagesOf(journal), ["0", "1"]);
    },
  );

  check(
    "an append that is made when the failure is told goes on at once",
    async (journal, storage) => {
      await journal.append("a", "0");
      failOnce(storage);
      const retried = journal.append("a", "x").catch(() => journal.append("a", "1"));
      assert.equal(await retried, 1);
      assert.deepEqual(await messagesOf(journal), ["0", "1"]);
    },
  );

  check(
    "a truncation in the failed commit rejects, and takes nothing away",
    async (journal, storage) => {
      await journal.appendBatch("a", range(0, 9));
      failOnce(storage);
      const outcomes = outcomesOf([
        journal.append("a", "lost"),
        journal.truncateBefore("a", 5),
        journal.append("a", "lost"),
      ]);
      assert.deepEqual(await outcomes, range(1, 3).map(() => "STORAGE_FAILED"));
      assert.deepEqual(await messagesOf(journal), range(0, 9));
      await journal.truncateBefore("a", 5);
      assert.deepEqual(await messagesOf(journal), range(5, 9));
    },
  );

  check(
    "an expectation after a failed append is not met, and is told so by its code",
    async (journal, storage) => {
      failOnce(storage);
      const outcomes = outcomesOf(
        range(0, 4).map((next) => journal.append("a", next, { expectedSequenceNumber: next })),
      );
      assert.deepEqual(await outcomes, range(0, 4).map(() => "STORAGE_FAILED"));
      assert.equal(await journal.append("a", "0", { expectedSequenceNumber: 0 }), 0);
    },
  );

  check(
    "when some commits fail, what was acknowledged is there, once, and nothing else",
    async (journal, storage) => {
      let commits = 0;
      storage.failCommit = () => ++commits % 3 === 0 ? failure("STORAGE_FAILED") : undefined;
      const acknowledged = new Map<string, (string | undefined)[]>();
      const append = async (actorId: string, message: string) => {
        const outcome = await outcomeOf(journal.append(actorId, message));
        if (typeof outcome !== "number") return assert.equal(outcome, "STORAGE_FAILED");
        const messages = acknowledged.get(actorId) ?? [];
        acknowledged.set(actorId, messages);
        assert.equal(messages[outcome], undefined, "no number is given twice");
        messages[outcome] = message;
      };
      const writers = range(0, 19).map(async (writer) => {
        for (const round of range(0, 14)) await append(`${writer % 4}`, `${writer}.${round}`);
      });
      await Promise.all(writers);
      storage.failCommit = () => undefined;
      assert.ok(commits > 10 && acknowledged.size === 4);
      for (const [actorId, messages] of acknowledged) {
        assert.deepEqual(await messagesOf(journal, actorId), messages);
      }
    },
  );

  check(
    "a failed commit leaves no message waiting: limits and close are not disturbed",
    async (journal, storage, provider) => {
      failOnce(storage);
      await outcomesOf(range(0, 9).map((index) => journal.append("a", index)));
      const { pending } = await provider.stats();
      assert.deepEqual({ ...pending }, { messages: 0, bytes: 0, waitingForRoom: 0 });
      failOnce(storage);
      const last = outcomeOf(journal.append("a", "x"));
      await journal.close();
      assert.equal(await last, "STORAGE_FAILED");
    },
  );

  hasWaiters(
    "appends that wait for room after a failed commit reject, too",
    async (journal, storage) => {
      failOnce(storage);
      const outcomes = await outcomesOf(range(0, 9).map((index) => journal.append("a", index)));
      assert.deepEqual(outcomes, range(0, 9).map(() => "STORAGE_FAILED"));
      assert.equal(await journal.append("a", "next"), 0);
    },
  );

  check(
    "after REOPEN_REQUIRED every append is refused with it, reading goes on",
    async (journal, storage, provider) => {
      await journal.append("a", "0");
      storage.failCommit = () => failure("REOPEN_REQUIRED");
      const outcomes = outcomesOf([
        journal.append("a", "x"),
        journal.append("b", "x"),
        journal.truncateBefore("a", 1),
      ]);
      assert.deepEqual(await outcomes, range(1, 3).map(() => "REOPEN_REQUIRED"));
      storage.failCommit = () => undefined;
      await assertFails(() => journal.append("a", "x"), "REOPEN_REQUIRED");
      await assertFails(() => journal.appendBatch("c", ["x"]), "REOPEN_REQUIRED");
      await assertFails(() => journal.truncateBefore("a", 1), "REOPEN_REQUIRED");
      assert.deepEqual(await messagesOf(journal), ["0"]);
      assert.equal(await provider.isHealthy(), false);
    },
  );

  check("reads that fail reject, and the journal goes on", async (journal, storage) => {
    await journal.append("a", "0");
    storage.readError = failure("STORAGE_FAILED");
    await assertFails(() => journal.readFrom("a", 0), "STORAGE_FAILED");
    await assertFails(() => replayedOf(journal), "STORAGE_FAILED");
    await assertFails(() => journal.getHighestSequenceNumber("a"), "STORAGE_FAILED");
    // The head of an actor that was not seen yet must be read.
    await assertFails(() => journal.append("b", "x"), "STORAGE_FAILED", { actorId: "b" });
    storage.readError = undefined;
    assert.equal(await journal.append("b", "0"), 0);
    assert.deepEqual(await numbersOf(journal), [0]);
  });

  const readOnly = casesOf(options, `${kind.name} failure`, withPlace, "readOnly");
  readOnly("on a storage open for reading, writes are READ_ONLY and reads work", async (place) => {
    const writer = await PersistenceProvider.openOn(await place.openStorage());
    await kind.create(writer).appendBatch("a", ["0", "1"]);
    await writer.close();
    const storage = await place.openStorage({ readOnly: true });
    await using provider = await PersistenceProvider.openOn(storage);
    const journal = kind.create<unknown>(provider);
    await assertFails(() => journal.append("a", "x"), "READ_ONLY", { actorId: "a" });
    await assertFails(() => journal.appendBatch("b", ["x"]), "READ_ONLY", { actorId: "b" });
    if (storage.supports.reopen) {
      await assertFails(() => journal.truncateBefore("a", 1), "READ_ONLY", { actorId: "a" });
      assert.deepEqual(await messagesOf(journal), ["0", "1"]);
    }
    assert.equal(await provider.isHealthy(), true);
  });
}

/** Makes the next commit fail, and no other. */
function failOnce(storage: ObservedStorage): void {
  storage.failCommit = () => {
    storage.failCommit = () => undefined;
    return failure("STORAGE_FAILED");
  };
}

function valueBytes(groups: readonly WriteGroup[]): number {
  const changes = groups.flatMap((group) => group.changes);
  return changes.reduce(
    (sum, change) => sum + (change.type === "put" ? change.value.length : 0),
    0,
  );
}

function failure(code: "STORAGE_FAILED" | "STORAGE_FULL" | "REOPEN_REQUIRED"): PersistenceError {
  return new PersistenceError(code, "Cannot commit: the test wants it so");
}
