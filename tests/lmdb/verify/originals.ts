import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { LmdbBinding } from "../../../adapters/lmdb/binding.ts";
import { checkDataFile } from "../../../adapters/lmdb/verify/data_file.ts";
import {
  PersistenceError,
  type PersistenceErrorCode,
} from "../../../core/errors/persistence_error.ts";
import { type Random, randomFrom } from "../../conformance/random.ts";
import { withDirectory } from "../../temporary_directory.ts";
import { type Content, contentOf, fillDatabases, openDatabases } from "./databases.ts";

/** The name of the data file in the directory of an environment. */
export const DATA_FILE = "data.mdb";

/** A sound data file. */
export interface Original {
  readonly bytes: Uint8Array;
  readonly content: Content;
}

/** Makes a sound data file in a directory of its own. */
export async function makeOriginal(
  directory: string,
  random: Random,
  fill: (binding: LmdbBinding, random: Random) => Promise<void>,
): Promise<Original> {
  const binding = await openDatabases(directory);
  try {
    await fill(binding, random);
    const content = contentOf(binding);
    return { bytes: new Uint8Array(await readFile(join(directory, DATA_FILE))), content };
  } finally {
    await binding.root.close();
  }
}

/** Runs a test with a sound data file, and the path at which the test writes one. */
export async function withOriginal(
  run: (file: string, original: Original) => Promise<void>,
): Promise<void> {
  await withDirectory(async (directory) => {
    const original = await makeOriginal(join(directory, "original"), randomFrom(1), fillDatabases);
    await run(join(directory, DATA_FILE), original);
  });
}

/** Asserts that a data file is refused, with an error that names it. */
export async function assertRefused(
  file: string,
  code: PersistenceErrorCode,
  message: RegExp,
): Promise<void> {
  await assert.rejects(checkDataFile(file), (error) => {
    assert.ok(error instanceof PersistenceError);
    assert.equal(error.code, code);
    assert.match(error.message, message);
    assert.ok(error.message.includes(file));
    return true;
  });
}
