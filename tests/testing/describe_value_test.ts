import assert from "node:assert/strict";
import { describeValue } from "../../testing/describe_value.ts";
import { test } from "../harness.ts";

test("describe value: values read as they are written", () => {
  class Point {
    readonly x = 1;
  }
  const cycle: unknown[] = [];
  cycle.push(cycle);
  const described: readonly (readonly [unknown, string])[] = [
    ['a "b"', '"a \\"b\\""'],
    [-0, "-0"],
    [12n, "12n"],
    [undefined, "undefined"],
    [Symbol("a"), "Symbol(a)"],
    [Math.max, "function max"],
    [{ a: 1, "b c": [null, true] }, '{ a: 1, "b c": [null, true] }'],
    [[], "[]"],
    [{}, "{}"],
    [new Map([["a", new Set([1])]]), 'Map { "a" => Set { 1 } }'],
    [new Point(), "Point { x: 1 }"],
    [Object.create(null), "{}"],
    [new Uint8Array([1, 2]), "Uint8Array [1, 2]"],
    [new DataView(new ArrayBuffer(2)), "DataView [0, 0]"],
    [cycle, "[[circular]]"],
  ];
  for (const [value, text] of described) assert.equal(describeValue(value), text);
});

test("describe value: what is long gets several lines, what is very long is cut", () => {
  const word = "x".repeat(50);
  assert.equal(
    describeValue({ first: word, second: [word] }),
    `{\n  first: "${word}",\n  second: ["${word}"],\n}`,
  );
  const lines = describeValue(Array.from({ length: 1_000_000 }, (_, index) => index)).split("\n");
  assert.ok(lines.length < 1_000, `${lines.length} lines`);
  assert.match(lines.at(-2) ?? "", /… \d+ more/);
  assert.ok(describeValue("x".repeat(1_000_000)).length < 2_000);
});
