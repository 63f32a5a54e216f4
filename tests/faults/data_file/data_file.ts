/**
 * Damaged data files: what an opening accepts before LMDB maps it, LMDB must be able to read and to
 * write, without a crash, and with nothing wrong but what was damaged inside of records.
 *
 * @module
 */

import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { assertOwnFiles } from "../../../adapters/lmdb/own_files.ts";
import { checkDataFile } from "../../../adapters/lmdb/verify/data_file.ts";
import { PersistenceError } from "../../../core/errors/persistence_error.ts";
import { range } from "../../conformance/fixture.ts";
import { type Random, randomFrom } from "../../conformance/random.ts";
import { fillDatabases, freeManyPages } from "../../lmdb/verify/databases.ts";
import { DATA_FILE, makeOriginal, type Original } from "../../lmdb/verify/originals.ts";
import type { ReaderReport } from "../../lmdb/verify/reader.ts";
import { Child } from "../../processes/child.ts";
import { withDirectory } from "../../temporary_directory.ts";
import type { Fault, FaultOptions, FaultResult } from "../fault.ts";
import { type Damage, damage } from "../rotten_bytes/damage.ts";

/** How many files one process reads: it must finish before its watchdog kills it. */
export const FILES_PER_PROCESS = 25;
/** If none of them were accepted, or nearly all, this fault would show little. */
const [MIN_ACCEPTED, MAX_ACCEPTED] = [0.1, 0.9];

/** A damaged data file is refused, or LMDB gives the right data. */
export const dataFile: Fault = {
  name: "data-file",
  title: "Damaged data files, read by LMDB wherever the check accepts them",
  unit: "files",
  async run({ seed, count, progress }: FaultOptions): Promise<FaultResult> {
    const failures: string[] = [];
    const random = randomFrom(seed);
    let accepted = 0;
    await withDirectory(async (directory) => {
      const originals = await makeOriginals(directory, random);
      for (let done = 0; done < count;) {
        const original = random.below(4) === 0 ? originals.large : originals.small;
        const files = Math.min(FILES_PER_PROCESS, count - done);
        const outcome = await tryDamages(
          original,
          range(1, files).map(() => damage(original.bytes, random)),
          checkDataFile,
        );
        accepted += outcome.accepted;
        failures.push(...outcome.failures.map((failure) => `files from ${done} on: ${failure}`));
        progress(done += files);
      }
    });
    if (accepted <= count * MIN_ACCEPTED || accepted >= count * MAX_ACCEPTED) {
      failures.push(`${accepted} of ${count} were accepted`);
    }
    return { tried: count, failures, figures: { accepted, refused: count - accepted } };
  },
};

async function makeOriginals(
  directory: string,
  random: Random,
): Promise<{ small: Original; large: Original }> {
  return {
    small: await makeOriginal(join(directory, "small"), random, fillDatabases),
    large: await makeOriginal(join(directory, "large"), random, async (binding) => {
      await fillDatabases(binding, random);
      await freeManyPages(binding, random);
    }),
  };
}

/** What came of files. */
export interface Outcome {
  readonly accepted: number;
  readonly failures: readonly string[];
}

/**
 * Writes damaged files, looks at them as an opening does, and has a process read those that are
 * accepted.
 *
 * @param original What the file was before.
 * @param damages The damaged files.
 * @param check Refuses a file by what is in it.
 * @returns What came of them.
 */
export async function tryDamages(
  original: Original,
  damages: readonly Damage[],
  check: (file: string) => Promise<void>,
): Promise<Outcome> {
  let outcome: Outcome = { accepted: 0, failures: [] };
  await withDirectory(async (directory) => {
    const accepted: { damage: Damage; path: string }[] = [];
    for (const [index, damage] of damages.entries()) {
      const path = join(directory, `${index}`);
      await mkdir(path);
      await writeFile(join(path, DATA_FILE), damage.bytes);
      if (await isAccepted(path, check)) accepted.push({ damage, path });
    }
    const content = join(directory, "content.json");
    await writeFile(content, JSON.stringify(original.content));
    const directories = accepted.map(({ path }) => path);
    const failures: string[] = [];
    await using child = new Child("lmdb/verify/reader", { directories, content });
    for (const { damage } of accepted) {
      const report = await child.next();
      if (report === undefined) {
        failures.push(`${damage.what}: accepted, but ${JSON.stringify(await child.ended)}`);
        break;
      }
      // The reader reports so.
      if (!isRight(damage, report as ReaderReport)) {
        failures.push(`${damage.what}: accepted, but ${JSON.stringify(report)}`);
      }
    }
    outcome = { accepted: accepted.length, failures };
  });
  return outcome;
}

/** As an opening looks at it: first at the files, then at what is in the data file. */
async function isAccepted(
  path: string,
  check: (file: string) => Promise<void>,
): Promise<boolean> {
  try {
    await assertOwnFiles(path, false);
    await check(join(path, DATA_FILE));
    return true;
  } catch (error) {
    if (error instanceof PersistenceError) return false;
    throw error;
  }
}

/** The structure is sound, so everything is there except what was damaged inside records. */
function isRight(damage: Damage, report: ReaderReport): boolean {
  const { error, missing = 0, extra = 0, changed = 0 } = report;
  return error === undefined && missing <= damage.keys && extra <= damage.keys &&
    missing + changed <= damage.records;
}
