import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { MemoryPersistenceProvider } from "../../adapters/memory.ts";
import { MsgpackrCodec } from "../../adapters/msgpackr.ts";
import { codeOf } from "../../adapters/lmdb/files.ts";
import { frozenCopy } from "../../core/actors/debug.ts";
import { JsonCodec } from "../../core/codec/json_codec.ts";
import { MessagePackCodec } from "../../core/codec/msgpack_codec.ts";
import { checkDate } from "../../core/errors/arguments.ts";
import { exactBuiltInOf, isUint8Array } from "../../core/util/built_ins.ts";
import { copyValue } from "../../core/util/copy_value.ts";
import { isUnwantedPromise } from "../../core/util/promises.ts";
import { estimateBytes } from "../../core/util/size_estimate.ts";
import { messageOf } from "../../core/util/text.ts";
import { behaviorTest } from "../../testing/mod.ts";
import { describeValue } from "../../testing/describe_value.ts";
import { findDifference } from "../../testing/difference.ts";
import { commandSourced } from "../../mod.ts";
import { refusalOf, transfer } from "../codec_checks.ts";
import { assertSameValue } from "../conformance/same_value.ts";
import { foreignRefusedValues, foreignValues, inOtherRealm } from "../foreign_values.ts";
import { test } from "../harness.ts";

const codecs = [new MessagePackCodec(), new MsgpackrCodec()];

/** Like `assertSameValue`, which takes classes of other realms for the same, and by our classes. */
function assertOurs(actual: unknown, expected: unknown, name: string): void {
  assertSameValue(actual, expected, name);
  if (typeof actual !== "object" || actual === null) return;
  assert.equal(Object.getPrototypeOf(actual), Object.getPrototypeOf(expected), name);
}

for (const [name, value, foreign] of foreignValues) {
  test(`another realm: ${name} comes back as it went in`, () => {
    for (const codec of codecs) {
      for (const wrap of [(item: unknown) => item, (item: unknown) => ({ list: [item] })]) {
        assertOurs(transfer(codec, codec, wrap(foreign)), wrap(value), name);
      }
      assert.deepEqual(codec.encode(foreign).slice(), codec.encode(value).slice());
    }
    assertOurs(copyValue(foreign), copyValue(value), name);
    assert.equal(estimateBytes(foreign), estimateBytes(value));
    assert.equal(describeValue(foreign), describeValue(value));
    assert.equal(findDifference(foreign, value, "exact"), undefined);
    assert.equal(findDifference(value, foreign, "expected"), undefined);
  });
}

for (const [name, value] of foreignRefusedValues) {
  test(`another realm: ${name} is refused`, () => {
    for (const codec of [...codecs, new JsonCodec()]) refusalOf(codec, value);
  });
}

test("another realm: JsonCodec takes plain objects and arrays", () => {
  const codec = new JsonCodec();
  const foreign = inOtherRealm('({ list: [1, { a: null }], text: "x" })');
  assertOurs(transfer(codec, codec, foreign), { list: [1, { a: null }], text: "x" }, "it");
});

test("another realm: a copy of what is nested shares nothing", () => {
  const foreign = inOtherRealm("({ list: [{ a: 1 }], map: new Map([[1, [2]]]) })") as {
    list: { a: number }[];
    map: Map<number, number[]>;
  };
  const copy = copyValue(foreign);
  foreign.list[0] = { a: 9 };
  foreign.map.get(1)?.push(3);
  assert.deepEqual(copy, { list: [{ a: 1 }], map: new Map([[1, [2]]]) });
});

test("another realm: messages, states and metadata of it come back", async () => {
  await using provider = await MemoryPersistenceProvider.open();
  const journal = provider.createMessageJournal<unknown>();
  const metadata = inOtherRealm("({ at: new Date(1) })") as { at: Date };
  const options = inOtherRealm("({ expectedSequenceNumber: 0 })") as object;
  await journal.append("a", inOtherRealm("new Set([1])"), { ...options, metadata });
  const controller = new AbortController();
  await journal.append("a", 2, { signal: controller.signal });
  const [entry] = await journal.readFrom("a", 0, inOtherRealm("({ limit: 1 })") as object);
  assert.deepEqual([entry?.message, entry?.metadata], [new Set([1]), { at: new Date(1) }]);
});

test("another realm: its errors say what is wrong, and have codes", () => {
  const error = inOtherRealm('Object.assign(new Error("no such file"), { code: "ENOENT" })');
  assert.equal(messageOf(error), "no such file");
  assert.equal(codeOf(error), "ENOENT");
  assert.equal(codeOf(inOtherRealm("({ code: 5 })")), undefined);
  assert.equal(codeOf("ENOENT"), undefined);
});

test("another realm: a promise where none may be is told, and its rejection is ignored", async () => {
  assert.equal(isUnwantedPromise(inOtherRealm('Promise.reject(new Error("x"))')), true);
  let calls = 0;
  const lazy = { then: () => void calls++ };
  assert.equal(isUnwantedPromise(lazy), true);
  assert.equal(calls, 0, "what is no promise is not begun");
  await new Promise((resolve) => setTimeout(resolve, 5));
});

test("another realm: a Date is one, bytes are bytes", () => {
  assert.equal(checkDate(inOtherRealm("new Date(5)") as Date, "at", "test"), 5);
  for (const value of [{}, Object.create(Date.prototype), null, undefined, 5]) {
    assert.throws(() => checkDate(value as Date, "at", "test"), { code: "INVALID_ARGUMENT" });
  }
  assert.ok(isUint8Array(inOtherRealm("new Uint8Array(1)")));
  assert.ok(isUint8Array(Buffer.alloc(1)));
  for (const value of [new Int8Array(1), new DataView(new ArrayBuffer(1)), [1], "a", null]) {
    assert.ok(!isUint8Array(value));
  }
});

test("another realm: the answers of debug are frozen", () => {
  const answer = inOtherRealm(
    "({ list: [1], map: new Map([[1, { a: 1 }]]), at: new Date(0) })",
  ) as {
    list: number[];
    map: Map<number, { a: number }>;
    at: Date;
  };
  const copy = frozenCopy(answer);
  assert.notEqual(copy, answer);
  const changes = [
    () => copy.list.push(2),
    () => copy.map.clear(),
    () => Object.assign(copy.map.get(1) ?? {}, { a: 2 }),
    () => copy.at.setTime(5),
  ];
  for (const change of changes) assert.throws(change, { name: "TypeError" }, String(change));
});

test("another realm: the test kit knows its errors", async () => {
  const failing = commandSourced({
    initialState: 0,
    handle: (state: number, message: string) => {
      if (message === "bad") throw inOtherRealm('new RangeError("too bad")');
      return { state };
    },
  });
  await behaviorTest(failing).given().when("bad").thenRejects("too bad");
  const rangeError = inOtherRealm("RangeError") as typeof RangeError;
  await behaviorTest(failing).given().when("bad").thenRejects(rangeError);
  await behaviorTest(failing).given().when("bad").thenRejects((error) =>
    messageOf(error) === "too bad"
  );
});

test("fake timers: the dates that they make are dates", () => {
  // As @sinonjs/fake-timers makes them, which Jest and vitest use.
  class ClockDate extends Date {
    constructor(timeMs: number) {
      super(timeMs);
      Object.defineProperty(this, "constructor", { value: Date, enumerable: false });
    }
  }
  const date = new ClockDate(7);
  for (const codec of codecs) {
    assert.deepEqual(codec.decode(codec.encode({ date }).slice()), { date: new Date(7) });
  }
  assert.equal(exactBuiltInOf(date), "Date");
  assert.equal(Object.getPrototypeOf(copyValue(date)), Date.prototype);
});

test("Buffer: it comes back as a Uint8Array, from both codecs; JSON has no bytes", () => {
  const buffer = Buffer.from("ab");
  for (const codec of codecs) {
    const back = transfer(codec, codec, { buffer });
    assertOurs(back, { buffer: Uint8Array.of(97, 98) }, "a Buffer");
  }
  assert.equal(Object.getPrototypeOf(copyValue(buffer)), Uint8Array.prototype);
  refusalOf(new JsonCodec(), { buffer });
});

test("properties with a symbol as name are left out by all codecs", () => {
  const value = { a: 1, [Symbol("b")]: 2 };
  for (const codec of [...codecs, new JsonCodec()]) {
    assert.deepEqual(Reflect.ownKeys(transfer(codec, codec, value) as object), ["a"]);
  }
});
