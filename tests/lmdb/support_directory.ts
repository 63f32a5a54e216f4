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
