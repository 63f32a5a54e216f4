import assert from "node:assert/strict";
import fc from "fast-check";
import { MemoryPersistenceProvider } from "../../adapters/memory.ts";
import { AdmissionControl } from "../../core/commit/admission_control.ts";
import { test } from "../harness.ts";
import { admissionRuns, compareWithArrays, newActor, newAppend } from "./admission_model.ts";

const MANY = 40_000;

test("admission control counts, admits, refuses and withdraws like plain arrays", () => {
  fc.assert(fc.property(admissionRuns, ({ limits, steps }) => compareWithArrays(limits, steps)), {
    numRuns: 200,
  });
});

// None of these asserts a time, but with a cost per append that grows with what waits they would
// take a minute.

test("80,000 waiters are withdrawn from the middle of the line, again and again", () => {
  const joined: unknown[] = [];
  const limits = { maxPendingMessages: 1, maxPendingBytes: 1, backpressure: "wait" as const };
  const admission = new AdmissionControl(limits, ({ operation }) => joined.push(operation));
  const actors = [newActor("a"), newActor("b")] as const;
  const enqueue = (index: number) => {
    const operation = newAppend(1, 1, true);
    const actor = actors[index % 2 === 0 ? 0 : 1];
    assert.equal(admission.enqueue({ actor, operation, run: undefined }), undefined);
    return { actor, operation };
  };
  const admitted = newAppend(1, 1, true);
  assert.ok(admission.tryAdmit(admitted));

  const [first, ...middle] = Array.from({ length: 2 * MANY }, (_, index) => enqueue(index));
  const last = middle.pop();
  assert.ok(first && last);
  for (const { actor, operation } of middle) admission.withdraw(actor, operation);
  for (let index = 0; index < 2 * MANY; index++) {
    const { actor, operation } = enqueue(index);
    admission.withdraw(actor, operation);
  }
  assert.deepEqual(actors.map(({ waitingForRoom }) => waitingForRoom), [1, 1]);

  for (const operation of [admitted, first.operation, last.operation]) admission.release(operation);
  assert.deepEqual(joined, [first.operation, last.operation]);
  assert.deepEqual(admission.pending, { messages: 0, bytes: 0, waitingForRoom: 0 });
});

test("40,000 appends that wait for room are admitted, in order", async () => {
  await using provider = await MemoryPersistenceProvider.open({ maxPendingMessages: MANY / 10 });
  const journal = provider.createMessageJournal<number>();
  const appends = Array.from({ length: MANY }, (_, index) => journal.append("a", index));
  assert.equal((await provider.stats()).pending.waitingForRoom > 0, true);
  assert.ok((await Promise.all(appends)).every((number, index) => number === index));
  assert.deepEqual(journal.pending, { messages: 0, bytes: 0 });
});

for (const [how, signalsAre] of [["each by a signal of its own", 1], ["by one signal", MANY]]) {
  test(`40,000 appends that wait for room are cancelled, ${how}`, async () => {
    await using provider = await MemoryPersistenceProvider.open({ maxPendingMessages: MANY / 5 });
    const journal = provider.createMessageJournal<number>();
    const controllers: AbortController[] = [];
    const appends = Array.from({ length: MANY }, (_, index) => {
      if (index % Number(signalsAre) === 0) controllers.push(new AbortController());
      const signal = controllers.at(-1)?.signal;
      return journal.append(`${index % 10}`, index, signal ? { signal } : {}).catch(() =>
        "aborted"
      );
    });
    // From the last to the first, so that none is admitted because another one has left.
    for (const controller of controllers.reverse()) controller.abort();
    assert.deepEqual(journal.pending, { messages: 0, bytes: 0 });
    assert.ok((await Promise.all(appends)).every((outcome) => outcome === "aborted"));
    assert.equal(await journal.append("0", 0), 0);
    const { pending } = await provider.stats();
    assert.deepEqual({ ...pending }, { messages: 0, bytes: 0, waitingForRoom: 0 });
  });
}
