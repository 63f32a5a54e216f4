/**
 * Opens a database through the entry point of Deno or Node, writes and reads, and reports the outcome.
 *
 * @module
 */

import type { LmdbProviderOptions } from "../../../adapters/lmdb/mod.ts";
import { PersistenceError } from "../../../core/errors/persistence_error.ts";
import { readJob, report } from "../../processes/job.ts";

/** What the script reports. */
export interface PermissionReport {
  /** `"works"`, or the code of the error that opening failed with. */
  readonly outcome: string;
  readonly message?: string;
}

const { LmdbPersistenceProvider } = "Deno" in globalThis
  ? await import("../../../adapters/lmdb/deno.ts")
  : await import("../../../adapters/lmdb/node.ts");

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
