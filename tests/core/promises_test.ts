import assert from "node:assert/strict";
import { Deferred } from "../../core/util/promises.ts";
import { test } from "../harness.ts";

test("deferred: if the stack ends while a promise is made, none is settled by another's functions", async () => {
  const first = new Deferred<string>();
  const { Promise } = globalThis;
  // At the end of the stack the function that is to get the resolvers throws before its first line.
  globalThis.Promise = class<Value> extends Promise<Value> {
    static override get [Symbol.species]() {
      return Promise;
    }
    constructor() {
      super((_resolve, reject) => reject(new RangeError("Maximum call stack size exceeded")));
    }
  } as PromiseConstructor;
  try {
    assert.throws(() => new Deferred<string>(), RangeError);
  } finally {
    globalThis.Promise = Promise;
  }
  first.resolve("its own");
  assert.equal(await first.promise, "its own");
});
