/**
 * Appends one message after the other to a database, until the test lets it end. Then it looks
 * whether all are there.
 *
 * @module
 */

import { LmdbPersistenceProvider } from "../../../adapters/lmdb/mod.ts";
import { CommitGuard } from "../../../adapters/lmdb/opening_lock.ts";
import { permissionToGo, readJob, report } from "../../processes/job.ts";

/** What the script takes. */
export interface CommitterJob {
  readonly path: string;
  /** Whether it commits without regard to those that open the database. */
  readonly unguarded: boolean;
}

const { path, unguarded } = readJob<CommitterJob>();
if (unguarded) CommitGuard.prototype.begin = () => undefined;
await using provider = await LmdbPersistenceProvider.open({ path });
const journal = provider.createMessageJournal<number | string>();
await journal.append("a", "first");
report("ready");
let isOver = false;
void permissionToGo().then(() => isOver = true);
let next = 0;
for (; !isOver; next++) {
  const number = await journal.append("b", next);
  if (number !== next) throw new Error(`message ${next} got the number ${number}`);
  // An append settles in a microtask: let the end of the input be seen.
  if (next % 16 === 0) await new Promise((resolve) => setTimeout(resolve));
}
const entries = await journal.readFrom("b", 0);
const isThere = entries.every(({ message }, index) => message === index);
if (entries.length !== next || !isThere) {
  throw new Error(`${next} were acknowledged, ${entries.length} are there`);
}
report(next);
