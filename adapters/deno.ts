/**
 * Journals and snapshots on LMDB, on Deno. It needs a local `node_modules` directory, because LMDB is
 * a native package, and these permissions, where DATA is the directory of the database:
 *
 * ```sh
 * --allow-read=DATA,node_modules,/usr/bin/ldd --allow-write=DATA --allow-env --allow-ffi=node_modules
 * ```
 *
 * - Where DATA does not exist yet, reading the directory that it is created in must be allowed, too: it
 *   is flushed, so that DATA survives a power loss.
 * - Reading `/usr/bin/ldd` tells which C library Linux has. On other systems it is not needed; where it
 *   does not exist, `--allow-sys` takes its place.
 * - A database that is opened read-only need not be written.
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
import { dirname, resolve } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { PersistenceError } from "../core/errors.ts";
import { LmdbEnvironmentManager as CommonEnvironmentManager } from "./lmdb/environment.ts";
import type { LmdbEnvironmentOptions } from "./lmdb/options.ts";
import {
  LmdbPersistenceProvider as CommonPersistenceProvider,
  type LmdbProviderOptions,
} from "./lmdb/provider.ts";

export type { LmdbDurability, LmdbEnvironmentOptions } from "./lmdb/options.ts";
export type { LmdbProviderOptions } from "./lmdb/provider.ts";
export { LmdbStorage } from "./lmdb/storage.ts";

interface PermissionDescriptor {
  readonly name: "read" | "write" | "env" | "ffi" | "sys";
  readonly path?: string;
}

const LIBC_FILE = "/usr/bin/ldd";

/** The part of Deno's API that is needed here, so that the file type-checks everywhere. */
declare const Deno: {
  readonly permissions: {
    query(descriptor: PermissionDescriptor): Promise<{ readonly state: string }>;
  };
};

/**
 * An LMDB environment that this process has open. On Deno the error of a failed opening names the
 * permissions that are missing.
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
   * @param options Where it is and how it is opened.
   * @returns The environment.
   * @throws {PersistenceError} `PERMISSION_DENIED` with the names of the permissions that are
   *   missing; otherwise as on the other runtimes.
   */
  static override open(options: LmdbEnvironmentOptions): Promise<LmdbEnvironmentManager> {
    return namingMissingPermissions(options, () => super.open(options));
  }
}

/**
 * Journals and snapshots on LMDB: what is acknowledged is on disk. On Deno the error of a failed
 * opening names the permissions that are missing.
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
   * @param options Those of the environment, of which only `path` is needed, and those of the
   *   provider.
   * @returns The provider.
   * @throws {PersistenceError} `PERMISSION_DENIED` with the names of the permissions that are
   *   missing; otherwise as on the other runtimes.
   */
  static override open(options: LmdbProviderOptions): Promise<LmdbPersistenceProvider> {
    return namingMissingPermissions(options, () => super.open(options));
  }
}

/**
 * Permissions may be granted for parts only, so whether they suffice shows when they are used. Only
 * where that fails is it worth asking which of them are missing.
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

/** Not where the file system has refused, or where we found out ourselves what is wrong. */
function mayLackPermissions(error: unknown): boolean {
  if (!(error instanceof PersistenceError) || error.code !== "OPEN_FAILED") return false;
  const { cause } = error;
  return cause instanceof Error && !("code" in cause && /^E[A-Z]+$/.test(String(cause.code)));
}

async function missingPermissions(options: LmdbEnvironmentOptions): Promise<string[]> {
  const lmdb = packageOfLmdb();
  // Where it is not installed, that is what has failed.
  if (lmdb === undefined) return [];
  const created = options.readOnly ? [] : await missingDirectories(resolve(options.path));
  const read = [options.path, ...created.map((directory) => dirname(directory)), "node_modules"];
  if (await needsLibcFile()) read.push(LIBC_FILE);
  // Readers write, too: they keep commits apart from the opening.
  const write = [options.path, ...created.slice(1)];

  const areGranted = async (name: "read" | "write" | "ffi", paths: readonly string[]) => {
    const granted = paths.map((path) =>
      isGranted({ name, path: path === "node_modules" ? lmdb : path })
    );
    return (await Promise.all(granted)).every(Boolean);
  };
  const missing: string[] = [];
  if (!(await areGranted("read", read))) missing.push(`--allow-read=${read.join(",")}`);
  if (!(await areGranted("write", write))) missing.push(`--allow-write=${write.join(",")}`);
  if (!(await isGranted({ name: "env" }))) missing.push("--allow-env");
  if (!(await areGranted("ffi", ["node_modules"]))) missing.push("--allow-ffi=node_modules");
  return missing;
}

/** The directory of `lmdb`, in `node_modules`. */
function packageOfLmdb(): string | undefined {
  try {
    return dirname(fileURLToPath(import.meta.resolve("lmdb")));
  } catch {
    // It cannot be resolved, so it is not there.
    return undefined;
  }
}

/** The directories that do not exist, as far as that may be known, the innermost first. */
async function missingDirectories(directory: string): Promise<string[]> {
  const parent = dirname(directory);
  if (parent === directory || !(await isMissing(directory))) return [];
  return [directory, ...await missingDirectories(parent)];
}

async function isMissing(path: string): Promise<boolean> {
  try {
    await stat(path);
    return false;
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "ENOENT";
  }
}

/** `lmdb` finds its native part by the C library, which it could also tell by the machine's figures. */
async function needsLibcFile(): Promise<boolean> {
  return process.platform === "linux" && !(await isGranted({ name: "sys" }));
}

async function isGranted(descriptor: PermissionDescriptor): Promise<boolean> {
  return (await Deno.permissions.query(descriptor)).state === "granted";
}
