import type { Random } from "./random.ts";

/** Actor ids that a careless key could mix up or choke on, all of them good. */
export const AWKWARD_IDS: readonly string[] = [
  "a",
  "A",
  "aa",
  "ab",
  "a b",
  " a",
  "a ",
  "a\0",
  "a\0\0",
  "a\0\0b",
  "a\0b",
  "a\0\u{1}",
  "a\u{1}",
  "a\u{ff}",
  "a\u{ff}\0",
  "\0",
  "\0\0",
  "\u{ff}",
  "\u{7f}",
  "\u{80}",
  "a/b",
  "a/",
  "/",
  "..",
  "../a",
  ".",
  "a\\b",
  "a%00",
  "a:b",
  "a,b",
  "__proto__",
  "constructor",
  "null",
  "undefined",
  "0",
  "00",
  "-1",
  "\n",
  "\r\n",
  "\u{feff}",
  "\u{feff}a",
  "\u{e9}",
  "e\u{301}",
  "\u{d7ff}",
  "\u{e000}",
  "\u{fffd}",
  "\u{ffff}",
  "\u{10000}",
  "\u{1f600}",
  "\u{1f468}\u{200d}\u{1f469}\u{200d}\u{1f467}",
  "\u{10ffff}",
  "\u{202e}a",
  "heads",
  "entries",
  "store",
  "health",
];

/** Ids of exactly 512 bytes of UTF-8, the most that is allowed. */
export const LONGEST_IDS: readonly string[] = [
  "a".repeat(512),
  "b".repeat(511) + "\0",
  "\0".repeat(512),
  "\u{ff}".repeat(256),
  "\u{20ac}".repeat(170) + "xx",
  "\u{1f600}".repeat(128),
  "\u{10ffff}".repeat(128),
];

/** Ids that must be refused, each with what is wrong with it. */
export const BAD_IDS: readonly [string, unknown, "type" | "range"][] = [
  ["undefined", undefined, "type"],
  ["null", null, "type"],
  ["a number", 5, "type"],
  ["a bigint", 5n, "type"],
  ["a boolean", true, "type"],
  ["a symbol", Symbol("a"), "type"],
  ["an object", {}, "type"],
  ["an array", ["a"], "type"],
  ["a String object", Object("a"), "type"],
  ["a function", () => "a", "type"],
  ["the empty string", "", "range"],
  ["a lone high surrogate", "\ud83d", "range"],
  ["a lone low surrogate", "\ude00", "range"],
  ["a lone surrogate within", "a\ud83db", "range"],
  ["surrogates in the wrong order", "\ude00\ud83d", "range"],
  ["513 bytes in 513 characters", "a".repeat(513), "range"],
  ["513 NULs", "\0".repeat(513), "range"],
  ["513 bytes in 512 characters", "a".repeat(511) + "\u{e9}", "range"],
  ["514 bytes in 257 characters", "\u{e9}".repeat(257), "range"],
  ["516 bytes in 129 characters", "\u{1f600}".repeat(129), "range"],
  ["a million characters", "a".repeat(1_000_000), "range"],
];

/** Numbers that are no sequence numbers, and values that are no numbers. */
export const BAD_NUMBERS: readonly (readonly [string, unknown, "type" | "range"])[] = [
  ["-1", -1, "range"],
  ["the lowest safe integer", Number.MIN_SAFE_INTEGER, "range"],
  ["a fraction", 0.5, "range"],
  ["a fraction above 1", 1.000001, "range"],
  ["NaN", NaN, "range"],
  ["Infinity", Infinity, "range"],
  ["-Infinity", -Infinity, "range"],
  ["2^53", 2 ** 53, "range"],
  ["the largest number", Number.MAX_VALUE, "range"],
  ["null", null, "type"],
  ["a string", "1", "type"],
  ["a bigint", 1n, "type"],
  ["a boolean", true, "type"],
  ["an object", {}, "type"],
  ["a Number object", Object(1), "type"],
  ["a symbol", Symbol("1"), "type"],
];

/** Values that are no bounds of sequence numbers, which may be negative. */
export const BAD_BOUNDS: typeof BAD_NUMBERS = [
  ...BAD_NUMBERS.filter(([, number]) => !Number.isSafeInteger(number)),
  ["a negative fraction", -0.5, "range"],
  ["-2^53", -(2 ** 53), "range"],
];

/** Values that are no options bags. */
export const BAD_OPTIONS: readonly [string, unknown][] = [
  ["null", null],
  ["a string", "options"],
  ["a number", 5],
  ["true", true],
];

/**
 * Random actor ids from all of Unicode, all different, with a liking for short ones and for
 * characters that are often mishandled.
 *
 * @param random What decides.
 * @param count How many.
 * @returns The ids.
 */
export function randomIds(random: Random, count: number): string[] {
  const ids = new Set<string>();
  const awkward = "\0\u{1}\u{7f}\u{80}\u{ff}/.ab\u{ffff}";
  while (ids.size < count) {
    let id = "";
    for (let length = 1 + random.below(6); length > 0; length--) {
      if (random.below(2) === 0) {
        id += awkward.charAt(random.below(awkward.length));
      } else {
        const codePoint = random.below(0x10f800);
        id += String.fromCodePoint(codePoint < 0xd800 ? codePoint : codePoint + 0x800);
      }
    }
    ids.add(id);
  }
  return [...ids];
}

/**
 * A bad argument that the type does not allow.
 *
 * @param value The argument.
 * @returns The same, of whatever type the call wants.
 */
export function bad<Wanted>(value: unknown): Wanted {
  return value as Wanted;
}
