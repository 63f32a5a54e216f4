/**
 * Holds the write lock of an environment, so that no other process can commit, until the time is
 * over or it is killed.
 *
 * @module
 */

import { open } from "lmdb";
import { readJob, report } from "../../processes/job.ts";

/** What the script takes. */
export interface LockHolderJob {
  readonly path: string;
  /** How long it holds the lock at most, in milliseconds. */
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
