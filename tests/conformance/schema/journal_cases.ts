import assert from "node:assert/strict";
import { PersistenceError } from "../../../core/errors/persistence_error.ts";
import type { JournalEntry, MessageJournal } from "../../../core/ports/journal.ts";
import type { StoredPlace, UnknownValue } from "../../../core/ports/schema.ts";
import type { Storage } from "../../../core/ports/storage.ts";
import { assertFails, casesOf, errorOf, range } from "../fixture.ts";
import { asciiCodec, type JournalKind, messagesOf, withJournal } from "../journal/fixture.ts";
import {
  ADDED,
  CART,
  CART_V1,
  CART_V2,
  type CartEvent,
  REMOVED,
  storedAs,
  textSchema,
  withChange,
} from "./fixture.ts";
import { EVERYTHING } from "../storage/fixture.ts";
import type { ConformanceOptions } from "../types.ts";

/** Registers the cases about journals whose messages are of old and new versions. */
export function describeUpcasting(options: ConformanceOptions, kind: JournalKind): void {
  const check = casesOf(options, `${kind.name} schema`, withJournal(kind));

  check("messages come back with what they were stored as, read in any way", async (_, scene) => {
    const journal = scene.create<CartEvent>(undefined, CART);
    await journal.append("a", ADDED);
    await journal.appendBatch("a", [REMOVED, ADDED]);
    const writer = journal.writable("a").getWriter();
    await writer.write(REMOVED);
    await writer.close();
    const expected = [ADDED, REMOVED, ADDED, REMOVED].map((message, sequenceNumber) => ({
      sequenceNumber,
      message,
      schema: storedAs(message.type, message.type === "item added" ? 3 : 1),
    }));
    assert.deepEqual((await journal.readFrom("a", 0)).map(told), expected);
    assert.deepEqual((await replayed(journal)).map(told), expected);
    const streamed: JournalEntry<CartEvent>[] = [];
    const reader = journal.readable("a", 0).getReader();
    for (let next = await reader.read(); !next.done; next = await reader.read()) {
      streamed.push(next.value);
    }
    assert.deepEqual(streamed.map(told), expected);
  });

  check("three generations write one journal, and the last reads all of it", async (_, scene) => {
    const first = scene.create(undefined, CART_V1);
    const second = scene.create(undefined, CART_V2);
    const third = scene.create(undefined, CART);
    await first.append("a", { type: "item added", sku: "pen", price: 1.5 });
    await first.append("a", { type: "item removed", sku: "pen" });
    await second.append("a", { type: "item added", sku: "cap", price: 3, quantity: 4 });
    await third.append("a", ADDED);
    assert.deepEqual((await third.readFrom("a", 0)).map(({ message }) => message), [
      { type: "item added", sku: "pen", quantity: 1, cents: 150 },
      { type: "item removed", sku: "pen" },
      { type: "item added", sku: "cap", quantity: 4, cents: 300 },
      ADDED,
    ]);
    assert.deepEqual((await second.readFrom("a", 0, { to: 2 })).map(({ message }) => message), [
      { type: "item added", sku: "pen", quantity: 1, price: 1.5 },
      { type: "item removed", sku: "pen" },
      { type: "item added", sku: "cap", quantity: 4, price: 3 },
    ]);
    const versions = (await third.readFrom("a", 0)).map(({ schema }) => schema?.version);
    assert.deepEqual(versions, [1, 1, 2, 3]);
    await assertFails(() => first.readFrom("a", 0), "UNKNOWN_SCHEMA", {
      actorId: "a",
      sequenceNumber: 2,
    });
  });

  check("the chain begins at the version that was stored", async (_, scene) => {
    for (const version of range(1, 5)) {
      await scene.create(undefined, textSchema(version)).append("a", `${version}`);
    }
    assert.deepEqual(await messagesOf(scene.create(undefined, textSchema(5))), [
      "1 → 2 → 3 → 4 → 5",
      "2 → 3 → 4 → 5",
      "3 → 4 → 5",
      "4 → 5",
      "5",
    ]);
    const younger = scene.create(undefined, textSchema(5, 3));
    const entries = await younger.readFrom("a", 2);
    assert.deepEqual(entries.map(({ message }) => message), ["3 → 4 → 5", "4 → 5", "5"]);
    for (const version of [127, 128, 16_384, 2 ** 31 - 1]) {
      const journal = scene.create(undefined, textSchema(version, version));
      await journal.append("b", `${version}`);
      const [entry] = await journal.readFrom("b", await journal.getHighestSequenceNumber("b"));
      assert.deepEqual([entry?.message, entry?.schema?.version], [`${version}`, version]);
    }
  });

  check("reading an old version rewrites nothing", async (_, { create, storage }) => {
    await create(undefined, textSchema(1)).appendBatch("a", ["x", "y"]);
    const before = await stored(storage);
    const journal = create(undefined, textSchema(3));
    await messagesOf(journal);
    await replayed(journal);
    assert.deepEqual(await stored(storage), before);
  });

  check("an upcaster learns where the message stands, and may change it", async (_, scene) => {
    const old = scene.create<{ text: string }>(undefined, { name: "note", version: 1 });
    await old.appendBatch("a", [{ text: "x" }, { text: "y" }]);
    const places: StoredPlace[] = [];
    const journal = scene.create<{ text: string; at: Date }>(undefined, {
      name: "note",
      version: 2,
      upcasters: {
        1: (note: { text: string }, place) => {
          places.push(place);
          return Object.assign(note, { at: place.timestamp });
        },
      },
    });
    const entries = await journal.readFrom("a", 0);
    assert.deepEqual(
      places,
      entries.map(({ actorId, sequenceNumber, timestamp }) => ({
        actorId,
        sequenceNumber,
        timestamp,
      })),
    );
    assert.deepEqual(entries.map(({ message }) => message), [
      { text: "x", at: entries[0]?.timestamp },
      { text: "y", at: entries[1]?.timestamp },
    ]);
    assert.deepEqual((await journal.readFrom("a", 0)).map(told), entries.map(told));
  });

  check("an upcaster that throws stops the reading there, and is the cause", async (_, scene) => {
    await scene.create(undefined, textSchema(1)).appendBatch("a", ["x", "y", "z"]);
    const reason = new Error("cannot upcast y.");
    const journal = scene.create(
      undefined,
      withChange(textSchema(3), {
        upcasters: {
          1: (text: string) => text,
          2(text: string) {
            if (text === "y") throw reason;
            return text;
          },
        },
      }),
    );
    const read: string[] = [];
    const error = await assertFails(
      async () => {
        for await (const { message } of journal.replay("a", 0)) read.push(message);
      },
      "UPCAST_FAILED",
      { actorId: "a", sequenceNumber: 1 },
    );
    assert.deepEqual(read, ["x"]);
    assert.equal(error.cause, reason);
    assert.match(
      error.message,
      /the message at 1 cannot be upcast to version 3 of "text": cannot upcast y/,
    );
    await assertFails(() => journal.readFrom("a", 0), "UPCAST_FAILED", { sequenceNumber: 1 });
    assert.equal((await journal.readFrom("a", 2)).length, 1, "what comes after it can be had");
  });

  check("an upcaster may read from the same journal meanwhile", async (_, scene) => {
    await scene.create(undefined, textSchema(1)).append("a", "x");
    await scene.create(undefined, textSchema(2)).appendBatch("b", ["y", "z"]);
    const reading: Promise<unknown>[] = [];
    const journal: MessageJournal<string> = scene.create(
      undefined,
      withChange(textSchema(2), {
        upcasters: {
          1(text: string) {
            // The page is there, so this decodes before it returns.
            reading.push(other.next());
            return text;
          },
        },
      }),
    );
    const other = journal.replay("b", 0)[Symbol.asyncIterator]();
    await other.next();
    const [entry] = await journal.readFrom("a", 0);
    assert.deepEqual(entry?.schema, storedAs("text", 1));
    const [read] = await Promise.all(reading) as IteratorResult<JournalEntry<string>>[];
    assert.deepEqual([read?.value.message, read?.value.schema], ["z", storedAs("text", 2)]);
  });

  check("an asynchronous upcaster is refused", async (_, scene) => {
    await scene.create(undefined, textSchema(1)).append("a", "x");
    for (const upcaster of [() => Promise.resolve("y"), () => Promise.reject(new Error("no"))]) {
      const schema = withChange(textSchema(2), { upcasters: { 1: upcaster } });
      const journal = scene.create(undefined, schema);
      await assertFails(() => journal.readFrom("a", 0), "UPCAST_FAILED", { sequenceNumber: 0 });
    }
  });
}

/** Registers the cases about messages that a schema does not know. */
export function describeUnknown(options: ConformanceOptions, kind: JournalKind): void {
  const suite = `${kind.name} schema`;
  const check = casesOf(options, suite, withJournal(kind));
  const withOwnCodec = casesOf(options, suite, withJournal(kind, { codec: asciiCodec() }));

  check("an unknown type or version is an error that tells it", async (_, scene) => {
    await scene.create<string>(undefined, { name: "note", version: 1 }).append("a", "x");
    await scene.create(undefined, textSchema(1)).append("b", "x");
    await scene.create(undefined, textSchema(9)).append("c", "x");
    const journal = scene.create(undefined, textSchema(5, 3));
    const read = (actorId: string) =>
      assertFails(() => journal.readFrom(actorId, 0), "UNKNOWN_SCHEMA", {
        actorId,
        sequenceNumber: 0,
      });
    assert.match((await read("a")).message, /version 1 of "note"/);
    assert.match((await read("b")).message, /version 1 of "text".* 3 to 5/);
    assert.match((await read("c")).message, /version 9 of "text"/);
    const union = scene.create(undefined, CART);
    assert.match((await errorOf(() => union.readFrom("a", 0)) as Error).message, /"note"/);
  });

  check("the handler gets what is unknown, and its answer takes the place", async (_, scene) => {
    const old = scene.create<string[]>(undefined, { name: "note", version: 7 });
    await old.append("a", ["x", "y"]);
    await scene.create(undefined, textSchema(1)).append("a", "z");
    const unknown: UnknownValue[] = [];
    const journal = scene.create(
      undefined,
      withChange(textSchema(2), {
        onUnknown(one) {
          unknown.push(one);
          return "replaced";
        },
      }),
    );
    const entries = await journal.readFrom("a", 0);
    assert.deepEqual(entries.map(told), [
      { sequenceNumber: 0, message: "replaced", schema: storedAs("note", 7) },
      { sequenceNumber: 1, message: "z → 2", schema: storedAs("text", 1) },
    ]);
    assert.deepEqual(unknown, [{
      actorId: "a",
      sequenceNumber: 0,
      timestamp: entries[0]?.timestamp,
      schema: storedAs("note", 7),
      value: ["x", "y"],
    }]);
  });

  check("a handler that fails, or answers what is not valid, stops the reading", async (
    _,
    scene,
  ) => {
    await scene.create<string>(undefined, { name: "note", version: 1 }).append("a", "x");
    const place = { actorId: "a", sequenceNumber: 0 };
    const reason = new Error("no");
    const reading = (onUnknown: () => CartEvent) => () =>
      scene.create<CartEvent>(undefined, { ...CART, onUnknown }).readFrom("a", 0);
    const failing = reading(() => {
      throw reason;
    });
    assert.equal((await assertFails(failing, "UNKNOWN_SCHEMA", place)).cause, reason);
    const invalid = reading(() => ({ ...ADDED, cents: "free" }) as unknown as CartEvent);
    await assertFails(invalid, "VALIDATION_FAILED", place);
    const untyped = reading(() => ({ type: "sold" }) as unknown as CartEvent);
    await assertFails(untyped, "UNKNOWN_SCHEMA", place);
    const late = reading(() => Promise.reject(reason) as unknown as CartEvent);
    await assertFails(late, "UNKNOWN_SCHEMA", place);
  });

  check("messages from before the schema are an error, unless it says what they are", async (
    journal,
    scene,
  ) => {
    await journal.appendBatch("a", ["x", 5]);
    const read = (unversioned: Partial<Parameters<typeof withChange<string>>[1]>) =>
      scene.create(undefined, withChange(textSchema(3), unversioned)).readFrom("a", 0);
    const place = { actorId: "a", sequenceNumber: 0 };
    await assertFails(() => read({}), "UNKNOWN_SCHEMA", place);

    const entries = await read({ unversioned: storedAs("text", 2) });
    assert.deepEqual(entries.map(({ message }) => message), ["x → 3", "5 → 3"]);
    assert.ok(entries.every((entry) => !("schema" in entry)), "they were stored without one");

    const told = await read({
      unversioned: (value, { sequenceNumber }) =>
        storedAs("text", typeof value === "string" ? 1 : 2 + sequenceNumber),
    });
    assert.deepEqual(told.map(({ message }) => message), ["x → 2 → 3", 5]);

    const wrong = { unversioned: () => storedAs("text", 4) };
    await assertFails(() => read(wrong), "UNKNOWN_SCHEMA", place);
    const handled = await read({
      ...wrong,
      onUnknown: ({ schema, value }) => `${schema?.version} ${value}`,
    });
    assert.deepEqual(handled.map(({ message }) => message), ["4 x", "4 5"]);
    const reason = new Error("no");
    const failing = await errorOf(() =>
      read({
        unversioned() {
          throw reason;
        },
      })
    );
    assert.ok(failing instanceof PersistenceError && failing.cause === reason);
    assert.equal(failing.code, "UNKNOWN_SCHEMA");
  });

  check("a journal without a schema refuses messages with one, and says so", async (
    journal,
    scene,
  ) => {
    await journal.append("a", "x");
    await scene.create(undefined, textSchema(2)).append("a", "y");
    const error = await assertFails(() => journal.readFrom("a", 0), "UNKNOWN_SCHEMA", {
      actorId: "a",
      sequenceNumber: 1,
    });
    assert.match(error.message, /version 2 of "text"/);
    assert.equal(await journal.append("a", "z"), 2, "appending needs no reading");
  });

  withOwnCodec("what a codec makes is never taken for a schema, whatever it is", async (
    journal,
    scene,
  ) => {
    // In this codec these are the bytes of the tag of version 1, and a text after it.
    const disguised = "\u0001\u0004textz";
    await scene.create(undefined, textSchema(1)).append("a", "z");
    await journal.append("a", disguised);
    await scene.create(undefined, textSchema(1)).append("a", disguised);
    const unversioned = { name: "text", version: 2 };
    const current = scene.create(undefined, withChange(textSchema(2), { unversioned }));
    assert.deepEqual((await current.readFrom("a", 0)).map(told), [
      { sequenceNumber: 0, message: "z → 2", schema: storedAs("text", 1) },
      { sequenceNumber: 1, message: disguised, schema: undefined },
      { sequenceNumber: 2, message: `${disguised} → 2`, schema: storedAs("text", 1) },
    ]);
    assert.deepEqual((await journal.readFrom("a", 1, { limit: 1 }))[0]?.message, disguised);
  });
}

function told<Message>({ sequenceNumber, message, schema }: JournalEntry<Message>): unknown {
  return { sequenceNumber, message, schema };
}

async function replayed<Message>(
  journal: MessageJournal<Message>,
): Promise<JournalEntry<Message>[]> {
  const entries: JournalEntry<Message>[] = [];
  for await (const entry of journal.replay("a", 0)) entries.push(entry);
  return entries;
}

async function stored(storage: Storage): Promise<unknown> {
  return [await storage.scan("entries", EVERYTHING), await storage.scan("heads", EVERYTHING)];
}
