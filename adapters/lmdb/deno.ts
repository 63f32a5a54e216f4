/**
 * Journals and snapshots on LMDB, on Deno. LMDB is a native package, so it needs a local
 * `node_modules` directory, and these permissions, with the directory of the database for DATA:
 *
 * ```sh
 * --allow-read=DATA,node_modules,/usr/bin/ldd --allow-write=DATA --allow-env --allow-ffi=node_modules
 * ```
 *
 * - `node_modules` stands for the directory that `lmdb` is in: in a workspace, that of its root.
 * - If DATA does not exist yet, reading its parent directory must be allowed, too: that is flushed,
 *   so that DATA survives a power loss.
 * - Reading `/usr/bin/ldd` shows which C library a Linux system has. Other systems do not need it;
 *   if it does not exist, use `--allow-sys` instead.
 * - With `readOnly`, `--allow-write=DATA` is needed, too: a reader registers in `lock.mdb`, and
 *   creates a file in DATA while it opens the database.
 *
 * @example
 * ```ts
 * import { mkdtemp, rm } from "node:fs/promises";
 * import { tmpdir } from "node:os";
 * import { join } from "node:path";
 * import { LmdbPersistenceProvider } from "@cajun/persistence/deno";
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
import { dirname, resolve, sep } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { PersistenceError } from "../../core/errors/persistence_error.ts";
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
export type { LmdbDurability, LmdbEnvironmentOptions, LmdbVerification } from "./options.ts";
export type { LmdbVerifyOptions } from "./environment.ts";
export type { VerificationProgress } from "./verify/data_file.ts";
export type { LmdbProviderOptions } from "./provider.ts";
export { LmdbStorage } from "./storage.ts";

/** The file from which `lmdb` finds out which C library a Linux system has. */
const LIBC_FILE = "/usr/bin/ldd";

/**
 * An LMDB environment that this process has open. On Deno, if opening fails for lack of
 * permissions, the error names them.
 *
 * @example
 * ```ts
 * import { mkdtemp, rm } from "node:fs/promises";
 * import { tmpdir } from "node:os";
 * import { join } from "node:path";
 * import { LmdbEnvironmentManager } from "@cajun/persistence/deno";
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
   * @throws {PersistenceError} `PERMISSION_DENIED` if access is refused, naming Deno's permissions
   *   that are missing; `OPTIONS_MISMATCH` if this process has the path open with other options;
   *   `CORRUPT` if the data file is damaged; `UNSUPPORTED_FORMAT` if it is of another version of
   *   LMDB or of another program; `REOPEN_REQUIRED` if a commit failed, or the files were removed or
   *   replaced while they were open, and the path has not been closed by all its users since;
   *   `OPEN_FAILED` for any other reason.
   */
  static override open(options: LmdbEnvironmentOptions): Promise<LmdbEnvironmentManager> {
    return namingMissingPermissions(options, () => super.open(options));
  }
}

/**
 * Journals and snapshots on LMDB: an acknowledged write is on disk. On Deno, if opening fails for
 * lack of permissions, the error names them.
 *
 * @example
 * ```ts
 * import { mkdtemp, rm } from "node:fs/promises";
 * import { tmpdir } from "node:os";
 * import { join } from "node:path";
 * import { LmdbPersistenceProvider } from "@cajun/persistence/deno";
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

/**
 * Runs an opening, and names the missing permissions if it fails. Permissions may be granted for
 * parts only, so whether they suffice shows when they are used. Only if that fails are they
 * queried.
 */
async function namingMissingPermissions<Result>(
  options: LmdbEnvironmentOptions,
  open: () => Promise<Result>,
): Promise<Result> {
  try {
    return await open();
  } catch (cause) {
    if (!mayLackPermissions(cause)) throw cause;
    const missing = await missingPermissions(options);
    if (missing.length === 0) throw cause;
    throw new PersistenceError(
      "PERMISSION_DENIED",
      `Cannot open LMDB environment at "${options.path}": Deno must be run with ${
        missing.join(" ")
      }`,
      { cause },
    );
  }
}

/** Not if the file system has refused, or if a check of ours has found what is wrong. */
function mayLackPermissions(error: unknown): boolean {
  if (!(error instanceof PersistenceError) || error.code !== "OPEN_FAILED") return false;
  const { cause } = error;
  return cause !== undefined && !/^E[A-Z]+$/.test(codeOf(cause) ?? "");
}

async function missingPermissions(options: LmdbEnvironmentOptions): Promise<string[]> {
  const lmdb = lmdbDirectory();
  // If it is not installed, that is why opening failed.
  if (lmdb === undefined) return [];
  const created = options.readOnly ? [] : await missingDirectories(resolve(options.path));
  const packages = packagesDirectory(lmdb);
  const read = [options.path, ...created.map((directory) => dirname(directory)), packages];
  if (await needsLibcFile()) read.push(LIBC_FILE);
  // Readers write, too: see `opening_lock.ts`.
  const write = [options.path, ...created.slice(1)];

  const areGranted = async (name: "read" | "write" | "ffi", paths: readonly string[]) => {
    const granted = paths.map((path) => isGranted({ name, path: path === packages ? lmdb : path }));
    return (await Promise.all(granted)).every(Boolean);
  };
  const missing: string[] = [];
  if (!(await areGranted("read", read))) missing.push(`--allow-read=${read.join(",")}`);
  if (!(await areGranted("write", write))) missing.push(`--allow-write=${write.join(",")}`);
  if (!(await isGranted({ name: "env" }))) missing.push("--allow-env");
  if (!(await areGranted("ffi", [packages]))) missing.push(`--allow-ffi=${packages}`);
  return missing;
}

/** The directory of `lmdb`. */
function lmdbDirectory(): string | undefined {
  try {
    return dirname(fileURLToPath(import.meta.resolve("lmdb")));
  } catch {
    // It is not installed.
    return undefined;
  }
}

/**
 * The directory that has `lmdb` and what it needs: the outermost `node_modules`, or else a part of
 * Deno's cache. Relative if it is in the working directory, as one would write it.
 */
function packagesDirectory(lmdb: string): string {
  const parts = lmdb.split(sep);
  const depth = parts.indexOf("node_modules");
  // In the cache a package is in `npm/<registry>/<name>/<version>`.
  const directory = depth < 0
    ? dirname(dirname(lmdb.replace(/[\\/]dist$/, "")))
    : parts.slice(0, depth + 1).join(sep);
  return directory === resolve("node_modules") ? "node_modules" : directory;
}

/** The directories of a path that have to be created, as far as that is known, the innermost first. */
async function missingDirectories(directory: string): Promise<string[]> {
  // One that may be there is taken for missing: its parent is asked for at once, not in a second round.
  if (!(await isGranted({ name: "read", path: directory }))) return [directory];
  const parent = dirname(directory);
  if (parent === directory || !(await isMissing(directory))) return [];
  const isParentKnown = await isGranted({ name: "read", path: parent });
  return [directory, ...isParentKnown ? await missingDirectories(parent) : []];
}

async function isMissing(path: string): Promise<boolean> {
  try {
    await stat(path);
    return false;
  } catch (error) {
    return codeOf(error) === "ENOENT";
  }
}

/**
 * `lmdb` chooses its native part by the C library, which it can also find out with `--allow-sys`.
 */
async function needsLibcFile(): Promise<boolean> {
  return process.platform === "linux" && !(await isGranted({ name: "sys" }));
}

async function isGranted(descriptor: Deno.PermissionDescriptor): Promise<boolean> {
  return (await Deno.permissions.query(descriptor)).state === "granted";
}
