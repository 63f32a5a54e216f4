/**
 * Writes a database under the eyes of the preloaded shim, and marks in its log what is acknowledged.
 *
 * @module
 */

import { closeSync, openSync } from "node:fs";
import { setImmediate } from "node:timers";
import {
  type LmdbDurability,
  LmdbEnvironmentManager,
  LmdbStorage,
} from "../../adapters/lmdb/mod.ts";
import { PersistenceProvider } from "../../core/provider.ts";
import type { WriteGroup } from "../../core/storage.ts";
import { ObservedStorage } from "../conformance/observed_storage.ts";
import { readJob, report } from "../lmdb/support_job.ts";
import { type LoadOptions, runLoad } from "./load.ts";
import { writeMark } from "./power_loss_log.ts";

/** What the script takes. */
export interface PowerLossWriterJob {
  readonly path: string;
  readonly log: string;
  readonly durability: LmdbDurability;
  /** Whether commits are acknowledged before they are flushed. */
  readonly early: boolean;
  readonly mapSize: number;
  /** How often the database is opened. */
  readonly sessions: number;
  readonly load: Omit<LoadOptions, "tell">;
}

/** Acknowledges what has not been flushed: a mistake that the rig must notice. */
class EarlyStorage extends ObservedStorage {
  override async commit(groups: readonly WriteGroup[]): Promise<readonly boolean[]> {
    const committed = super.commit(groups);
    committed.catch((error) => {
      console.error(error);
    });
    await new Promise((resolve) => setImmediate(resolve));
    return groups.map(() => true);
  }
}

const job = readJob<PowerLossWriterJob>();
const log = openSync(job.log, "a");
for (let session = 0; session < job.sessions; session++) {
  const { path, durability, mapSize, early, load } = job;
  const environment = await LmdbEnvironmentManager.open({ path, durability, mapSize });
  const lmdb = new LmdbStorage(environment);
  await using provider = await PersistenceProvider.openOn(early ? new EarlyStorage(lmdb) : lmdb);
  writeMark(log, "opened");
  await runLoad(provider, {
    ...load,
    writer: `${load.writer}${session}`,
    seed: load.seed + session,
    tell: (record) => writeMark(log, { writer: `${load.writer}${session}`, record }),
  });
}
closeSync(log);
report("done");
