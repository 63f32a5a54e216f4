/** A name for a test, and what it is about. */
export type NamedValue = readonly [name: string, value: unknown];

const ALL_BYTES = Uint8Array.from({ length: 256 }, (_, index) => index);
const LONG_TEXT = "ünïcödé, 漢字, 🙂 ".repeat(300);

/**
 * Values of every kind that a message or a state may hold. Each comes back as it went in, to be
 * checked with `assertSameValue`.
 */
export const richValues: readonly NamedValue[] = [
  ["null", null],
  ["undefined", undefined],
  ["undefined in an array", [undefined, 1, undefined]],
  ["undefined in an object", { here: undefined, there: 1 }],
  ["true", true],
  ["false", false],
  ...numbers().map((
    value,
  ): NamedValue => [`the number ${Object.is(value, -0) ? "-0" : value}`, value]),
  ["numbers in an array", numbers()],
  ["numbers in an object", { zero: 0, negativeZero: -0, nan: NaN, infinite: -Infinity, half: 0.5 }],
  ...bigints().map(([name, value]): NamedValue => [`the bigint ${name}`, value]),
  ["bigints in an array", bigints().map(([, value]) => value)],
  ...texts().map(([name, value]): NamedValue => [`a string: ${name}`, value]),
  ["strings in an array", texts().map(([, value]) => value)],
  ["strings in an object", Object.fromEntries(texts())],
  ["the string __proto__", ["__proto__"]],
  [
    "properties whose names end like __proto__",
    Object.fromEntries(["a", "ab", "abc", "abcd", "é", "a".repeat(40)].map((prefix) => [
      `${prefix}__proto__`,
      `__proto__${prefix}`,
    ])),
  ],
  ["a Date", new Date("2024-02-29T12:34:56.789Z")],
  ["the Date 1970", new Date(0)],
  ["a Date before 1970", new Date(-1)],
  ["the first Date", new Date(-8_640_000_000_000_000)],
  ["the last Date", new Date(8_640_000_000_000_000)],
  ["an invalid Date", new Date(NaN)],
  ["an empty RegExp", new RegExp("")],
  ["a RegExp", /^a+(?<name>b)?\/$/gimsuy],
  ["a RegExp of odd characters", new RegExp("\n/\u{1f642}\ud800\u0000")],
  ["an empty Map", new Map()],
  ["a Map of strings", new Map([["z", "1"], ["a", "2"], ["", ""]])],
  ["a Map with any keys", anyMap()],
  ["a Map in a Map in a Map", new Map([[1, new Map([[2, new Map([[3, undefined]])]])]])],
  ["an empty Set", new Set()],
  ["a Set of anything", new Set<unknown>([3, "1", undefined, null, NaN, 1n, new Date(1), [1], {}])],
  ["a Set in a Set", new Set([new Set([new Set()])])],
  ["an empty ArrayBuffer", new ArrayBuffer(0)],
  ["an ArrayBuffer", ALL_BYTES.slice().buffer],
  ...typedArrays(),
  ["a view on a part of a buffer", ALL_BYTES.subarray(3, 200)],
  ["an unaligned view", new Uint8Array(ALL_BYTES.buffer, 1, 7)],
  ["an empty array", []],
  ["an array of 15", Array.from({ length: 15 }, (_, index) => index)],
  ["an array of 16", Array.from({ length: 16 }, (_, index) => index)],
  ["an array of 70,000", Array.from({ length: 70_000 }, (_, index) => index % 300)],
  ["an empty object", {}],
  ["an object of 15", objectOf(15)],
  ["an object of 16", objectOf(16)],
  ["an object of 70,000", objectOf(70_000)],
  ["an object with odd names", oddlyNamed()],
  ["an object with names that UTF-8 cannot hold", { "\ud800": 1, a: -0, "\ufeffid": [undefined] }],
  ["an object with names of methods", {
    constructor: 1,
    toJSON: 2,
    hasOwnProperty: 3,
    toString: 4,
  }],
  ["arrays, 100 deep", nested(100, (inner) => [inner])],
  ["objects, 100 deep", nested(100, (inner) => ({ inner }))],
  ["Maps and Sets, 100 deep", nested(50, (inner) => new Map([[1, new Set([inner])]]))],
  ["the same object twice", sameTwice()],
  ["an event", anEvent()],
];

/** Values that no codec of this package encodes, because they would not come back. */
export const refusedValues: readonly NamedValue[] = refused();

function numbers(): number[] {
  const integers = [0, 1, 7, 8, 15, 16, 31, 32, 53].flatMap((exponent) => {
    const power = 2 ** exponent;
    return [power - 1, power, power + 1];
  }).filter((value) => Number.isSafeInteger(value));
  return [
    ...new Set([
      ...integers,
      ...integers.map((value) => -value),
      -0,
      Number.MAX_SAFE_INTEGER,
      Number.MIN_SAFE_INTEGER,
      2 ** 53,
      2 ** 63,
      -(2 ** 63),
      2 ** 64,
      0.1,
      -1.5,
      Number.MAX_VALUE,
      -Number.MAX_VALUE,
      Number.MIN_VALUE,
      Number.EPSILON,
      Infinity,
      -Infinity,
      NaN,
    ]),
  ].concat(-0);
}

function bigints(): [name: string, value: bigint][] {
  return [
    ["0", 0n],
    ["1", 1n],
    ["-1", -1n],
    ["255", 255n],
    ["256", 256n],
    ["-256", -256n],
    ["2^53", 2n ** 53n],
    ["2^63", 2n ** 63n],
    ["-2^63", -(2n ** 63n)],
    ["2^64", 2n ** 64n],
    ["-2^64 - 1", -(2n ** 64n) - 1n],
    ["10^1000", 10n ** 1000n],
    ["-3^3000", -(3n ** 3000n)],
  ];
}

function texts(): [name: string, value: string][] {
  return [
    ["empty", ""],
    ["NUL", "\0"],
    ["31 bytes", "x".repeat(31)],
    ["32 bytes", "x".repeat(32)],
    ["255 bytes", "x".repeat(255)],
    ["256 bytes", "x".repeat(256)],
    ["65,535 bytes", "x".repeat(65_535)],
    ["65,536 bytes", "x".repeat(65_536)],
    ["two-byte characters", "é".repeat(100)],
    ["emoji", "🙂👩‍👩‍👧‍👦"],
    ["long, of everything", LONG_TEXT],
    ["the last code point", "\u{10ffff}"],
    ["U+FFFD", "\ufffd"],
    ["a byte order mark", "\ufeff"],
    ["a byte order mark before a long text", `\ufeff${LONG_TEXT}`],
    ["a byte order mark inside", `a\ufeff${LONG_TEXT}`],
    ["a lone high surrogate", "\ud800"],
    ["a lone low surrogate", "a\udc00b"],
    ["surrogates in the wrong order", "\udc00\ud800"],
    ["a lone surrogate at the end of a long text", `${LONG_TEXT}\ud83d`],
  ];
}

function anyMap(): Map<unknown, unknown> {
  return new Map<unknown, unknown>([
    [1, "number"],
    ["1", "string"],
    [1n, "bigint"],
    [true, "boolean"],
    [null, null],
    [undefined, undefined],
    [NaN, -0],
    [new Date(5), new Map([["inner", new Set([1])]])],
    [{ key: "object" }, ["value"]],
    ["__proto__", "not a name"],
  ]);
}

function typedArrays(): NamedValue[] {
  const views = [
    ALL_BYTES.slice(),
    new Int8Array(ALL_BYTES.slice().buffer),
    new Uint8ClampedArray(ALL_BYTES.slice().buffer),
    Int16Array.of(0, 1, -1, 32_767, -32_768),
    Uint16Array.of(0, 1, 258, 65_535),
    Int32Array.of(0, 1, -1, 2_147_483_647, -2_147_483_648),
    Uint32Array.of(0, 1, 16_909_060, 4_294_967_295),
    Float32Array.of(0, -0, 1.5, NaN, Infinity, -Infinity),
    Float64Array.of(0, -0, 0.1, NaN, Infinity, Number.MIN_VALUE, Number.MAX_VALUE),
    BigInt64Array.of(0n, 1n, -1n, 2n ** 63n - 1n, -(2n ** 63n)),
    BigUint64Array.of(0n, 1n, 2n ** 64n - 1n),
  ];
  return views.flatMap((view): NamedValue[] => [
    [`a ${view.constructor.name}`, view],
    [`an empty ${view.constructor.name}`, view.subarray(0, 0)],
    [`a ${view.constructor.name} in an object`, { at: 1, view }],
  ]);
}

function objectOf(size: number): Record<string, number> {
  return Object.fromEntries(Array.from({ length: size }, (_, index) => [`key ${index}`, index]));
}

function oddlyNamed(): Record<string, unknown> {
  return {
    "": 0,
    "10": "ten",
    "9": "nine",
    "a b": 1,
    "\0": 2,
    "ünïcödé": 3,
    "🙂": 4,
    "_proto_": 5,
    "__proto_": 6,
    "prototype": 7,
    [`long ${LONG_TEXT}`]: 8,
  };
}

function nested(
  depth: number,
  wrap: (inner: unknown) => unknown,
  innermost: unknown = "x",
): unknown {
  let value = innermost;
  for (let level = 0; level < depth; level++) value = wrap(value);
  return value;
}

function sameTwice(): unknown {
  const shared = { at: new Date(1), list: [1, 2, 3] };
  return { first: shared, second: shared, list: [shared, [shared]] };
}

function anEvent(): unknown {
  return {
    type: "OrderPlaced",
    id: 9_007_199_254_740_993n,
    at: new Date("2025-06-01T08:00:00.001Z"),
    customer: { name: "Zoë", vip: false, referrer: undefined },
    lines: [{ sku: "a-1", quantity: 2, price: 9.99 }, { sku: "b-2", quantity: 1, price: -0 }],
    tags: new Set(["new", "web"]),
    totals: new Map([["net", 16.79], ["gross", 19.98]]),
    digest: Uint8Array.of(1, 2, 3),
  };
}

function refused(): NamedValue[] {
  class Account {
    balance = 1;
  }
  const cycle: Record<string, unknown> = {};
  cycle.self = cycle;
  const mapCycle = new Map<string, unknown>();
  mapCycle.set("self", [mapCycle]);
  return [
    ["a function", () => {}],
    ["a function in an array", [() => {}]],
    ["a method", { add(): void {} }],
    ["a symbol", Symbol("x")],
    ["a symbol as a key of a Map", new Map([[Symbol("x"), 1]])],
    ["an instance of a class", new Account()],
    ["an instance of a class in an object", { items: [new Account()] }],
    ["an instance of a subclass of Array", new (class Items extends Array {})()],
    ["an instance of a subclass of Map", new (class Items extends Map {})()],
    ["an instance of a subclass of Date", new (class Day extends Date {})()],
    ["an instance of a subclass of Uint8Array", new (class Bytes extends Uint8Array {})()],
    ["an object with another object as prototype", Object.create({ inherited: 1 })],
    ["an object that pretends to be a Date", Object.create(Date.prototype)],
    ["an Error", new Error("x")],
    ["a Promise", Promise.resolve()],
    ["a WeakMap", new WeakMap()],
    ["a URL", new URL("https://example.com")],
    ["a Number object", Object(1)],
    ["a String object", Object("x")],
    ["a DataView", new DataView(new ArrayBuffer(1))],
    ["a SharedArrayBuffer", new SharedArrayBuffer(1)],
    ["a view on a SharedArrayBuffer", new Uint8Array(new SharedArrayBuffer(1))],
    ["an object with a property __proto__", JSON.parse('{"a":{"__proto__":{"polluted":true}}}')],
    ["an object that contains itself", cycle],
    ["a Map that contains itself", mapCycle],
    ["arrays, 101 deep", nested(101, (inner) => [inner])],
    ["Maps, 101 deep", nested(101, (inner) => new Map([[inner, 1]]))],
    ["an array of four billion holes", new Array(2 ** 32 - 1)],
    ["a getter that throws", {
      get broken(): never {
        throw new Error("no value");
      },
    }],
    ["a proxy that throws", new Proxy({ a: 1 }, { get: throwing, ownKeys: throwing })],
    ["a revoked proxy", revokedProxy()],
  ];
}

function throwing(): never {
  throw new Error("no access");
}

function revokedProxy(): unknown {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  return proxy;
}
