/**
 * Reads pages of a database of LMDB.
 *
 * @module
 */

import type { ScanRange, StoredEntry } from "../../core/ports/storage.ts";
import type { LmdbDatabase, LmdbRange } from "./binding.ts";

const NO_VALUE = new Uint8Array(0);

/**
 * Reads one page of a range.
 *
 * @param database The database.
 * @param range The keys, the direction, and the limits of the page.
 * @returns The entries, in the order of the direction.
 */
export function readPage(database: LmdbDatabase, range: ScanRange): StoredEntry[] {
  const bounds = boundsOf(range);
  const page: StoredEntry[] = [];
  if (range.keysOnly) {
    for (const { key } of database.getKeys(bounds)) {
      page.push({ key, value: NO_VALUE, version: 0 });
    }
    return page;
  }
  let bytes = 0;
  for (const { key, value, version = 0 } of database.getRange(bounds)) {
    // A view of a `Buffer` takes several times as long to make as one of an ordinary array.
    page.push({ key, value: plainArray(value), version });
    bytes += value.length;
    if (bytes >= range.maxBytes) break;
  }
  return page;
}

/**
 * The same bytes as an ordinary array.
 *
 * @param bytes A view, maybe a `Buffer`.
 * @returns A view of the same memory.
 */
export function plainArray({ buffer, byteOffset, length }: Uint8Array): Uint8Array {
  return new Uint8Array(buffer, byteOffset, length);
}

/** In reverse, `lmdb` begins at the upper end, which is exclusive; the lower end is inclusive. */
function boundsOf({ start, end, reverse = false, maxEntries }: ScanRange): LmdbRange {
  return {
    start: reverse ? end : start,
    end: reverse ? start : end,
    reverse,
    exclusiveStart: reverse,
    inclusiveEnd: reverse,
    limit: maxEntries,
    versions: true,
  };
}
