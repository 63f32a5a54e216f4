import type { PersistenceErrorCode } from "../../../core/errors/persistence_error.ts";
import type { Random } from "../../conformance/random.ts";

/** A damaged copy of a data file. */
export interface Damage {
  /** What was done, for messages. */
  readonly what: string;
  readonly bytes: Uint8Array;
  /** How many records it can have changed without harm to the structure. */
  readonly records: number;
  /** How many records it can have given another key without harm to the structure. */
  readonly keys: number;
  /** The code that the opening must be refused with, if that is clear. */
  readonly refusal?: PersistenceErrorCode;
}

/** Where a meta page says which format it has. */
const FORMAT_AT = 28;
/** How files of other formats begin: SQLite, gzip, ZIP, ELF, PNG, a text. */
const OTHER_BEGINNINGS = [
  "SQLite format 3\0",
  "\x1f\x8b\x08\0\0\0\0\0",
  "PK\x03\x04",
  "\x7fELF\x02\x01\x01\0",
  "\x89PNG\r\n\x1a\n",
  "once upon a time",
];
/** Where a meta page says how long pages are. */
const PAGE_BYTES_AT = 48;
/** Headers, tables of offsets, and the first words of meta pages lie there. */
const STRUCTURE_BYTES = 200;

/** Damages a copy of a data file in one of many ways. */
export function damage(original: Uint8Array, random: Random): Damage {
  const kinds = [
    truncate,
    extend,
    otherFormat,
    newerFormat,
    overwrite,
    zeroPage,
    zeroRange,
    swapPages,
    copyPage,
    flipAnywhere,
    flipAnywhere,
    flipStructure,
    flipStructure,
    flipMeta,
    flipNode,
    flipNode,
  ];
  const kind = kinds[random.below(kinds.length)] ?? truncate;
  return kind(original, random);
}

function truncate(original: Uint8Array, random: Random): Damage {
  const isAtPage = random.below(2) === 0;
  const length = random.below(original.length);
  const end = isAtPage ? length - length % pageBytesOf(original) : length;
  return { what: `truncated to ${end}`, bytes: original.slice(0, end), records: 0, keys: 0 };
}

function extend(original: Uint8Array, random: Random): Damage {
  const isWhole = random.below(2) === 0;
  const length = isWhole
    ? (1 + random.below(20)) * pageBytesOf(original)
    : 1 + random.below(20_000);
  const bytes = new Uint8Array(original.length + length);
  bytes.set(original);
  const what = random.below(3);
  for (let index = original.length; what > 0 && index < bytes.length; index++) {
    // Random bytes, or pages of the file once more.
    bytes[index] = what === 1 ? random.below(256) : original[index % original.length] ?? 0;
  }
  const name = ["zeros", "random bytes", "pages"][what];
  return { what: `extended by ${length} bytes of ${name}`, bytes, records: 0, keys: 0 };
}

function otherFormat(original: Uint8Array, random: Random): Damage {
  const beginning = OTHER_BEGINNINGS[random.below(OTHER_BEGINNINGS.length)] ?? "";
  const isWhole = random.below(2) === 0;
  const bytes = isWhole
    ? Uint8Array.from({ length: random.below(30_000) }, () => random.below(256))
    : original.slice();
  const start = Uint8Array.from(beginning, (character) => character.charCodeAt(0));
  if (bytes.length < start.length) return truncate(original, random);
  bytes.set(start);
  const what = `begins with ${JSON.stringify(beginning)}, ${bytes.length} bytes`;
  // Over a page header, which LMDB itself hardly reads, the rest is still there.
  return { what, bytes, records: 0, keys: 0, ...(isWhole ? { refusal: "CORRUPT" } : {}) };
}

function newerFormat(original: Uint8Array, random: Random): Damage {
  const bytes = original.slice();
  const view = new DataView(bytes.buffer);
  const newer = 1 + random.below(5);
  for (const page of [0, 1]) {
    const at = page * pageBytesOf(original) + FORMAT_AT;
    view.setUint32(at, view.getUint32(at, true) + newer, true);
  }
  const what = `of an LMDB format that is newer by ${newer}`;
  return { what, bytes, records: 0, keys: 0, refusal: "UNSUPPORTED_FORMAT" };
}

function overwrite(original: Uint8Array, random: Random): Damage {
  const bytes = original.slice();
  const start = random.below(bytes.length);
  const end = Math.min(bytes.length, start + 1 + random.below(random.below(2) === 0 ? 8 : 9_000));
  for (let index = start; index < end; index++) bytes[index] = random.below(256);
  return { what: `random bytes from ${start} to ${end}`, bytes, records: 4, keys: 1 };
}

function zeroPage(original: Uint8Array, random: Random): Damage {
  const page = randomPage(original, random);
  const bytes = original.slice();
  bytes.fill(0, page * pageBytesOf(original), (page + 1) * pageBytesOf(original));
  return { what: `zeroed page ${page}`, bytes, records: 1, keys: 0 };
}

function zeroRange(original: Uint8Array, random: Random): Damage {
  const start = random.below(original.length);
  const end = Math.min(original.length, start + 1 + random.below(600));
  const bytes = original.slice();
  bytes.fill(0, start, end);
  return { what: `zeroed from ${start} to ${end}`, bytes, records: 2, keys: 1 };
}

function swapPages(original: Uint8Array, random: Random): Damage {
  const a = randomPage(original, random);
  const b = randomPage(original, random);
  const bytes = original.slice();
  bytes.set(pageOf(original, a), b * pageBytesOf(original));
  bytes.set(pageOf(original, b), a * pageBytesOf(original));
  return { what: `swapped pages ${a} and ${b}`, bytes, records: 2, keys: 0 };
}

function copyPage(original: Uint8Array, random: Random): Damage {
  const from = randomPage(original, random);
  const to = randomPage(original, random);
  const bytes = original.slice();
  bytes.set(pageOf(original, from), to * pageBytesOf(original));
  return { what: `copied page ${from} to ${to}`, bytes, records: 1, keys: 0 };
}

function flipAnywhere(original: Uint8Array, random: Random): Damage {
  return flip(original, random, 1 + random.below(8), () => random.below(original.length));
}

function flipStructure(original: Uint8Array, random: Random): Damage {
  return flip(
    original,
    random,
    1 + random.below(2),
    () => randomPage(original, random) * pageBytesOf(original) + random.below(STRUCTURE_BYTES),
  );
}

function flipMeta(original: Uint8Array, random: Random): Damage {
  return flip(
    original,
    random,
    1,
    () => random.below(2) * pageBytesOf(original) + random.below(STRUCTURE_BYTES),
  );
}

/** Flips bits in the header of a node, or in what stands near it. */
function flipNode(original: Uint8Array, random: Random): Damage {
  const { buffer, byteOffset, byteLength } = original;
  const view = new DataView(buffer, byteOffset, byteLength);
  return flip(original, random, 1 + random.below(2), () => {
    const page = randomPage(original, random) * pageBytesOf(original);
    const nodes = view.getUint16(page + 20, true) / 2;
    const index = nodes >= 1 && nodes < pageBytesOf(original) / 2
      ? random.below(Math.floor(nodes))
      : 0;
    const at = page + 24 + index * 2;
    const node = at + 2 <= view.byteLength ? view.getUint16(at, true) : 0;
    return Math.min(original.length - 1, page + 24 + node + random.below(48));
  });
}

function flip(
  original: Uint8Array,
  random: Random,
  count: number,
  position: () => number,
): Damage {
  const bytes = original.slice();
  const flipped: string[] = [];
  for (let index = 0; index < count; index++) {
    const at = position();
    const bit = random.below(8);
    bytes[at] = (bytes[at] ?? 0) ^ (1 << bit);
    flipped.push(`${at}.${bit}`);
  }
  return { what: `flipped ${flipped.join(" ")}`, bytes, records: count, keys: count };
}

function randomPage(original: Uint8Array, random: Random): number {
  return random.below(Math.floor(original.length / pageBytesOf(original)));
}

function pageOf(original: Uint8Array, page: number): Uint8Array {
  const pageBytes = pageBytesOf(original);
  return original.subarray(page * pageBytes, (page + 1) * pageBytes);
}

function pageBytesOf({ buffer, byteOffset, byteLength }: Uint8Array): number {
  return new DataView(buffer, byteOffset, byteLength).getUint32(PAGE_BYTES_AT, true);
}
