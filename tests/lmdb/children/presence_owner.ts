/**
 * Has presences in the directory of a database, as environments that are open there, until the test
 * lets it go on or kills it.
 *
 * @module
 */

import { mkdir, rm, rmdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Presence } from "../../../adapters/lmdb/presence.ts";
import { permissionToGo, readJob, report } from "../../processes/job.ts";

/** What the script takes. */
export interface OwnerJob {
  readonly path: string;
  readonly count: number;
  /** Whether they say that they commit. */
  readonly commits?: boolean;
  /** Whether they say that they open the database. */
  readonly opens?: boolean;
}

const { path, count, commits, opens } = readJob<OwnerJob>();
const locks = join(path, ".opening");
const presences: Presence[] = [];
for (let index = 0; index < count; index++) presences.push(await Presence.create(path));
for (const presence of presences) {
  if (commits) presence.markBusy();
  if (opens) await lock(presence.name);
}
report(presences.map(({ name }) => name));
await permissionToGo();
for (const presence of presences) {
  if (opens) await rm(join(locks, presence.name));
  presence.markIdle();
}
if (opens) await rmdir(locks).catch(() => {});
report("idle");
// Its presences are left to whoever comes next.

/** Those who commit remove the directory while it is empty. */
async function lock(name: string): Promise<void> {
  for (;;) {
    try {
      await mkdir(locks, { recursive: true });
      return await writeFile(join(locks, name), "");
    } catch (error) {
      if (!(error instanceof Error && "code" in error && error.code === "ENOENT")) throw error;
    }
  }
}
