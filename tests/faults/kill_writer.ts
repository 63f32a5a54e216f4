/**
 * Writes until it is killed, and reports everything that it begins and that is acknowledged.
 *
 * @module
 */

import { LmdbPersistenceProvider } from "../../adapters/lmdb/mod.ts";
import { readJob, report } from "../lmdb/support_job.ts";
import { type LoadOptions, runLoad } from "./load.ts";

/** What the script takes. */
export interface KillWriterJob {
  readonly path: string;
  readonly load: Omit<LoadOptions, "tell">;
}

const { path, load } = readJob<KillWriterJob>();
const provider = await LmdbPersistenceProvider.open({ path });
report("ready");
await runLoad(provider, { ...load, tell: report });
