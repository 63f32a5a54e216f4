/**
 * Bytes that a decoder should not have been given.
 *
 * @module
 */

import type { Random } from "../../conformance/random.ts";
import type { FuzzTarget } from "./targets.ts";

const MAX_RANDOM_BYTES = 300;
const MAX_CHANGES = 6;
/** The tokens of MessagePack that a length of 1, 2 or 4 bytes follows. */
const LENGTH_TOKENS = [
  [0xd9, 1],
  [0xda, 2],
  [0xdb, 4],
  [0xdc, 2],
  [0xdd, 4],
  [0xde, 2],
  [0xdf, 4],
  [0xc7, 1],
  [0xc8, 2],
  [0xc9, 4],
] as const;
const EXTENSION_TYPES = [
  1,
  2,
  3,
  4,
  5,
  6,
  7,
  8,
  9,
  10,
  16,
  17,
  19,
  22,
  23,
  24,
  25,
  26,
  0xff,
  0,
  99,
];
const NAMES = [
  "__proto__",
  "constructor",
  "prototype",
  "toString",
  "a",
  "",
  "hasOwnProperty",
  "then",
];
const textEncoder = new TextEncoder();

/**
 * An input for a target.
 *
 * @param target The target.
 * @param random What decides.
 * @returns The bytes.
 */
export function inputFor(target: FuzzTarget, random: Random): Uint8Array {
  const bytes = bytesFor(target, random);
  if (random.below(4) > 0) target.seal?.(bytes, random);
  return bytes;
}

function bytesFor(target: FuzzTarget, random: Random): Uint8Array {
  switch (random.below(8)) {
    case 0:
      return randomBytes(random.below(MAX_RANDOM_BYTES), random);
    case 1:
    case 2:
      if (target.forged) return target.forged(random);
      return mutate(target.sound(random), target, random);
    default:
      return mutate(target.sound(random), target, random);
  }
}

/** Bytes of any kind. */
export function randomBytes(length: number, random: Random): Uint8Array {
  return Uint8Array.from({ length }, () => random.below(256));
}

function mutate(sound: Uint8Array, target: FuzzTarget, random: Random): Uint8Array {
  let bytes = sound;
  for (let left = 1 + random.below(MAX_CHANGES); left > 0; left--) {
    bytes = change(bytes, target, random);
  }
  return bytes;
}

function change(bytes: Uint8Array, target: FuzzTarget, random: Random): Uint8Array {
  const at = random.below(bytes.length + 1);
  switch (random.below(9)) {
    case 0:
      return bytes.slice(0, at);
    case 1:
      return joined(bytes, randomBytes(1 + random.below(20), random));
    case 2:
      return joined(bytes.subarray(0, at), randomBytes(1, random), bytes.subarray(at));
    case 3:
      return joined(bytes.subarray(0, at), bytes.subarray(at + 1 + random.below(4)));
    case 4:
      return joined(bytes.subarray(0, at), target.sound(random).subarray(at));
    case 5:
      return written(bytes, at, Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0x0f));
    case 6:
      return written(bytes, at, randomBytes(1 + random.below(8), random));
    case 7:
      return written(bytes, at, forgedLength(random));
    default:
      return flipped(bytes, at, random);
  }
}

function flipped(bytes: Uint8Array, at: number, random: Random): Uint8Array {
  return written(bytes, at, Uint8Array.of((bytes[at] ?? 0) ^ (1 << random.below(8))));
}

function written(bytes: Uint8Array, at: number, some: Uint8Array): Uint8Array {
  const changed = bytes.slice();
  changed.set(some.subarray(0, Math.max(0, changed.length - at)), Math.min(at, changed.length));
  return changed;
}

/** Bytes, one after the other. */
export function joined(...parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let offset = 0;
  for (const part of parts) {
    whole.set(part, offset);
    offset += part.length;
  }
  return whole;
}

/** A token of MessagePack that claims more than there is. */
function forgedLength(random: Random): Uint8Array {
  const [token, bytes] = LENGTH_TOKENS[random.below(LENGTH_TOKENS.length)] ?? [0xdd, 4];
  const first = random.below(3) === 0 ? 0xff : random.below(256);
  return joined(Uint8Array.of(token, first), randomBytes(bytes - 1, random));
}

/** Well-formed MessagePack, or nearly so, of what no encoder of ours writes. */
export function forgedMessagePack(random: Random): Uint8Array {
  switch (random.below(6)) {
    case 0:
      return nested(random, Uint8Array.of([0x91, 0x81][random.below(2)] ?? 0x91), 2_000);
    case 1:
      return nested(random, Uint8Array.of(0xc7, random.below(256), 7 + random.below(4)), 500);
    case 2:
      return forgedRegExp(random);
    default:
      return forgedValue(random, 4);
  }
}

/** As if arrays, objects or extensions stood in one another. */
function nested(random: Random, opening: Uint8Array, most: number): Uint8Array {
  const depth = random.below(most);
  return joined(...Array.from({ length: depth }, () => opening), forgedValue(random, 1));
}

function forgedRegExp(random: Random): Uint8Array {
  const sources = ["(", "(?:", "[", "a{1,9999}", "(a+)+", "\\u{", "|"];
  const source = (sources[random.below(sources.length)] ?? "(").repeat(random.below(200));
  const units = Uint8Array.from([...source].flatMap((character) => [character.charCodeAt(0), 0]));
  const flags = textEncoder.encode(["", "u", "v", "uv", "gg", "x"][random.below(6)] ?? "");
  return extension(6, joined(Uint8Array.of(flags.length), flags, units));
}

function forgedValue(random: Random, depth: number): Uint8Array {
  switch (random.below(depth > 0 ? 12 : 6)) {
    case 0:
      return Uint8Array.of(random.below(256));
    case 1:
      return joined(
        Uint8Array.of([0xca, 0xcb, 0xcc, 0xcd, 0xce, 0xcf, 0xd3][random.below(7)] ?? 0xcb),
        randomBytes(8, random),
      );
    case 2:
      return text(NAMES[random.below(NAMES.length)] ?? "");
    case 3:
      return forgedLength(random);
    case 4:
      return forgedExtension(random, randomBytes(random.below(40), random));
    case 5:
      // Text that is no UTF-8.
      return joined(Uint8Array.of(0xd9, 12), randomBytes(12, random));
    case 6:
    case 7:
      return forgedArray(random, depth);
    case 8:
      return forgedExtension(random, forgedArray(random, depth));
    default:
      return forgedObject(random, depth);
  }
}

function forgedArray(random: Random, depth: number): Uint8Array {
  const items = Array.from({ length: random.below(5) }, () => forgedValue(random, depth - 1));
  return joined(Uint8Array.of(0x90 + items.length), ...items);
}

function forgedObject(random: Random, depth: number): Uint8Array {
  const properties = Array.from({ length: random.below(5) }, () =>
    joined(
      random.below(8) === 0
        ? forgedValue(random, 0)
        : text(NAMES[random.below(NAMES.length)] ?? ""),
      forgedValue(random, depth - 1),
    ));
  return joined(Uint8Array.of(0x80 + properties.length), ...properties);
}

function forgedExtension(random: Random, payload: Uint8Array): Uint8Array {
  return extension(EXTENSION_TYPES[random.below(EXTENSION_TYPES.length)] ?? 1, payload);
}

function extension(type: number, payload: Uint8Array): Uint8Array {
  const header = Uint8Array.of(0xc8, payload.length >> 8, payload.length & 0xff, type);
  return joined(header, payload);
}

function text(name: string): Uint8Array {
  const bytes = textEncoder.encode(name);
  return joined(Uint8Array.of(0xa0 + bytes.length), bytes);
}
