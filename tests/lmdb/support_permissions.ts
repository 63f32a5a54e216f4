/**
 * Opens a database through the entry point of Deno, writes and reads, and reports what came of it.
 *
 * @module
 */

import { LmdbPersistenceProvider, type LmdbProviderOptions } from "../../adapters/deno.ts";
import { PersistenceError } from "../../core/errors.ts";
import { readJob, report } from "./support_job.ts";

/** What the script reports. */
export interface PermissionReport {
  /** `"works"`, or the code of the error that the opening failed with. */
  readonly outcome: string;
  readonly message?: string;
}

report(await use(readJob<LmdbProviderOptions>()));

async function use(options: LmdbProviderOptions): Promise<PermissionReport> {
  try {
    await using provider = await LmdbPersistenceProvider.open(options);
    const journal = provider.createMessageJournal<string>();
    const next = (await journal.getHighestSequenceNumber("a")) + 1;
    if (!options.readOnly) await journal.append("a", `message ${next}`);
    const [entry] = await journal.readFrom("a", next === 0 || options.readOnly ? 0 : next);
    await provider.sync();
    return { outcome: entry === undefined ? "reads nothing" : "works" };
  } catch (error) {
    if (!(error instanceof PersistenceError)) throw error;
    return { outcome: error.code, message: error.message };
  }
}
