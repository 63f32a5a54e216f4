import assert from "node:assert/strict";
import { patience, withBatched } from "./fixture.ts";
import { assertThrowsRefused, casesOf, errorOf, range } from "../fixture.ts";
import { bad, BAD_OPTIONS } from "../ids.ts";
import { messagesOf } from "../journal/fixture.ts";
import type { ConformanceOptions } from "../types.ts";

/** Registers the cases about `maxBatchSize`. */
export function describeBatchSize(options: ConformanceOptions): void {
  const withDefaults = casesOf(options, "batch size", withBatched({}));
  const ofOne = casesOf(options, "batch size", withBatched(patience(1)));
  const ofThree = casesOf(options, "batch size", withBatched(patience(3)));
  const ofFive = casesOf(options, "batch size", withBatched(patience(5)));
  const check = casesOf(options, "batch size", withBatched(patience(100)));

  withDefaults("it is 100 by default, and the delay 100 ms", (journal) => {
    assert.deepEqual([journal.maxBatchSize, journal.maxBatchDelayMs], [100, 100]);
    return Promise.resolve();
  });

  ofFive("below it messages wait, with it all go out", async (journal, scene) => {
    const appends = range(0, 3).map((index) => journal.append("a", index));
    assert.equal(await scene.commitsAfterAWhile(), 0);
    assert.equal(await journal.getHighestSequenceNumber("a"), -1);
    appends.push(journal.append("a", 4));
    assert.deepEqual(await Promise.all(appends), range(0, 4));
    assert.deepEqual(await messagesOf(journal), range(0, 4));
  });

  ofFive("it counts the messages of all actors", async (journal, scene) => {
    const ids = ["a", "b", "c", "d", "e"];
    const appends = ids.slice(0, 4).map((id) => journal.append(id, id));
    assert.equal(await scene.commitsAfterAWhile(), 0);
    appends.push(journal.append("e", "e"));
    assert.deepEqual(await Promise.all(appends), [0, 0, 0, 0, 0]);
    assert.equal(scene.storage.commits, 1, "with one commit");
  });

  ofFive("it counts the messages of a batch", async (journal, scene) => {
    const first = journal.appendBatch("a", [0, 1]);
    const second = journal.appendBatch("b", [0, 1]);
    assert.equal(await scene.commitsAfterAWhile(), 0);
    assert.deepEqual(await journal.appendBatch("a", [2, 3]), [2, 3]);
    assert.deepEqual(await Promise.all([first, second]), [[0, 1], [0, 1]]);
  });

  ofFive("a batch as large goes out at once", async (journal) => {
    assert.deepEqual(await journal.appendBatch("a", range(0, 4)), range(0, 4));
    assert.deepEqual(await journal.appendBatch("a", range(5, 30)), range(5, 30));
  });

  ofOne("with 1 each message goes out at once", async (journal) => {
    assert.equal(await journal.append("a", "x"), 0);
    assert.equal(await journal.append("a", "y"), 1);
    assert.deepEqual(await Promise.all([journal.append("a", "z"), journal.append("b", "x")]), [
      2,
      0,
    ]);
  });

  ofThree("the next batch begins to count anew", async (journal, scene) => {
    for (const round of range(0, 2)) {
      const first = [journal.append("a", "x"), journal.append("a", "y")];
      assert.equal(await scene.commitsAfterAWhile(), round);
      await Promise.all([...first, journal.append("a", "z")]);
      assert.equal(scene.storage.commits, round + 1);
    }
    assert.equal(await journal.getHighestSequenceNumber("a"), 8);
  });

  ofThree("a message that is refused at once does not count", async (journal, scene) => {
    const waiting = [journal.append("a", 0), journal.append("a", 1)];
    await errorOf(() => journal.append("a", () => {}));
    await errorOf(() => journal.append("", "x"));
    await journal.appendBatch("a", []);
    assert.equal(await scene.commitsAfterAWhile(), 0);
    assert.equal(await journal.append("a", 2), 2);
    await Promise.all(waiting);
  });

  ofThree("a message that is taken back does not count any more", async (journal, scene) => {
    const controller = new AbortController();
    const waiting = journal.append("a", 0);
    const aborted = errorOf(() => journal.append("a", "x", { signal: controller.signal }));
    controller.abort("changed my mind");
    assert.equal(await aborted, "changed my mind");
    const more = journal.append("a", 1);
    assert.equal(await scene.commitsAfterAWhile(), 0);
    assert.equal(await journal.append("a", 2), 2);
    assert.deepEqual(await Promise.all([waiting, more]), [0, 1]);
    assert.deepEqual(await messagesOf(journal), [0, 1, 2]);
  });

  check("made smaller while messages wait, it lets them go", async (journal, scene) => {
    const appends = range(0, 9).map((index) => journal.append("a", index));
    journal.maxBatchSize = 11;
    assert.equal(await scene.commitsAfterAWhile(), 0);
    journal.maxBatchSize = 10;
    assert.equal(journal.maxBatchSize, 10);
    assert.deepEqual(await Promise.all(appends), range(0, 9));
  });

  ofThree(
    "made larger while messages wait, it makes them wait for more",
    async (journal, scene) => {
      const appends = [journal.append("a", 0), journal.append("a", 1)];
      journal.maxBatchSize = 5;
      appends.push(journal.append("a", 2), journal.append("a", 3));
      assert.equal(await scene.commitsAfterAWhile(), 0);
      appends.push(journal.append("a", 4));
      assert.deepEqual(await Promise.all(appends), range(0, 4));
    },
  );

  for (
    const [property, lowest] of [["maxBatchSize", 1], ["maxBatchDelayMs", 0]] as const
  ) {
    withDefaults(
      `${property} takes ${lowest} to 2^31 - 1, and nothing else`,
      (journal, { provider }) => {
        for (const good of [lowest, 1, 1_000, 2 ** 31 - 1]) {
          journal[property] = good;
          assert.equal(journal[property], good);
          const other = provider.createBatchedMessageJournal({ [property]: good });
          assert.equal(other[property], good);
        }
        journal[property] = 7;
        const refused = [lowest - 1, -5, 1.5, NaN, Infinity, -Infinity, 2 ** 31];
        for (const value of refused) {
          const { message } = assertThrowsRefused(() => journal[property] = value, "range");
          assert.ok(message.includes(`${value}`), message);
          const create = () => provider.createBatchedMessageJournal({ [property]: value });
          assertThrowsRefused(create, "range");
        }
        for (const value of ["5", 5n, null, {}, true]) {
          assertThrowsRefused(() => journal[property] = bad(value), "type");
          // Only what is left out, or undefined, has a default.
          if (value === null) continue;
          const create = () => provider.createBatchedMessageJournal({ [property]: bad(value) });
          assertThrowsRefused(create, "type");
        }
        assert.equal(journal[property], 7, "what is refused changes nothing");
        return Promise.resolve();
      },
    );
  }

  withDefaults("options that are no object are refused", (_, { provider }) => {
    for (const [, value] of BAD_OPTIONS) {
      assertThrowsRefused(() => provider.createBatchedMessageJournal<unknown>(bad(value)), "type");
    }
    return Promise.resolve();
  });
}

/** Registers the cases about `maxBatchDelayMs`. */
export function describeBatchDelay(options: ConformanceOptions): void {
  const check = casesOf(options, "batch delay", withBatched(patience(1_000)));
  const after = (maxBatchDelayMs: number) =>
    casesOf(options, "batch delay", withBatched({ maxBatchDelayMs }));

  after(5)("after it what waits goes out, however little", async (journal) => {
    assert.equal(await journal.append("a", "x"), 0);
    assert.deepEqual(await Promise.all([journal.append("a", "y"), journal.append("b", "x")]), [
      1,
      0,
    ]);
  });

  after(0)("with 0 what is not awaited goes out together", async (journal, { storage }) => {
    const appends = range(0, 9).map((index) => journal.append(`${index}`, index));
    assert.deepEqual(await Promise.all(appends), range(0, 9).map(() => 0));
    assert.equal(storage.commits, 1);
  });

  after(3)("it begins anew with each batch", async (journal, { storage }) => {
    for (const round of range(0, 4)) {
      assert.equal(await journal.append("a", round), round);
      assert.equal(storage.commits, round + 1);
    }
  });

  check("made shorter while messages wait, it holds for them, too", async (journal, scene) => {
    const appends = [journal.append("a", 0), journal.append("b", 0)];
    assert.equal(await scene.commitsAfterAWhile(), 0);
    journal.maxBatchDelayMs = 1;
    assert.deepEqual(await Promise.all(appends), [0, 0]);
  });

  check("made 0 while messages wait, it lets them go", async (journal) => {
    const appended = journal.append("a", 0);
    journal.maxBatchDelayMs = 0;
    assert.equal(await appended, 0);
  });

  after(15)(
    "made longer while messages wait, it makes them wait longer",
    async (journal, scene) => {
      const appended = journal.append("a", 0);
      journal.maxBatchDelayMs = patience(1).maxBatchDelayMs;
      await new Promise((resolve) => setTimeout(resolve, 20));
      assert.equal(await scene.commitsAfterAWhile(), 0);
      await journal.flush();
      assert.equal(await appended, 0);
    },
  );

  check("changed while nothing waits, it holds for what comes", async (journal) => {
    journal.maxBatchDelayMs = 1;
    assert.equal(await journal.append("a", 0), 0);
  });
}
