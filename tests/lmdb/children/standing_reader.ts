/**
 * Begins to read an environment, and then stands still: it computes until it is killed, or for some
 * time.
 *
 * @module
 */

import process from "node:process";
import { LmdbPersistenceProvider } from "../../../adapters/lmdb/mod.ts";
import { readJob, report } from "../../processes/job.ts";

/** What the script takes. */
export interface StandingReaderJob {
  readonly path: string;
  readonly readOnly: boolean;
  /** How long it stands still at most, in milliseconds. */
  readonly holdMs: number;
}

const { path, readOnly, holdMs } = readJob<StandingReaderJob>();
await using provider = await LmdbPersistenceProvider.open({ path, readOnly, mapSize: 4 << 20 });
let read = 0;
for await (const _ of provider.createMessageJournal().replay("a", 0)) {
  if (++read !== 10) continue;
  report(process.pid);
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, holdMs);
}
report(read);
