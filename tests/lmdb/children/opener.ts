/**
 * Opens databases one after the other, reads and writes one message in each that opens, and reports
 * the outcome.
 *
 * @module
 */

import { LmdbPersistenceProvider, type LmdbProviderOptions } from "../../../adapters/lmdb/mod.ts";
import { PersistenceError } from "../../../core/errors/persistence_error.ts";
import { readJob, report } from "../../processes/job.ts";

/** What the script takes. */
export interface OpenerJob {
  readonly attempts: readonly LmdbProviderOptions[];
}

/** What the script reports for each attempt. */
export interface Attempt {
  /**
   * The code of the error that opening failed with; otherwise what reading and writing returned.
   */
  readonly outcome: string;
  readonly message?: string;
}

for (const options of readJob<OpenerJob>().attempts) report(await attempt(options));

async function attempt(options: LmdbProviderOptions): Promise<Attempt> {
  try {
    await using provider = await LmdbPersistenceProvider.open(options);
    const journal = provider.createMessageJournal<string>();
    const [entry] = await journal.readFrom("a", 0);
    const written = await journal.append("a", "new").catch((error: unknown) => {
      if (error instanceof PersistenceError) return error.code;
      throw error;
    });
    return { outcome: `read ${entry?.message}, wrote ${written}` };
  } catch (error) {
    if (!(error instanceof PersistenceError)) throw error;
    return { outcome: error.code, message: error.message };
  }
}
