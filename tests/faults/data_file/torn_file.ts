/**
 * Data files of which a part is missing: cut off, or without some of what the newest transaction
 * wrote. What the bounded check accepts, LMDB must be able to read and to write, without a crash.
 *
 * @module
 */

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { checkDataFile } from "../../../adapters/lmdb/verify/data_file.ts";
import { range } from "../../conformance/fixture.ts";
import { type Random, randomFrom } from "../../conformance/random.ts";
import { changeDatabases, fillDatabases, freeManyPages } from "../../lmdb/verify/databases.ts";
import { newestPages, pageBytesOf } from "../../lmdb/verify/newest_pages.ts";
import { DATA_FILE, makeOriginal, type Original } from "../../lmdb/verify/originals.ts";
import { withDirectory } from "../../temporary_directory.ts";
import type { Fault, FaultOptions, FaultResult } from "../fault.ts";
import type { Damage } from "../rotten_bytes/damage.ts";
import { FILES_PER_PROCESS, tryDamages } from "./data_file.ts";

/** Where the header of a page has its flags. */
const PAGE_FLAGS_AT = 18;
/** What a disk writes at once. */
const SECTOR_BYTES = 512;
/** A page of records has no more of them. */
const MAX_RECORDS = 4_096;
/** How much the check reads beside the newest pages. The files are small: else it would read all. */
const BUDGETS = [0, 50_000];
/** If fewer were accepted, this fault would show little. Most must be refused. */
const [MIN_ACCEPTED, MAX_ACCEPTED] = [0.02, 0.7];
const ENOUGH_FOR_SHARE = 75;

/** A data file, and what it held before its newest transaction. */
interface Pair {
  readonly before: Uint8Array;
  readonly original: Original;
}

/** Files that were cut off, or lack what the newest transaction wrote. */
export const tornFile: Fault = {
  name: "torn-file",
  title:
    "Data files that are cut off or lack newest pages, wherever the bounded check accepts them",
  unit: "files",
  async run({ seed, count, progress }: FaultOptions): Promise<FaultResult> {
    const failures: string[] = [];
    const random = randomFrom(seed);
    let accepted = 0;
    for (let done = 0; done < count;) {
      const files = Math.min(FILES_PER_PROCESS, count - done);
      await withDirectory(async (directory) => {
        const pair = await makePair(directory, random);
        const budget = BUDGETS[random.below(BUDGETS.length)];
        const outcome = await tryDamages(
          pair.original,
          range(1, files).map(() => tear(pair, random)),
          (file) => checkDataFile(file, "bounded", budget),
        );
        accepted += outcome.accepted;
        failures.push(...outcome.failures.map((failure) => `files from ${done} on: ${failure}`));
      });
      progress(done += files);
    }
    const isUsual = accepted >= count * MIN_ACCEPTED && accepted <= count * MAX_ACCEPTED;
    if (count >= ENOUGH_FOR_SHARE && !isUsual) failures.push(`${accepted} were accepted`);
    return { tried: count, failures, figures: { accepted, refused: count - accepted } };
  },
};

async function makePair(directory: string, random: Random): Promise<Pair> {
  let before = new Uint8Array(0);
  const original = await makeOriginal(directory, random, async (binding) => {
    await fillDatabases(binding, random);
    if (random.below(2) === 0) await freeManyPages(binding, random);
    before = new Uint8Array(await readFile(join(directory, DATA_FILE)));
    await changeDatabases(binding, random);
  });
  return { before, original };
}

function tear(pair: Pair, random: Random): Damage {
  return random.below(3) === 0 ? cutOff(pair, random) : loseSectors(pair, random);
}

/** Cuts the file off, most often near its end, where the pages may be free. */
function cutOff({ original: { bytes } }: Pair, random: Random): Damage {
  const lost = 1 + random.below(random.below(3) === 0 ? bytes.length : 40_000);
  const length = Math.max(0, bytes.length - lost);
  const end = random.below(2) === 0 ? length : length - length % pageBytesOf(bytes);
  return { what: `cut off at ${end}`, bytes: bytes.slice(0, end), records: 0, keys: 0 };
}

/** Leaves sectors of newest pages as they were before, or zero. */
function loseSectors({ before, original }: Pair, random: Random): Damage {
  const bytes = original.bytes.slice();
  const pageBytes = pageBytesOf(bytes);
  const newest = newestPages(original.bytes);
  const large = newest.filter((page) => isOfLargeValue(original.bytes, page * pageBytes));
  const isWithinValues = large.length > 0 && random.below(3) === 0;
  const pages = isWithinValues ? large : newest;
  const torn: string[] = [];
  for (let count = 1 + random.below(3); count > 0; count--) {
    const page = pages[random.below(pages.length)] ?? 2;
    const lowest = isWithinValues ? 1 : 0;
    const first = random.below(2) === 0
      ? lowest
      : lowest + random.below(pageBytes / SECTOR_BYTES - lowest);
    const sectors = random.below(2) === 0 ? pageBytes / SECTOR_BYTES : 1 + random.below(3);
    const start = page * pageBytes + first * SECTOR_BYTES;
    const end = Math.min((page + 1) * pageBytes, start + sectors * SECTOR_BYTES);
    bytes.fill(0, start, end);
    if (random.below(3) > 0) bytes.set(before.subarray(start, end), start);
    torn.push(`${start} to ${end}`);
  }
  // Sectors may lie within records: then our own checksums find it.
  const records = MAX_RECORDS * torn.length;
  return { what: `not written: ${torn.join(", ")}`, bytes, records, keys: records };
}

function isOfLargeValue(bytes: Uint8Array, at: number): boolean {
  return new DataView(bytes.buffer, bytes.byteOffset).getUint16(at + PAGE_FLAGS_AT, true) === 4;
}
