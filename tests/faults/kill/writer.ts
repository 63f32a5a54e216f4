/**
 * Writes until it is killed, and reports everything that it begins and that is acknowledged.
 *
 * @module
 */

import { LmdbEnvironmentManager, LmdbStorage } from "../../../adapters/lmdb/mod.ts";
import { readJob, report } from "../../processes/job.ts";
import { EarlyStorage } from "../early_storage.ts";
import { type LoadOptions, openForLoad, runLoad } from "../load.ts";

/** What the script takes. */
export interface KillWriterJob {
  readonly path: string;
  /** Whether commits are acknowledged before they are flushed. */
  readonly early: boolean;
  readonly load: Omit<LoadOptions, "tell">;
}

const { path, early, load } = readJob<KillWriterJob>();
const lmdb = new LmdbStorage(await LmdbEnvironmentManager.open({ path }));
const storage = early ? new EarlyStorage(lmdb) : lmdb;
const provider = await openForLoad(storage, load.seed);
report("ready");
await runLoad(provider, { ...load, tell: report });
