/**
 * The {@linkcode PersistenceProvider} on LMDB.
 *
 * @module
 */

import { checkOptions } from "../../core/errors/arguments.ts";
import { PROVIDER_OPTION_NAMES, type ProviderOptions } from "../../core/ports/provider.ts";
import { checkProviderOptions, PersistenceProvider, prepareProvider } from "../../core/provider.ts";
import type { OptionNames } from "../../core/util/option_names.ts";
import { LmdbEnvironmentManager } from "./environment.ts";
import {
  checkEnvironmentOptions,
  LMDB_ENVIRONMENT_OPTION_NAMES,
  type LmdbEnvironmentOptions,
  OPERATION,
} from "./options.ts";
import { LmdbStorage } from "./storage.ts";
import { runtime } from "../runtime.ts";

/** The options of an {@linkcode LmdbPersistenceProvider}. Only `path` is required. */
export interface LmdbProviderOptions extends LmdbEnvironmentOptions, ProviderOptions {}

const LMDB_PROVIDER_OPTION_NAMES: OptionNames<LmdbProviderOptions> = {
  ...LMDB_ENVIRONMENT_OPTION_NAMES,
  ...PROVIDER_OPTION_NAMES,
};

/**
 * Journals and snapshots on LMDB: an acknowledged write is on disk.
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
   * @param options The options of the environment and those of the provider. Only `path` is
   *   required.
   * @returns The provider.
   * @throws {ArgumentTypeError | ArgumentRangeError} `INVALID_ARGUMENT` if an option is invalid or
   *   unknown; then nothing has been created or opened.
   * @throws {PersistenceError} The errors of {@linkcode LmdbEnvironmentManager.open};
   *   `CODEC_MISMATCH` if the data was written with another codec; `UNSUPPORTED_FORMAT` if it was
   *   written by a newer version of this package.
   */
  static async open(options: LmdbProviderOptions): Promise<LmdbPersistenceProvider> {
    checkOptions(options, OPERATION, LMDB_PROVIDER_OPTION_NAMES);
    const environmentOptions = checkEnvironmentOptions(options);
    const settings = checkProviderOptions(options, runtime);
    const storage = new LmdbStorage(await LmdbEnvironmentManager.open(environmentOptions));
    return new this(await prepareProvider(storage, settings));
  }
}
