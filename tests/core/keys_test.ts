import assert from "node:assert/strict";
import fc from "fast-check";
import { MAX_ACTOR_ID_BYTES, MAX_KIND_BYTES } from "../../core/errors/arguments.ts";
import { ArgumentRangeError, ArgumentTypeError } from "../../core/errors/persistence_error.ts";
import { addressIn, addressOf } from "../../core/format/actor_address.ts";
import { checksummedKey } from "../../core/format/checksummed_key.ts";
import { actorKeysWith, entryKey, entryKeysEnd, sequenceNumberOf } from "../../core/format/keys.ts";
import { MAX_KEY_BYTES } from "../../core/ports/storage.ts";
import { compareBytes } from "../../core/util/bytes.ts";
import { test } from "../harness.ts";
import { inputs } from "../repetitions.ts";

/** Where prefixes and separators collide, if anywhere. */
const odd = fc.constantFrom("a", "b", "\0", "\u00ff", "\u0001", "\u{10ffff}");
const actorIds = fc.oneof(
  fc.string({ unit: "grapheme", minLength: 1, maxLength: 40 }),
  fc.string({ unit: odd, minLength: 1, maxLength: 6 }),
);
const kinds = fc.oneof(
  fc.constant(""),
  fc.string({ unit: "grapheme", maxLength: 8 }),
  fc.string({ unit: odd, maxLength: 6 }),
);
const prefixes = fc.oneof(
  fc.string({ unit: "grapheme", maxLength: 3 }),
  fc.string({ unit: odd, maxLength: 4 }),
);
const actors = fc.tuple(kinds, actorIds);
const sequenceNumbers = fc.oneof(fc.maxSafeNat(), fc.nat(300));

type Actor = readonly [kind: string, actorId: string];

function keyOf([kind, actorId]: Actor): Uint8Array {
  return addressOf(kind, actorId, "test").key;
}

function utf8(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

/** The order of actors: by kind, then by id, both in UTF-8. */
function compareActors([kindA, idA]: Actor, [kindB, idB]: Actor): number {
  return Math.sign(
    compareBytes(utf8(kindA), utf8(kindB)) || compareBytes(utf8(idA), utf8(idB)),
  );
}

function isWithin(key: Uint8Array, start: Uint8Array, end: Uint8Array): boolean {
  return compareBytes(key, start) >= 0 && compareBytes(key, end) < 0;
}

test("kind and id come back from an actor's key and from its entry keys", () => {
  fc.assert(fc.property(actors, sequenceNumbers, ([kind, actorId], sequenceNumber) => {
    const address = addressOf(kind, actorId, "test");
    const entry = entryKey(address.key, sequenceNumber);
    assert.deepEqual(addressIn(address.key), address);
    assert.deepEqual(addressIn(entry), address);
    assert.deepEqual(addressIn(checksummedKey(entry)), address);
    assert.equal(sequenceNumberOf(entry), sequenceNumber);
  }));
});

test("keys are in the order of kinds, then ids, and equal only for the same actor", () => {
  fc.assert(
    fc.property(actors, actors, (one, other) => {
      const order = Math.sign(compareBytes(keyOf(one), keyOf(other)));
      assert.equal(order, compareActors(one, other));
    }),
    { numRuns: inputs.keys },
  );
});

test("no key of an actor lies between another's key and the end of its entry keys", () => {
  fc.assert(
    fc.property(actors, actors, (one, other) => {
      fc.pre(compareActors(one, other) !== 0);
      assert.ok(!isWithin(keyOf(other), keyOf(one), entryKeysEnd(keyOf(one))));
    }),
    { numRuns: inputs.keys },
  );
});

test("the same characters, split differently into kind and id, are different actors", () => {
  fc.assert(
    fc.property(fc.array(odd, { minLength: 2, maxLength: 6 }), (characters) => {
      const splits = characters.map((_, at): Actor => [
        characters.slice(0, at).join(""),
        characters.slice(at).join(""),
      ]);
      const keys = splits.map((split) => keyOf(split).join());
      assert.equal(new Set(keys).size, splits.length);
    }),
    { numRuns: inputs.keys },
  );
});

test("the entry keys of an actor are in the order of their numbers", () => {
  fc.assert(fc.property(actors, sequenceNumbers, sequenceNumbers, (actor, a, b) => {
    const key = keyOf(actor);
    const order = compareBytes(entryKey(key, a), entryKey(key, b));
    assert.equal(Math.sign(order), Math.sign(a - b));
  }));
});

test("no key of an actor lies in the range of another's entry keys", () => {
  fc.assert(
    fc.property(actors, actors, sequenceNumbers, (one, another, sequenceNumber) => {
      fc.pre(compareActors(one, another) !== 0);
      const [actor, other] = [keyOf(one), keyOf(another)];
      const [start, end] = [entryKey(actor, 0), entryKeysEnd(actor)];
      assert.ok(isWithin(entryKey(actor, Number.MAX_SAFE_INTEGER), start, end));
      for (const key of [other, entryKey(other, sequenceNumber)]) {
        assert.ok(!isWithin(key, start, end));
      }
    }),
    { numRuns: inputs.keys },
  );
});

test("the range of a kind and a prefix has the keys of these actors and no others", () => {
  fc.assert(
    fc.property(kinds, prefixes, actors, (kind, prefix, [otherKind, actorId]) => {
      const { start, end } = actorKeysWith(utf8(kind), utf8(prefix));
      for (const actor of [[otherKind, actorId], [kind, prefix + actorId]] as const) {
        const expected = actor[0] === kind && actor[1].startsWith(prefix);
        const key = keyOf(actor);
        for (const one of [key, checksummedKey(key), entryKey(key, Number.MAX_SAFE_INTEGER)]) {
          assert.equal(isWithin(one, start, end), expected);
        }
      }
    }),
    { numRuns: inputs.keys },
  );
});

test("keys of actors are in the order of their ids' bytes, even if one is another's prefix", () => {
  const ids = ["a", "a\0", "a\0\0", "a\0b", "a\u0001", "ab", "b", "é", "😀"];
  const keys = ids.map((id) => keyOf(["", id]));
  for (let index = 1; index < keys.length; index++) {
    const [before, key] = [keys[index - 1], keys[index]];
    assert.ok(before && key && compareBytes(before, key) < 0, JSON.stringify(ids[index]));
  }
});

test("the bytes of a key are those that the table of keys describes", () => {
  assert.deepEqual([...keyOf(["", "a"])], [0x00, 0x61, 0x00]);
  assert.deepEqual([...keyOf(["k", "a"])], [0x6b, 0x00, 0x61, 0x00]);
  assert.deepEqual(
    [...keyOf(["k\0", "\0a"])],
    [0x6b, 0x00, 0xff, 0x00, 0x00, 0xff, 0x61, 0x00],
  );
});

test("bytes that are no actor's key have no address", () => {
  const bad = [
    [],
    [0x61],
    [0x61, 0x00],
    [0x61, 0x00, 0x62],
    [0x00, 0x00],
    [0x61, 0x00, 0x00],
    [0xff, 0x00, 0x61, 0x00],
    [0x00, 0x80, 0x00],
    [0x61, 0x00, 0xff, 0x61],
  ];
  for (const bytes of bad) assert.equal(addressIn(Uint8Array.from(bytes)), undefined, `${bytes}`);
});

test("the longest key has exactly as many bytes as a storage must accept", () => {
  const actor = keyOf(["\0".repeat(MAX_KIND_BYTES), "\0".repeat(MAX_ACTOR_ID_BYTES)]);
  const longest = checksummedKey(entryKey(actor, 0));
  assert.ok(longest.length <= MAX_KEY_BYTES);
  assert.ok(longest.length > MAX_KEY_BYTES - 8);
});

test("kinds and actor ids that are not well-formed, short strings are refused", () => {
  const refused: [unknown, new (...args: never[]) => Error][] = [
    [undefined, ArgumentTypeError],
    [null, ArgumentTypeError],
    [7, ArgumentTypeError],
    [{}, ArgumentTypeError],
    ["\ud800", ArgumentRangeError],
    ["a\udc00b", ArgumentRangeError],
    ["😀".slice(1), ArgumentRangeError],
  ];
  const tooLong = (bytes: number): typeof refused => [
    ["x".repeat(bytes + 1), ArgumentRangeError],
    ["é".repeat(bytes / 2 + 1), ArgumentRangeError],
  ];
  const assertRefused = (args: unknown[], kind: new (...args: never[]) => Error, text: RegExp) =>
    assert.throws(() => Reflect.apply(addressOf, undefined, [...args, "append"]), (error) => {
      assert.ok(error instanceof kind);
      assert.match(error.message, text);
      return true;
    });
  const empty = ["", ArgumentRangeError] as const;
  for (const [id, kind] of [...refused, empty, ...tooLong(MAX_ACTOR_ID_BYTES)]) {
    assertRefused(["", id], kind, /^Cannot append: the actor id/);
  }
  for (const [kind, errorKind] of [...refused, ...tooLong(MAX_KIND_BYTES)]) {
    assertRefused([kind, "a"], errorKind, /^Cannot append: the kind/);
  }
  addressOf("x".repeat(MAX_KIND_BYTES), "x".repeat(MAX_ACTOR_ID_BYTES), "test");
  addressOf("é".repeat(MAX_KIND_BYTES / 2), "é".repeat(MAX_ACTOR_ID_BYTES / 2), "test");
});
