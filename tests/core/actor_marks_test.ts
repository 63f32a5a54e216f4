import assert from "node:assert/strict";
import fc from "fast-check";
import { PersistenceError } from "../../core/errors/persistence_error.ts";
import { addressOf } from "../../core/format/actor_address.ts";
import {
  decodeHandled,
  decodeSourcing,
  encodeHandled,
  encodeRefused,
  encodeSourcing,
  handledKey,
  refusedKey,
  sourcingKey,
  verifyRefused,
} from "../../core/format/actor_marks.ts";
import { recordsOf } from "../../core/format/actor_records.ts";
import { consumersKey } from "../../core/format/consumer_record.ts";
import { effectKey } from "../../core/format/effect_record.ts";
import { sealEnvelope } from "../../core/format/envelope.ts";
import { headKey } from "../../core/format/head.ts";
import { entryKey } from "../../core/format/keys.ts";
import {
  decodeRemovalMark,
  notBeingRemoved,
  putRemovalMark,
  removalKey,
  type RemovalMode,
} from "../../core/format/removal_mark.ts";
import { snapshotKey } from "../../core/format/snapshot_record.ts";
import type { Keyspace, StoredEntry } from "../../core/ports/storage.ts";
import { compareBytes } from "../../core/util/bytes.ts";
import { test } from "../harness.ts";
import { inputs } from "../repetitions.ts";

/** Where kinds and ids collide, if anywhere. */
const odd = fc.constantFrom("a", "b", "\0", "\u00ff", "\u0001", "\u{10ffff}");
const ids = fc.oneof(
  fc.string({ unit: "grapheme", minLength: 1, maxLength: 40 }),
  fc.string({ unit: odd, minLength: 1, maxLength: 6 }),
);
const kinds = fc.oneof(fc.constant(""), fc.string({ unit: odd, maxLength: 6 }));
const actors = fc.tuple(kinds, ids).map(([kind, id]) => addressOf(kind, id, "test"));
const modes = fc.constantFrom<RemovalMode>("delete", "erase");
const sequenceNumbers = fc.oneof(fc.maxSafeNat(), fc.nat(300));
const flips = fc.record({ at: fc.nat(), bit: fc.nat(7) });

function markOf(actor: ReturnType<typeof addressOf>, mode: RemovalMode): StoredEntry {
  const change = putRemovalMark(actor, mode);
  if (change.type !== "put") assert.fail();
  return change;
}

function flipped(bytes: Uint8Array, { at, bit }: { at: number; bit: number }): Uint8Array {
  return bytes.map((byte, index) => index === at % bytes.length ? byte ^ (1 << bit) : byte);
}

function assertCorrupt(decode: () => unknown, ...codes: string[]): void {
  assert.throws(
    decode,
    (error) => error instanceof PersistenceError && ["CORRUPT", ...codes].includes(error.code),
  );
}

test("the mark of a removal says how the actor is removed, and of which one it is", () => {
  fc.assert(fc.property(actors, actors, modes, (actor, other, mode) => {
    const mark = markOf(actor, mode);
    assert.equal(decodeRemovalMark(actor, mark), mode);
    assert.deepEqual(mark.key, removalKey(actor.key));
    const { key, keyspace, version } = notBeingRemoved(actor);
    assert.deepEqual([keyspace, key, version], ["meta", mark.key, undefined]);
    assert.ok(Number.isSafeInteger(mark.version) && mark.version >= 1);
    if (compareBytes(actor.key, other.key) === 0) return;
    // A record under another actor's key is not taken for its own.
    assertCorrupt(() => decodeRemovalMark(other, { ...mark, key: removalKey(other.key) }));
  }));
});

test("no two marks of a removal have the same version", () => {
  const actor = addressOf("", "a", "test");
  const versions = Array.from({ length: 1_000 }, () => markOf(actor, "delete").version);
  assert.equal(new Set(versions).size, versions.length);
});

test("a mark of a removal that is damaged, or no mark at all, is refused", () => {
  fc.assert(
    fc.property(actors, modes, flips, (actor, mode, flip) => {
      const mark = markOf(actor, mode);
      const { value } = mark;
      assertCorrupt(() => decodeRemovalMark(actor, { ...mark, value: flipped(value, flip) }));
      const length = flip.at % value.length;
      assertCorrupt(() => decodeRemovalMark(actor, { ...mark, value: value.slice(0, length) }));
    }),
    { numRuns: inputs.bytes },
  );
  fc.assert(
    fc.property(actors, fc.uint8Array({ maxLength: 20 }), fc.boolean(), (actor, value, sealed) => {
      const key = removalKey(actor.key);
      if (sealed && value.length >= 5) sealEnvelope(key, value, 1);
      const isMark = sealed && value.length > 5 && (value[5] === 0 || value[5] === 1);
      const decode = () => decodeRemovalMark(actor, { key, value, version: 1 });
      if (isMark) assert.equal(decode(), value[5] === 0 ? "delete" : "erase");
      else assertCorrupt(decode);
    }),
    { numRuns: inputs.bytes },
  );
});

test("what actors remember comes back, from its own key only", () => {
  fc.assert(fc.property(actors, sequenceNumbers, flips, (actor, number, flip) => {
    const handled = handledKey(actor.key);
    const record = encodeHandled(handled, number);
    assert.equal(decodeHandled(handled, record, actor), number);
    assertCorrupt(() => decodeHandled(handled, flipped(record, flip), actor));
    assertCorrupt(() => decodeHandled(refusedKey(actor.key), record, actor));

    const refused = refusedKey(entryKey(actor.key, number));
    const refusal = encodeRefused(refused);
    verifyRefused(refused, refusal, actor);
    assertCorrupt(() => verifyRefused(refused, flipped(refusal, flip), actor));
    const next = refusedKey(entryKey(actor.key, number === 0 ? 1 : number - 1));
    assertCorrupt(() => verifyRefused(next, refusal, actor));

    const kind = sourcingKey(actor.key);
    for (const sourcing of ["events", "commands"] as const) {
      const claim = encodeSourcing(kind, sourcing);
      assert.equal(decodeSourcing(kind, claim, "k"), sourcing);
      assertCorrupt(() => decodeSourcing(kind, flipped(claim, flip), "k"));
    }
  }));
});

test("a removal finds every record of its actor, and none of another one or of a kind", () => {
  fc.assert(
    fc.property(actors, actors, sequenceNumbers, fc.nat(2 ** 20), (actor, other, number, index) => {
      for (const { keyspace, key } of keysOf(actor, number, index)) {
        assert.equal(isIn(actor, keyspace, key), true);
        const isSame = compareBytes(actor.key, other.key) === 0;
        assert.equal(isIn(other, keyspace, key), isSame);
      }
      // These are deleted apart, or stay.
      for (const key of [removalKey(actor.key), sourcingKey(actor.key)]) {
        assert.equal(isIn(actor, "meta", key), false);
        assert.equal(isIn(other, "meta", key), false);
      }
      assert.ok(recordsOf(actor).every(({ keyspace }) => keyspace !== "heads"));
      assert.ok(headKey(actor.key).length > 0);
    }),
    { numRuns: inputs.keys },
  );
});

/** A key of each kind of records that belong to an actor. */
function keysOf(
  { key }: { readonly key: Uint8Array },
  number: number,
  index: number,
): { readonly keyspace: Keyspace; readonly key: Uint8Array }[] {
  return [
    { keyspace: "entries", key: entryKey(key, number) },
    { keyspace: "snapshots", key: snapshotKey(key, number) },
    { keyspace: "outbox", key: effectKey("open", key, number, index) },
    { keyspace: "outbox", key: effectKey("dead", key, number, index) },
    { keyspace: "meta", key: consumersKey(key) },
    { keyspace: "meta", key: handledKey(key) },
    { keyspace: "meta", key: refusedKey(entryKey(key, number)) },
  ];
}

function isIn(actor: ReturnType<typeof addressOf>, keyspace: Keyspace, key: Uint8Array): boolean {
  return recordsOf(actor).some((range) =>
    range.keyspace === keyspace && compareBytes(range.start, key) <= 0 &&
    compareBytes(key, range.end) < 0
  );
}
