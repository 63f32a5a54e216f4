/**
 * The {@linkcode PersistenceProvider} on LMDB.
 *
 * @module
 */

import { PersistenceProvider, type ProviderOptions } from "../../core/provider.ts";
import { LmdbEnvironmentManager } from "./environment.ts";
import type { LmdbEnvironmentOptions } from "./options.ts";
import { LmdbStorage } from "./storage.ts";

/** How an {@linkcode LmdbPersistenceProvider} is opened. */
export interface LmdbProviderOptions extends LmdbEnvironmentOptions, ProviderOptions {}

/**
 * Journals and snapshots on LMDB: what is acknowledged is on disk.
 *
 * @example A journal that survives
 * ```ts
 * import { mkdtemp, rm } from "node:fs/promises";
 * import { tmpdir } from "node:os";
 * import { join } from "node:path";
 * import { LmdbPersistenceProvider } from "@cajun/persistence/lmdb";
 *
 * const path = await mkdtemp(join(tmpdir(), "example-"));
 * {
 *   await using provider = await LmdbPersistenceProvider.open({ path });
 *   await provider.createMessageJournal<string>().append("door-1", "opened");
 * }
 * {
 *   await using provider = await LmdbPersistenceProvider.open({ path });
 *   const entries = await provider.createMessageJournal<string>().readFrom("door-1", 0);
 *   console.log(entries[0]?.message); // "opened"
 * }
 * await rm(path, { recursive: true });
 * ```
 */
export class LmdbPersistenceProvider extends PersistenceProvider {
  /**
   * Opens a provider on an LMDB environment.
   *
   * @param options Those of the environment, of which only `path` is needed, and those of the
   *   provider.
   * @returns The provider.
   * @throws {ArgumentTypeError | ArgumentRangeError} `INVALID_ARGUMENT` where an option is bad.
   * @throws {PersistenceError} As `LmdbEnvironmentManager.open`; and `CODEC_MISMATCH` where the data
   *   was written with another codec.
   */
  static async open(options: LmdbProviderOptions): Promise<LmdbPersistenceProvider> {
    const storage = new LmdbStorage(await LmdbEnvironmentManager.open(options));
    return new this(await PersistenceProvider.prepare(storage, options));
  }
}
