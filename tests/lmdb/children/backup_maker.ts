/**
 * Appends messages and makes one backup after the other, until it is killed.
 *
 * @module
 */

import { LmdbPersistenceProvider } from "../../../adapters/lmdb/mod.ts";
import { readJob, report } from "../../processes/job.ts";

/** What the script takes. */
export interface BackupJob {
  readonly path: string;
  /** What the paths of backups begin with; a number follows. */
  readonly target: string;
}

const { path, target } = readJob<BackupJob>();
const provider = await LmdbPersistenceProvider.open({ path });
const journal = provider.createMessageJournal<string>();
let acknowledged = -1;
const append = async () => {
  for (;;) acknowledged = await journal.append("a", "message".repeat(20));
};
void append();
report("ready");
for (let number = 0;; number++) {
  const before = acknowledged;
  await provider.backup(`${target}${number}`);
  report(`${before}`);
}
