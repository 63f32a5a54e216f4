import assert from "node:assert/strict";
import fc from "fast-check";
import { ArgumentRangeError, ArgumentTypeError } from "../../core/errors.ts";
import {
  actorIdOf,
  actorKey,
  compareBytes,
  MAX_ACTOR_ID_BYTES,
  numberedKey,
  numberedKeysEnd,
  readUint53,
  sequenceNumberOf,
  writeUint53,
} from "../../core/keys.ts";
import { guardKey } from "../../core/guarded_key.ts";
import { MAX_KEY_BYTES } from "../../core/storage.ts";
import { test } from "../harness.ts";

const actorIds = fc.oneof(
  fc.string({ unit: "grapheme", minLength: 1, maxLength: 40 }),
  // Where prefixes and separators collide, if anywhere.
  fc.string({ unit: fc.constantFrom("a", "\0", "\u00ff", "\u0001"), minLength: 1, maxLength: 6 }),
);
const sequenceNumbers = fc.oneof(fc.maxSafeNat(), fc.nat(300));

test("an actor id comes back from its key and from its numbered keys", () => {
  fc.assert(fc.property(actorIds, sequenceNumbers, (actorId, sequenceNumber) => {
    const key = actorKey(actorId, "test");
    const numbered = numberedKey(key, sequenceNumber);
    assert.equal(actorIdOf(key), actorId);
    assert.equal(actorIdOf(numbered), actorId);
    assert.equal(sequenceNumberOf(numbered), sequenceNumber);
  }));
});

test("numbered keys of an actor are in the order of their numbers", () => {
  fc.assert(fc.property(actorIds, sequenceNumbers, sequenceNumbers, (actorId, a, b) => {
    const key = actorKey(actorId, "test");
    const order = compareBytes(numberedKey(key, a), numberedKey(key, b));
    assert.equal(Math.sign(order), Math.sign(a - b));
  }));
});

test("no key of an actor lies in the range of another's numbered keys", () => {
  fc.assert(
    fc.property(actorIds, actorIds, sequenceNumbers, (actorId, otherId, sequenceNumber) => {
      fc.pre(actorId !== otherId);
      const actor = actorKey(actorId, "test");
      const other = actorKey(otherId, "test");
      const start = numberedKey(actor, 0);
      const end = numberedKeysEnd(actor);
      assert.ok(compareBytes(numberedKey(actor, Number.MAX_SAFE_INTEGER), end) < 0);
      for (const key of [other, numberedKey(other, sequenceNumber)]) {
        assert.ok(compareBytes(key, start) < 0 || compareBytes(key, end) >= 0);
      }
    }),
    { numRuns: 2_000 },
  );
});

test("keys of actors are in the order of their ids' bytes, also where one is another's prefix", () => {
  const ids = ["a", "a\0", "a\0\0", "a\0b", "a\u0001", "ab", "b", "é", "😀"];
  const keys = ids.map((id) => actorKey(id, "test"));
  for (let index = 1; index < keys.length; index++) {
    const [before, key] = [keys[index - 1], keys[index]];
    assert.ok(before && key && compareBytes(before, key) < 0, JSON.stringify(ids[index]));
  }
});

test("the longest key has exactly as many bytes as a storage must accept", () => {
  const longest = guardKey(numberedKey(actorKey("\0".repeat(MAX_ACTOR_ID_BYTES), "test"), 0));
  assert.ok(longest.length <= MAX_KEY_BYTES);
  assert.ok(longest.length > MAX_KEY_BYTES - 8);
});

test("actor ids that are no non-empty, well-formed, short strings are refused", () => {
  const refused: [unknown, new (...args: never[]) => Error][] = [
    [undefined, ArgumentTypeError],
    [null, ArgumentTypeError],
    [7, ArgumentTypeError],
    [{}, ArgumentTypeError],
    ["", ArgumentRangeError],
    ["\ud800", ArgumentRangeError],
    ["a\udc00b", ArgumentRangeError],
    ["😀".slice(1), ArgumentRangeError],
    ["x".repeat(MAX_ACTOR_ID_BYTES + 1), ArgumentRangeError],
    ["é".repeat(MAX_ACTOR_ID_BYTES / 2 + 1), ArgumentRangeError],
  ];
  for (const [id, kind] of refused) {
    assert.throws(() => Reflect.apply(actorKey, undefined, [id, "append"]), (error) => {
      assert.ok(error instanceof kind);
      assert.match(error.message, /^Cannot append: the actor id/);
      return true;
    });
  }
  actorKey("x".repeat(MAX_ACTOR_ID_BYTES), "test");
  actorKey("é".repeat(MAX_ACTOR_ID_BYTES / 2), "test");
});

test("integers of 53 bits come back in either byte order; larger ones are none", () => {
  fc.assert(fc.property(fc.maxSafeNat(), (value) => {
    const bytes = new Uint8Array(10);
    for (const order of ["big-endian", "little-endian"] as const) {
      writeUint53(bytes, 1, value, order);
      assert.equal(readUint53(bytes, 1, order), value);
    }
  }));
  const tooLarge = Uint8Array.from([0, 0x20, 0, 0, 0, 0, 0, 0]);
  assert.equal(readUint53(tooLarge, 0, "big-endian"), NaN);
  assert.equal(readUint53(tooLarge, 1, "big-endian"), NaN);
  assert.equal(readUint53(tooLarge, -1, "big-endian"), NaN);
});

test("bytes compare as unsigned bytes, a prefix first", () => {
  const ordered = [[], [0], [0, 0], [0x7f], [0x7f, 0xff], [0x80], [0xff]];
  for (let a = 0; a < ordered.length; a++) {
    for (let b = 0; b < ordered.length; b++) {
      const order = compareBytes(
        Uint8Array.from(ordered[a] ?? []),
        Uint8Array.from(ordered[b] ?? []),
      );
      assert.equal(Math.sign(order), Math.sign(a - b));
    }
  }
});
