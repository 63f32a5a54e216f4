/**
 * Holds the write lock of an environment, so that no other process can commit, until it is killed or
 * its time is over.
 *
 * @module
 */

import { open } from "lmdb";
import { readJob, report } from "./support_job.ts";

/** What the script takes. */
export interface LockHolderJob {
  readonly path: string;
  /** How long it holds the lock at the most. */
  readonly holdMs: number;
}

const { path, holdMs } = readJob<LockHolderJob>();
const root = open({ path, noSubdir: false, overlappingSync: false, maxDbs: 10 });
root.transactionSync(() => {
  report("holding");
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, holdMs);
});
report("released");
await root.close();
