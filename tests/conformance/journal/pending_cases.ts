import assert from "node:assert/strict";
import type { ProviderOptions } from "../../../core/ports/provider.ts";
import { assertFails, casesOf, errorOf, outcomesOf, range } from "../fixture.ts";
import { type JournalKind, messagesOf, withObserved } from "./fixture.ts";
import type { ConformanceOptions } from "../types.ts";

/** Registers the cases about `pending`, and about the bound on what waits for room. */
export function describePending(options: ConformanceOptions, kind: JournalKind): void {
  const cases = (limits: ProviderOptions = {}) =>
    casesOf(options, `${kind.name} pending`, withObserved(kind, limits));
  const check = cases();
  const narrow = cases({ maxPendingMessages: 2 });
  const rejecting = cases({ maxPendingMessages: 2, backpressure: "reject" });
  const narrowInBytes = cases({ maxPendingBytes: 100 });

  narrow("counts from the call to its end, with what waits for room", async (journal, storage) => {
    assert.deepEqual(journal.pending, { messages: 0, bytes: 0 });
    const release = storage.holdCommits();
    // A short text takes one byte more than it has characters.
    const calls: Promise<unknown>[] = [journal.append("a", "1234")];
    assert.deepEqual(journal.pending, { messages: 1, bytes: 5 });
    calls.push(journal.appendBatch("b", ["12", "34"]));
    assert.deepEqual(journal.pending, { messages: 3, bytes: 11 });
    calls.push(journal.append("a", "1"));
    assert.deepEqual(journal.pending, { messages: 4, bytes: 13 });
    await storage.commitHeld();
    assert.deepEqual(journal.pending, { messages: 4, bytes: 13 });
    release();
    await Promise.all(calls);
    assert.deepEqual(journal.pending, { messages: 0, bytes: 0 });
  });

  check("is of this journal alone", async (journal, storage, provider) => {
    const release = storage.holdCommits();
    const other = provider.createMessageJournal<unknown>();
    const calls = [journal.append("a", 0), other.append("a", 1), other.append("b", 1)];
    assert.deepEqual([journal.pending.messages, other.pending.messages], [1, 2]);
    release();
    await Promise.all(calls);
    assert.deepEqual([journal.pending.messages, other.pending.messages], [0, 0]);
  });

  check("has settled calls no more when their promise tells so", async (journal) => {
    for (const _ of range(0, 9)) {
      await journal.append("a", 0);
      assert.deepEqual(journal.pending, { messages: 0, bytes: 0 });
    }
  });

  check("does not count what is refused", async (journal) => {
    await errorOf(() => journal.append("a", () => {}));
    await errorOf(() => journal.append("", 0));
    await errorOf(() => journal.append("a", 0, { signal: AbortSignal.abort() }));
    assert.deepEqual(journal.pending, { messages: 0, bytes: 0 });
    await assertFails(() => journal.append("a", 0, { expectedSequenceNumber: 5 }), "CONFLICT");
    assert.deepEqual(journal.pending, { messages: 0, bytes: 0 });
  });

  narrow("loses what is aborted at once, in the queue and before it", async (journal, storage) => {
    const release = storage.holdCommits();
    const first = journal.append("a", 0);
    await storage.commitHeld();
    const controller = new AbortController();
    const { signal } = controller;
    const aborted = range(0, 4).map(() => errorOf(() => journal.append("a", 1, { signal })));
    assert.equal(journal.pending.messages, 6);
    controller.abort("enough");
    assert.equal(journal.pending.messages, 1);
    release();
    assert.deepEqual(await Promise.all([first, ...aborted]), [
      0,
      ...range(0, 4).map(() => "enough"),
    ]);
    assert.deepEqual(journal.pending, { messages: 0, bytes: 0 });
  });

  check("is 0 after a failed commit, and after close", async (journal, storage) => {
    storage.failCommit = () => new Error("so wants the test");
    await outcomesOf([journal.append("a", 0), journal.appendBatch("b", [1, 2])]);
    assert.deepEqual(journal.pending, { messages: 0, bytes: 0 });
    storage.failCommit = () => undefined;
    const last = journal.append("a", 0);
    const closed = journal.close();
    assert.equal(journal.pending.messages, 1);
    await Promise.all([last, closed]);
    assert.deepEqual(journal.pending, { messages: 0, bytes: 0 });
  });

  rejecting("an append that was refused for lack of room is settled once", async (
    journal,
    storage,
    provider,
  ) => {
    const release = storage.holdCommits();
    const controller = new AbortController();
    const { signal } = controller;
    const first = [journal.append("a", 0), journal.append("a", 1)];
    await assertFails(() => journal.append("a", "x", { signal }), "BACKPRESSURE");
    controller.abort("late");
    assert.equal(journal.pending.messages, 2);
    release();
    assert.deepEqual(await Promise.all(first), [0, 1]);
    assert.deepEqual(journal.pending, { messages: 0, bytes: 0 });
    await provider.sync();
  });

  narrow(
    "10 times the messages may wait for room, more are refused with BACKPRESSURE",
    async (journal, storage) => {
      const release = storage.holdCommits();
      const accepted = range(0, 21).map((index) => journal.append("a", index));
      await assertFails(() => journal.append("a", "x"), "BACKPRESSURE", { actorId: "a" });
      await assertFails(() => journal.append("b", "x"), "BACKPRESSURE");
      await assertFails(() => journal.appendBatch("b", ["x", "y"]), "BACKPRESSURE");
      assert.equal(journal.pending.messages, 22);
      release();
      assert.deepEqual(await Promise.all(accepted), range(0, 21));
      assert.equal(await journal.append("a", 22), 22);
      assert.deepEqual(await messagesOf(journal), range(0, 22));
    },
  );

  narrowInBytes("10 times the bytes may wait for room, too", async (journal, storage) => {
    const release = storage.holdCommits();
    // 50 bytes each: 2 are in, 20 wait.
    const text = "x".repeat(48);
    const accepted = range(0, 21).map(() => journal.append("a", text));
    await assertFails(() => journal.append("a", text), "BACKPRESSURE");
    release();
    assert.deepEqual(await Promise.all(accepted), range(0, 21));
  });

  narrow("a place that an abort has made free can be taken", async (journal, storage) => {
    const release = storage.holdCommits();
    const controller = new AbortController();
    const { signal } = controller;
    const accepted = range(0, 11).map((index) => journal.append("a", index));
    const aborted = range(0, 9).map(() => errorOf(() => journal.append("b", "x", { signal })));
    await assertFails(() => journal.append("a", "x"), "BACKPRESSURE");
    controller.abort("enough");
    await Promise.all(aborted);
    accepted.push(...range(12, 21).map((index) => journal.append("a", index)));
    await assertFails(() => journal.append("a", "x"), "BACKPRESSURE");
    release();
    assert.deepEqual(await Promise.all(accepted), range(0, 21));
    assert.equal(await journal.getHighestSequenceNumber("b"), -1);
  });
}
