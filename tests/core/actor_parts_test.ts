import assert from "node:assert/strict";
import fc from "fast-check";
import {
  type ActorEntry,
  isActorEntry,
  mapActorEntry,
  unwrapActorEntry,
  wrapActorEntry,
} from "../../core/actor_entry.ts";
import { Deadlines, type Timed } from "../../core/deadlines.ts";
import { PersistenceError } from "../../core/errors.ts";
import { Fifo } from "../../core/mailbox.ts";
import { MessagePackCodec } from "../../core/msgpack_codec.ts";
import { estimateBytes } from "../../core/size_estimate.ts";
import { test } from "../harness.ts";

const content = fc.oneof(
  fc.jsonValue(),
  fc.record({ "@cajun/actor": fc.jsonValue(), content: fc.jsonValue() }),
  fc.constant(undefined),
);

test("actor entries: what is the user's comes back, whatever it looks like", () => {
  fc.assert(fc.property(content, (value) => {
    const stored = wrapActorEntry({ content: value });
    assert.deepEqual(unwrapActorEntry(stored), { content: value });
    const isMarked = typeof value === "object" && value !== null && "@cajun/actor" in value;
    assert.equal(stored === value, !isMarked, "wrapped only where it must be");
  }));
});

test("actor entries: what the actor adds comes back beside it", () => {
  const entry = fc.record<ActorEntry>({
    content,
    effects: fc.array(fc.jsonValue()),
    confirmed: fc.array(fc.tuple(fc.nat(), fc.nat())),
    refused: fc.array(fc.nat()),
    handled: fc.nat(),
  }, { requiredKeys: [], noNullPrototype: true });
  fc.assert(fc.property(entry, (entry) => {
    const stored = wrapActorEntry(entry);
    assert.deepEqual(unwrapActorEntry(stored), entry);
    const mapped = mapActorEntry(stored, (value) => ({ mapped: value }));
    const expected = "content" in entry ? { ...entry, content: { mapped: entry.content } } : entry;
    assert.deepEqual(unwrapActorEntry(mapped), expected);
  }));
});

test("actor entries: those of a newer version are refused", () => {
  const stored = { "@cajun/actor": 2, content: 1 };
  assert.ok(isActorEntry(stored));
  assert.throws(
    () => unwrapActorEntry(stored),
    (error) => error instanceof PersistenceError && error.code === "UNSUPPORTED_FORMAT",
  );
});

test("fifo: it is an array from whose front is taken", () => {
  const step = fc.oneof(
    { weight: 5, arbitrary: fc.constant("push" as const) },
    { weight: 4, arbitrary: fc.constant("shift" as const) },
    { weight: 1, arbitrary: fc.constant("putBack" as const) },
    { weight: 1, arbitrary: fc.constant("takeAll" as const) },
  );
  fc.assert(fc.property(fc.array(step, { maxLength: 500, size: "max" }), (steps) => {
    const fifo = new Fifo<number>();
    let model: number[] = [];
    steps.forEach((step, index) => {
      if (step === "push") {
        fifo.push(index);
        model.push(index);
      } else if (step === "shift") assert.equal(fifo.shift(), model.shift());
      else if (step === "putBack") {
        fifo.putBack([index, -index]);
        model = [index, -index, ...model];
      } else if (index % 7 === 0) {
        assert.deepEqual(fifo.takeAll(), model);
        model = [];
      }
      assert.equal(fifo.length, model.length);
      assert.equal(fifo.first, model[0]);
    });
    assert.deepEqual(fifo.takeAll(), model);
  }));
});

test("fifo: it does not grow with what has passed through it", () => {
  const fifo = new Fifo<number>();
  for (let index = 0; index < 100_000; index++) {
    fifo.push(index);
    if (index >= 10) assert.equal(fifo.shift(), index - 10);
  }
  assert.equal(fifo.length, 10);
});

test("size estimate: it is about what the codec needs", () => {
  const codec = new MessagePackCodec();
  const values = [
    { type: "deposited", amount: 12.5, at: 1_700_000_000_000.5 },
    ["x".repeat(1_000), "y".repeat(10)],
    new Map([["a", 1.5], ["b", 2.5]]),
    new Set([1.5, 2.5, 3.5]),
    new Uint8Array(10_000),
    new Float64Array(1_000),
    { nested: [{ a: { b: [1.5, null, "text"] } }] },
  ];
  for (const value of values) {
    const ratio = estimateBytes(value) / codec.encode(value).length;
    assert.ok(ratio > 0.5 && ratio < 2, `${ratio}`);
  }
});

test("deadlines: calls end in their order, those that ended are left alone", async () => {
  const deadlines = new Deadlines();
  const expired: string[] = [];
  const calls = [["b", 15], ["a", 5], ["never", 10_000], ["c", 15], ["d", 15]] as const;
  const timed = calls.map(([name, limitMs]) => {
    const call: Timed & { ended: boolean } = {
      ended: false,
      expire() {
        this.ended = true;
        expired.push(name);
      },
    };
    deadlines.watch(call, limitMs);
    return call;
  });
  const [, , , c] = timed;
  assert.ok(c);
  c.ended = true;
  while (expired.length < 3) await new Promise((resolve) => setTimeout(resolve, 1));
  assert.deepEqual(expired, ["a", "b", "d"]);
  // Deno's runner fails a test that leaves a timer behind.
  deadlines.clear();
});
