import assert from "node:assert/strict";
import fc from "fast-check";
import {
  ActorQueue,
  type AppendOperation,
  type AppendOrigin,
  type Operation,
} from "../../core/commit/actor_queue.ts";
import {
  AdmissionControl,
  type AdmissionLimits,
  type Waiter,
} from "../../core/commit/admission_control.ts";
import { addressOf } from "../../core/format/actor_address.ts";
import { LogActor } from "../../core/log/log_actor.ts";
import { PLAIN_HEADER } from "../../core/format/payload.ts";
import { ByteArena } from "../../core/util/byte_arena.ts";
import { CallTracker } from "../../core/util/call_tracker.ts";

/** What an operation does as soon as it has waited for room and joins its queue. */
type OnJoin = "nothing" | "release" | "withdrawLast" | "append";

/** What is done to admission control. Indexes are taken modulo what there is. */
export type AdmissionStep =
  | {
    readonly type: "append";
    readonly actor: number;
    readonly count: number;
    readonly bytes: number;
    readonly isBounded: boolean;
    readonly onJoin: OnJoin;
  }
  | { readonly type: "truncate"; readonly actor: number }
  | { readonly type: "extend"; readonly bytes: number }
  | { readonly type: "release"; readonly index: number }
  | { readonly type: "withdraw"; readonly index: number }
  | { readonly type: "withdrawFrom"; readonly index: number }
  | { readonly type: "withdrawAll"; readonly actor: number };

/** Limits, and steps that shrink. */
export const admissionRuns: fc.Arbitrary<
  { readonly limits: AdmissionLimits; readonly steps: readonly AdmissionStep[] }
> = fc.record({
  limits: fc.record({
    maxPendingMessages: fc.integer({ min: 1, max: 20 }),
    maxPendingBytes: fc.integer({ min: 1, max: 100 }),
    backpressure: fc.constantFrom("wait" as const, "wait" as const, "reject" as const),
  }),
  steps: fc.array(
    fc.oneof(
      {
        weight: 120,
        arbitrary: fc.record({
          type: fc.constant("append" as const),
          actor: fc.nat(2),
          count: fc.integer({ min: 1, max: 4 }),
          bytes: fc.nat(20),
          isBounded: fc.boolean(),
          onJoin: fc.constantFrom<OnJoin>(
            "nothing",
            "nothing",
            "release",
            "withdrawLast",
            "append",
          ),
        }),
      },
      {
        weight: 20,
        arbitrary: fc.record({ type: fc.constant("truncate" as const), actor: fc.nat(2) }),
      },
      {
        weight: 20,
        arbitrary: fc.record({ type: fc.constant("extend" as const), bytes: fc.nat(20) }),
      },
      {
        weight: 10,
        arbitrary: fc.record({ type: fc.constant("release" as const), index: fc.nat() }),
      },
      {
        weight: 30,
        arbitrary: fc.record({ type: fc.constant("withdraw" as const), index: fc.nat() }),
      },
      {
        weight: 1,
        arbitrary: fc.record({ type: fc.constant("withdrawFrom" as const), index: fc.nat(3) }),
      },
      {
        weight: 10,
        arbitrary: fc.record({ type: fc.constant("withdrawAll" as const), actor: fc.nat(2) }),
      },
    ),
    { maxLength: 600, size: "max" },
  ),
});

/** An operation of the test, by its place in the call order. */
interface Entry {
  readonly id: number;
  readonly actor: ActorQueue;
  readonly operation: Operation;
  readonly onJoin: OnJoin;
}

/**
 * Carries out steps on admission control and on plain arrays, and compares the two after each step.
 *
 * @param limits How much may wait.
 * @param steps The steps.
 */
export function compareWithArrays(limits: AdmissionLimits, steps: readonly AdmissionStep[]): void {
  const pair = new Pair(limits);
  for (const step of steps) pair.carryOut(step);
}

/** Admission control beside its model. */
class Pair {
  readonly #limits: AdmissionLimits;
  readonly #actors = ["a", "b", "c"].map(newActor);
  readonly #real: AdmissionControl;
  readonly #entries = new Map<Operation, Entry>();
  /** The bytes of every call, which the next call overwrites. */
  readonly #scratch = new Uint8Array(4);
  /** The operations that were admitted and not released, in the order of their admission. */
  #admitted: Operation[] = [];
  /** Those that wait for room, in call order. */
  #line: Operation[] = [];
  /** What joined after waiting, according to the model. */
  readonly #expected: number[] = [];
  readonly #joined: number[] = [];

  constructor(limits: AdmissionLimits) {
    this.#limits = limits;
    this.#real = new AdmissionControl(limits, (waiter) => this.#join(waiter));
  }

  carryOut(step: AdmissionStep): void {
    switch (step.type) {
      case "append":
        this.#enter(step.actor, newAppend(step.count, step.bytes, step.isBounded), step.onJoin);
        break;
      case "truncate":
        this.#enter(step.actor, newTruncation(), "nothing");
        break;
      case "extend":
        this.#extend(step.bytes);
        break;
      case "release":
        this.#release(this.#admitted[step.index % this.#admitted.length]);
        break;
      case "withdraw":
        this.#withdraw(this.#line[step.index % this.#line.length]);
        break;
      case "withdrawFrom":
        for (const operation of this.#line.slice(step.index)) this.#withdraw(operation);
        break;
      case "withdrawAll": {
        const actor = this.#actor(step.actor);
        const withdrawn = this.#line.filter((operation) => this.#entry(operation).actor === actor);
        this.#line = this.#line.filter((operation) => this.#entry(operation).actor !== actor);
        assert.deepEqual(this.#ids(this.#real.withdrawAll(actor)), this.#ids(withdrawn));
      }
    }
    this.#compare();
  }

  #compare(): void {
    assert.deepEqual(this.#joined, this.#expected, "joined");
    assert.deepEqual(this.#real.pending, {
      messages: this.#messages(this.#admitted),
      bytes: this.#bytes(this.#admitted),
      waitingForRoom: this.#line.length,
    });
    assert.equal(this.#real.hasWaiters, this.#line.length > 0);
    for (const actor of this.#actors) {
      const waiting = this.#line.filter((operation) => this.#entry(operation).actor === actor);
      assert.equal(actor.waitingForRoom, waiting.length);
    }
  }

  #enter(index: number, operation: Operation, onJoin: OnJoin): void {
    const actor = this.#actor(index);
    const id = this.#entries.size;
    this.#entries.set(operation, { id, actor, operation, onJoin });
    const mayEnter = this.#line.length === 0 && this.#fits(operation);
    assert.equal(this.#real.tryAdmit(operation), mayEnter, "admitted");
    if (mayEnter) return void this.#admitted.push(operation);
    const mayWait = this.#mayWait(operation);
    if (mayWait) this.#line.push(operation);
    const bytes = this.#scratch.fill(id);
    const run = operation.type === "append"
      ? { header: PLAIN_HEADER, bytes, payloadBytes: operation.bytes, ends: undefined }
      : undefined;
    const refusal = this.#real.enqueue({ actor, operation, run });
    assert.equal(refusal?.code, mayWait ? undefined : "BACKPRESSURE");
  }

  #extend(bytes: number): void {
    const open = this.#admitted.findLast((operation) => operation.type === "append");
    if (open?.type !== "append") return;
    const { maxPendingMessages, maxPendingBytes } = this.#limits;
    const isAdmitted = this.#line.length === 0 &&
      this.#messages(this.#admitted) + 1 <= maxPendingMessages &&
      this.#bytes(this.#admitted) + bytes <= maxPendingBytes;
    assert.equal(this.#real.tryExtend(bytes), isAdmitted, "extended");
    if (!isAdmitted) return;
    open.count++;
    open.bytes += bytes;
  }

  /** The model admits in `#join`, which the real one calls: it checks each call against the line. */
  #release(operation: Operation | undefined): void {
    if (!operation) return;
    this.#admitted = this.#admitted.filter((other) => other !== operation);
    this.#real.release(operation);
    const first = this.#line[0];
    assert.ok(!first || !this.#fits(first), "everything that fits is admitted");
  }

  #join({ actor, operation, run }: Waiter): void {
    const entry = this.#entry(operation);
    const expected = this.#line.shift();
    assert.ok(expected && this.#fits(expected), "nothing is admitted without room");
    this.#expected.push(this.#entry(expected).id);
    this.#joined.push(entry.id);
    this.#admitted.push(operation);
    assert.equal(actor, entry.actor);
    assert.ok(run?.bytes.every((byte) => byte === (entry.id & 0xff)) ?? true, "its own messages");
    if (entry.onJoin === "release") this.#release(operation);
    else if (entry.onJoin === "withdrawLast") this.#withdraw(this.#line.at(-1));
    else if (entry.onJoin === "append") this.#enter(entry.id % 3, newAppend(1, 1, true), "nothing");
  }

  #withdraw(operation: Operation | undefined): void {
    if (!operation) return;
    this.#line = this.#line.filter((other) => other !== operation);
    const { actor } = this.#entry(operation);
    this.#real.withdraw(actor, operation);
    // What does not wait any more is not withdrawn again.
    this.#real.withdraw(actor, operation);
  }

  #fits(operation: Operation): boolean {
    const messages = this.#messages(this.#admitted);
    if (operation.type === "truncate" || messages === 0) return true;
    return messages + operation.count <= this.#limits.maxPendingMessages &&
      this.#bytes(this.#admitted) + operation.bytes <= this.#limits.maxPendingBytes;
  }

  #mayWait(operation: Operation): boolean {
    if (operation.type === "truncate" || operation.origin.isBounded) return true;
    if (this.#limits.backpressure === "reject") return false;
    const messages = this.#messages(this.#line);
    return messages === 0 ||
      (messages + operation.count <= 10 * this.#limits.maxPendingMessages &&
        this.#bytes(this.#line) + operation.bytes <= 10 * this.#limits.maxPendingBytes);
  }

  #messages(operations: readonly Operation[]): number {
    return operations.reduce((sum, one) => sum + (one.type === "append" ? one.count : 0), 0);
  }

  #bytes(operations: readonly Operation[]): number {
    return operations.reduce((sum, one) => sum + (one.type === "append" ? one.bytes : 0), 0);
  }

  #ids(operations: readonly Operation[]): number[] {
    return operations.map((operation) => this.#entry(operation).id);
  }

  #entry(operation: Operation): Entry {
    return this.#entries.get(operation) ?? assert.fail("an unknown operation");
  }

  #actor(index: number): ActorQueue {
    return this.#actors[index] ?? assert.fail("an unknown actor");
  }
}

/** A queue for an actor. */
export function newActor(actorId: string): ActorQueue {
  const address = addressOf("", actorId, "test");
  return new ActorQueue(address, new LogActor(address.key), new ByteArena());
}

/** An append that has joined no queue. */
export function newAppend(count: number, bytes: number, isBounded: boolean): AppendOperation {
  const origin: AppendOrigin = {
    calls: new CallTracker(),
    pending: { messages: 0, bytes: 0 },
    batchPolicy: undefined,
    isBounded,
  };
  return {
    type: "append",
    count,
    bytes,
    timeMs: 0,
    expectedSequenceNumber: undefined,
    expectedJournal: undefined,
    arrival: 1,
    origin,
    call: 1,
    batch: undefined,
    phase: "waiting",
    unwatch: undefined,
    firstSequenceNumber: -1,
    changes: [],
    isOpen: false,
    joined: undefined,
    ...unsettled,
  };
}

function newTruncation(): Operation {
  return {
    type: "truncate",
    before: 0,
    incarnation: undefined,
    changes: [],
    arrival: 1,
    ...unsettled,
  };
}

const unsettled = {
  resolve: () => assert.fail("admission control settles nothing"),
  reject: () => assert.fail("admission control settles nothing"),
};
