import assert from "node:assert/strict";
import { JsonCodec } from "../../../core/codec/json_codec.ts";
import { MessagePackCodec } from "../../../core/codec/msgpack_codec.ts";
import { MAX_METADATA_BYTES } from "../../../core/errors/arguments.ts";
import { PersistenceError } from "../../../core/errors/persistence_error.ts";
import type { JournalEntry, Metadata } from "../../../core/ports/journal.ts";
import { PersistenceProvider } from "../../../core/provider.ts";
import { assertFails, assertRefused, casesOf, outcomesOf, range, withPlace } from "../fixture.ts";
import { bad } from "../ids.ts";
import { withRandom } from "../random.ts";
import { assertSameValue } from "../same_value.ts";
import type { ConformanceOptions } from "../types.ts";
import { richValues } from "../values.ts";
import {
  type JournalKind,
  messagesOf,
  withJournal,
  withObserved,
  withTwoWriters,
} from "./fixture.ts";

/** Registers the cases about what stands beside messages. */
export function describeMetadata(options: ConformanceOptions, kind: JournalKind): void {
  const suite = `${kind.name} metadata`;
  const check = casesOf(options, suite, withJournal(kind));
  const inJson = casesOf(options, suite, withJournal(kind, { codec: new JsonCodec() }));
  const reopen = casesOf(options, suite, withPlace, "reopen");

  for (const [codec, register] of [["MessagePack", check], ["JSON", inJson]] as const) {
    register(
      `it comes back with its message, however that is read, in ${codec}`,
      async (journal) => {
        const metadata = {
          correlationId: "c-1",
          causation: { id: 7, chain: ["a", "b"] },
          on: true,
        };
        await journal.append("a", "with", { metadata });
        await journal.append("a", "without");
        await journal.append("a", "empty", { metadata: {} });
        const entries = await journal.readFrom("a", 0);
        const replayed = await allOf(journal.replay("a", 0));
        const streamed = await allOf(journal.readable("a", 0));
        for (const read of [entries, replayed, streamed]) {
          assert.deepEqual(read.map((entry) => [entry.message, entry.metadata]), [
            ["with", metadata],
            ["without", undefined],
            ["empty", {}],
          ]);
          assert.deepEqual(read.map((entry) => "metadata" in entry), [true, false, true]);
        }
      },
    );
  }

  check("each message of a batch has the metadata of the batch", async (journal) => {
    const metadata = { tenant: "eu" };
    await journal.appendBatch("a", ["x", "y"], { metadata });
    await journal.appendBatch("a", ["z"]);
    const entries = await journal.readFrom("a", 0);
    assert.deepEqual(metadataOf(entries), [metadata, metadata, undefined]);
    assert.notEqual(entries[0]?.metadata, entries[1]?.metadata, "no entry shares it with another");
  });

  check("values of every kind come back as they went in", async (journal) => {
    const all = richValues.map(([name, value]): [string, Metadata] => [name, { value, name }]);
    const taken = all.filter(([, metadata]) => isTaken(metadata));
    assert.ok(taken.length > 0.9 * richValues.length, `${taken.length} of ${richValues.length}`);
    await Promise.all(taken.map(([, metadata]) => journal.append("a", null, { metadata })));
    const entries = await journal.readFrom("a", 0);
    for (const [index, [name, metadata]] of taken.entries()) {
      assertSameValue(entries[index]?.metadata, metadata, name);
    }
  });

  check("what the caller does to the object afterwards changes nothing", async (journal) => {
    const metadata = { tenant: "eu", tags: ["a"] };
    const appends = [
      journal.append("a", 0, { metadata }),
      journal.appendBatch("a", [1, 2], { metadata }),
    ];
    metadata.tenant = "us";
    metadata.tags.push("b");
    await Promise.all(appends);
    const expected = { tenant: "eu", tags: ["a"] };
    assert.deepEqual(metadataOf(await journal.readFrom("a", 0)), [expected, expected, expected]);
  });

  check("getters may append while it is being encoded", async (journal) => {
    const inner: Promise<unknown>[] = [];
    const append = (message: string) => {
      inner.push(journal.append("b", message, { metadata: { inner: message } }));
      return message;
    };
    const metadata = {
      get first() {
        return append("1");
      },
    };
    const message = {
      get second() {
        return append("2");
      },
    };
    await Promise.all([
      journal.append("a", message, { metadata: { outer: 1 } }),
      journal.append("a", "x", { metadata }),
      journal.append("a", "y", { metadata: { outer: 2 } }),
    ]);
    await Promise.all(inner);
    const entries = await journal.readFrom("a", 0);
    assert.deepEqual(entries.map(({ message, metadata }) => [message, metadata]), [
      [{ second: "2" }, { outer: 1 }],
      ["x", { first: "1" }],
      ["y", { outer: 2 }],
    ]);
    const others = await journal.readFrom("b", 0);
    assert.deepEqual(new Set(others.map(({ message }) => message)), new Set(["1", "2"]));
    for (const { message, metadata } of others) assert.deepEqual(metadata, { inner: message });
  });

  check("whatever is appended side by side, each message keeps its own", async (plain, scene) => {
    await withRandom(options.seed, async (random) => {
      const typed = scene.create("a", { name: "note", version: 1 });
      const expected: [unknown, Metadata | undefined, number | undefined][] = [];
      const calls: Promise<unknown>[] = [];
      for (const index of range(0, 499)) {
        const journal = random.below(3) === 0 ? typed : plain;
        const padding = "x".repeat(random.below(random.below(10) === 0 ? 9_000 : 60));
        const message = `${index} ${padding}`;
        const metadata = random.below(2) === 0 ? undefined : {
          index,
          note: "m".repeat(random.below(random.below(10) === 0 ? 9_000 : 40)),
        };
        const isRefused = random.below(10) === 0;
        const options = {
          ...(metadata && { metadata }),
          ...(isRefused && { expectedSequenceNumber: 1_000_000 }),
        };
        const count = 1 + random.below(3);
        calls.push(
          count === 1
            ? journal.append("a", message, options)
            : journal.appendBatch("a", Array.from({ length: count }, () => message), options),
        );
        if (isRefused) continue;
        const version = journal === typed ? 1 : undefined;
        for (let left = count; left > 0; left--) expected.push([message, metadata, version]);
        if (random.below(30) === 0) await outcomesOf(calls.splice(0));
      }
      await outcomesOf(calls);
      const reader = scene.create("a", {
        name: "note",
        version: 1,
        unversioned: { name: "note", version: 1 },
      });
      const read = async (from: number) =>
        (await reader.readFrom("a", from)).map((entry) => [
          entry.message,
          entry.metadata,
          entry.schema?.version,
        ]);
      assert.deepEqual(await read(0), expected);
      await reader.truncateBefore("a", 150);
      assert.deepEqual(await read(0), expected.slice(150));
      assert.deepEqual(await read(300), expected.slice(300));
    });
  });

  reopen("it is there after reopening", async (place) => {
    const metadata = { tenant: "eu", at: new Date(5) };
    {
      await using provider = await PersistenceProvider.openOn(await place.openStorage());
      const journal = kind.create<unknown>(provider);
      await journal.append("a", "small", { metadata });
      await journal.append("b", "x".repeat(3_000), { metadata });
    }
    await using provider = await PersistenceProvider.openOn(await place.openStorage());
    const journal = kind.create<unknown>(provider);
    for (const actorId of ["a", "b"]) {
      assert.deepEqual(metadataOf(await journal.readFrom(actorId, 0)), [metadata]);
      await journal.append(actorId, "next", { metadata: { number: 1 } });
      assert.deepEqual(metadataOf(await journal.readFrom(actorId, 0)), [metadata, { number: 1 }]);
    }
  });
}

/** Registers the cases about metadata that is refused, or an append with it that is. */
export function describeMetadataRefusals(options: ConformanceOptions, kind: JournalKind): void {
  const suite = `${kind.name} metadata`;
  const check = casesOf(options, suite, withJournal(kind));
  const observed = casesOf(options, suite, withObserved(kind));
  const ofTwo = casesOf(options, suite, withTwoWriters(kind));

  const bads: readonly [string, unknown][] = [
    ["null", null],
    ["a string", "metadata"],
    ["a number", 5],
    ["true", true],
    ["a symbol", Symbol("metadata")],
    ["a function", () => {}],
    ["an array", [1]],
    ["a Map", new Map()],
    ["a Date", new Date()],
    ["bytes", new Uint8Array(1)],
    ["an instance of a class", new (class Trace {})()],
    ["an object that inherits", Object.create({ tenant: "eu" })],
  ];
  for (const [name, value] of bads) {
    check(`${name} is refused`, async (journal) => {
      const append = { metadata: bad<Metadata>(value) };
      const error = await assertRefused(() => journal.append("a", 1, append), "type");
      assert.match(error.message, /^Cannot append to actor "a": metadata must be a plain object/);
      await assertRefused(() => journal.appendBatch("a", [1], append), "type");
      await assertRefused(() => journal.appendBatch("a", [], append), "type");
      assert.equal(await journal.getHighestSequenceNumber("a"), -1);
    });
  }

  check("an object without a prototype is plain", async (journal) => {
    const metadata: Record<string, unknown> = Object.create(null);
    metadata.tenant = "eu";
    await journal.append("a", 1, { metadata });
    assert.deepEqual(metadataOf(await journal.readFrom("a", 0)), [{ tenant: "eu" }]);
  });

  check("what cannot be encoded refuses its own append, with no gap", async (journal) => {
    const metadata = { trace: () => {} };
    const calls = [
      journal.append("a", 0),
      journal.append("a", 1, { metadata }),
      journal.appendBatch("a", [1, 1], { metadata }),
      journal.append("a", 1),
    ];
    assert.deepEqual(await outcomesOf(calls), [0, "UNENCODABLE", "UNENCODABLE", 1]);
    const call = () => journal.append("a", 1, { metadata });
    const { message } = await assertFails(call, "UNENCODABLE", { actorId: "a" });
    assert.match(message, /^Cannot append to actor "a": metadata cannot be stored: .*trace/);
    assert.deepEqual(await messagesOf(journal), [0, 1]);
  });

  check("16 KiB are taken, and not a byte more", async (journal) => {
    const largest = { a: "x".repeat(MAX_METADATA_BYTES - "\x81\xa1a\xda..".length) };
    await journal.append("a", 0, { metadata: largest });
    await journal.appendBatch("a", [1, 2], { metadata: largest });
    const metadata = { a: `${largest.a}x` };
    for (
      const call of [
        () => journal.append("a", 3, { metadata }),
        () => journal.appendBatch("a", [3], { metadata }),
      ]
    ) {
      const { message } = await assertFails(call, "TOO_LARGE", { actorId: "a" });
      assert.match(message, /: the metadata has 16385 bytes, the limit is 16384$/);
    }
    assert.equal(await journal.append("a", 3), 3);
    const expected = [largest, largest, largest, undefined];
    assert.deepEqual(metadataOf(await journal.readFrom("a", 0)), expected);
  });

  observed("it counts for what is pending, as the message does", async (journal, storage) => {
    const release = storage.holdCommits();
    const metadata = { a: "1234" };
    const metadataBytes = "\x81\xa1a\xa41234".length + 1;
    const calls: Promise<unknown>[] = [journal.append("a", "12", { metadata })];
    assert.deepEqual(journal.pending, { messages: 1, bytes: 3 + metadataBytes });
    calls.push(journal.appendBatch("a", ["12", "34"], { metadata }));
    assert.deepEqual(journal.pending, { messages: 3, bytes: 3 * (3 + metadataBytes) });
    release();
    await Promise.all(calls);
    assert.deepEqual(journal.pending, { messages: 0, bytes: 0 });
  });

  observed("an append that is refused or withdrawn takes its own with it", async (
    journal,
    storage,
  ) => {
    await journal.append("a", 0, { metadata: { number: 0 } });
    const release = storage.holdCommits();
    const first = journal.append("a", 1, { metadata: { number: 1 } });
    await storage.commitHeld();
    const abort = new AbortController();
    const calls = [
      journal.append("a", 2, { metadata: { number: 2 }, signal: abort.signal }),
      journal.append("a", 3, { metadata: { number: 3 }, expectedSequenceNumber: 9 }),
      journal.append("a", 4, { metadata: { number: 4 } }),
    ];
    abort.abort("withdrawn");
    release();
    const [aborted, ...others] = await Promise.allSettled(calls);
    assert.equal(aborted?.status === "rejected" && aborted.reason, "withdrawn");
    assert.deepEqual(others.map(({ status }) => status), ["rejected", "fulfilled"]);
    assert.equal(await first, 1);
    const entries = await journal.readFrom("a", 0);
    assert.deepEqual(
      entries.map(({ message, metadata }) => [message, metadata?.number]),
      [[0, 0], [1, 1], [4, 4]],
    );
  });

  ofTwo("what is planned anew, because another writer was faster, keeps it", async (one, other) => {
    await one.append("a", 0, { metadata: { by: "one" } });
    await other.append("a", 1, { metadata: { by: "other" } });
    await one.appendBatch("a", [2, 3], { metadata: { by: "one" } });
    await other.append("a", 4);
    const writers = metadataOf(await one.readFrom("a", 0)).map((metadata) => metadata?.by);
    assert.deepEqual(writers, ["one", "other", "one", "one", undefined]);
  });
}

function metadataOf(entries: readonly JournalEntry<unknown>[]): (Metadata | undefined)[] {
  return entries.map(({ metadata }) => metadata);
}

async function allOf(
  entries: AsyncIterable<JournalEntry<unknown>> | ReadableStream<JournalEntry<unknown>>,
): Promise<JournalEntry<unknown>[]> {
  const all: JournalEntry<unknown>[] = [];
  if (!("getReader" in entries)) {
    for await (const entry of entries) all.push(entry);
    return all;
  }
  const reader = entries.getReader();
  for (let next = await reader.read(); !next.done; next = await reader.read()) {
    all.push(next.value);
  }
  return all;
}

/** Some values are larger than metadata may be, or as deep as can be without a level around them. */
function isTaken(metadata: Metadata): boolean {
  try {
    return new MessagePackCodec().encode(metadata).length <= MAX_METADATA_BYTES;
  } catch (error) {
    if (error instanceof PersistenceError && error.code === "UNENCODABLE") return false;
    throw error;
  }
}
