/**
 * Creates the data file of an environment.
 *
 * @module
 */

import { link, mkdtemp, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { openBinding } from "./binding.ts";
import {
  codeOf,
  DATA_FILE,
  hasDataFile,
  syncDirectories,
  syncParents,
  translatingFileErrors,
} from "./files.ts";
import type { LmdbEnvironmentOptions } from "./options.ts";
import { TEMPORARY_DIRECTORY } from "./own_files.ts";

/** What LMDB writes into new files without being able to fail, beside the table of readers. */
const NEEDED_BYTES = 2 ** 16;
const READER_BYTES = 64;

/** The error codes of file systems that make no hard links, or none here. */
const HAS_NO_LINKS = new Set([
  "EACCES",
  "EINVAL",
  "EMLINK",
  "ENOSYS",
  "ENOTSUP",
  "EOPNOTSUPP",
  "EPERM",
  "EXDEV",
]);

/**
 * Creates the data file of an environment that has none, wholly or not at all. LMDB writes its
 * first pages without flushing them: a power loss before the first commit would leave a file that
 * looks damaged and cannot be opened again. So the file is made in a directory of its own, and gets
 * its name once it is on disk. If another process is faster, its file is used. If the file system
 * makes no hard links, LMDB creates the file in place; several processes should not do that at the
 * same time.
 *
 * The directories above it are flushed before. So where there is a data file, they are on disk.
 *
 * @param options The options of the environment, with all defaults filled in.
 * @param parents The directories in which others were created, which must be flushed.
 * @throws {PersistenceError} `PERMISSION_DENIED` if access is refused; `OPEN_FAILED` if the file
 *   cannot be created for any other reason, or something else has its name.
 */
export async function createDataFile(
  options: Required<LmdbEnvironmentOptions>,
  parents: readonly string[],
): Promise<void> {
  const { path } = options;
  await translatingFileErrors(path, async () => {
    if (await hasDataFile(path)) return;
    if (parents.length > 0) await syncDirectories(parents);
    else await syncParents(path);
    const directory = await mkdtemp(join(path, TEMPORARY_DIRECTORY));
    try {
      await assertRoomLeft(directory, options.maxReaders);
      const { root } = await openBinding({ ...options, path: directory, durability: "full" }, path);
      await root.close();
      await linkUnlessThere(join(directory, DATA_FILE), join(path, DATA_FILE));
    } finally {
      await removeTemporary(directory);
    }
  });
}

async function linkUnlessThere(from: string, to: string): Promise<void> {
  try {
    await link(from, to);
  } catch (error) {
    const code = codeOf(error);
    if (code !== "EEXIST" && (code === undefined || !HAS_NO_LINKS.has(code))) throw error;
  }
}

/** LMDB crashes the process if the disk is too full for its lock file, or for a second file. */
async function assertRoomLeft(directory: string, maxReaders: number): Promise<void> {
  const [probe, second] = [join(directory, "room"), join(directory, "second")];
  await writeFile(probe, new Uint8Array(NEEDED_BYTES + maxReaders * READER_BYTES));
  await writeFile(second, "");
  await rm(probe);
  await rm(second);
}

/** What is left of it does no harm, and must not hide why the creation failed. */
async function removeTemporary(directory: string): Promise<void> {
  await rm(directory, { recursive: true, force: true }).catch(() => {});
}
