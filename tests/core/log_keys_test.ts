import assert from "node:assert/strict";
import fc from "fast-check";
import { PersistenceError } from "../../core/errors/persistence_error.ts";
import {
  collectedKey,
  collectorKey,
  decodePositions,
  FIRST_POSITION,
  logKey,
  logKeysEnd,
  positionIn,
  putPositions,
} from "../../core/format/log_keys.ts";
import { removalKey } from "../../core/format/removal_mark.ts";
import { MAX_KEY_BYTES, type StoredEntry } from "../../core/ports/storage.ts";
import { compareBytes } from "../../core/util/bytes.ts";
import { test } from "../harness.ts";
import { inputs } from "../repetitions.ts";

const log = fc.nat(65_535);
const position = fc.oneof(fc.nat(1_000), fc.maxSafeNat());

function stored(key: Uint8Array, positions: { first: number; second: number }): StoredEntry {
  const change = putPositions(key, positions, 7);
  return change.type === "put" ? change : assert.fail("it does not put");
}

test("a position comes back from its key", () => {
  fc.assert(
    fc.property(log, position, (number, at) => {
      const key = logKey(number, at);
      assert.equal(positionIn(key), at);
      assert.ok(key.length <= MAX_KEY_BYTES);
    }),
    { numRuns: inputs.keys },
  );
});

test("keys are in the order of logs and positions, and each log has a range of its own", () => {
  fc.assert(
    fc.property(log, position, log, position, (one, first, other, second) => {
      const expected = one === other ? Math.sign(first - second) : Math.sign(one - other);
      assert.equal(Math.sign(compareBytes(logKey(one, first), logKey(other, second))), expected);
      const isBelow = compareBytes(logKey(other, second), logKeysEnd(one)) < 0;
      assert.equal(isBelow, other <= one);
    }),
    { numRuns: inputs.keys },
  );
});

test("each bit of a key that is changed is noticed", () => {
  fc.assert(fc.property(log, position, (number, at) => {
    const key = logKey(number, at);
    for (let bit = 0; bit < 8 * key.length; bit++) {
      const damaged = key.slice();
      damaged[bit >>> 3] = (damaged[bit >>> 3] ?? 0) ^ (1 << (bit & 7));
      assert.equal(positionIn(damaged), undefined, `bit ${bit}`);
    }
    for (const length of [0, 1, key.length - 1]) {
      assert.equal(positionIn(key.subarray(0, length)), undefined);
    }
    assert.equal(positionIn(Uint8Array.of(...key, 0)), undefined);
  }));
});

test("how far a log has been collected comes back, and each changed byte is noticed", () => {
  fc.assert(fc.property(log, position, position, (number, first, second) => {
    for (const key of [collectedKey(number), collectorKey(number)]) {
      const entry = stored(key, { first, second });
      assert.equal(entry.version, 7);
      assert.deepEqual(decodePositions(entry), { first, second });
      for (const offset of entry.value.keys()) {
        const value = entry.value.slice();
        value[offset] = (value[offset] ?? 0) ^ 1;
        assert.throws(() => decodePositions({ ...entry, value }), isCorrupt, `byte ${offset}`);
      }
      const short = { ...entry, value: entry.value.subarray(0, entry.value.length - 1) };
      assert.throws(() => decodePositions(short), isCorrupt);
      const elsewhere = { ...entry, key: collectedKey(number === 0 ? 1 : number - 1) };
      assert.throws(() => decodePositions(elsewhere), isCorrupt);
    }
  }));
});

test("of a log that has never been collected, everything is hot", () => {
  const positions = { first: FIRST_POSITION, second: FIRST_POSITION };
  assert.deepEqual(decodePositions(undefined), positions);
});

test("what is known of a log is under keys that nothing of an actor has", () => {
  fc.assert(fc.property(log, fc.uint8Array({ minLength: 1, maxLength: 20 }), (number, actor) => {
    const keys = [collectedKey(number), collectorKey(number)];
    assert.notEqual(compareBytes(...(keys as [Uint8Array, Uint8Array])), 0);
    for (const key of keys) assert.notEqual(key[0], removalKey(actor)[0]);
  }));
});

function isCorrupt(error: unknown): boolean {
  return error instanceof PersistenceError && error.code === "CORRUPT";
}
