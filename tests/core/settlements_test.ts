import assert from "node:assert/strict";
import { Settlements } from "../../core/settlements.ts";
import { test } from "../harness.ts";

/** Whether a promise has settled, after everything that could settle it has run. */
async function state(promise: Promise<void>): Promise<string> {
  const settled = promise.then(() => "resolved", (error: Error) => error.message);
  await new Promise((resolve) => setTimeout(resolve, 0));
  return await Promise.race([settled, Promise.resolve("waiting")]);
}

test("without calls under way nothing is waited for", async () => {
  const settlements = new Settlements();
  const call = settlements.begin();
  settlements.fail(call, new Error("earlier"));
  assert.equal(await state(settlements.settled()), "resolved");
  assert.equal(await state(settlements.succeeded()), "resolved");
});

test("every call so far is waited for, and none that comes later", async () => {
  const settlements = new Settlements();
  const [first, second] = [settlements.begin(), settlements.begin()];
  const settled = settlements.settled();
  const later = settlements.begin();
  settlements.succeed(second);
  settlements.succeed(later);
  assert.equal(await state(settled), "waiting");
  settlements.fail(first, new Error("failed"));
  assert.equal(await state(settled), "resolved");
});

test("the first error of the calls that are waited for is told, when all have settled", async () => {
  const settlements = new Settlements();
  const [first, second, third] = [settlements.begin(), settlements.begin(), settlements.begin()];
  const succeeded = settlements.succeeded();
  succeeded.catch(() => {
    // Looked at below.
  });
  const later = settlements.begin();
  settlements.fail(later, new Error("later"));
  settlements.fail(second, new Error("second"));
  settlements.fail(first, new Error("first"));
  assert.equal(await state(succeeded), "waiting");
  settlements.succeed(third);
  assert.equal(await state(succeeded), "second");
});

test("calls with a promise are counted by it", async () => {
  const settlements = new Settlements();
  let resolve = () => {};
  const call = settlements.watch(new Promise<void>((settle) => resolve = settle));
  const settled = settlements.settled();
  assert.equal(await state(settled), "waiting");
  resolve();
  await call;
  assert.equal(await state(settled), "resolved");
});
