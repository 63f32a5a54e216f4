import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { LmdbEnvironmentManager, LmdbStorage } from "../../adapters/lmdb/mod.ts";
import { conformance } from "../conformance/mod.ts";
import { test } from "../harness.ts";

const EMPTY_DATABASE = await makeEmptyDatabase();

conformance({
  test,
  factory: {
    // Stated here again, so that a capability cannot get lost, and its cases be skipped, unnoticed.
    supports: {
      reopen: true,
      processCrash: true,
      multipleProcesses: true,
      readOnly: true,
      sizeLimit: true,
    },
    async createPlace() {
      const path = await mkdtemp(join(tmpdir(), "cajun-conformance-"));
      await writeFile(join(path, "data.mdb"), EMPTY_DATABASE);
      return {
        async openStorage({ readOnly = false, limitBytes } = {}) {
          const environment = await LmdbEnvironmentManager.open({
            path,
            readOnly,
            ...(limitBytes !== undefined && { mapSize: limitBytes }),
          });
          return new LmdbStorage(environment);
        },
        cleanup: () => rm(path, { recursive: true }),
      };
    },
  },
});

/** To create a database costs several flushes, to copy an empty one none; there are hundreds. */
async function makeEmptyDatabase(): Promise<Uint8Array> {
  const path = await mkdtemp(join(tmpdir(), "cajun-conformance-"));
  await (await LmdbEnvironmentManager.open({ path })).close();
  const bytes = await readFile(join(path, "data.mdb"));
  await rm(path, { recursive: true });
  return bytes;
}
