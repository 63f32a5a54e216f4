import assert from "node:assert/strict";
import fc from "fast-check";
import { JsonCodec } from "../../core/codec/json_codec.ts";
import { assertSameValue } from "../conformance/same_value.ts";
import { refusedValues } from "../conformance/values.ts";
import { test } from "../harness.ts";
import { refusalOf, transfer } from "../codec_checks.ts";

const codec = new JsonCodec();

function roundTrip(value: unknown): unknown {
  return transfer(codec, codec, value);
}

test("JsonCodec: the bytes are JSON in UTF-8", () => {
  const bytes = codec.encode({ type: "deposited", amount: 12.5, note: "é" });
  assert.equal(new TextDecoder().decode(bytes), '{"type":"deposited","amount":12.5,"note":"é"}');
});

const values: readonly (readonly [name: string, value: unknown])[] = [
  ["null", null],
  ["true", true],
  ["0", 0],
  ["the largest number", Number.MAX_VALUE],
  ["the smallest number", Number.MIN_VALUE],
  ["an empty string", ""],
  ["lone surrogates", "a\ud800\udc00\udc00"],
  ["a byte order mark", "\ufeff"],
  ["an empty array", []],
  ["an empty object", {}],
  ["odd names", { "": 1, "\ud800": 2, "\ufeff": 3, "a b": 4, "10": 5, constructor: 6, toJSON: 7 }],
  ["a nested value", { list: [1, [2, { three: "3" }]], empty: { list: [], object: {} } }],
];

for (const [name, value] of values) {
  test(`JsonCodec: ${name} comes back`, () => assertSameValue(roundTrip(value), value, name));
}

test("JsonCodec: anything that JSON can hold comes back", () => {
  // JSON.stringify writes -0 as 0, so what was parsed from its text holds none.
  const anyJson = fc.json().map((text): unknown => JSON.parse(JSON.stringify(JSON.parse(text))))
    .filter((value) => !JSON.stringify(value).includes('"__proto__":'));
  fc.assert(fc.property(anyJson, (value) => assertSameValue(roundTrip(value), value, "the value")));
});

for (const [name, value] of refusedValues) {
  test(`JsonCodec: ${name} is refused`, () => {
    refusalOf(codec, value);
  });
}

test("JsonCodec: what JSON would leave out or convert is refused by name", () => {
  const holes = [1, , 3]; // deno-lint-ignore-line no-sparse-arrays
  const cases: readonly (readonly [value: unknown, message: string])[] = [
    [undefined, "undefined cannot be encoded"],
    [{ a: undefined }, "undefined at .a cannot be encoded"],
    [[1, undefined], "undefined at [1] cannot be encoded"],
    [holes, "undefined at [1] cannot be encoded"],
    [NaN, "NaN cannot be encoded"],
    [[-Infinity], "-Infinity at [0] cannot be encoded"],
    [{ zero: -0 }, "-0 at .zero cannot be encoded"],
    [{ total: 1n }, "a bigint at .total cannot be encoded"],
    [{ at: new Date(1) }, "an instance of Date at .at cannot be encoded"],
    [new Map(), "an instance of Map cannot be encoded"],
    [new Set(), "an instance of Set cannot be encoded"],
    [/x/, "an instance of RegExp cannot be encoded"],
    [Uint8Array.of(1), "an instance of Uint8Array cannot be encoded"],
    [{ a: 1, toJSON: () => 2 }, "the function toJSON at .toJSON cannot be encoded"],
  ];
  for (const [value, message] of cases) assert.equal(refusalOf(codec, value).message, message);
});

test("JsonCodec: bytes that are not JSON in UTF-8 are an error", () => {
  const cases = ["", "{", "1 2", "nul", "\ufeff1"].map((text) => new TextEncoder().encode(text));
  for (const bytes of [...cases, Uint8Array.of(0x22, 0xff, 0x22)]) {
    assert.throws(() => codec.decode(bytes), Error, String(bytes));
  }
});

test("JsonCodec: a property that is named __proto__ is an error, however it is written", () => {
  const decode = (text: string) => codec.decode(new TextEncoder().encode(text));
  const names = [
    "__proto__",
    "\\u005f_proto__",
    "__prot\\u006F__",
    "\\u005F\\u005f\\u0070roto\\u005f_",
  ];
  for (const name of names) {
    for (
      const text of [`{"${name}":1}`, `[{"a":[{ "${name}" : {"x":1}}]}]`, `{"\\"":2,"${name}":1}`]
    ) {
      assert.throws(() => decode(text), { message: 'a property is named "__proto__"' }, text);
    }
  }
  assert.deepEqual(decode('{"a":"__proto__","b__proto__":"\\u005f"}'), {
    a: "__proto__",
    b__proto__: "_",
  });
});
