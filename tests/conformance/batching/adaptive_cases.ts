import assert from "node:assert/strict";
import { patience, withBatched } from "./fixture.ts";
import { assertThrowsRefused, casesOf, range } from "../fixture.ts";
import { bad } from "../ids.ts";
import { asciiCodec, messagesOf } from "../journal/fixture.ts";
import type { ConformanceOptions } from "../types.ts";

/** Registers the cases about `maxBatchBytes`. */
export function describeBatchBytes(options: ConformanceOptions): void {
  const limited = { ...patience(1_000), maxBatchBytes: 100 };
  const check = casesOf(options, "batch bytes", withBatched(limited, { codec: asciiCodec() }));
  const withDefaults = casesOf(options, "batch bytes", withBatched({}));

  check("below it messages wait, with it all go out", async (journal, scene) => {
    const appends = [journal.append("a", "x".repeat(60)), journal.append("b", "x".repeat(39))];
    assert.equal(await scene.commitsAfterAWhile(), 0);
    appends.push(journal.append("c", "x"));
    assert.deepEqual(await Promise.all(appends), [0, 0, 0]);
    assert.equal(scene.storage.commits, 1);
  });

  check("it counts the bytes of a batch, and begins anew", async (journal, scene) => {
    for (const round of range(0, 2)) {
      const first = journal.appendBatch("a", ["x".repeat(50), "x".repeat(40)]);
      assert.equal(await scene.commitsAfterAWhile(), round);
      await journal.appendBatch("a", ["x".repeat(9), "x"]);
      await first;
    }
    assert.equal((await messagesOf(journal)).length, 12);
  });

  check("what is taken back does not count any more", async (journal, scene) => {
    const controller = new AbortController();
    const { signal } = controller;
    const first = journal.append("a", "x");
    const aborted = journal.append("a", "x".repeat(90), { signal }).catch((error) => error);
    controller.abort("enough");
    assert.equal(await aborted, "enough");
    const waiting = journal.append("a", "x".repeat(98));
    assert.equal(await scene.commitsAfterAWhile(), 0);
    await Promise.all([first, waiting, journal.append("a", "x")]);
  });

  check("made smaller while messages wait, it lets them go", async (journal, scene) => {
    const appended = journal.append("a", "x".repeat(50));
    journal.maxBatchBytes = 51;
    assert.equal(await scene.commitsAfterAWhile(), 0);
    journal.maxBatchBytes = 50;
    assert.equal(await appended, 0);
  });

  withDefaults("it is 1 MiB by default, and takes 1 to 2^31 - 1", (journal, { provider }) => {
    assert.equal(journal.maxBatchBytes, 2 ** 20);
    for (const value of [0, -1, 1.5, NaN, 2 ** 31]) {
      assertThrowsRefused(() => journal.maxBatchBytes = value, "range");
      const create = () => provider.createBatchedMessageJournal({ maxBatchBytes: value });
      assertThrowsRefused(create, "range");
    }
    assertThrowsRefused(() => journal.maxBatchBytes = bad("5"), "type");
    assert.equal(journal.maxBatchBytes, 2 ** 20);
    return Promise.resolve();
  });
}

/** Registers the cases about streams whose chunks wait for others. */
export function describeBatchedStream(options: ConformanceOptions): void {
  const narrow = casesOf(
    options,
    "batched stream",
    withBatched(patience(1_000), { maxPendingMessages: 4 }),
  );
  const check = casesOf(options, "batched stream", withBatched(patience(1_000)));

  narrow("full, it lets go out what waits, since no more can come", async (journal) => {
    const writer = journal.writable("a").getWriter();
    for (const message of range(0, 19)) {
      await writer.ready;
      await writer.write(message);
    }
    await writer.close();
    assert.deepEqual(await messagesOf(journal), range(0, 19));
  });

  check("its chunks wait for others, until it is closed", async (journal, scene) => {
    const writer = journal.writable("a").getWriter();
    for (const message of range(0, 9)) await writer.write(message);
    assert.equal(await scene.commitsAfterAWhile(), 0);
    await writer.close();
    assert.equal(scene.storage.commits, 1);
    assert.deepEqual(await messagesOf(journal), range(0, 9));
  });
}

/** Registers the cases about `adaptive`. */
export function describeAdaptiveBatching(options: ConformanceOptions): void {
  const check = casesOf(options, "adaptive batch", withBatched({ adaptive: true }));
  // Its bounds would make a message wait for ever: what goes out does so because it adapts.
  const unbounded = casesOf(
    options,
    "adaptive batch",
    withBatched({ ...patience(2 ** 31 - 1), adaptive: true }),
  );
  const off = casesOf(options, "adaptive batch", withBatched(patience(1_000)));

  off("it is off by default; on, there is no bound to the size but one that is stated", (
    journal,
    { provider },
  ) => {
    assert.equal(journal.adaptive, false);
    const adaptive = provider.createBatchedMessageJournal({ adaptive: true });
    assert.deepEqual(
      [adaptive.adaptive, adaptive.maxBatchSize, adaptive.maxBatchBytes, adaptive.maxBatchDelayMs],
      [true, 2 ** 31 - 1, 2 ** 20, 100],
    );
    const bounded = provider.createBatchedMessageJournal({ adaptive: true, maxBatchSize: 7 });
    assert.equal(bounded.maxBatchSize, 7);
    for (const value of ["true", 1, {}]) {
      assertThrowsRefused(() => journal.adaptive = bad(value), "type");
      const create = () => provider.createBatchedMessageJournal({ adaptive: bad(value) });
      assertThrowsRefused(create, "type");
    }
    return Promise.resolve();
  });

  unbounded("a lone caller's messages go out, one by one", async (journal) => {
    for (const message of range(0, 19)) assert.equal(await journal.append("a", message), message);
  });

  unbounded("a lone caller's messages go out after a burst, too", async (journal) => {
    const burst = await Promise.all(range(0, 999).map((index) => journal.append("a", index)));
    assert.deepEqual(burst, range(0, 999));
    for (const message of range(1_000, 1_009)) {
      assert.equal(await journal.append("a", message), message);
    }
  });

  unbounded("after slow commits a burst goes out in few", async (journal, { storage }) => {
    // Each round is held for a while, which is the commit time that is learnt.
    for (const _ of range(0, 3)) {
      const release = storage.holdCommits();
      const appended = journal.append("a", "slow");
      await storage.commitHeld();
      await new Promise((resolve) => setTimeout(resolve, 10));
      release();
      await appended;
    }
    const before = storage.commits;
    const appends: Promise<number>[] = [];
    for (const index of range(0, 199)) {
      appends.push(journal.append("a", index));
      if (index % 50 === 49) await new Promise((resolve) => setTimeout(resolve, 1));
    }
    await Promise.all(appends);
    assert.ok(storage.commits - before <= 8, `${storage.commits - before} commits`);
    assert.equal((await messagesOf(journal)).length, 204);
  });

  off("switched on while messages wait, it holds for them", async (journal, scene) => {
    const waiting = [journal.append("a", 0), journal.append("b", 0)];
    assert.equal(await scene.commitsAfterAWhile(), 0);
    journal.adaptive = true;
    assert.deepEqual(await Promise.all(waiting), [0, 0]);
  });

  check("switched off, the limits alone decide", async (journal, scene) => {
    journal.adaptive = false;
    journal.maxBatchSize = 3;
    journal.maxBatchDelayMs = 10 * 60_000;
    const appends = [journal.append("a", 0), journal.append("a", 1)];
    assert.equal(await scene.commitsAfterAWhile(), 0);
    assert.deepEqual(await Promise.all([...appends, journal.append("a", 2)]), range(0, 2));
  });
}
