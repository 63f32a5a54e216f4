/**
 * Opens data files with LMDB, reads all of each in all ways, writes to it, and checks it again.
 * That may crash the process, which is what its parent looks for.
 */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { checkDataFile } from "../../../adapters/lmdb/verify/data_file.ts";
import { randomFrom } from "../../conformance/random.ts";
import { readJob, report } from "../../processes/job.ts";
import { changeDatabases, type Content, contentOf, openDatabases } from "./databases.ts";

/** What the script takes. */
export interface ReaderJob {
  /** The directories of the environments. */
  readonly directories: readonly string[];
  /** A file with the content, in JSON, that they had before they were damaged. */
  readonly content: string;
}

/** What the script reports of each environment: an error, or how its content differs. */
export interface ReaderReport {
  readonly error?: string;
  readonly missing?: number;
  readonly extra?: number;
  readonly changed?: number;
}

const { directories, content } = readJob<ReaderJob>();
const original: Content = JSON.parse(readFileSync(content, "utf8"));
for (const directory of directories) report(await exercise(directory));

async function exercise(directory: string): Promise<ReaderReport> {
  try {
    const binding = await openDatabases(directory);
    try {
      const actual = contentOf(binding);
      for (let round = 0; round < 3; round++) await changeDatabases(binding, randomFrom(round));
      contentOf(binding);
      return differences(actual);
    } finally {
      await binding.root.close();
      await checkDataFile(join(directory, "data.mdb"));
    }
  } catch (error) {
    return { error: error instanceof Error ? error.message : String(error) };
  }
}

function differences(actual: Content): ReaderReport {
  const common = Object.keys(original).filter((key) => key in actual);
  return {
    missing: Object.keys(original).length - common.length,
    extra: Object.keys(actual).length - common.length,
    changed: common.filter((key) => original[key] !== actual[key]).length,
  };
}
