import assert from "node:assert/strict";
import { CallOrder } from "../../core/util/call_order.ts";
import { Deferred } from "../../core/util/promises.ts";
import { range } from "../conformance/fixture.ts";
import { randomFrom } from "../conformance/random.ts";
import { test } from "../harness.ts";

test("call order: whatever takes longer to prepare, they act in the order of the calls", async () => {
  const random = randomFrom();
  const order = new CallOrder();
  const acted = new Map<string, number[]>([["a", []], ["b", []]]);
  const calls: Promise<number>[] = [];
  for (const number of range(1, 400)) {
    // Some are made while others are under way.
    for (let turns = random.below(4); turns > 0; turns--) await undefined;
    const name = number % 3 === 0 ? "a" : "b";
    const prepare = async () => {
      for (let turns = random.below(20); turns > 0; turns--) await undefined;
      if (random.below(10) === 0) throw new Error(`${number} fails`);
      return number;
    };
    const act = async (prepared: number) => {
      acted.get(name)?.push(prepared);
      for (let turns = random.below(20); turns > 0; turns--) await undefined;
      return -prepared;
    };
    const call = order.run(name, prepare, act);
    call.catch(() => {});
    calls.push(call);
  }
  const results = await Promise.allSettled(calls);
  for (const numbers of acted.values()) {
    assert.deepEqual(numbers, numbers.toSorted((one, other) => one - other), `${random.seed}`);
  }
  const succeeded = results.filter(({ status }) => status === "fulfilled");
  assert.equal(succeeded.length, [...acted.values()].flat().length);
});

test("call order: a call waits until those before it begin, not until they end", async () => {
  const order = new CallOrder();
  const end = new Deferred<void>();
  const first = order.run("a", () => Promise.resolve(), () => end.promise);
  assert.equal(await order.run("a", () => Promise.resolve(2), (two) => Promise.resolve(two)), 2);
  end.resolve();
  await first;
});

test("call order: what throws at once holds up nobody", async () => {
  const order = new CallOrder();
  const first = order.run("a", () => Promise.resolve(), () => {
    throw new Error("no");
  });
  const second = order.run("a", () => Promise.resolve(2), (two) => Promise.resolve(two));
  await assert.rejects(first, /no/);
  assert.equal(await second, 2);
});
