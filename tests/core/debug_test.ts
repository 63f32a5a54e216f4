import assert from "node:assert/strict";
import { frozenCopy, watchState } from "../../core/actors/debug.ts";
import { ArgumentTypeError } from "../../core/errors/persistence_error.ts";
import { test } from "../harness.ts";

interface Answer {
  items: { sku: string; count: number }[];
  prices: Map<string, { cents: number }>;
  tags: Set<string>;
  at: Date;
  bytes: Uint8Array;
}

function answerOf(): Answer {
  return {
    items: [{ sku: "tea", count: 1 }],
    prices: new Map([["tea", { cents: 350 }]]),
    tags: new Set(["hot"]),
    at: new Date(0),
    bytes: Uint8Array.of(1, 2),
  };
}

test("debug: a frozen copy has the same content, and shares nothing", () => {
  const answer = answerOf();
  const copy = frozenCopy(answer);
  assert.deepEqual(copy, answer);
  answer.items.push({ sku: "mud", count: 2 });
  answer.prices.set("mud", { cents: 1 });
  answer.bytes[0] = 9;
  assert.deepEqual(copy, answerOf());
  assert.ok(!Object.isFrozen(answer) && !Object.isFrozen(answer.items[0]), "the state goes on");
  answer.at.setTime(5);
  answer.tags.add("cold");
});

test("debug: whoever changes a frozen copy gets an error at that place", () => {
  const { items, prices, tags, at } = frozenCopy(answerOf());
  const changes: readonly (() => unknown)[] = [
    () => items.push({ sku: "mud", count: 1 }),
    () => items.pop(),
    () => Object.assign(items[0] ?? {}, { count: 2 }),
    () => prices.set("mud", { cents: 1 }),
    () => prices.delete("tea"),
    () => prices.clear(),
    () => Object.assign(prices.get("tea") ?? {}, { cents: 0 }),
    () => tags.add("cold"),
    () => tags.delete("hot"),
    () => tags.clear(),
    () => at.setTime(1),
    () => at.setFullYear(2030),
    () => at.setUTCFullYear(2030),
    () => at.setMonth(1),
    () => at.setUTCMonth(1),
    () => at.setDate(2),
    () => at.setUTCDate(2),
    () => at.setHours(1),
    () => at.setUTCHours(1),
    () => at.setMinutes(1),
    () => at.setUTCMinutes(1),
    () => at.setSeconds(1),
    () => at.setUTCSeconds(1),
    () => at.setMilliseconds(1),
    () => at.setUTCMilliseconds(1),
  ];
  for (const change of changes) assert.throws(change, TypeError, String(change));
});

test("debug: answers that share or contain themselves are frozen, too", () => {
  const part = { count: 1 };
  const answer: Record<string, unknown> = { first: part, second: part };
  answer["self"] = answer;
  const copy = frozenCopy(answer);
  assert.equal(copy["self"], copy);
  assert.equal(copy["first"], copy["second"]);
  assert.ok(Object.isFrozen(copy) && Object.isFrozen(copy["first"]));
});

test("debug: what cannot be copied, or need not be, is answered as it is", () => {
  for (const answer of [1, "tea", undefined, null, true, 1n, Symbol.iterator, () => 1]) {
    assert.equal(frozenCopy(answer), answer);
  }
  const withFunction = { add: (a: number) => a };
  assert.equal(frozenCopy(withFunction), withFunction);
});

test("debug: a callback that has changed the state is named, one that has not is let go", () => {
  let state = Uint8Array.of(1, 2, 3);
  watchState(() => state)("handle");
  for (const changed of [[1, 2], [1, 2, 4], [1, 2, 3, 4], []]) {
    state = Uint8Array.of(1, 2, 3);
    const assertUnchanged = watchState(() => state);
    state = Uint8Array.from(changed);
    assert.throws(
      () => assertUnchanged("handle"),
      (error) => error instanceof ArgumentTypeError && error.message.includes("handle has changed"),
    );
  }
});

test("debug: what encodes may use its memory again", () => {
  const memory = Uint8Array.of(1, 2, 3);
  const assertUnchanged = watchState(() => memory);
  memory[2] = 4;
  assert.throws(() => assertUnchanged("handle"), ArgumentTypeError);
});
