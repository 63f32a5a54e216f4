import assert from "node:assert/strict";
import { StatefulActor } from "../../../core/actors/stateful_actor.ts";
import { commandSourced, eventSourced } from "../../../core/actors/behavior.ts";
import {
  account,
  journalOf,
  type Line,
  LOG,
  log,
  Problems,
  snapshotsOf,
  startOn,
  withActors,
} from "./fixture.ts";
import {
  assertFails,
  assertRefused,
  assertThrowsRefused,
  casesOf,
  errorOf,
  range,
} from "../fixture.ts";
import type { ConformanceOptions } from "../types.ts";

/** Registers the cases about the limits of actors, and about how they stop. */
export function describeActorLimits(options: ConformanceOptions): void {
  describeLimits(options);
  describeStopping(options);
}

function describeLimits(options: ConformanceOptions): void {
  const check = casesOf(options, "actor limits", withActors);

  check("beyond the bound messages are rejected with BACKPRESSURE", async (provider) => {
    const problems = new Problems();
    await using actor = startOn(provider, account, {
      mailbox: { maxMessages: 3 },
      onProblem: problems.onProblem,
    });
    const asked = range(1, 3).map((amount) => actor.ask({ type: "add", amounts: [amount] }));
    const refused = () => actor.ask({ type: "read" });
    await assertFails(refused, "BACKPRESSURE", { actorId: "a" });
    await assertFails(() => actor.tell({ type: "read" }), "BACKPRESSURE", { actorId: "a" });
    assert.deepEqual(problems.types, ["message"]);
    assert.deepEqual(await asked[2], [1, 2, 3]);
    assert.deepEqual(await refused(), [1, 2, 3]);
  });

  check("ask rejects with TIMEOUT, and says whether the message may take effect", async (
    provider,
  ) => {
    await using actor = startOn(provider, account, { askTimeoutMs: 20 });
    await actor.recovered;
    let release = () => {};
    const after = new Promise<void>((resolve) => {
      release = resolve;
    });
    const slow = actor.ask({ type: "addLater", amount: 1, after });
    const waiting = actor.ask({ type: "add", amounts: [2] });
    const patient = actor.ask({ type: "add", amounts: [3] }, { timeoutMs: Infinity });
    const [begun, untouched] = await Promise.all([
      assertFails(() => slow, "TIMEOUT", { actorId: "a" }),
      assertFails(() => waiting, "TIMEOUT"),
    ]);
    assert.match(begun.message, /longer than 20 ms, the message may still take effect/);
    assert.match(untouched.message, /the message was not handled/);
    release();
    assert.deepEqual(await patient, [1, 3]);
  });

  check("a message whose handling has not begun is taken back by its signal", async (provider) => {
    await using actor = startOn(provider, account);
    const controller = new AbortController();
    const reason = new Error("changed my mind");
    const { signal } = controller;
    const taken = [
      actor.ask({ type: "add", amounts: [1] }, { signal }),
      actor.tell({ type: "add", amounts: [2] }, { signal }),
    ];
    const kept = actor.ask({ type: "add", amounts: [3] });
    controller.abort(reason);
    for (const error of await Promise.all(taken.map((call) => errorOf(() => call)))) {
      assert.equal(error, reason);
    }
    assert.equal(await errorOf(() => actor.ask({ type: "read" }, { signal })), reason);
    assert.deepEqual(await kept, [3]);
  });

  check("bad arguments are refused at the call", async (provider) => {
    await using actor = startOn(provider, account);
    const read = { type: "read" } as const;
    await assertRefused(() => actor.ask(read, { timeoutMs: 0 }), "range");
    await assertRefused(() => actor.ask(read, { timeoutMs: "1" as unknown as number }), "type");
    await assertRefused(() => actor.ask(read, { signal: {} as AbortSignal }), "type");
    await assertRefused(() => actor.ask(read, null as unknown as object), "type");
    const add = { type: "add", amounts: [1] } as const;
    await assertRefused(() => actor.ask(add, { timeoutMs: -1 }), "range");
    assert.deepEqual(await actor.ask(read), [], "what is refused has no effect");
    const bad = (change: object) => () => startOn(provider, account, change);
    assertThrowsRefused(bad({ actorId: "" }), "range");
    assertThrowsRefused(bad({ provider: {} }), "type");
    assertThrowsRefused(bad({ provider: undefined }), "type");
    assertThrowsRefused(bad({ kind: "" }), "range");
    assertThrowsRefused(bad({ kind: undefined }), "type");
    assertThrowsRefused(bad({ kind: "x".repeat(129) }), "range");
    assertThrowsRefused(bad({ keepSnapshots: 0 }), "range");
    assertThrowsRefused(bad({ messageSchema: {} }), "type");
    assertThrowsRefused(bad({ stateSchema: 1 }), "type");
    assertThrowsRefused(bad({ debug: 1 }), "type");
    assertThrowsRefused(bad({ onProgress: 1 }), "type");
    assertThrowsRefused(bad({ signal: {} }), "type");
    assertThrowsRefused(bad({ behavior: {} }), "type");
    assertThrowsRefused(bad({ snapshotPolicy: { everyMessages: 0 } }), "range");
    assertThrowsRefused(bad({ snapshotPolicy: { everyMs: 2 ** 31 } }), "range");
    assertThrowsRefused(bad({ snapshotPolicy: { when: 1 } }), "type");
    assertThrowsRefused(bad({ retention: { mode: "on" } }), "range");
    assertThrowsRefused(
      bad({ retention: { keepLast: 1, retainMessagesBeforeSnapshot: 1 } }),
      "range",
    );
    assertThrowsRefused(bad({ retention: { consumers: {} } }), "type");
    assertThrowsRefused(bad({ retry: { factor: 0.5 } }), "range");
    assertThrowsRefused(bad({ retry: { factor: "2" } }), "type");
    assertThrowsRefused(bad({ retry: { maxRetries: -1 } }), "range");
    assertThrowsRefused(bad({ supervision: "ignore" }), "range");
    assertThrowsRefused(bad({ mailbox: { maxMessages: 0 } }), "range");
    assertThrowsRefused(bad({ askTimeoutMs: 0 }), "range");
    assertThrowsRefused(bad({ outbox: {} }), "type");
    assertThrowsRefused(bad({ outbox: { deliver() {}, concurrency: 0 } }), "range");
    assertThrowsRefused(bad({ onProblem: 1 }), "type");
    assertThrowsRefused(() => StatefulActor.start(null as unknown as never), "type");
    assertThrowsRefused(() => eventSourced({} as never), "type");
    assertThrowsRefused(() => commandSourced({ handle() {}, isReadOnly: 1 } as never), "type");
  });

  check("an abort ends the recovery, and the actor with it", async (provider) => {
    await journalOf(provider).appendBatch("a", range(1, 50).map((add) => ({ add })));
    const problems = new Problems();
    const controller = new AbortController();
    const actor = startOn(provider, account, {
      signal: controller.signal,
      onProblem: problems.onProblem,
    });
    const asked = actor.ask({ type: "read" });
    const reason = new Error("changed my mind");
    controller.abort(reason);
    assert.equal(await errorOf(() => actor.recovered), reason);
    const error = await assertFails(() => asked, "CLOSED", { actorId: "a" });
    assert.equal(error.cause, reason);
    await actor.terminated;
    assert.equal(actor.status, "stopped");
    assert.deepEqual(problems.types, ["stopped"]);
  });

  check("a signal that aborts later changes nothing", async (provider) => {
    const controller = new AbortController();
    await using actor = startOn(provider, account, { signal: controller.signal });
    await actor.recovered;
    controller.abort();
    assert.ok(await errorOf(() => actor.ask({ type: "spoil" })));
    assert.deepEqual(await actor.ask({ type: "add", amounts: [1] }), [1], "recovered again");
  });
}

function describeStopping(options: ConformanceOptions): void {
  const check = casesOf(options, "actor stop", withActors);

  check("stop finishes what was accepted, then refuses", async (provider) => {
    const actor = startOn(provider, account);
    const other = startOn(provider, log(), { kind: LOG, actorId: "b" });
    const asked = range(1, 30).map((amount) => actor.ask({ type: "add", amounts: [amount] }));
    const told = range(1, 30).map((number) => other.ask({ text: `${number}` }));
    const stopped = Promise.all([actor.stop(), other.stop()]);
    assert.equal(actor.status, "stopping");
    await assertFails(() => actor.ask({ type: "read" }), "CLOSED", { actorId: "a" });
    await stopped;
    assert.equal(actor.status, "stopped");
    assert.deepEqual(await asked[29], range(1, 30));
    assert.deepEqual(await told[29], range(1, 30).map(String));
    await actor.stop();
    await actor.terminated;
    await assertFails(() => actor.snapshot(), "CLOSED");
  });

  check("await using stops it, and the provider stays open", async (provider) => {
    const journal = journalOf(provider);
    const snapshots = snapshotsOf(provider);
    let asked;
    {
      await using actor = startOn(provider, account);
      asked = actor.ask({ type: "add", amounts: [1] });
    }
    assert.deepEqual(await asked, [1]);
    assert.equal(await journal.getHighestSequenceNumber("a"), 0);
    assert.equal(await snapshots.getLatestSnapshot("a"), undefined);
  });

  check("if the provider is closed, it stops by itself and says why", async (provider) => {
    const problems = new Problems();
    const actor = startOn(provider, account, { onProblem: problems.onProblem });
    await actor.ask({ type: "add", amounts: [1] });
    await provider.close();
    await assertFails(() => actor.ask({ type: "add", amounts: [2] }), "CLOSED");
    await actor.terminated;
    await assertFails(() => actor.ask({ type: "read" }), "CLOSED");
    assert.deepEqual(problems.types, ["stopped"]);
    await actor.stop();
  });

  check("messages are typed", async (provider) => {
    await using actor = startOn(provider, log());
    const line: Line = { text: "x" };
    const lines: string[] = await actor.ask(line);
    assert.deepEqual(lines, ["x"]);
  });
}
