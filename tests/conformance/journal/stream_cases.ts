import assert from "node:assert/strict";
import type { JournalEntry, MessageJournal } from "../../../core/ports/journal.ts";
import type { ProviderOptions } from "../../../core/ports/provider.ts";
import { assertFails, assertThrowsRefused, casesOf, errorOf, range } from "../fixture.ts";
import { bad } from "../ids.ts";
import { type JournalKind, messagesOf, withJournal, withObserved } from "./fixture.ts";
import type { ConformanceOptions } from "../types.ts";

const noErrorWanted = () => {
  // What the chunk's own promise tells is not what the case is about.
};

/** A stream of messages. */
function sourceOf(messages: readonly unknown[]): ReadableStream<unknown> {
  let next = 0;
  return new ReadableStream({
    pull(controller) {
      if (next === messages.length) controller.close();
      else controller.enqueue(messages[next++]);
    },
  });
}

/** Everything that a stream gives. */
async function entriesOf(
  stream: ReadableStream<JournalEntry<unknown>>,
): Promise<JournalEntry<unknown>[]> {
  const entries: JournalEntry<unknown>[] = [];
  const reader = stream.getReader();
  for (let next = await reader.read(); !next.done; next = await reader.read()) {
    entries.push(next.value);
  }
  return entries;
}

/** Some turns of the event loop, in which whatever could go on has gone on. */
async function aWhile(): Promise<void> {
  for (const _ of range(1, 3)) await new Promise((resolve) => setTimeout(resolve, 1));
}

/** Registers the cases about `writable`. */
export function describeWritable(options: ConformanceOptions, kind: JournalKind): void {
  const suite = `${kind.name} writable`;
  const check = casesOf(options, suite, withJournal(kind));
  const observed = (limits: ProviderOptions = {}) =>
    casesOf(options, suite, withObserved(kind, limits));
  const watched = observed();
  const narrow = observed({ maxPendingMessages: 4 });
  const narrowInBytes = observed({ maxPendingBytes: 64 });
  const rejecting = observed({ maxPendingMessages: 4, backpressure: "reject" });

  check(
    "what is piped into it is in the journal, in order, when the pipe ends",
    async (journal) => {
      const messages = range(0, 2_999);
      await sourceOf(messages).pipeTo(journal.writable("a"));
      assert.deepEqual(await messagesOf(journal), messages);
      await sourceOf([]).pipeTo(journal.writable("a"));
      await sourceOf(["more"]).pipeTo(journal.writable("a"));
      assert.equal(await journal.append("a", "afterwards"), 3_001);
    },
  );

  check("chunks share commits", async (journal, { provider }) => {
    const before = (await provider.stats()).commits;
    await sourceOf(range(0, 999)).pipeTo(journal.writable("a"));
    const { commits } = await provider.stats();
    assert.ok(commits - before < 200, `${commits - before} commits`);
  });

  check("many streams write at once, each in its order", async (journal) => {
    await Promise.all(
      range(0, 9).map((stream) => {
        const messages = range(0, 99).map((index) => [stream, index]);
        return sourceOf(messages).pipeTo(journal.writable(`${stream % 3}`));
      }),
    );
    const written = await Promise.all(range(0, 2).map((actor) => messagesOf(journal, `${actor}`)));
    for (const stream of range(0, 9)) {
      const own = (written[stream % 3] ?? []).filter((message) =>
        Reflect.get(Object(message), 0) === stream
      );
      assert.deepEqual(own, range(0, 99).map((index) => [stream, index]));
    }
  });

  check("a chunk is encoded when it is taken", async (journal) => {
    const writer = journal.writable("a").getWriter();
    const message = { n: 1 };
    await writer.write(message);
    message.n = 2;
    await writer.close();
    assert.deepEqual(await messagesOf(journal), [{ n: 1 }]);
  });

  watched("close resolves when all is durable, not before", async (journal, storage) => {
    const release = storage.holdCommits();
    const writer = journal.writable("a").getWriter();
    for (const message of range(0, 9)) await writer.write(message);
    let isClosed = false;
    const closed = writer.close().then(() => isClosed = true);
    await storage.commitHeld();
    await aWhile();
    assert.equal(isClosed, false);
    release();
    await closed;
    assert.equal(journal.pending.messages, 0);
    assert.deepEqual(await messagesOf(journal), range(0, 9));
  });

  for (const [strategy, register] of [["wait", narrow], ["reject", rejecting]] as const) {
    register(
      `full, it says so until a commit has made room, with "${strategy}"`,
      async (journal, storage) => {
        const release = storage.holdCommits();
        const writer = journal.writable("a").getWriter();
        for (const message of range(0, 2)) await writer.write(message);
        await writer.ready;
        assert.equal(writer.desiredSize, 1, "not full");
        const fourth = writer.write(3);
        await aWhile();
        assert.equal(writer.desiredSize, 0, "full");
        assert.deepEqual(journal.pending.messages, 4);
        let isReady = false;
        const ready = writer.ready.then(() => isReady = true);
        await aWhile();
        assert.equal(isReady, false);
        const behind = range(4, 11).map((message) => writer.write(message));
        assert.equal(writer.desiredSize, -8);
        await aWhile();
        assert.equal(journal.pending.messages, 4, "no more is taken");
        release();
        await Promise.all([ready, fourth, ...behind, writer.close()]);
        assert.deepEqual(await messagesOf(journal), range(0, 11));
      },
    );
  }

  narrowInBytes("it is full in bytes, too", async (journal, storage) => {
    const release = storage.holdCommits();
    const writer = journal.writable("a").getWriter();
    await writer.write("x".repeat(20));
    assert.equal(writer.desiredSize, 1);
    const second = writer.write("x".repeat(60));
    await aWhile();
    assert.equal(writer.desiredSize, 0);
    release();
    await Promise.all([second, writer.close()]);
    assert.equal((await messagesOf(journal)).length, 2);
  });

  rejecting("it waits for room that others take, and is not refused", async (journal, storage) => {
    const release = storage.holdCommits();
    const others = range(0, 3).map((index) => journal.append("b", index));
    await assertFails(() => journal.append("b", "x"), "BACKPRESSURE");
    const writer = journal.writable("a").getWriter();
    const writes = range(0, 9).map((message) => writer.write(message));
    await aWhile();
    release();
    await Promise.all([...others, ...writes, writer.close()]);
    assert.deepEqual(await messagesOf(journal), range(0, 9));
  });

  check(
    "a chunk that cannot be encoded: those before it are durable, none after it",
    async (journal) => {
      const messages = [...range(0, 19), () => {}, ...range(20, 39)];
      await assertFails(() => sourceOf(messages).pipeTo(journal.writable("a")), "UNENCODABLE");
      assert.deepEqual(await messagesOf(journal), range(0, 19));
      assert.equal(journal.pending.messages, 0);
      assert.equal(await journal.append("a", "afterwards"), 20);
    },
  );

  watched(
    "if one that cannot be encoded comes after one that fails, the first error counts",
    async (journal, storage) => {
      storage.failCommit = () => new Error("so wants the test");
      const messages = [0, 1, () => {}, 2];
      await assertFails(() => sourceOf(messages).pipeTo(journal.writable("a")), "STORAGE_FAILED");
      storage.failCommit = () => undefined;
      assert.equal(await journal.append("a", "0"), 0);
    },
  );

  watched(
    "a failed commit errors it, and nothing after the failure is written",
    async (journal, storage) => {
      const writer = journal.writable("a").getWriter();
      await writer.write("0");
      await journal.append("a", "1");
      const release = storage.holdCommits();
      await writer.write("x");
      await storage.commitHeld();
      await writer.write("y");
      let afterFailure = 0;
      // Written by whoever hears of the failure first, and by the stream's own machinery.
      storage.failCommit = () => {
        storage.failCommit = () => undefined;
        for (const _ of range(0, 5)) writer.write(`z${afterFailure++}`).catch(noErrorWanted);
        return new Error("so wants the test");
      };
      release();
      const error = await assertFails(() => writer.closed, "STORAGE_FAILED", { actorId: "a" });
      assert.equal(await errorOf(() => writer.write("late")), error);
      assert.equal(afterFailure, 6);
      assert.equal(journal.pending.messages, 0);
      assert.deepEqual(await messagesOf(journal), ["0", "1"]);
      assert.equal(await journal.append("a", "2"), 2);
    },
  );

  narrow("a failure while it is full errors it", async (journal, storage) => {
    const release = storage.holdCommits();
    const writer = journal.writable("a").getWriter();
    const writes = Promise.allSettled(range(0, 9).map((message) => writer.write(message)));
    await storage.commitHeld();
    await aWhile();
    storage.failCommit = () => new Error("so wants the test");
    release();
    await assertFails(() => writer.closed, "STORAGE_FAILED");
    const outcomes = (await writes).map(({ status }) => status);
    assert.deepEqual(outcomes.slice(3), range(3, 9).map(() => "rejected"));
    storage.failCommit = () => undefined;
    assert.equal(await journal.append("a", "0"), 0);
  });

  narrow(
    "abort takes back what is not being committed, and waits for what is",
    async (journal, storage) => {
      const release = storage.holdCommits();
      const writer = journal.writable("a").getWriter();
      await writer.write(0);
      const pausing = journal.append("b", "goes out");
      await storage.commitHeld();
      const writes = range(1, 9).map((message) => writer.write(message).catch(noErrorWanted));
      await aWhile();
      let isAborted = false;
      const aborted = writer.abort(new Error("enough")).then(() => isAborted = true);
      const closed = errorOf(() => writer.closed);
      await aWhile();
      assert.equal(isAborted, false);
      release();
      await Promise.all([aborted, pausing, ...writes]);
      assert.match(String(await closed), /enough/);
      assert.match(String(await errorOf(() => writer.write("late"))), /enough/);
      assert.equal(journal.pending.messages, 0);
      const messages = await messagesOf(journal);
      assert.ok(messages.length <= 1, "only what was being committed is there");
      assert.equal(await journal.append("a", "next"), messages.length);
    },
  );

  check("aborted before anything was written it writes nothing", async (journal) => {
    await journal.writable("a").abort("never mind");
    assert.equal(await journal.getHighestSequenceNumber("a"), -1);
  });

  check("its chunks keep the call order with appends", async (journal) => {
    const writer = journal.writable("a").getWriter();
    await writer.write(0);
    const first = journal.append("a", 1);
    await writer.write(2);
    const second = journal.append("a", 3);
    await writer.close();
    assert.deepEqual(await Promise.all([first, second]), [1, 3]);
    assert.deepEqual(await messagesOf(journal), range(0, 3));
  });

  check("what is refused is refused at the call", async (journal, { create }) => {
    assertThrowsRefused(() => journal.writable(""), "range");
    assertThrowsRefused(() => journal.writable(bad(7)), "type");
    assertThrowsRefused(() => create("a").writable("b"), "range");
    await sourceOf([0]).pipeTo(create("a").writable("a"));
    assert.deepEqual(await messagesOf(journal), [0]);
  });

  check(
    "after close it is refused, and one that is open errors at its next chunk",
    async (journal) => {
      const writer = journal.writable("a").getWriter();
      await writer.write(0);
      await journal.close();
      await assertFails(() => journal.writable("a"), "CLOSED");
      await assertFails(async () => {
        await writer.write("x");
        await writer.close();
      }, "CLOSED");
      assert.equal(journal.pending.messages, 0);
    },
  );

  check("after the provider was closed it is refused", async (journal, { provider }) => {
    await provider.close();
    await assertFails(() => journal.writable("a"), "CLOSED");
    await assertFails(() => journal.readable("a", 0), "CLOSED");
  });
}

/** Registers the cases about `readable`. */
export function describeReadable(options: ConformanceOptions, kind: JournalKind): void {
  const suite = `${kind.name} readable`;
  const check = casesOf(options, suite, withJournal(kind));
  const watched = casesOf(options, suite, withObserved(kind));

  /** 30 messages of 64 KiB: several pages. */
  const fill = (journal: MessageJournal<unknown>) =>
    journal.appendBatch("a", range(0, 29).map((index) => `${index}`.padEnd(2 ** 16)));

  check("it gives what replay gives", async (journal) => {
    await journal.appendBatch("a", range(0, 999));
    for (const bounds of [{}, { to: 500 }, { limit: 7 }, { to: 20, limit: 300 }, { limit: 0 }]) {
      for (const from of [0, 10, 999, 1_000]) {
        const replayed: unknown[] = [];
        for await (const entry of journal.replay("a", from, bounds)) replayed.push(entry);
        assert.deepEqual(await entriesOf(journal.readable("a", from, bounds)), replayed);
      }
    }
    assert.deepEqual(await entriesOf(journal.readable("unknown", 0)), []);
  });

  check("it can be piped into a journal", async (journal) => {
    await fill(journal);
    const messages = new TransformStream<JournalEntry<unknown>, unknown>({
      transform: ({ message }, controller) => controller.enqueue(message),
    });
    await journal.readable("a", 0).pipeThrough(messages).pipeTo(journal.writable("b"));
    assert.deepEqual(await messagesOf(journal, "b"), await messagesOf(journal, "a"));
  });

  watched("it reads when it is asked, and no more than a page ahead", async (journal, storage) => {
    await fill(journal);
    storage.scannedBytes = 0;
    const reader = journal.readable("a", 0).getReader();
    await aWhile();
    assert.equal(storage.scannedBytes, 0);
    assert.equal((await reader.read()).value?.sequenceNumber, 0);
    await aWhile();
    const { scannedBytes } = storage;
    assert.ok(scannedBytes < 2 ** 18, `${scannedBytes} bytes for the first entry`);
    await reader.cancel();
    await aWhile();
    assert.equal(storage.scannedBytes, scannedBytes, "nothing is read after cancel");
    assert.equal((await reader.read()).done, true);
  });

  watched("a read that fails errors it", async (journal, storage) => {
    await fill(journal);
    const reader = journal.readable("a", 0).getReader();
    await reader.read();
    storage.readError = new Error("so wants the test");
    const error = await errorOf(async () => {
      while (!(await reader.read()).done);
    });
    assert.match(String(error), /so wants the test/);
    storage.readError = undefined;
  });

  check("its signal errors it with its reason", async (journal) => {
    await fill(journal);
    const controller = new AbortController();
    const { signal } = controller;
    const reader = journal.readable("a", 0, { signal }).getReader();
    await reader.read();
    controller.abort("enough");
    assert.equal(await errorOf(() => reader.read()), "enough");
    assert.equal(await errorOf(() => journal.readable("a", 0, { signal })), "enough");
  });

  check("truncated while it is read, it errors with TRUNCATED", async (journal) => {
    await fill(journal);
    const reader = journal.readable("a", 0).getReader();
    await reader.read();
    await journal.truncateBefore("a", 30);
    await assertFails(async () => {
      while (!(await reader.read()).done);
    }, "TRUNCATED");
  });

  check("closed while it is read, it errors with CLOSED", async (journal) => {
    await fill(journal);
    const reader = journal.readable("a", 0).getReader();
    await reader.read();
    await journal.close();
    await assertFails(async () => {
      while (!(await reader.read()).done);
    }, "CLOSED");
    await assertFails(() => journal.readable("a", 0), "CLOSED");
  });

  check("what is refused is refused at the call", (journal, { create }) => {
    assertThrowsRefused(() => journal.readable("", 0), "range");
    assertThrowsRefused(() => journal.readable("a", -0.5), "range");
    assertThrowsRefused(() => journal.readable("a", bad("0")), "type");
    assertThrowsRefused(() => journal.readable("a", 0, { limit: -1 }), "range");
    assertThrowsRefused(() => journal.readable("a", 0, { signal: bad({}) }), "type");
    assertThrowsRefused(() => create("a").readable("b", 0), "range");
    return Promise.resolve();
  });
}
