/**
 * Journals and snapshots on LMDB, on Node. Under Node's permission model (`--permission`) it needs
 * these flags, with the directory of the database for DATA:
 *
 * ```sh
 * --allow-addons --allow-fs-read=DATA --allow-fs-write=DATA
 * ```
 *
 * - If DATA does not exist yet, name its parent directory instead.
 * - `readOnly` needs `--allow-fs-write`, too: a reader registers in `lock.mdb`.
 * - On Node 26 only `readOnly` works: its permission model lets nobody flush a directory.
 *
 * @example
 * ```ts
 * import { mkdtemp, rm } from "node:fs/promises";
 * import { tmpdir } from "node:os";
 * import { join } from "node:path";
 * import { LmdbPersistenceProvider } from "@cajun/persistence/node";
 *
 * const path = await mkdtemp(join(tmpdir(), "example-"));
 * const provider = await LmdbPersistenceProvider.open({ path });
 * console.log(await provider.createMessageJournal<string>().append("door-1", "opened")); // 0
 * await provider.close();
 * await rm(path, { recursive: true });
 * ```
 *
 * @module
 */

import { stat } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import process from "node:process";
import { PersistenceError } from "../../core/errors/persistence_error.ts";
import { messageOf } from "../../core/util/text.ts";
import { LmdbEnvironmentManager as CommonEnvironmentManager } from "./environment.ts";
import { codeOf } from "./files.ts";
import type { LmdbEnvironmentOptions } from "./options.ts";
import {
  LmdbPersistenceProvider as CommonPersistenceProvider,
  type LmdbProviderOptions,
} from "./provider.ts";

export {
  type BackupManifest,
  type BackupOptions,
  type BackupProgress,
  restoreBackup,
} from "./backup.ts";
export type { LmdbDurability, LmdbEnvironmentOptions } from "./options.ts";
export type { LmdbProviderOptions } from "./provider.ts";
export { LmdbStorage } from "./storage.ts";

/** The codes of the errors by which the permission model refuses something. */
const REFUSED: ReadonlySet<unknown> = new Set(["ERR_ACCESS_DENIED", "ERR_DLOPEN_DISABLED"]);

/**
 * An LMDB environment that this process has open. If opening fails for lack of permissions of Node's
 * permission model, the error names them.
 *
 * @example
 * ```ts
 * import { mkdtemp, rm } from "node:fs/promises";
 * import { tmpdir } from "node:os";
 * import { join } from "node:path";
 * import { LmdbEnvironmentManager } from "@cajun/persistence/node";
 *
 * const path = await mkdtemp(join(tmpdir(), "example-"));
 * const environment = await LmdbEnvironmentManager.open({ path });
 * console.log(environment.durability); // "full"
 * await environment.close();
 * await rm(path, { recursive: true });
 * ```
 */
export class LmdbEnvironmentManager extends CommonEnvironmentManager {
  /**
   * Opens an environment.
   *
   * @param options The path and how it is opened. Only `path` is required.
   * @returns The environment.
   * @throws {ArgumentTypeError | ArgumentRangeError} `INVALID_ARGUMENT` if an option has the wrong
   *   type or is out of range.
   * @throws {PersistenceError} `PERMISSION_DENIED` if access is refused, naming the flags of Node's
   *   permission model that are missing; `OPTIONS_MISMATCH` if this process has the path open with
   *   other options; `CORRUPT` if the data file is damaged; `UNSUPPORTED_FORMAT` if it is of another
   *   version of LMDB or of another program; `REOPEN_REQUIRED` if a commit failed and the path has
   *   not been closed by all its users since; `OPEN_FAILED` for any other reason.
   */
  static override open(options: LmdbEnvironmentOptions): Promise<LmdbEnvironmentManager> {
    return namingMissingPermissions(options, () => super.open(options));
  }
}

/**
 * Journals and snapshots on LMDB: an acknowledged write is on disk. If opening fails for lack of
 * permissions of Node's permission model, the error names them.
 *
 * @example
 * ```ts
 * import { mkdtemp, rm } from "node:fs/promises";
 * import { tmpdir } from "node:os";
 * import { join } from "node:path";
 * import { LmdbPersistenceProvider } from "@cajun/persistence/node";
 *
 * const path = await mkdtemp(join(tmpdir(), "example-"));
 * const provider = await LmdbPersistenceProvider.open({ path });
 * console.log(await provider.isHealthy()); // true
 * await provider.close();
 * await rm(path, { recursive: true });
 * ```
 */
export class LmdbPersistenceProvider extends CommonPersistenceProvider {
  /**
   * Opens a provider on an LMDB environment.
   *
   * @param options The options of the environment and those of the provider. Only `path` is
   *   required.
   * @returns The provider.
   * @throws {ArgumentTypeError | ArgumentRangeError} `INVALID_ARGUMENT` if an option has the wrong
   *   type or is out of range.
   * @throws {PersistenceError} The errors of {@linkcode LmdbEnvironmentManager.open};
   *   `CODEC_MISMATCH` if the data was written with another codec; `UNSUPPORTED_FORMAT` if it was
   *   written by a newer version of this package.
   */
  static override open(options: LmdbProviderOptions): Promise<LmdbPersistenceProvider> {
    return namingMissingPermissions(options, () => super.open(options));
  }
}

async function namingMissingPermissions<Result>(
  options: LmdbEnvironmentOptions,
  open: () => Promise<Result>,
): Promise<Result> {
  // On Bun and Deno, and without the permission model, there is none.
  if (process.permission === undefined || typeof options?.path !== "string") return await open();
  // What is not there yet cannot be named: the permission would be for a file.
  const directory = await existingDirectory(resolve(options.path));
  try {
    return await open();
  } catch (error) {
    if (!(error instanceof PersistenceError) || !REFUSED.has(codeOf(error.cause))) throw error;
    const missing = missingPermissions(directory);
    const advice = missing.length > 0
      ? `Node must be run with ${missing.join(" ")}`
      // Nothing else that is refused is missing then.
      : `Node's permission model refuses: ${messageOf(error.cause)}${adviceOn(error.cause)}`;
    throw new PersistenceError(
      "PERMISSION_DENIED",
      `Cannot open LMDB environment at "${options.path}": ${advice}`,
      { cause: error },
    );
  }
}

function missingPermissions(directory: string): string[] {
  const missing: string[] = [];
  if (!isGranted("addon")) missing.push("--allow-addons");
  if (!isGranted("fs.read", directory)) missing.push(`--allow-fs-read=${directory}`);
  if (!isGranted("fs.write", directory)) missing.push(`--allow-fs-write=${directory}`);
  return missing;
}

/** The directory, or the nearest parent that is there; as far as it may be known. */
async function existingDirectory(directory: string): Promise<string> {
  try {
    await stat(directory);
    return directory;
  } catch (error) {
    const parent = dirname(directory);
    if (codeOf(error) !== "ENOENT" || parent === directory) return directory;
    return await existingDirectory(parent);
  }
}

function isGranted(scope: string, path?: string): boolean {
  if (process.permission.has(scope, path)) return true;
  // Early versions know this flag, but not this scope.
  const flags = [...process.execArgv, process.env["NODE_OPTIONS"] ?? ""].join(" ");
  return scope === "addon" && flags.includes("--allow-addons");
}

function adviceOn(cause: unknown): string {
  const isFlush = messageOf(cause).includes("fsync");
  return isFlush ? " On this version of Node, only readOnly: true works under it" : "";
}
