import assert from "node:assert/strict";
import { CommitWatchers } from "../../core/commit/commit_watchers.ts";
import { addressOf } from "../../core/format/actor_address.ts";
import { test } from "../harness.ts";

const cart = addressOf("cart", "42", "test");
const user = addressOf("user", "42", "test");
const other = addressOf("cart", "43", "test");

test("commit watchers are called for their actor only, until they stop", () => {
  const watchers = new CommitWatchers();
  const calls: string[] = [];
  const stops = [
    watchers.watch(cart, () => calls.push("one")),
    watchers.watch(cart, () => calls.push("two")),
    watchers.watch(user, () => calls.push("user")),
  ];
  for (const actor of [cart, user, other]) watchers.notify(actor);
  assert.deepEqual(calls, ["one", "two", "user"]);
  stops[0]?.();
  stops[0]?.();
  watchers.notify(cart);
  assert.deepEqual(calls, ["one", "two", "user", "two"]);
  for (const stop of stops) stop();
  for (const actor of [cart, user]) watchers.notify(actor);
  assert.equal(calls.length, 4);
});

test("a commit watcher that stops late does not stop those that came after it", () => {
  const watchers = new CommitWatchers();
  let calls = 0;
  const stop = watchers.watch(cart, () => calls++);
  stop();
  watchers.watch(cart, () => calls++);
  stop();
  watchers.notify(cart);
  assert.equal(calls, 1);
});

test("a commit watcher may stop itself and start others while it is called", () => {
  const watchers = new CommitWatchers();
  const calls: string[] = [];
  const stop = watchers.watch(cart, () => {
    calls.push("first");
    stop();
    watchers.watch(cart, () => calls.push("second"));
  });
  watchers.notify(cart);
  assert.deepEqual(calls, ["first"]);
  watchers.notify(cart);
  assert.deepEqual(calls, ["first", "second"]);
});
