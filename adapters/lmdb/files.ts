/**
 * The directory of an LMDB environment.
 *
 * @module
 */

import { closeSync, openSync, type Stats } from "node:fs";
import { lstat, mkdir, open, realpath, stat } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import process from "node:process";
import { PersistenceError } from "../../core/errors/persistence_error.ts";
import { messageOf } from "../../core/util/text.ts";

/** The name of an environment's data file. */
export const DATA_FILE = "data.mdb";
/** The name of the file with LMDB's locks and readers. */
export const LOCK_FILE = "lock.mdb";

const PRIVATE_DIRECTORY = 0o700;
/** The mode with which LMDB creates its files. */
const FILE_MODE = 0o664;
/**
 * Windows neither opens nor flushes directories: its file systems journal their entries. Nor does
 * it limit the handles of a process to a number that is ever reached.
 */
const canOpenDirectories = process.platform !== "win32";
/** LMDB opens three files; other threads of this process may open some at the same time. */
const NEEDED_HANDLES = 8;
const OUT_OF_HANDLES = new Set(["EMFILE", "ENFILE"]);
const REFUSED = new Set(["EACCES", "EPERM", "EROFS"]);

/** The directory of an environment. */
export interface EnvironmentDirectory {
  /** Its path without symbolic links: the same for all that open it. */
  readonly path: string;
  /** The directories in which others were created: they must be flushed. */
  readonly parents: readonly string[];
}

/**
 * Finds the directory of an environment, or creates it.
 *
 * @param path Its path, absolute or relative to the working directory.
 * @param create Whether to create it if it does not exist.
 * @returns The directory.
 * @throws {PersistenceError} `OPEN_FAILED` if it is not a directory, or is missing and not to be
 *   created; `PERMISSION_DENIED` if access is refused.
 */
export function prepareDirectory(path: string, create: boolean): Promise<EnvironmentDirectory> {
  return translatingFileErrors(path, async () => {
    const absolute = resolve(path);
    const created = create && !(await isThere(absolute)) ? await createMissing(absolute) : [];
    if (!(await stat(absolute)).isDirectory()) {
      throw new PersistenceError(
        "OPEN_FAILED",
        `Cannot open LMDB environment at "${path}": it is not a directory`,
      );
    }
    return { path: await realpath(absolute), parents: created.map(dirname) };
  });
}

/**
 * Finds the path of a directory without symbolic links, also if it does not exist (any more).
 *
 * @param path Its path, absolute or relative to the working directory.
 * @returns The same for all that name the directory.
 * @throws {PersistenceError} `PERMISSION_DENIED` if access is refused; `OPEN_FAILED` if it cannot
 *   be found for any other reason.
 */
export function realPathOf(path: string): Promise<string> {
  return translatingFileErrors(path, () => realPathOfExistingPart(resolve(path)));
}

async function realPathOfExistingPart(absolute: string): Promise<string> {
  try {
    return await realpath(absolute);
  } catch (error) {
    const parent = dirname(absolute);
    if (codeOf(error) !== "ENOENT" || parent === absolute) throw error;
    return join(await realPathOfExistingPart(parent), basename(absolute));
  }
}

/**
 * Checks whether an environment has a data file.
 *
 * @param path The directory of the environment.
 * @returns Whether it has one.
 */
export async function hasDataFile(path: string): Promise<boolean> {
  return await statsOf(join(path, DATA_FILE)) !== undefined;
}

/**
 * Checks that LMDB can open both its files: if it can open only one of them, it crashes the
 * process.
 *
 * @param path The directory of the environment.
 * @param readOnly Whether it is opened for reading only. Otherwise missing files are created.
 * @throws {PersistenceError} `PERMISSION_DENIED` if access is refused; `OPEN_FAILED` if the data
 *   file to be read is missing.
 */
export function checkFiles(path: string, readOnly: boolean): Promise<void> {
  return translatingFileErrors(path, async () => {
    const dataFile = join(path, DATA_FILE);
    const lockFile = join(path, LOCK_FILE);
    const data = await statsOf(dataFile);
    const lock = await statsOf(lockFile);
    if (!readOnly) {
      await tryToOpen(dataFile, "a+");
      if (!haveSameRights(data, lock)) await tryToOpen(lockFile, "a+");
      return;
    }
    await tryToOpen(dataFile, "r");
    if (lock) await assertReaderCanLock(dataFile, lockFile, haveSameRights(data, lock));
  });
}

/**
 * Runs an action on files, and translates its error into one that names the environment.
 *
 * @param path The directory of the environment, for the message of the error.
 * @param action The action.
 * @returns What the action returns.
 * @throws {PersistenceError} `PERMISSION_DENIED` if access is refused, otherwise `OPEN_FAILED`. A
 *   `PersistenceError` of the action is thrown as it is.
 */
export async function translatingFileErrors<Result>(
  path: string,
  action: () => Promise<Result>,
): Promise<Result> {
  try {
    return await action();
  } catch (cause) {
    throw asOpenError(path, cause);
  }
}

/**
 * Checks that enough file handles are left for LMDB, which crashes the process if it runs out of
 * them. Synchronous, so that nothing else in this thread can take them before LMDB does.
 *
 * @param path The directory of the environment.
 * @throws {Error} The file system's own error: EMFILE or ENFILE.
 */
export function assertHandlesLeft(path: string): void {
  if (!canOpenDirectories) return;
  const handles: number[] = [];
  try {
    while (handles.length < NEEDED_HANDLES) handles.push(openSync(path, "r"));
  } catch (error) {
    // A directory that cannot be read for another reason says nothing about handles.
    if (OUT_OF_HANDLES.has(codeOf(error) ?? "")) throw error;
  } finally {
    for (const handle of handles) closeSync(handle);
  }
}

/**
 * Flushes directories, so that files that were created in them survive a power loss.
 *
 * @param directories Their paths.
 * @throws {Error} The file system's own error.
 */
export async function syncDirectories(directories: readonly string[]): Promise<void> {
  if (!canOpenDirectories) return;
  for (const directory of directories) {
    const handle = await open(directory, "r");
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  }
}

/**
 * Flushes the parents of a directory that a process may have created and not flushed before it
 * died: those of directories with the mode that we give them. Whether that is so cannot be told, so
 * what cannot be flushed, for lack of rights, is left.
 *
 * @param directory The path of the directory.
 * @throws {Error} The file system's own error.
 */
export async function syncParents(directory: string): Promise<void> {
  try {
    const { mode } = await stat(directory);
    const parent = dirname(directory);
    if ((mode & 0o777) !== PRIVATE_DIRECTORY || parent === directory) return;
    await syncDirectories([parent]);
    await syncParents(parent);
  } catch (error) {
    // What the creator had the right to flush, it has flushed.
    if (!REFUSED.has(codeOf(error) ?? "")) throw error;
  }
}

/**
 * Creates a directory and its missing parents. `mkdir` could do that in one call, but on Node it
 * mistakes a read-only file system for a missing directory.
 *
 * @returns The directories that were created, the innermost first.
 */
async function createMissing(path: string): Promise<string[]> {
  const parent = dirname(path);
  try {
    return await createDirectory(path);
  } catch (error) {
    if (codeOf(error) !== "ENOENT" || parent === path) throw error;
  }
  const parents = await createMissing(parent);
  return [...await createDirectory(path), ...parents];
}

async function createDirectory(path: string): Promise<string[]> {
  try {
    // The parent must be flushed afterwards: better to fail before anything is created.
    if (canOpenDirectories) await tryToOpen(dirname(path), "r");
    await mkdir(path, PRIVATE_DIRECTORY);
    return [path];
  } catch (error) {
    if (codeOf(error) === "EEXIST") return [];
    throw error;
  }
}

async function isThere(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (error) {
    if (codeOf(error) === "ENOENT") return false;
    throw error;
  }
}

/**
 * What the file system says of a file.
 *
 * @param path The path of the file, not followed if it is a link.
 * @returns What it says, or `undefined` if there is no such file.
 * @throws {Error} The file system's own error.
 */
export async function statsOf(path: string): Promise<Stats | undefined> {
  try {
    return await lstat(path);
  } catch (error) {
    if (codeOf(error) === "ENOENT") return undefined;
    throw error;
  }
}

async function tryToOpen(path: string, flags: string): Promise<void> {
  await (await open(path, flags, FILE_MODE)).close();
}

/**
 * Whether the two files have the same owner and mode, as usual. Then it is enough to open the data
 * file. Opening `lock.mdb` to find out is the last resort: closing it gives up the locks that this
 * process, maybe in another thread, holds on it.
 */
function haveSameRights(data: Stats | undefined, lock: Stats | undefined): boolean {
  return data !== undefined && lock !== undefined &&
    data.uid === lock.uid && data.gid === lock.gid && data.mode === lock.mode;
}

/**
 * Checks that a reader can write to `lock.mdb`: otherwise LMDB would not know of it, and what it
 * reads could be overwritten meanwhile. On a read-only file system there are no writers.
 */
async function assertReaderCanLock(
  dataFile: string,
  lockFile: string,
  haveSameRights: boolean,
): Promise<void> {
  try {
    await tryToOpen(haveSameRights ? dataFile : lockFile, "r+");
  } catch (error) {
    if (codeOf(error) === "EACCES") throw error;
  }
}

function asOpenError(path: string, cause: unknown): PersistenceError {
  if (cause instanceof PersistenceError) return cause;
  const code = codeOf(cause);
  const isRefused = code !== undefined && REFUSED.has(code);
  const advice = code === "EROFS" ? "; readOnly: true may work" : "";
  return new PersistenceError(
    isRefused ? "PERMISSION_DENIED" : "OPEN_FAILED",
    `Cannot open LMDB environment at "${path}": ${messageOf(cause)}${advice}`,
    { cause },
  );
}

/**
 * The code of an error of the file system.
 *
 * @param error The error.
 * @returns The code, such as `"ENOENT"`, or `undefined` if it has none.
 */
export function codeOf(error: unknown): string | undefined {
  // Not by its class: where code runs in a realm of its own, as in Jest, that is another one.
  if (typeof error !== "object" || error === null || !("code" in error)) return undefined;
  return typeof error.code === "string" ? error.code : undefined;
}
