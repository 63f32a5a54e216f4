/**
 * The creation of a data file.
 *
 * @module
 */

import { link, mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { openBinding } from "./binding.ts";
import { codeOf, DATA_FILE, hasDataFile, translatingFileErrors } from "./files.ts";
import type { LmdbEnvironmentOptions } from "./options.ts";

/** What file systems say that have no hard links. */
const HAS_NO_LINKS = new Set(["EPERM", "ENOTSUP", "EOPNOTSUPP", "ENOSYS", "EINVAL"]);

/**
 * Creates the data file of an environment that has none, wholly or not at all. LMDB writes its first
 * pages without flushing them: a power loss before the first commit would leave a file that looks
 * damaged, and so cannot be opened again. So it is made in a directory of its own, and gets its name
 * when it is on disk. Where another process is faster, its file is taken. Where the file system has no
 * hard links, LMDB shall create it in its place; several processes should not do that at once there.
 *
 * @param options How the environment is opened, all defaults filled in.
 * @throws {PersistenceError} `PERMISSION_DENIED`, `OPEN_FAILED`.
 */
export async function createDataFile(options: Required<LmdbEnvironmentOptions>): Promise<void> {
  await translatingFileErrors(options.path, async () => {
    if (await hasDataFile(options.path)) return;
    const directory = await mkdtemp(join(options.path, ".new-"));
    try {
      const { root } = await openBinding({ ...options, path: directory, durability: "full" });
      await root.close();
      await linkUnlessThere(join(directory, DATA_FILE), join(options.path, DATA_FILE));
    } finally {
      await rm(directory, { recursive: true });
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
