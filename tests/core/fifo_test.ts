import assert from "node:assert/strict";
import fc from "fast-check";
import { Fifo } from "../../core/util/fifo.ts";
import { test } from "../harness.ts";

test("fifo: it behaves like an array with push and shift", () => {
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
