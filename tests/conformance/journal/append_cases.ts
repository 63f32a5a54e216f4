import assert from "node:assert/strict";
import { FRAME_MAX_ENTRIES } from "../../../core/format/frame.ts";
import { assertFails, casesOf, errorOf, nextMillisecond, outcomesOf, range } from "../fixture.ts";
import {
  asciiCodec,
  type JournalKind,
  messagesOf,
  numbersOf,
  withJournal,
  withObserved,
} from "./fixture.ts";
import { assertSameValue } from "../same_value.ts";
import type { ConformanceOptions } from "../types.ts";
import { refusedValues, richValues } from "../values.ts";

/** Registers the cases about `append`. */
export function describeAppend(options: ConformanceOptions, kind: JournalKind): void {
  const codec = asciiCodec();
  const check = casesOf(options, `${kind.name} append`, withJournal(kind));
  const observed = casesOf(options, `${kind.name} append`, withObserved(kind));
  const ofTexts = casesOf(options, `${kind.name} append`, withJournal(kind, { codec }));
  const limited = casesOf(
    options,
    `${kind.name} append`,
    withJournal(kind, { codec, maxMessageBytes: 100 }),
  );

  check("the first message of an actor gets sequence number 0", async (journal) => {
    assert.equal(await journal.append("a", "first"), 0);
    assert.equal(await journal.append("b", "first"), 0);
  });

  check("numbers are consecutive for each actor", async (journal) => {
    for (const expected of range(0, 9)) {
      assert.equal(await journal.append("a", `a${expected}`), expected);
      assert.equal(await journal.append("b", `b${expected}`), expected);
    }
    assert.deepEqual(await messagesOf(journal, "a"), range(0, 9).map((index) => `a${index}`));
    assert.deepEqual(await messagesOf(journal, "b"), range(0, 9).map((index) => `b${index}`));
  });

  check("an entry tells actor, number, message and timestamp, and no more", async (journal) => {
    const before = Date.now();
    await journal.append("a", { deposit: 5 });
    const after = Date.now();
    const [entry, ...others] = await journal.readFrom("a", 0);
    assert.deepEqual(others, []);
    assert.ok(entry);
    assert.deepEqual(Object.keys(entry).sort(), [
      "actorId",
      "message",
      "sequenceNumber",
      "timestamp",
    ]);
    assert.deepEqual([entry.actorId, entry.sequenceNumber], ["a", 0]);
    assert.deepEqual(entry.message, { deposit: 5 });
    assert.ok(entry.timestamp instanceof Date);
    const timeMs = entry.timestamp.getTime();
    assert.ok(before <= timeMs && timeMs <= after, `${before} ≤ ${timeMs} ≤ ${after}`);
  });

  observed("each entry keeps its own timestamp, although one commit carries all", async (
    journal,
    storage,
  ) => {
    const release = storage.holdCommits();
    const bounds: [number, number][] = [];
    const appends: Promise<number>[] = [];
    for (const index of range(0, 4)) {
      const before = Date.now();
      appends.push(journal.append("a", index));
      bounds.push([before, Date.now()]);
      await nextMillisecond();
    }
    release();
    await Promise.all(appends);
    for (const { sequenceNumber, timestamp } of await journal.readFrom("a", 0)) {
      const [before = NaN, after = NaN] = bounds[sequenceNumber] ?? [];
      assert.ok(before <= timestamp.getTime() && timestamp.getTime() <= after);
    }
  });

  check(
    "an append that has resolved is seen by every journal of the provider",
    async (journal, { create, provider }) => {
      await journal.append("a", "1");
      assert.deepEqual(await messagesOf(create()), ["1"]);
      assert.deepEqual(await messagesOf(provider.createMessageJournal()), ["1"]);
      assert.equal(await create().getHighestSequenceNumber("a"), 0);
    },
  );

  check("what the caller does to a message afterwards changes nothing", async (journal) => {
    const message = { list: [1, 2], bytes: Uint8Array.of(1, 2), map: new Map([["k", "v"]]) };
    const appended = journal.append("a", message);
    message.list.push(3);
    message.bytes.fill(0);
    message.map.clear();
    await appended;
    assert.deepEqual(await messagesOf(journal), [
      { list: [1, 2], bytes: Uint8Array.of(1, 2), map: new Map([["k", "v"]]) },
    ]);
  });

  check("what the caller does to a message that was read changes nothing", async (journal) => {
    await journal.append("a", { list: [1, 2], bytes: Uint8Array.of(1, 2) });
    const [entry] = await journal.readFrom("a", 0);
    const message = entry?.message as { list: number[]; bytes: Uint8Array };
    message.list.push(3);
    message.bytes.fill(0);
    entry?.timestamp.setTime(0);
    const [again] = await journal.readFrom("a", 0);
    assert.deepEqual(again?.message, { list: [1, 2], bytes: Uint8Array.of(1, 2) });
    assert.notEqual(again?.timestamp.getTime(), 0);
  });

  ofTexts("a codec may hand out the same buffer for each message", async (journal) => {
    const texts = range(0, 99).map((index) => `message ${index}`);
    await Promise.all(texts.map((text) => journal.append("a", text)));
    await journal.appendBatch("a", texts);
    assert.deepEqual(await messagesOf(journal), [...texts, ...texts]);
  });

  ofTexts("a codec that fails rejects with UNENCODABLE, and tells why", async (journal) => {
    const error = await assertFails(() => journal.append("a", 5), "UNENCODABLE", {
      actorId: "a",
    });
    assert.ok(error.cause instanceof Error);
    assert.match(error.cause.message, /no text: 5/);
  });

  check("every kind of value comes back as it went in", async (journal) => {
    await journal.appendBatch("batch", richValues.map(([, value]) => value));
    const appended = richValues.map(([, value]) => journal.append("a", value));
    await Promise.all(appended);
    for (const actorId of ["a", "batch"]) {
      const messages = await messagesOf(journal, actorId);
      assert.equal(messages.length, richValues.length);
      for (const [index, [name, value]] of richValues.entries()) {
        assertSameValue(messages[index], value, name);
      }
    }
  });

  check("every message that cannot be encoded is refused alone, and leaves no gap", async (
    journal,
  ) => {
    for (const [index, [name, value]] of refusedValues.entries()) {
      const outcomes = outcomesOf([
        journal.append("a", name),
        journal.append("a", value),
        journal.appendBatch("a", ["fine", value]),
        journal.append("a", name),
      ]);
      const expected = [2 * index, "UNENCODABLE", "UNENCODABLE", 2 * index + 1];
      assert.deepEqual(await outcomes, expected, name);
      await assertFails(() => journal.append("a", value), "UNENCODABLE", { actorId: "a" });
    }
    const messages = refusedValues.flatMap(([name]) => [name, name]);
    assert.deepEqual(await messagesOf(journal), messages);
  });

  check(
    "a message that cannot be encoded leaves no trace of its actor",
    async (journal, { storage }) => {
      const before = { ...(await storage.stats()).entries };
      await errorOf(() => journal.append("a", () => {}));
      assert.equal(await journal.getHighestSequenceNumber("a"), -1);
      assert.deepEqual({ ...(await storage.stats()).entries }, before);
    },
  );

  limited("a message at the size limit is taken, one byte more is TOO_LARGE", async (journal) => {
    const outcomes = outcomesOf([
      journal.append("a", "x".repeat(100)),
      journal.append("a", "x".repeat(101)),
      journal.append("a", ""),
      journal.append("a", "x".repeat(99)),
    ]);
    assert.deepEqual(await outcomes, [0, "TOO_LARGE", 1, 2]);
    await assertFails(() => journal.append("a", "x".repeat(101)), "TOO_LARGE", {
      actorId: "a",
    });
    const lengths = (await messagesOf(journal)).map((message) => String(message).length);
    assert.deepEqual(lengths, [100, 0, 99]);
  });

  check("a message of 1 MiB comes back", async (journal) => {
    const message = Uint8Array.from({ length: 2 ** 20 }, (_, index) => index * 7);
    await Promise.all([
      journal.append("a", "before"),
      journal.append("a", message),
      journal.append("a", "after"),
    ]);
    const messages = await messagesOf(journal);
    assert.deepEqual([messages[0], messages[2], messages.length], ["before", "after", 3]);
    assert.ok(messages[1] instanceof Uint8Array);
    assert.equal(messages[1].length, message.length);
    assert.ok(message.every((byte, index) => byte === Reflect.get(messages[1] as object, index)));
  });

  check("appends that are not awaited get consecutive numbers in call order", async (journal) => {
    const numbers = await Promise.all(range(0, 999).map((index) => journal.append("a", index)));
    assert.deepEqual(numbers, range(0, 999));
    assert.deepEqual(await messagesOf(journal), range(0, 999));
  });

  check("appends resolve in call order", async (journal) => {
    const order: number[] = [];
    const appends = range(0, 99).map((index) =>
      journal.append("a", index).then((number) => order.push(number))
    );
    await Promise.all(appends);
    assert.deepEqual(order, range(0, 99));
  });

  check("an append made when another one resolves goes on from it", async (journal) => {
    const chain = async (name: string) => {
      for (const index of range(0, 9)) await journal.append("a", `${name}${index}`);
    };
    await Promise.all(["x", "y", "z"].map(chain));
    const messages = (await messagesOf(journal)).map(String);
    assert.equal(messages.length, 30);
    for (const name of ["x", "y", "z"]) {
      const own = messages.filter((message) => message.startsWith(name));
      assert.deepEqual(own, range(0, 9).map((index) => `${name}${index}`));
    }
  });
}

/** Registers the cases about `appendBatch`. */
export function describeAppendBatch(options: ConformanceOptions, kind: JournalKind): void {
  const check = casesOf(options, `${kind.name} appendBatch`, withJournal(kind));
  const limited = casesOf(
    options,
    `${kind.name} appendBatch`,
    withJournal(kind, { codec: asciiCodec(), maxMessageBytes: 10 }),
  );

  check("the messages get consecutive numbers", async (journal) => {
    assert.deepEqual(await journal.appendBatch("a", ["x", "y", "z"]), [0, 1, 2]);
    assert.deepEqual(await journal.appendBatch("a", ["one"]), [3]);
    assert.equal(await journal.append("a", "last"), 4);
    assert.deepEqual(await journal.appendBatch("b", ["other"]), [0]);
    assert.deepEqual(await messagesOf(journal), ["x", "y", "z", "one", "last"]);
  });

  for (
    const count of [FRAME_MAX_ENTRIES - 1, FRAME_MAX_ENTRIES, FRAME_MAX_ENTRIES + 1, 10_000]
  ) {
    check(`a batch of ${count} messages is one batch`, async (journal) => {
      await journal.append("a", "before");
      const numbers = await journal.appendBatch("a", range(1, count));
      assert.deepEqual(numbers, range(1, count));
      assert.equal(await journal.append("a", "after"), count + 1);
      assert.deepEqual(await messagesOf(journal), ["before", ...range(1, count), "after"]);
    });
  }

  check("a batch of large messages is one batch", async (journal) => {
    const messages = range(0, 29).map((index) => `${index % 10}`.repeat(10_000));
    assert.deepEqual(await journal.appendBatch("a", messages), range(0, 29));
    assert.deepEqual(await messagesOf(journal), messages);
  });

  check(
    "what the caller does to the array or its messages afterwards changes nothing",
    async (journal) => {
      const messages = [{ n: 1 }, { n: 2 }];
      const appended = journal.appendBatch("a", messages);
      for (const message of messages) message.n = 0;
      messages.pop();
      assert.deepEqual(await appended, [0, 1]);
      assert.deepEqual(await messagesOf(journal), [{ n: 1 }, { n: 2 }]);
    },
  );

  for (const position of [0, 1, 2]) {
    check(
      `one message at ${position} that cannot be encoded refuses the whole batch`,
      async (journal) => {
        const batch: unknown[] = ["x", "y", "z"].with(position, "");
        batch[position] = () => {};
        const outcomes = outcomesOf([
          journal.appendBatch("a", ["before"]),
          journal.appendBatch("a", batch),
          journal.appendBatch("a", ["after"]),
        ]);
        assert.deepEqual(await outcomes, [[0], "UNENCODABLE", [1]]);
        assert.deepEqual(await messagesOf(journal), ["before", "after"]);
      },
    );

    limited(
      `one message at ${position} above the size limit refuses the whole batch`,
      async (journal) => {
        const batch = ["x", "y", "z"].with(position, "x".repeat(11));
        const outcomes = outcomesOf([
          journal.appendBatch("a", ["before"]),
          journal.appendBatch("a", batch),
          journal.appendBatch("a", ["after", "x".repeat(10), "x".repeat(10)]),
        ]);
        assert.deepEqual(await outcomes, [[0], "TOO_LARGE", [1, 2, 3]]);
        assert.equal((await messagesOf(journal)).length, 4);
      },
    );
  }

  check(
    "an empty batch resolves to no numbers, and leaves no trace",
    async (journal, { storage }) => {
      const before = { ...(await storage.stats()).entries };
      assert.deepEqual(await journal.appendBatch("a", []), []);
      assert.equal(await journal.getHighestSequenceNumber("a"), -1);
      assert.deepEqual({ ...(await storage.stats()).entries }, before);
      assert.equal(await journal.append("a", "x"), 0);
      assert.deepEqual(await journal.appendBatch("a", []), []);
      assert.equal(await journal.append("a", "y"), 1);
    },
  );

  check("an empty batch does not check its expectation", async (journal) => {
    const expected = { expectedSequenceNumber: 7 };
    assert.deepEqual(await journal.appendBatch("a", [], expected), []);
    await journal.append("a", "x");
    assert.deepEqual(await journal.appendBatch("a", [], expected), []);
  });

  check("batches and single appends that are not awaited keep the call order", async (journal) => {
    const results: Promise<unknown>[] = [];
    const expected: unknown[] = [];
    let next = 0;
    for (const round of range(0, 49)) {
      const size = round % 5;
      results.push(journal.appendBatch("a", range(next, next + size - 1)));
      expected.push(range(next, next + size - 1));
      next += size;
      results.push(journal.append("a", next));
      expected.push(next++);
    }
    assert.deepEqual(await Promise.all(results), expected);
    assert.deepEqual(await messagesOf(journal), range(0, next - 1));
    assert.deepEqual(await numbersOf(journal), range(0, next - 1));
  });
}
