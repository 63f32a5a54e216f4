import assert from "node:assert/strict";
import { PersistenceError } from "../../../core/errors/persistence_error.ts";
import { FRAME_TARGET_BYTES } from "../../../core/format/frame.ts";
import { assertFails, casesOf, range } from "../fixture.ts";
import { type JournalKind, numbersOf, withObserved } from "./fixture.ts";
import type { ObservedStorage } from "../observed_storage.ts";
import { EVERYTHING } from "../storage/fixture.ts";
import type { ConformanceOptions } from "../types.ts";

const MAX_CHANGES = 512;
const FRAMES = MAX_CHANGES + 8;
const BEFORE = FRAMES - 5;

/** Registers the cases about truncations that take several commits. */
export function describeTruncationSteps(options: ConformanceOptions, kind: JournalKind): void {
  const check = casesOf(options, `${kind.name} truncation`, withObserved(kind));

  check("of many frames it takes bounded steps, and whichever fails, nothing else is lost", async (
    journal,
    storage,
  ) => {
    // Two of them do not fit into one frame.
    const message = "x".repeat(FRAME_TARGET_BYTES / 2);
    await journal.appendBatch("a", range(1, FRAMES).map(() => message));
    assert.equal(await storedFrames(storage), FRAMES);

    // How many commits succeed before one fails, and what is then left.
    const steps = [
      { successes: 0, first: 0, frames: FRAMES },
      { successes: 1, first: BEFORE, frames: FRAMES },
      // The journal begins there already, so the first commit removes frames.
      { successes: 1, first: BEFORE, frames: FRAMES - MAX_CHANGES },
    ];
    for (const { successes, first, frames } of steps) {
      let commits = 0;
      storage.failCommit = () => commits++ < successes ? undefined : failure();
      const attempt = () => journal.truncateBefore("a", BEFORE);
      await assertFails(attempt, "STORAGE_FAILED", { actorId: "a" });
      assert.deepEqual(await numbersOf(journal), range(first, FRAMES - 1));
      assert.equal(await storedFrames(storage), frames);
    }
    storage.failCommit = () => undefined;
    await journal.truncateBefore("a", BEFORE);
    assert.equal(await storedFrames(storage), FRAMES - BEFORE);
    assert.equal(await journal.append("a", "next"), FRAMES);
  });

  check("calls that are not awaited share commits", async (journal, storage) => {
    const message = "x".repeat(FRAME_TARGET_BYTES / 2);
    const ids = range(0, 99).map(String);
    await Promise.all(ids.map((id) => journal.appendBatch(id, [message, message, message])));
    const before = storage.commits;
    await Promise.all(ids.map((id) => journal.truncateBefore(id, 2)));
    const commits = storage.commits - before;
    assert.ok(commits < ids.length / 5, `${commits} commits`);
    assert.equal(await storedFrames(storage), ids.length);
  });

  check("of many frames it lets appends of others through between its steps", async (
    journal,
    storage,
    provider,
  ) => {
    const message = "x".repeat(FRAME_TARGET_BYTES / 2);
    await journal.appendBatch("a", range(1, FRAMES).map(() => message));
    const other = provider.createMessageJournal();
    const settled: string[] = [];
    const appends: Promise<unknown>[] = [];
    storage.failCommit = (groups) => {
      const deletes = groups.flatMap(({ changes }) => changes)
        .filter(({ type }) => type === "delete");
      assert.ok(deletes.length <= MAX_CHANGES, `${deletes.length} in one commit`);
      if (deletes.length > 0 && appends.length === 0) {
        appends.push(other.append("b", 1).then(() => settled.push("append")));
      }
      return undefined;
    };
    await journal.truncateBefore("a", BEFORE).then(() => settled.push("truncation"));
    await Promise.all(appends);
    assert.deepEqual(settled, ["append", "truncation"]);
  });
}

async function storedFrames(storage: ObservedStorage): Promise<number> {
  return (await storage.inner.scan("entries", { ...EVERYTHING, keysOnly: true })).length;
}

function failure(): PersistenceError {
  return new PersistenceError("STORAGE_FAILED", "Cannot commit: the test wants it so");
}
