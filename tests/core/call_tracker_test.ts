import assert from "node:assert/strict";
import { CallTracker } from "../../core/util/call_tracker.ts";
import { test } from "../harness.ts";

/** Whether a promise has settled, after everything that could settle it has run. */
async function state(promise: Promise<void>): Promise<string> {
  const settled = promise.then(() => "resolved", (error: Error) => error.message);
  await new Promise((resolve) => setTimeout(resolve, 0));
  return await Promise.race([settled, Promise.resolve("waiting")]);
}

test("without calls under way there is nothing to wait for", async () => {
  const calls = new CallTracker();
  const call = calls.begin();
  calls.fail(call, new Error("earlier"));
  assert.equal(await state(calls.settled()), "resolved");
  assert.equal(await state(calls.succeeded()), "resolved");
});

test("a waiter waits for every call so far, and for none that comes later", async () => {
  const calls = new CallTracker();
  const [first, second] = [calls.begin(), calls.begin()];
  const settled = calls.settled();
  const later = calls.begin();
  calls.succeed(second);
  calls.succeed(later);
  assert.equal(await state(settled), "waiting");
  calls.fail(first, new Error("failed"));
  assert.equal(await state(settled), "resolved");
});

test("a waiter gets the first error of its calls once all of them have settled", async () => {
  const calls = new CallTracker();
  const [first, second, third] = [calls.begin(), calls.begin(), calls.begin()];
  const succeeded = calls.succeeded();
  succeeded.catch(() => {
    // Looked at below.
  });
  const later = calls.begin();
  calls.fail(later, new Error("later"));
  calls.fail(second, new Error("second"));
  calls.fail(first, new Error("first"));
  assert.equal(await state(succeeded), "waiting");
  calls.succeed(third);
  assert.equal(await state(succeeded), "second");
});

test("calls with a promise are counted by it", async () => {
  const calls = new CallTracker();
  let resolve = () => {};
  const call = calls.watch(new Promise<void>((settle) => resolve = settle));
  const settled = calls.settled();
  assert.equal(await state(settled), "waiting");
  resolve();
  await call;
  assert.equal(await state(settled), "resolved");
});
