import assert from "node:assert/strict";
import fc from "fast-check";
import { describeDifference, findDifference, type Likeness } from "../../testing/difference.ts";
import { test } from "../harness.ts";

const likenesses: readonly Likeness[] = ["exact", "stored", "expected"];

class Point {
  readonly x: number;

  constructor(x: number) {
    this.x = x;
  }
}

class Hidden {
  readonly #secret: number;

  constructor(secret: number) {
    this.#secret = secret;
  }

  reveal(): number {
    return this.#secret;
  }
}

/** Pairs of values that differ, and how. */
const different: readonly (readonly [actual: unknown, expected: unknown, description: string])[] = [
  [1, 2, "expected 2, found 1"],
  [1, "1", 'expected "1", found 1'],
  [0, -0, "expected -0, found 0"],
  [1n, 1, "expected 1, found 1n"],
  [null, undefined, "expected undefined, found null"],
  [{ a: 1 }, null, "expected null, found { a: 1 }"],
  [[1], { 0: 1 }, 'expected { "0": 1 }, found [1]'],
  [[1, 2], [1, 3], "at [1] expected 3, found 2"],
  [[1, 2], [1], "at [1] 2 is too much"],
  [[1], [1, undefined], "at [1] undefined is missing"],
  [{ a: { b: 1 } }, { a: { b: 2 } }, "at .a.b expected 2, found 1"],
  [{ a: undefined }, {}, "at .a undefined is too much"],
  [{}, { "a b": undefined }, 'at ["a b"] undefined is missing'],
  [
    new Date(0),
    new Date(1),
    "expected Date(1970-01-01T00:00:00.001Z), found Date(1970-01-01T00:00:00.000Z)",
  ],
  [new Date(0), new Date(NaN), "expected Date(invalid), found Date(1970-01-01T00:00:00.000Z)"],
  [/a/g, /a/, "expected /a/, found /a/g"],
  [new Map([["a", 1]]), new Map([["a", 2]]), 'at .get("a") expected 2, found 1'],
  [new Uint8Array([1]), new Uint8Array([2]), "expected Uint8Array [2], found Uint8Array [1]"],
  [new Uint8Array([1]), new Int8Array([1]), "expected Int8Array [1], found Uint8Array [1]"],
  [
    new Float64Array([0]),
    new Float64Array([-0]),
    "expected Float64Array [-0], found Float64Array [0]",
  ],
  [
    new Uint8Array([1]).buffer,
    new Uint8Array([2]).buffer,
    "expected ArrayBuffer [2], found ArrayBuffer [1]",
  ],
  [new Point(1), { x: 1 }, "expected { x: 1 }, found Point { x: 1 }"],
  [new Point(1), new Point(2), "at .x expected 2, found 1"],
  [new RangeError("a"), new RangeError("b"), "expected RangeError: b, found RangeError: a"],
  [new URL("http://a/"), new URL("http://b/"), "expected URL {}, found URL {}"],
  // What cannot be seen is not taken for the same.
  [new Hidden(1), new Hidden(1), "expected Hidden {}, found Hidden {}"],
  [() => 1, () => 1, "expected a function, found a function"],
];

/** Values each of which is the same as the other one, made anew. */
const same: readonly (() => unknown)[] = [
  () => NaN,
  () => [undefined, null, -0, 1n, "text", [[]]],
  () => ({ at: new Date(0), never: new Date(NaN), pattern: /a/g }),
  () => new Map<unknown, unknown>([["a", 1], [NaN, 2], [{ b: 1 }, new Set([{ c: 1 }])]]),
  () => new Set([1, new Map([[{ a: 1 }, 1]]), [2]]),
  () => [
    new Float32Array([NaN, -0]),
    new Uint8Array([1, 2]).buffer,
    new DataView(new ArrayBuffer(2)),
  ],
  () => [new Point(1), new RangeError("a"), new URL("http://a/"), Object.create(null)],
];

test("difference: what is not the same is found, and described", () => {
  for (const likeness of likenesses) {
    for (const [actual, expected, description] of different) {
      const difference = findDifference(actual, expected, likeness);
      assert.ok(difference, description);
      assert.equal(describeDifference(difference), description);
      assert.ok(findDifference(expected, actual, likeness), `the other way round: ${description}`);
    }
  }
});

test("difference: what is the same is not found", () => {
  for (const likeness of likenesses) {
    for (const make of same) assert.equal(findDifference(make(), make(), likeness), undefined);
    const hidden = new Hidden(1);
    assert.equal(hidden.reveal(), 1);
    assert.equal(findDifference([hidden], [hidden], likeness), undefined);
  }
});

test("difference: the order of properties and members counts if it shall", () => {
  const pairs = [
    [{ a: 1, b: 2 }, { b: 2, a: 1 }],
    [new Set([1, 2]), new Set([2, 1])],
    [new Set([{ a: 1 }, { a: 2 }]), new Set([{ a: 2 }, { a: 1 }])],
    [new Map([[1, "a"], [2, "b"]]), new Map([[2, "b"], [1, "a"]])],
    [new Map([[[1], "a"], [[2], "b"]]), new Map([[[2], "b"], [[1], "a"]])],
  ];
  for (const [actual, expected] of pairs) {
    assert.equal(findDifference(actual, expected, "expected"), undefined);
    assert.ok(findDifference(actual, expected, "stored"));
    assert.ok(findDifference(actual, expected, "exact"));
  }
});

test("difference: an object without a prototype is stored as an ordinary one", () => {
  const bare: unknown = Object.assign(Object.create(null), { a: 1 });
  for (const [actual, expected] of [[bare, { a: 1 }], [{ a: 1 }, bare]]) {
    assert.ok(findDifference(actual, expected, "exact"));
    assert.equal(findDifference(actual, expected, "stored"), undefined);
    assert.equal(findDifference(actual, expected, "expected"), undefined);
  }
});

test("difference: members in any order are found by their contents", () => {
  const pairs = [
    [
      new Set([{ a: 1 }, { a: 1 }]),
      new Set([{ a: 1 }, { a: 2 }]),
      "at .values() { a: 2 } is missing",
    ],
    [new Set([1, 2]), new Set([1]), "at .values() 2 is too much"],
    [new Map([[{ a: 1 }, 1]]), new Map([[{ a: 1 }, 2]]), "at .entries() [{ a: 1 }, 2] is missing"],
    [new Map([[1, 1], [2, 2]]), new Map([[1, 1]]), "at .get(2) 2 is too much"],
    [new Map([[1, undefined]]), new Map([[2, undefined]]), "at .get(2) undefined is missing"],
  ] as const;
  for (const [actual, expected, description] of pairs) {
    const difference = findDifference(actual, expected, "expected");
    assert.ok(difference);
    assert.equal(describeDifference(difference), description);
  }
});

test("difference: a random value is the same as its copy, in any order of its properties", () => {
  const values = fc.anything({
    withBigInt: true,
    withDate: true,
    withMap: true,
    withSet: true,
    withTypedArray: true,
    withSparseArray: true,
    withNullPrototype: true,
  });
  const property = fc.property(values, values, (value, other) => {
    const copy = copyOf(value);
    assert.equal(findDifference(copy, value, "exact"), undefined);
    assert.equal(findDifference(reversed(value), value, "expected"), undefined);
    for (const likeness of likenesses) {
      const isSame = findDifference(value, other, likeness) === undefined;
      assert.equal(findDifference(other, value, likeness) === undefined, isSame);
    }
  });
  fc.assert(property);
});

test("difference: cycles, and Sets nested deeply, come to an end", () => {
  const cycle = (): unknown[] => {
    const list: unknown[] = [1];
    list.push({ list, again: [list, list] });
    return list;
  };
  const nested = () => {
    let value: unknown = 1;
    for (let depth = 0; depth < 100; depth++) value = new Set([value, depth]);
    return value;
  };
  for (const likeness of likenesses) {
    assert.equal(findDifference(cycle(), cycle(), likeness), undefined);
    assert.ok(findDifference([...cycle(), 2], cycle(), likeness));
    assert.equal(findDifference(nested(), nested(), likeness), undefined);
  }
});

/** Not `structuredClone`, which gives objects without a prototype one. */
function copyOf(value: unknown): unknown {
  return rebuilt(value, (items) => items);
}

function reversed(value: unknown): unknown {
  return rebuilt(value, (items) => items.reverse());
}

function rebuilt(value: unknown, arrange: <Item>(items: Item[]) => Item[]): unknown {
  const again = (part: unknown) => rebuilt(part, arrange);
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return [...value].map(again);
  if (value instanceof Map) {
    return new Map(arrange([...value].map(([key, item]) => [again(key), again(item)] as const)));
  }
  if (value instanceof Set) return new Set(arrange([...value].map(again)));
  if (value instanceof Date || ArrayBuffer.isView(value)) return structuredClone(value);
  const copy: object = Object.create(Object.getPrototypeOf(value));
  for (const [name, item] of arrange(Object.entries(value))) {
    Object.defineProperty(copy, name, { value: again(item), enumerable: true });
  }
  return copy;
}
