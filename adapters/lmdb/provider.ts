/**
 * The {@linkcode PersistenceProvider} on LMDB.
 *
 * @module
 */

import { checkOptions } from "../../core/errors/arguments.ts";
import { PROVIDER_OPTION_NAMES, type ProviderOptions } from "../../core/ports/provider.ts";
import { checkProviderOptions, PersistenceProvider, prepareProvider } from "../../core/provider.ts";
import { reportingBackup } from "../../core/telemetry/backup_events.ts";
import type { OptionNames } from "../../core/util/option_names.ts";
import { PersistenceError } from "../../core/errors/persistence_error.ts";
import { type BackupManifest, type BackupOptions, makeBackup } from "./backup.ts";
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
  #opened: {
    readonly environment: LmdbEnvironmentManager;
    readonly settings: ReturnType<typeof checkProviderOptions>;
  } | undefined;

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
    const environment = await LmdbEnvironmentManager.open(environmentOptions);
    const provider = new this(await prepareProvider(new LmdbStorage(environment), settings));
    provider.#opened = { environment, settings };
    return provider;
  }

  /**
   * Makes a backup while others go on: of one moment, with everything that was acknowledged before
   * the call. It is a directory with a copy of the data file and a manifest, which gets its name
   * when it is complete, verified (all pages, records and journals, as by `verify()`) and on disk.
   * Like the data file it has pages that are free, in which what was deleted may still stand.
   *
   * Restore it by `restoreBackup`. Until the copy is made, the data file may grow, since what is freed
   * is not used again.
   *
   * @param path The directory that is made. It must not exist; its parents are created.
   * @param options A signal, and who watches.
   * @returns What is in it.
   * @throws {ArgumentTypeError | ArgumentRangeError} `INVALID_ARGUMENT` if an argument is invalid or
   *   unknown.
   * @throws {PersistenceError} `STORAGE_FAILED` if the directory exists, or cannot be written;
   *   `CORRUPT` if the data is damaged, so that there is no backup; `CLOSED`.
   * @throws {unknown} The signal's reason after an abort.
   *
   * @example Every night
   * ```ts
   * import { mkdtemp, rm } from "node:fs/promises";
   * import { tmpdir } from "node:os";
   * import { join } from "node:path";
   * import { LmdbPersistenceProvider } from "@cajun/persistence/lmdb";
   *
   * const directory = await mkdtemp(join(tmpdir(), "example-"));
   * {
   *   await using provider = await LmdbPersistenceProvider.open({ path: join(directory, "data") });
   *   await provider.createMessageJournal<string>().append("door-1", "opened");
   *   const today = new Date().toISOString().slice(0, 10);
   *   const { position, entries } = await provider.backup(join(directory, today));
   *   console.log(position, entries); // 1 1
   * }
   * await rm(directory, { recursive: true });
   * ```
   */
  async backup(path: string, options: BackupOptions = {}): Promise<BackupManifest> {
    return await reportingBackup(this.telemetry, this.clock, () => this.#backup(path, options));
  }

  async #backup(path: string, options: BackupOptions): Promise<BackupManifest> {
    const { environment, settings: { codec } } = this.#opened ?? notOpened();
    if (environment.isClosed) {
      throw new PersistenceError("CLOSED", "Cannot back up: the provider is closed");
    }
    const { shared } = environment;
    // Another user of the environment, so that it stays open until the copy is made.
    await using held = await LmdbEnvironmentManager.open(shared.options);
    const { mapSize } = shared.options;
    return await makeBackup(
      {
        codec: codec.name,
        copyTo: (file, onProgress) => held.shared.copyTo(file, onProgress),
        async verify(directory, watch) {
          await using copy = await LmdbPersistenceProvider.open({
            path: directory,
            codec,
            mapSize,
            readOnly: true,
            verifyOnOpen: "full",
          });
          return { report: await copy.verify(watch), position: await copy.position() };
        },
      },
      path,
      options,
    );
  }
}

function notOpened(): never {
  throw new PersistenceError("CLOSED", "Cannot back up: the provider was not opened");
}
