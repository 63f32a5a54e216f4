/**
 * Writes a database under the eyes of the preloaded shim, and marks in its log what is acknowledged.
 *
 * @module
 */

import { closeSync, openSync } from "node:fs";
import {
  type LmdbDurability,
  LmdbEnvironmentManager,
  LmdbStorage,
} from "../../../adapters/lmdb/mod.ts";
import { readJob, report } from "../../processes/job.ts";
import { EarlyStorage } from "../early_storage.ts";
import { type LoadOptions, openForLoad, runLoad } from "../load.ts";
import { writeMark } from "./log.ts";

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

const job = readJob<PowerLossWriterJob>();
const log = openSync(job.log, "a");
for (let session = 0; session < job.sessions; session++) {
  const { path, durability, mapSize, early, load } = job;
  const environment = await LmdbEnvironmentManager.open({ path, durability, mapSize });
  const lmdb = new LmdbStorage(environment);
  const storage = early ? new EarlyStorage(lmdb) : lmdb;
  const seed = load.seed + session;
  await using provider = await openForLoad(storage, seed);
  writeMark(log, "opened");
  await runLoad(provider, {
    ...load,
    writer: `${load.writer}${session}`,
    seed,
    tell: (record) => writeMark(log, { writer: `${load.writer}${session}`, record }),
  });
}
closeSync(log);
report("done");
