import assert from "node:assert/strict";
import fc from "fast-check";
import type { Codec } from "../core/ports/codec.ts";
import { PersistenceError } from "../core/errors/persistence_error.ts";
import { type Random, randomFrom } from "./conformance/random.ts";
import { richValues } from "./conformance/values.ts";

const text = fc.oneof(
  fc.string({ unit: "binary" }),
  fc.string({ unit: fc.integer({ min: 0, max: 0xffff }).map((unit) => String.fromCharCode(unit)) }),
);

const { value } = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 3 },
    text,
    fc.constantFrom(null, undefined, true, false, -0, NaN),
    fc.integer(),
    fc.maxSafeInteger(),
    fc.double(),
    fc.bigInt(),
    fc.date({ noInvalidDate: false }),
    fc.uint8Array(),
    fc.int16Array(),
    fc.uint32Array(),
    fc.float32Array(),
    fc.float64Array(),
    fc.bigInt64Array(),
    fc.uint8Array().map((bytes) => new Uint8Array(bytes).buffer),
    fc.array(tie("value"), { maxLength: 20 }),
    fc.dictionary(text.filter((name) => name !== "__proto__"), tie("value"), {
      noNullPrototype: true,
    }),
    fc.array(fc.tuple(tie("value"), tie("value")), { maxLength: 5 }).map((pairs) => new Map(pairs)),
    fc.array(tie("value"), { maxLength: 5 }).map((members) => new Set(members)),
  ),
}));

/** Any value that the format "msgpack" can hold. */
export const anyRichValue: fc.Arbitrary<unknown> = value;

/**
 * Encodes a value with one codec and decodes it with another.
 *
 * @param writer What encodes.
 * @param reader What decodes.
 * @param value The value.
 * @returns What came back.
 */
export function transfer(writer: Codec, reader: Codec, value: unknown): unknown {
  const bytes = writer.encode(value).slice();
  const decoded = reader.decode(bytes);
  // What shares memory with its input would change now.
  bytes.fill(0xc1);
  return decoded;
}

/**
 * Fails unless a value is refused.
 *
 * @param codec The codec.
 * @param value The value.
 * @returns The error.
 */
export function refusalOf(codec: Codec, value: unknown): PersistenceError {
  try {
    codec.encode(value);
  } catch (error) {
    assert.ok(error instanceof PersistenceError, String(error));
    assert.equal(error.code, "UNENCODABLE");
    return error;
  }
  assert.fail("the value was encoded");
}

/**
 * Fails if damaged bytes have another effect than a value or an error.
 *
 * @param codec The codec.
 * @param rounds How many inputs to try.
 */
export function assertSurvivesDamage(codec: Codec, rounds: number): void {
  const samples = richValues.map(([, sample]) => codec.encode(sample).slice())
    .filter((bytes) => bytes.length < 2_000);
  const random = randomFrom();
  for (let round = 0; round < rounds; round++) {
    const bytes = round % 3 === 0
      ? Uint8Array.from({ length: random.below(64) }, () => random.below(256))
      : damaged(samples[random.below(samples.length)] ?? new Uint8Array(0), random);
    const input = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
    try {
      codec.decode(bytes);
    } catch (error) {
      assert.ok(error instanceof Error, `seed ${random.seed}, round ${round}: ${input}`);
    }
  }
}

/** Some bytes changed, taken out or put in. */
function damaged(sample: Uint8Array, random: Random): Uint8Array {
  const bytes = [...sample];
  for (let changes = 1 + random.below(3); changes > 0; changes--) {
    const offset = random.below(bytes.length);
    const kind = random.below(4);
    if (kind === 0) bytes.splice(offset, 1 + random.below(4));
    else if (kind === 1) bytes.splice(offset, 0, random.below(256));
    else bytes[offset] = kind === 2 ? random.below(256) : 0xc0 + random.below(32);
  }
  return Uint8Array.from(bytes);
}
