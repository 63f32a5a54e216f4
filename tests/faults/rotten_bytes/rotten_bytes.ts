/**
 * Rotten bytes: copies of a database with damages of many kinds are opened, read and written to, in
 * child processes, which must neither crash nor hang.
 *
 * @module
 */

import { join } from "node:path";
import type { LmdbVerification } from "../../../adapters/lmdb/mod.ts";
import { range } from "../../conformance/fixture.ts";
import { Child } from "../../processes/child.ts";
import { withDirectory } from "../../temporary_directory.ts";
import type { Fault, FaultOptions, FaultResult } from "../fault.ts";
import { writeDamagedDatabase } from "./content.ts";
import type { DamageJob, DamageReport } from "./reader.ts";

/** What may come of a damaged file. */
const ALLOWED = new Set([
  "right",
  ...["CORRUPT", "UNSUPPORTED_FORMAT", "OPEN_FAILED"].map((code) => `open: ${code}`),
  ...["read", "load", "append"].flatMap((attempt) =>
    ["CORRUPT", "UNSUPPORTED_FORMAT"].map((code) => `${attempt}: ${code}`)
  ),
]);
/** Every answer must have come at least once; otherwise the damages miss what they are meant for. */
const USUAL = ["right", "open: CORRUPT", "open: UNSUPPORTED_FORMAT", "read: CORRUPT"];
const ENOUGH_FOR_ALL = 150;

/** No damaged file crashes the process or gives wrong data. */
const checked: Fault = {
  name: "rotten-bytes",
  title: "Damaged, foreign and newer data files, checked in full",
  unit: "images",
  async run(options: FaultOptions): Promise<FaultResult> {
    const result = await readImages(options, "full");
    const missing = USUAL.filter((outcome) => !(outcome in (result.figures ?? {})));
    if (missing.length === 0 || result.tried < ENOUGH_FOR_ALL) return result;
    return { ...result, failures: [...result.failures, `no image gave: ${missing.join(", ")}`] };
  },
};

/** Without the check before opening, damaged files do harm: so it is needed, and the rig can fail. */
const unchecked: Fault = {
  name: "rotten-bytes-unchecked",
  title: 'The same with verifyOnOpen: "none"',
  unit: "images",
  expectsFailures: true,
  run: (options: FaultOptions): Promise<FaultResult> => readImages(options, "none"),
};

/** Damaged files, with and without the check before opening. */
export const rottenBytesFaults: readonly Fault[] = [checked, unchecked];

/**
 * Has children read images.
 *
 * @param options The seed, and how many images.
 * @param verifyOnOpen How much of each file is checked before it is opened.
 * @returns What came of it.
 */
async function readImages(
  { seed, count, progress }: FaultOptions,
  verifyOnOpen: LmdbVerification,
): Promise<FaultResult> {
  const failures: string[] = [];
  const counts = new Map<string, number>();
  let tried = 0;
  await withDirectory(async (directory) => {
    await writeDamagedDatabase(join(directory, "original"));
    const seeds = range(seed, seed + count - 1);
    for await (const { seed, what, outcomes = [] } of reportsOf(directory, seeds, verifyOnOpen)) {
      for (const outcome of outcomes) counts.set(outcome, (counts.get(outcome) ?? 0) + 1);
      const bad = outcomes.filter((outcome) => !ALLOWED.has(outcome));
      if (bad.length > 0) failures.push(`image ${seed}, ${what}: ${bad.join("; ")}`);
      progress(++tried);
    }
  });
  const allowed = [...counts].filter(([outcome]) => ALLOWED.has(outcome));
  return { tried, failures, figures: Object.fromEntries(allowed) };
}

/** If a child crashes or hangs, another one goes on after that image. */
async function* reportsOf(
  directory: string,
  allSeeds: readonly number[],
  verifyOnOpen: LmdbVerification,
): AsyncGenerator<DamageReport> {
  const original = join(directory, "original", "data.mdb");
  let seeds = allSeeds;
  while (seeds.length > 0) {
    // A command line has its limits.
    const job: DamageJob = { original, directory, seeds: seeds.slice(0, 500), verifyOnOpen };
    await using child = new Child("faults/rotten_bytes/reader", job);
    let current: DamageReport | undefined;
    for (let told; (told = await child.next()) !== undefined;) {
      // The script and this file agree on what it reports.
      current = told as DamageReport;
      if (!current.outcomes) continue;
      yield current;
      current = undefined;
      seeds = seeds.slice(1);
    }
    const { code, signal, errors } = await child.ended;
    if (code === 0) continue;
    const failed = current ?? { seed: seeds[0] ?? -1, what: "before anything was done" };
    yield { ...failed, outcomes: [`ended with ${signal ?? code}: ${errors.slice(-500)}`] };
    seeds = seeds.slice(1);
  }
}
