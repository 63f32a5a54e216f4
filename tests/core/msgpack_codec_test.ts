import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { runInNewContext } from "node:vm";
import { encode } from "@msgpack/msgpack";
import fc from "fast-check";
import { MessagePackCodec } from "../../core/codec/msgpack_codec.ts";
import { assertSameValue } from "../conformance/same_value.ts";
import { refusedValues, richValues } from "../conformance/values.ts";
import { test } from "../harness.ts";
import { inputs } from "../repetitions.ts";
import { anyRichValue, assertSurvivesDamage, refusalOf, transfer } from "../codec_checks.ts";

const codec = new MessagePackCodec();

function roundTrip(value: unknown): unknown {
  return transfer(codec, codec, value);
}

function hexOf(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function bytesOf(hex: string): Uint8Array {
  return Uint8Array.from(hex.match(/../g) ?? [], (digits) => Number.parseInt(digits, 16));
}

/** Stored data has these bytes: a change here makes it unreadable. */
const FORMAT: readonly (readonly [name: string, value: unknown, hex: string])[] = [
  ["null", null, "c0"],
  ["true", true, "c3"],
  ["an integer", -5, "fb"],
  ["a large integer", 2 ** 40, "cf0000010000000000"],
  ["a fraction", 1.5, "cb3ff8000000000000"],
  ["a string", "é", "a2c3a9"],
  ["an array", [1], "9101"],
  ["an object", { a: 1 }, "81a16101"],
  ["undefined", undefined, "c70001"],
  ["-0", -0, "c70002"],
  ["a bigint", 0n, "d40300"],
  ["a negative bigint", -258n, "c70303010201"],
  ["a large bigint", 2n ** 64n, "c70a0300000000000000000001"],
  ["a lone surrogate", "a\ud800", "d604610000d8"],
  ["a byte order mark", "\ufeffa", "d604fffe6100"],
  ["a Date", new Date(1), "d705000000000000f03f"],
  ["an invalid Date", new Date(NaN), "d705000000000000f87f"],
  ["a RegExp", /ab/gi, "c7070602676961006200"],
  ["a Map", new Map<unknown, unknown>([["k", 1], [2, undefined]]), "d707" + "94a16b0102c70001"],
  ["a Set", new Set([1, "x"]), "d60892" + "01a178"],
  ["an ArrayBuffer", Uint8Array.of(1, 2, 3).buffer, "c70309010203"],
  ["an odd name", { "\ud800": 1, b: "x" }, "c70a0a" + "94d50400d801a162a178"],
  ["a Uint8Array", Uint8Array.of(1, 255), "d51001ff"],
  ["an Int8Array", Int8Array.of(-1), "d411ff"],
  ["a Uint8ClampedArray", Uint8ClampedArray.of(7), "d41207"],
  ["an Int16Array", Int16Array.of(-2), "d513feff"],
  ["a Uint16Array", Uint16Array.of(258), "d5140201"],
  ["an Int32Array", Int32Array.of(-2), "d615feffffff"],
  ["a Uint32Array", Uint32Array.of(16_909_060), "d61604030201"],
  ["a Float32Array", Float32Array.of(1.5), "d6170000c03f"],
  ["a Float64Array", Float64Array.of(1.5), "d718000000000000f83f"],
  ["a BigInt64Array", BigInt64Array.of(-2n), "d719feffffffffffffff"],
  ["a BigUint64Array", BigUint64Array.of(0x0102030405060708n), "d71a0807060504030201"],
];

for (const [name, value, hex] of FORMAT) {
  test(`MessagePackCodec: the bytes of ${name} never change`, () => {
    assert.equal(hexOf(codec.encode(value)), hex);
    assertSameValue(codec.decode(bytesOf(hex)), value, name);
  });
}

for (const [name, value] of richValues) {
  test(`MessagePackCodec: ${name} comes back`, () => {
    assertSameValue(roundTrip(value), value, name);
  });
}

test("MessagePackCodec: any value comes back", () => {
  fc.assert(
    fc.property(anyRichValue, (value) => assertSameValue(roundTrip(value), value, "the value")),
    { numRuns: inputs.values },
  );
});

test("MessagePackCodec: a value stays as it is when it is encoded", () => {
  const list = [undefined, -0, new Date(1), { at: undefined, big: 1n }];
  const value = { list, map: new Map([[1, undefined]]), text: "\ud800" };
  codec.encode(value);
  assert.deepStrictEqual(value, {
    list: [undefined, -0, new Date(1), { at: undefined, big: 1n }],
    map: new Map([[1, undefined]]),
    text: "\ud800",
  });
  assert.equal(value.list, list);
});

test("MessagePackCodec: the lastIndex of a RegExp does not come back", () => {
  const pattern = /x/g;
  pattern.lastIndex = 5;
  const decoded = roundTrip(pattern);
  assert.ok(decoded instanceof RegExp);
  assert.equal(decoded.lastIndex, 0);
});

test("MessagePackCodec: only the bytes that a view shows are stored, and come back aligned", () => {
  const buffer = new ArrayBuffer(1_000);
  const view = new Float64Array(buffer, 16, 3).fill(0.5);
  assert.ok(codec.encode(view).length < 40);
  const decoded = roundTrip(["x", view]);
  assert.ok(Array.isArray(decoded) && decoded[1] instanceof Float64Array);
  assert.deepStrictEqual(decoded[1], Float64Array.of(0.5, 0.5, 0.5));
  assert.equal(decoded[1].buffer.byteLength, 24);
});

test("MessagePackCodec: a Buffer comes back as a Uint8Array", () => {
  const decoded = roundTrip(Buffer.from("hello"));
  assert.deepStrictEqual(decoded, new TextEncoder().encode("hello"));
  assert.equal(Object.getPrototypeOf(decoded), Uint8Array.prototype);
});

test("MessagePackCodec: holes come back as undefined", () => {
  const holes = [1, , 3, ,]; // deno-lint-ignore-line no-sparse-arrays
  assert.deepStrictEqual(roundTrip(holes), [1, undefined, 3, undefined]);
});

test("MessagePackCodec: an object without prototype comes back as an ordinary one", () => {
  const bare: unknown = Object.assign(Object.create(null), { toJSON: -0, constructor: 1n });
  assert.deepStrictEqual(roundTrip(bare), { toJSON: -0, constructor: 1n });
});

test("MessagePackCodec: arrays and objects of another realm come back as ordinary ones", () => {
  const foreign: unknown = runInNewContext("({ list: [1, { a: undefined }] })");
  assert.notEqual(Object.getPrototypeOf(foreign), Object.prototype);
  assert.deepStrictEqual(roundTrip(foreign), { list: [1, { a: undefined }] });
});

test("MessagePackCodec: what was added to Object.prototype is not stored", () => {
  const prototype: Record<string, unknown> = Object.prototype as unknown as Record<string, unknown>;
  prototype.inherited = () => {};
  try {
    assert.deepEqual(Object.keys(roundTrip({ own: 1, at: -0 }) as object), ["own", "at"]);
  } finally {
    delete prototype.inherited;
  }
});

test("MessagePackCodec: a getter is stored as the value that it returns", () => {
  const value = {
    get at(): Date {
      return new Date(7);
    },
  };
  assert.deepStrictEqual(roundTrip(value), { at: new Date(7) });
});

test("MessagePackCodec: an odd name is distinguished from an ordinary one that looks like it", () => {
  const ordinary = "-".repeat(62);
  const odd = `${"-".repeat(30)}\ud800${"-".repeat(31)}`;
  assert.deepStrictEqual(roundTrip({ [ordinary]: 1 }), { [ordinary]: 1 });
  assert.deepStrictEqual(roundTrip({ [odd]: 1 }), { [odd]: 1 });
});

test("MessagePackCodec: a large value is followed by a small one", () => {
  const large = { text: "x".repeat(3_000_000), at: new Date(1) };
  assert.deepStrictEqual(roundTrip(large), large);
  assert.deepStrictEqual(roundTrip({ a: undefined }), { a: undefined });
});

test("MessagePackCodec: a getter may encode something itself", () => {
  const inner: Uint8Array[] = [];
  const value = {
    before: "before",
    get nested(): string {
      inner.push(
        codec.encode({ inside: new Map([["x", undefined]]), text: "y".repeat(5_000) }).slice(),
      );
      return "nested";
    },
    after: [1, undefined],
  };
  assert.deepStrictEqual(roundTrip(value), {
    before: "before",
    nested: "nested",
    after: [1, undefined],
  });
  assert.ok(inner.length > 0);
  for (const bytes of inner) {
    const text = "y".repeat(5_000);
    assert.deepStrictEqual(codec.decode(bytes), { inside: new Map([["x", undefined]]), text });
  }
});

for (const [name, value] of refusedValues) {
  test(`MessagePackCodec: ${name} is refused`, () => {
    refusalOf(codec, value);
    assert.equal(roundTrip("the next one"), "the next one");
  });
}

test("MessagePackCodec: a refusal names the cause and its place", () => {
  class Account {}
  const loop: unknown[] = [];
  loop.push([0, loop]);
  let deep: unknown = 1;
  for (let level = 0; level < 101; level++) deep = { deep };
  const cases: readonly (readonly [value: unknown, message: string])[] = [
    [new Account(), "an instance of Account cannot be encoded"],
    [{ items: [1, 2, 3, new Account()] }, "an instance of Account at .items[3] cannot be encoded"],
    [{ a: { "b c": () => {} } }, 'the function b c at .a["b c"] cannot be encoded'],
    [{ save(): void {} }, "the function save at .save cannot be encoded"],
    [[() => {}], "a function at [0] cannot be encoded"],
    [[Symbol("s")], "a symbol at [0] cannot be encoded"],
    [new Map([["k", [Symbol("s")]]]), "a symbol at .values()[0][0] cannot be encoded"],
    [
      new Map([[{ key: new Account() }, 1]]),
      "an instance of Account at .keys()[0].key cannot be encoded",
    ],
    [new Set([1, new Account()]), "an instance of Account at .values()[1] cannot be encoded"],
    [[Object.create({})], "an object with a custom prototype at [0] cannot be encoded"],
    [[new (class {})()], "an object with a custom prototype at [0] cannot be encoded"],
    [{ a: loop }, "a cycle at .a[0][1] cannot be encoded"],
    [deep, "a value nested more than 100 levels deep cannot be encoded"],
    [[JSON.parse('{"__proto__":1}')], 'a property "__proto__" at [0] cannot be encoded'],
    [
      [new Uint8Array(new SharedArrayBuffer(1))],
      "a view of a SharedArrayBuffer at [0] cannot be encoded",
    ],
    [
      { ["long".repeat(100)]: new Account() },
      `an instance of Account at .${"long".repeat(100).slice(0, 199)}… cannot be encoded`,
    ],
  ];
  for (const [value, message] of cases) assert.equal(refusalOf(codec, value).message, message);
});

test("MessagePackCodec: the error of a getter is the cause", () => {
  const cause = new Error("no value");
  const value = {
    get broken(): never {
      throw cause;
    },
  };
  const error = refusalOf(codec, [value]);
  assert.equal(error.message, "the value cannot be encoded: no value");
  assert.equal(error.cause, cause);
});

const LEAVES: readonly (readonly [name: string, leaf: unknown])[] = [
  ["texts", "x".repeat(5_000)],
  ["binary data", new Uint8Array(5_000)],
  ["Dates and texts", [new Date(1), undefined, "x".repeat(5_000)]],
];

for (const [name, leaf] of LEAVES) {
  test(`MessagePackCodec: a few objects that stand for too many ${name} are refused`, () => {
    let value: unknown = leaf;
    // 3^12 times 5,000 bytes, but far from 2^26 values.
    for (let level = 0; level < 12; level++) value = [value, { a: value, b: value }];
    assert.equal(
      refusalOf(codec, value).message,
      "a value of more than 2^26 parts or 2 GiB cannot be encoded",
    );
  });
}

test("MessagePackCodec: an array that holds the same text too often is refused before it is encoded", () => {
  assert.equal(
    refusalOf(codec, new Array(200).fill("x".repeat(2 ** 24))).message,
    "a value of more than 2^26 parts or 2 GiB cannot be encoded",
  );
});

test("MessagePackCodec: bytes that are not a value are an error", () => {
  const cases: readonly (readonly [name: string, hex: string])[] = [
    ["nothing", ""],
    ["a byte that begins nothing", "c1"],
    ["a byte after the value", "0101"],
    ["binary data, which would be a view on the input", "c40101"],
    ["an array of four billion", "ddffffffff01"],
    ["an array of 30 million", "dd01c9c38001"],
    ["an object of four billion", "dfffffffffa16101"],
    ["a string of four gigabytes", "dbffffffff61"],
    ["an extension of four gigabytes", "c9ffffffff0161"],
    ["an unknown extension type", "d42000"],
    ["the timestamp extension, which this format does not have", "d6ff00000000"],
    ["an extension of msgpackr", "d47300" + "9101"],
    ["a number as a name", "810101"],
    ["the name __proto__", "81a95f5f70726f746f5f5f80"],
    ["the name __proto__, written longer", "81d9095f5f70726f746f5f5f80"],
    ["the name __proto__ as an odd one", "c70b0a" + "92a95f5f70726f746f5f5f80"],
    ["an odd name that is not a string", "c7030a" + "920101"],
    ["a Map without its last value", "d5079101"],
    ["a Map that is not an array", "d40701"],
    ["a Set with a byte after its members", "c703089101" + "01"],
    ["a Date of four bytes", "d60500000000"],
    ["a bigint without sign", "c70003"],
    ["a bigint with the sign 2", "d50302" + "01"],
    ["half a code unit", "d40461"],
    ["a RegExp that is not valid", "c7040600" + "280000"],
    ["a RegExp with an unknown flag", "d50601" + "71"],
    ["a typed array with half an element", "d41300"],
    ["a text that ends after the first byte of a character", "a1df"],
    ["a text that ends before the last byte of a character", "a2e282"],
    ["a text that ends within a character which begins before its last byte", "a2e241"],
    ["a long text that ends before the last byte of a character", "d903f09f98"],
    ["a name that ends within a character", "81a1c301"],
  ];
  for (const [name, hex] of cases) {
    assert.throws(() => codec.decode(bytesOf(hex)), Error, name);
    assert.throws(() => codec.decode(bytesOf(`91${hex}`)), Error, `${name}, in an array`);
  }
});

test("MessagePackCodec: bytes that nest too deep are an error", () => {
  const arrays = (count: number) => new Uint8Array(count + 1).fill(0x91, 0, count);
  codec.decode(arrays(100));
  for (const count of [101, 1_000_000]) assert.throws(() => codec.decode(arrays(count)), Error);

  // A million extensions, each of which claims the rest of the bytes.
  const sets = new Uint8Array(6_000_000);
  const view = new DataView(sets.buffer);
  for (let offset = 0; offset < sets.length; offset += 6) {
    sets[offset] = 0xc9;
    view.setUint32(offset + 1, sets.length - offset - 6);
    sets[offset + 5] = 8;
  }
  assert.throws(() => codec.decode(sets), Error);
});

test("MessagePackCodec: every beginning of a value is an error", () => {
  const bytes = codec.encode(richValues.find(([name]) => name === "an event")?.[1]).slice();
  for (let length = 0; length < bytes.length; length++) {
    assert.throws(() => codec.decode(bytes.subarray(0, length)), Error, `${length} bytes`);
  }
});

test("MessagePackCodec: damaged bytes cause an error or a value, and nothing else", () => {
  assertSurvivesDamage(codec, inputs.damaged);
  assert.equal(({} as Record<string, unknown>).polluted, undefined);
});

test("MessagePackCodec: plain values are plain MessagePack", () => {
  const value = { id: 1, name: "x", list: [null, true, -1.5, 2 ** 40, { deep: "é" }] };
  assert.deepEqual(codec.encode(value).slice(), encode(value));
});
