import assert from "node:assert/strict";
import fc from "fast-check";
import { PersistenceError } from "../../core/errors/persistence_error.ts";
import { logKey } from "../../core/format/log_keys.ts";
import { decodeOrder, encodeOrder, type LogOrder } from "../../core/format/order_record.ts";
import { test } from "../harness.ts";

const key = logKey(0, 1_000);

const actor = fc.record({
  key: fc.uint8Array({ minLength: 1, maxLength: 400 }),
  incarnation: fc.maxSafeNat(),
  sequenceNumber: fc.maxSafeNat(),
});
const order: fc.Arbitrary<LogOrder> = fc.tuple(
  fc.maxSafeNat(),
  fc.array(actor, { minLength: 1, maxLength: 200 }),
  fc.array(fc.array(fc.tuple(fc.nat(10_000), fc.integer({ min: 1, max: 100_000 })))),
).map(([firstPosition, actors, runs]) => ({
  firstPosition,
  actors,
  positions: runs.map((ofPosition) =>
    ofPosition.flatMap(([index, count]) => [index % actors.length, count])
  ),
}));

/** In plain values. */
function plain({ actors, ...order }: LogOrder): unknown {
  return { ...order, actors: actors.map((actor) => ({ ...actor, key: [...actor.key] })) };
}

test("an order comes back as it was", () => {
  fc.assert(fc.property(order, (one) => {
    assert.deepEqual(plain(decodeOrder(key, encodeOrder(key, one))), plain(one));
  }));
  const none = { firstPosition: 1, actors: [], positions: [[], []] };
  assert.deepEqual(decodeOrder(key, encodeOrder(key, none)), none);
});

test("each byte of an order that is changed is noticed", () => {
  fc.assert(
    fc.property(order, fc.integer({ min: 1, max: 255 }), (one, change) => {
      const record = encodeOrder(key, one);
      const step = Math.max(1, Math.floor(record.length / 500));
      for (let offset = 0; offset < record.length; offset += step) {
        const damaged = record.slice();
        damaged[offset] = (damaged[offset] ?? 0) ^ change;
        assert.throws(() => decodeOrder(key, damaged), isCorrupt, `byte ${offset}`);
      }
    }),
    { numRuns: 30 },
  );
});

test("an order that is cut, lengthened, or in another place is CORRUPT", () => {
  fc.assert(fc.property(order, fc.nat(200), (one, cut) => {
    const record = encodeOrder(key, one);
    const others = [
      [key, record.subarray(0, Math.max(0, record.length - 1 - cut))],
      [key, Uint8Array.of(...record, ...new Uint8Array(1 + cut))],
      [logKey(0, 999), record],
      [logKey(1, 1_000), record],
    ] as const;
    for (const [place, damaged] of others) {
      assert.throws(() => decodeOrder(place, damaged), isCorrupt);
    }
  }));
});

function isCorrupt(error: unknown): boolean {
  return error instanceof PersistenceError && error.code === "CORRUPT";
}
