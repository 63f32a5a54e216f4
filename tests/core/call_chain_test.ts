import assert from "node:assert/strict";
import { callAs, certainCircle, findCircle } from "../../core/actors/call_chain.ts";
import type { CallContext } from "../../core/ports/call_context.ts";
import type { CallChain } from "../../core/ports/actor_store.ts";
import { test } from "../harness.ts";

function link(
  actorId: string,
  caller?: CallChain,
  role: CallChain["role"] = "handler",
): CallChain {
  return {
    role,
    name: `actor "${actorId}"`,
    kind: "test",
    actorId,
    owner: link,
    caller,
    isAsked: true,
    isOver: false,
  };
}

const isHandlerOf = (actorId: string) => (link: CallChain) =>
  link.role === "handler" && link.actorId === actorId;

test("call chain: outside a callback, and without a circle, there is no error", () => {
  assert.equal(certainCircle(undefined, () => true, "ask"), undefined);
  const chain = link("c", link("b", link("a")));
  assert.equal(certainCircle(chain, isHandlerOf("d"), "ask"), undefined);
  assert.equal(certainCircle(link("a", undefined, "deliver"), isHandlerOf("a"), "ask"), undefined);
});

test("call chain: a handler that would wait for itself is named", () => {
  const error = certainCircle(link("a"), isHandlerOf("a"), 'ask actor "a"');
  assert.equal(error?.code, "DEADLOCK");
  assert.equal(error?.actorId, "a");
  assert.equal(
    error?.message,
    'Cannot ask actor "a": its handler would wait for itself (actor "a" waits for actor "a"); ' +
      "do not await this in it",
  );
});

test("call chain: a circle over other actors is named in the order of the waiting", () => {
  const chain = link("c", link("b", link("a", link("outer"))));
  const error = certainCircle(chain, isHandlerOf("a"), 'ask actor "a"');
  assert.equal(error?.code, "DEADLOCK");
  assert.match(
    error?.message ?? "",
    /\(actor "a" waits for actor "b" waits for actor "c" waits for actor "a"\)/,
  );
});

test("call chain: the innermost link that is waited for counts", () => {
  const chain = link("b", link("a", link("b", link("a"))), "afterPersist");
  const error = certainCircle(chain, ({ actorId }) => actorId === "b", "stop actors");
  assert.match(error?.message ?? "", /^Cannot stop actors: its afterPersist would wait for itself/);
  assert.match(error?.message ?? "", /\(actor "b" waits for actor "b"\)/);
});

test("call chain: a callback that has ended waits for nothing", () => {
  const chain = link("b", link("a"));
  assert.ok(certainCircle(chain, isHandlerOf("a"), "ask"));
  chain.isOver = true;
  assert.equal(certainCircle(chain, isHandlerOf("a"), "ask"), undefined);
  assert.equal(certainCircle(chain, isHandlerOf("b"), "ask"), undefined);
  const outer = link("a");
  outer.isOver = true;
  assert.equal(certainCircle(link("b", outer), isHandlerOf("a"), "ask"), undefined);
});

test("call chain: over a message that was told a circle is not certain", () => {
  const told = { ...link("b", link("a")), isAsked: false };
  assert.equal(findCircle(told, isHandlerOf("a"), "ask")?.isCertain, false);
  assert.equal(certainCircle(told, isHandlerOf("a"), "ask"), undefined);
  assert.equal(findCircle(link("c", told), isHandlerOf("a"), "ask")?.isCertain, false);
  // The handler itself waits in any case.
  assert.equal(findCircle(told, isHandlerOf("b"), "ask")?.isCertain, true);
});

test("call chain: a link is over when its callback has ended, however it does", async () => {
  const seen: (CallChain | undefined)[] = [];
  const context: CallContext<CallChain> = {
    get: () => seen[seen.length - 1],
    run(value, call) {
      seen.push(value);
      return call();
    },
  };
  const chains = [link("a"), link("b"), link("c"), link("d")] as const;
  assert.equal(callAs(context, chains[0], () => 7), 7);
  assert.equal(chains[0].isOver, true);
  const failure = new Error("so wants the test");
  const fail = () => {
    throw failure;
  };
  assert.throws(() => callAs(context, chains[1], fail), failure);
  assert.equal(chains[1].isOver, true);
  let resolve = () => {};
  const promise = callAs(context, chains[2], () =>
    new Promise<void>((resolveIt) => {
      resolve = resolveIt;
    }));
  assert.equal(chains[2].isOver, false);
  resolve();
  await promise;
  assert.equal(chains[2].isOver, true);
  await assert.rejects(callAs(context, chains[3], () => Promise.reject(failure)), failure);
  assert.equal(chains[3].isOver, true);
  assert.deepEqual(seen, [...chains]);
});
