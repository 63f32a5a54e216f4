import assert from "node:assert/strict";
import { PersistenceError } from "../../../core/errors/persistence_error.ts";
import type { BatchedMessageJournal } from "../../../core/ports/batched_journal.ts";
import type { PersistenceProvider } from "../../../core/provider.ts";
import { patience, withBatched } from "./fixture.ts";
import { assertFails, casesOf, errorOf, outcomesOf, range } from "../fixture.ts";
import { messagesOf } from "../journal/fixture.ts";
import type { ConformanceOptions } from "../types.ts";

/** Registers the cases about `flush`. */
export function describeFlush(options: ConformanceOptions): void {
  const check = casesOf(options, "flush", withBatched(patience(1_000)));

  check(
    "everything that waits goes out with one commit, and is durable then",
    async (journal, { storage, provider }) => {
      let resolved = 0;
      const appends = range(0, 49).map(async (index) => {
        await journal.append(`${index % 10}`, index);
        resolved++;
      });
      await journal.flush();
      assert.equal(storage.commits, 1);
      const plain = provider.createMessageJournal();
      for (const actor of range(0, 9)) {
        assert.equal(await plain.getHighestSequenceNumber(`${actor}`), 4);
      }
      await Promise.all(appends);
      assert.equal(resolved, 50);
    },
  );

  check("with nothing that waits it resolves, and writes nothing", async (journal, { storage }) => {
    await journal.flush();
    await Promise.all([journal.flush(), journal.flush()]);
    assert.equal(storage.commits, 0);
    const appended = journal.append("a", 0);
    await journal.flush();
    await journal.flush();
    assert.equal(await appended, 0);
    assert.equal(storage.commits, 1);
  });

  check("it waits for what is being committed already", async (journal, { storage }) => {
    const release = storage.holdCommits();
    const appended = journal.append("a", 0);
    const first = journal.flush();
    await storage.commitHeld();
    let flushed = false;
    const second = journal.flush().then(() => flushed = true);
    await new Promise((resolve) => setTimeout(resolve, 5));
    assert.equal(flushed, false);
    release();
    await Promise.all([first, second, appended]);
  });

  check(
    "what is appended between flushes that are not awaited keeps its order",
    async (journal) => {
      const calls: Promise<unknown>[] = [];
      for (const index of range(0, 29)) {
        calls.push(journal.append("a", index));
        if (index % 3 === 2) calls.push(journal.flush());
      }
      await Promise.all(calls);
      assert.deepEqual(await messagesOf(journal), range(0, 29));
    },
  );

  check(
    "it does not concern what another batched journal makes wait",
    async (journal, { provider, storage }) => {
      const other = provider.createBatchedMessageJournal<unknown>(patience(1_000));
      const waiting = other.append("b", 0);
      const appended = journal.append("a", 0);
      await journal.flush();
      assert.equal(await appended, 0);
      assert.equal(await other.getHighestSequenceNumber("b"), -1);
      await other.flush();
      assert.equal(await waiting, 0);
      assert.equal(storage.commits, 2);
    },
  );

  check(
    "if the commit fails it rejects, as do the appends, and the journal goes on",
    async (journal, { storage }) => {
      storage.failCommit = () => new PersistenceError("STORAGE_FULL", "Cannot commit: full");
      const outcomes = outcomesOf([journal.append("a", "x"), journal.appendBatch("b", ["x"])]);
      await assertFails(() => journal.flush(), "STORAGE_FULL");
      assert.deepEqual(await outcomes, ["STORAGE_FULL", "STORAGE_FULL"]);
      storage.failCommit = () => undefined;
      await journal.flush();
      const appended = journal.append("a", "0");
      await journal.flush();
      assert.equal(await appended, 0);
      assert.deepEqual(await messagesOf(journal), ["0"]);
      assert.equal(await journal.getHighestSequenceNumber("b"), -1);
    },
  );

  check(
    "if an expectation fails it rejects with it, and the rest is durable",
    async (journal) => {
      const outcomes = outcomesOf([
        journal.append("a", "0", { expectedSequenceNumber: 0 }),
        journal.append("a", "x", { expectedSequenceNumber: 7 }),
        journal.append("a", "1", { expectedSequenceNumber: 1 }),
      ]);
      await assertFails(() => journal.flush(), "CONFLICT", { actualSequenceNumber: 1 });
      assert.deepEqual(await messagesOf(journal), ["0", "1"]);
      assert.deepEqual(await outcomes, [0, "CONFLICT", 1]);
    },
  );

  check("after close it rejects with CLOSED", async (journal) => {
    const appended = journal.append("a", 0);
    const closed = journal.close();
    await assertFails(() => journal.flush(), "CLOSED");
    await closed;
    await assertFails(() => journal.flush(), "CLOSED");
    assert.equal(await appended, 0);
  });

  check("after the provider was closed it rejects with CLOSED", async (journal, { provider }) => {
    await provider.close();
    await assertFails(() => journal.flush(), "CLOSED");
  });
}

/** Registers the cases about batched journals beside other journals and other calls. */
export function describeBatchCompany(options: ConformanceOptions): void {
  const check = casesOf(options, "batch in company", withBatched(patience(1_000)));
  const ofThree = casesOf(options, "batch in company", withBatched(patience(3)));
  const hasWaiters = casesOf(
    options,
    "batch in company",
    withBatched(patience(1_000), { maxPendingMessages: 5 }),
  );

  check(
    "a plain append after waiting ones of its actor takes them along, in call order",
    async (journal, { provider }) => {
      const plain = provider.createMessageJournal<unknown>();
      const waiting = [journal.append("a", 0), journal.append("a", 1)];
      assert.equal(await plain.append("a", 2), 2);
      assert.deepEqual(await Promise.all(waiting), [0, 1]);
      assert.deepEqual(await messagesOf(plain), [0, 1, 2]);
    },
  );

  check(
    "a plain append of another actor does not take them along",
    async (journal, { provider }) => {
      const plain = provider.createMessageJournal<unknown>();
      const waiting = journal.append("a", 0);
      assert.equal(await plain.append("b", 0), 0);
      assert.equal(await plain.getHighestSequenceNumber("a"), -1);
      await journal.flush();
      assert.equal(await waiting, 0);
    },
  );

  check("a batched append after a plain one comes after it", async (journal, { provider }) => {
    const plain = provider.createMessageJournal<unknown>();
    const first = plain.append("a", 0);
    const second = journal.append("a", 1);
    assert.equal(await first, 0);
    await journal.flush();
    assert.equal(await second, 1);
  });

  ofThree("those taken along do not count for the next batch", async (journal, scene) => {
    const plain = scene.provider.createMessageJournal<unknown>();
    const first = [journal.append("a", 0), journal.append("a", 1)];
    await plain.append("a", 2);
    await Promise.all(first);
    const second = [journal.append("a", 3), journal.append("a", 4)];
    assert.equal(await scene.commitsAfterAWhile(), 1);
    await Promise.all([...second, journal.append("a", 5)]);
  });

  check("a truncation after waiting appends of its actor takes them along", async (journal) => {
    const waiting = journal.appendBatch("a", range(0, 9));
    await journal.truncateBefore("a", 8);
    assert.deepEqual(await waiting, range(0, 9));
    assert.deepEqual(await messagesOf(journal), [8, 9]);
  });

  check(
    "batched journals with policies of their own keep the call order",
    async (journal, { provider }) => {
      const small = provider.createBatchedMessageJournal<unknown>(patience(2));
      const calls = [journal.append("a", 0), small.append("a", 1), journal.append("a", 2)];
      calls.push(small.append("a", 3));
      assert.deepEqual(await Promise.all(calls), [0, 1, 2, 3]);
      assert.deepEqual(await messagesOf(journal), [0, 1, 2, 3]);
    },
  );

  check("what the caller does to a message while it waits changes nothing", async (journal) => {
    const message = { n: 1 };
    const appended = journal.append("a", message);
    message.n = 2;
    await new Promise((resolve) => setTimeout(resolve, 1));
    message.n = 3;
    await journal.flush();
    await appended;
    assert.deepEqual(await messagesOf(journal), [{ n: 1 }]);
  });

  check("an abort while it waits takes a message back", async (journal) => {
    const controller = new AbortController();
    const around = [journal.append("a", 0)];
    const aborted = errorOf(() => journal.append("a", "x", { signal: controller.signal }));
    around.push(journal.append("a", 1));
    await new Promise((resolve) => setTimeout(resolve, 2));
    controller.abort("late");
    assert.equal(await aborted, "late");
    await journal.flush();
    assert.deepEqual(await Promise.all(around), [0, 1]);
    assert.deepEqual(await messagesOf(journal), [0, 1]);
  });

  hasWaiters("if there is no room for more, what waits goes out", async (journal) => {
    const appends = range(0, 24).map((index) => journal.append(`${index % 3}`, index));
    const last = appends.splice(-5);
    assert.deepEqual(
      await Promise.all(appends.slice(0, 15)),
      range(0, 14).map((index) => Math.floor(index / 3)),
    );
    await journal.flush();
    assert.equal((await Promise.all([...appends, ...last])).length, 25);
  });

  for (const [how, end] of Object.entries(ENDINGS)) {
    check(`${how} lets what waits go out`, async (journal, { provider, inner }) => {
      const before = (await inner.stats()).entries;
      const outcomes = outcomesOf([
        journal.append("a", 0),
        journal.appendBatch("b", [0, 1]),
        journal.append("a", 1, { expectedSequenceNumber: 1 }),
      ]);
      await end(journal, provider);
      assert.deepEqual(await outcomes, [0, [0, 1], 1]);
      const { entries } = await inner.stats();
      assert.ok(entries.log > before.log, "it is stored");
    });
  }
}

const ENDINGS: Readonly<
  Record<
    string,
    (journal: BatchedMessageJournal<unknown>, provider: PersistenceProvider) => Promise<void>
  >
> = {
  "close of the journal": (journal) => journal.close(),
  "dispose of the journal": async (journal) => await journal[Symbol.asyncDispose](),
  "close of the provider": (_, provider) => provider.close(),
  "sync of the provider": (_, provider) => provider.sync(),
};
