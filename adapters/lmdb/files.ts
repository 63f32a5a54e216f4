/**
 * The directory of an LMDB environment.
 *
 * @module
 */

import { closeSync, openSync, type Stats } from "node:fs";
import { mkdir, open, realpath, stat } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import process from "node:process";
import { PersistenceError } from "../../core/errors.ts";

/** The data file of an environment. */
export const DATA_FILE = "data.mdb";
const LOCK_FILE = "lock.mdb";

const PRIVATE_DIRECTORY = 0o700;
/** What LMDB creates its files with. */
const FILE_MODE = 0o664;
/**
 * Windows neither opens nor flushes directories: its file systems journal their entries. Nor does it
 * limit the handles of a process to a number that is ever reached.
 */
const canOpenDirectories = process.platform !== "win32";
/** LMDB opens three files; other threads of this process may open some at the same time. */
const NEEDED_HANDLES = 8;
const REFUSED = new Set(["EACCES", "EPERM", "EROFS"]);

/** The directory of an environment. */
export interface EnvironmentDirectory {
  /** Its path without symbolic links: the same for everyone who opens it. */
  readonly path: string;
  /** The directories whose content the opening changes: they must be flushed afterwards. */
  readonly changed: readonly string[];
}

/**
 * Makes sure that a directory is there.
 *
 * @param path Its path, absolute or relative to the working directory.
 * @param create Whether it is created where it does not exist.
 * @returns The directory.
 * @throws {PersistenceError} `OPEN_FAILED` where it is a file or missing, `PERMISSION_DENIED` where
 *   access is refused.
 */
export function prepareDirectory(path: string, create: boolean): Promise<EnvironmentDirectory> {
  return translatingFileErrors(path, async () => {
    const absolute = resolve(path);
    const created = create && !(await statsOf(absolute)) ? await createMissing(absolute) : [];
    if (!(await stat(absolute)).isDirectory()) {
      throw new PersistenceError(
        "OPEN_FAILED",
        `Cannot open LMDB environment at "${path}": it is no directory`,
      );
    }
    const isNew = create && !(await statsOf(join(absolute, DATA_FILE)));
    return {
      path: await realpath(absolute),
      changed: isNew ? [absolute, ...created.map((directory) => dirname(directory))] : [],
    };
  });
}

/**
 * Whether an environment has a data file.
 *
 * @param path The directory.
 * @returns Whether it has.
 * @throws {PersistenceError} `OPEN_FAILED` where something that is no file has the name of one.
 */
export async function hasDataFile(path: string): Promise<boolean> {
  const data = await statsOf(join(path, DATA_FILE));
  assertFile(path, DATA_FILE, data);
  assertFile(path, LOCK_FILE, await statsOf(join(path, LOCK_FILE)));
  return data !== undefined;
}

/**
 * Makes sure that nothing else stands where the files of LMDB belong, before any is created.
 *
 * @param path The directory.
 * @throws {PersistenceError} `OPEN_FAILED` where something there is no file, `PERMISSION_DENIED`.
 */
export function checkPlaces(path: string): Promise<void> {
  return translatingFileErrors(path, async () => {
    for (const name of [DATA_FILE, LOCK_FILE]) {
      assertFile(path, name, await statsOf(join(path, name)));
    }
  });
}

/**
 * Makes sure that LMDB can open its files: where it has opened only one of them, it crashes the
 * process.
 *
 * @param path The directory.
 * @param readOnly Whether it is opened for reading only. Otherwise what is missing is created.
 * @throws {PersistenceError} `PERMISSION_DENIED` where access is refused, `OPEN_FAILED` where a file
 *   is none, or one to be read is missing or empty.
 */
export function checkFiles(path: string, readOnly: boolean): Promise<void> {
  return translatingFileErrors(path, async () => {
    const dataFile = join(path, DATA_FILE);
    const lockFile = join(path, LOCK_FILE);
    const data = await statsOf(dataFile);
    const lock = await statsOf(lockFile);
    assertFile(path, DATA_FILE, data);
    assertFile(path, LOCK_FILE, lock);
    if (!readOnly) {
      await tryToOpen(dataFile, "a+");
      if (!haveSameRights(data, lock)) await tryToOpen(lockFile, "a+");
      return;
    }
    await tryToOpen(dataFile, "r");
    if (data?.size === 0) {
      throw new PersistenceError(
        "OPEN_FAILED",
        `Cannot open LMDB environment at "${path}": ${DATA_FILE} is empty`,
      );
    }
    if (lock) await assertReaderCanLock(dataFile, lockFile, haveSameRights(data, lock));
  });
}

/**
 * Does something with files, and says what it was for where that fails.
 *
 * @param path The directory of the environment, for the error's message.
 * @param action What is done.
 * @returns What the action returns.
 * @throws {PersistenceError} `PERMISSION_DENIED` where access is refused, otherwise `OPEN_FAILED`;
 *   an error that is one of ours already stays what it is.
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
 * Makes sure that LMDB can open its files without running out of file handles, for which it crashes
 * the process. It is over when this returns, so that nothing of this thread comes in between.
 *
 * @param path The directory of the environment.
 * @throws {Error} The file system's own error, such as EMFILE.
 */
export function assertHandlesLeft(path: string): void {
  if (!canOpenDirectories) return;
  const handles: number[] = [];
  try {
    while (handles.length < NEEDED_HANDLES) handles.push(openSync(path, "r"));
  } finally {
    for (const handle of handles) closeSync(handle);
  }
}

/**
 * Flushes directories, so that files that were created in them survive a power loss.
 *
 * @param directories Their paths.
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
 * Creates a directory and the parents that are missing. `mkdir` would do that at once, but on Node it
 * takes a read-only file system for a missing directory.
 *
 * @returns Those that were created, the innermost first.
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
    // It must be flushed afterwards: better to find out before anything is created that it cannot.
    if (canOpenDirectories) await tryToOpen(dirname(path), "r");
    await mkdir(path, PRIVATE_DIRECTORY);
    return [path];
  } catch (error) {
    if (codeOf(error) === "EEXIST") return [];
    throw error;
  }
}

async function statsOf(path: string): Promise<Stats | undefined> {
  try {
    return await stat(path);
  } catch (error) {
    if (codeOf(error) === "ENOENT") return undefined;
    throw error;
  }
}

function assertFile(path: string, name: string, stats: Stats | undefined): void {
  if (!stats || stats.isFile()) return;
  throw new PersistenceError(
    "OPEN_FAILED",
    `Cannot open LMDB environment at "${path}": ${name} is no file`,
  );
}

async function tryToOpen(path: string, flags: string): Promise<void> {
  await (await open(path, flags, FILE_MODE)).close();
}

/**
 * Whether what is allowed with the one file is allowed with the other, as usual. To find out by
 * opening the lock file is the last resort: to close it gives up the locks that this process, maybe
 * in another thread, holds on it.
 */
function haveSameRights(data: Stats | undefined, lock: Stats | undefined): boolean {
  return data !== undefined && lock !== undefined &&
    data.uid === lock.uid && data.gid === lock.gid && data.mode === lock.mode;
}

/**
 * A reader that may not write to the lock file would read without LMDB knowing of it: what it reads
 * could be overwritten meanwhile. On a read-only file system there is no writer.
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
  const reason = cause instanceof Error ? cause.message : String(cause);
  const code = codeOf(cause);
  const isRefused = code !== undefined && REFUSED.has(code);
  const advice = code === "EROFS" ? "; readOnly: true may work" : "";
  return new PersistenceError(
    isRefused ? "PERMISSION_DENIED" : "OPEN_FAILED",
    `Cannot open LMDB environment at "${path}": ${reason}${advice}`,
    { cause },
  );
}

/**
 * The code of an error of the file system.
 *
 * @param error The error.
 * @returns The code, such as `"ENOENT"`, or `undefined` where it has none.
 */
export function codeOf(error: unknown): string | undefined {
  const isCoded = error instanceof Error && "code" in error && typeof error.code === "string";
  return isCoded ? String(error.code) : undefined;
}
