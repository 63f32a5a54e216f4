import { accessSync, constants, statfsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

/**
 * Runs a test with an empty directory of its own, which is removed afterwards.
 *
 * @param run The test, called with the path of the directory.
 */
export async function withDirectory(run: (path: string) => Promise<void>): Promise<void> {
  const path = await mkdtemp(join(tmpdir(), "cajun-lmdb-"));
  try {
    await run(path);
  } finally {
    await rm(path, { recursive: true, force: true });
  }
}

/** So much room a directory in memory must have. */
const MIN_BYTES_IN_MEMORY = 2 ** 29;

/**
 * Where flushing costs nothing, for tests in which nothing depends on a disk.
 *
 * @returns A directory in memory if there is one with enough room, otherwise that of temporary files.
 */
export function fastDirectory(): string {
  const inMemory = "/dev/shm";
  try {
    accessSync(inMemory, constants.W_OK);
    const { bavail, bsize } = statfsSync(inMemory);
    return bavail * bsize >= MIN_BYTES_IN_MEMORY ? inMemory : tmpdir();
  } catch {
    return tmpdir();
  }
}
