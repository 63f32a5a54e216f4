/** Opens a database, reads, and keeps its place among the readers until it may go. */

import { LmdbPersistenceProvider, type LmdbProviderOptions } from "../../../adapters/lmdb/mod.ts";
import { PersistenceError } from "../../../core/errors/persistence_error.ts";
import { permissionToGo, readJob, report } from "../../processes/job.ts";

const over = permissionToGo();
const options = readJob<LmdbProviderOptions>();
try {
  await using provider = await LmdbPersistenceProvider.open(options);
  const journal = provider.createMessageJournal<unknown>();
  await journal.readFrom("a", 0);
  report("ok");
  await over;
} catch (error) {
  if (!(error instanceof PersistenceError)) throw error;
  report(error.code);
  await over;
}
