/**
 * Whether the files of an environment belong to its directory alone, and stay in it. LMDB knows a
 * database by the file, but locks it by the directory: a data file that is opened from two
 * directories is written without a common lock, and ends the processes by a segmentation fault.
 *
 * @module
 */

import { closeSync, constants, fstatSync, openSync, type Stats, statSync } from "node:fs";
import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { PersistenceError } from "../../core/errors/persistence_error.ts";
import { DATA_FILE, LOCK_FILE, statsOf } from "./files.ts";

/** After this many looks, all files are looked at, whatever their directory says. */
const LOOKS_PER_FULL_LOOK = 16;
/**
 * A directory that was changed less than this long ago may change again and have the same time: some
 * file systems tell apart no less than two seconds.
 */
const CLOCK_TICK_MS = 2_500;
/** When a directory changes, Windows may say so later. */
const canAskDirectory = process.platform !== "win32";

/** What the names of directories in which data files are created begin with. */
export const TEMPORARY_DIRECTORY = ".new-";

/**
 * The files that this process has open as an environment. If they are removed, renamed or replaced,
 * LMDB goes on with what it has open: what it commits is lost, or another process commits beside it
 * without a common lock.
 */
export class OpenFiles {
  readonly #path: string;
  readonly #data: string | undefined;
  readonly #lock: string | undefined;
  #looks = 0;
  /** The directory when the data file was last in it, unless it was changing then. */
  #directory: string | undefined;

  /**
   * Takes note of the files.
   *
   * @param path The directory of the environment.
   * @throws {Error} The file system's own error.
   */
  constructor(path: string) {
    this.#path = path;
    this.#data = identityOf(join(path, DATA_FILE));
    this.#lock = identityOf(join(path, LOCK_FILE));
  }

  /**
   * Looks whether the files are still where they were. If the directory is the same, and nothing was
   * added to it, removed or renamed since the data file was last seen there, it still is. To ask
   * only the directory saves more than a call: after a look at the data file the next commit takes
   * longer, see `docs/format.md`.
   *
   * @param which Which files to look at: both, or the data file, and now and then the other one.
   * @throws {Error} One that says what has become of them.
   */
  assertInPlace(which: "both" | "data"): void {
    const isFull = which === "both" || ++this.#looks % LOOKS_PER_FULL_LOOK === 0;
    const directory = canAskDirectory ? settledStateOf(this.#path) : undefined;
    if (!isFull && directory !== undefined && directory === this.#directory) return;
    this.#assertSame(DATA_FILE, this.#data);
    // A reader on a read-only file system has no lock file.
    if (isFull && this.#lock !== undefined) this.#assertSame(LOCK_FILE, this.#lock);
    this.#directory = directory;
  }

  /**
   * Opens the data file for appending.
   *
   * @returns Its descriptor, or `undefined` if it cannot be opened, or is not the one that LMDB has
   *   open: the commit finds that out by itself.
   */
  openForAppending(): number | undefined {
    let descriptor: number;
    try {
      // Without creating it.
      descriptor = openSync(join(this.#path, DATA_FILE), constants.O_WRONLY | constants.O_APPEND);
    } catch {
      return undefined;
    }
    if (identityIn(fstatSync(descriptor)) === this.#data) return descriptor;
    closeSync(descriptor);
    return undefined;
  }

  #assertSame(name: string, identity: string | undefined): void {
    const now = identityOf(join(this.#path, name));
    if (now === identity) return;
    const what = now === undefined ? "removed or renamed" : "replaced";
    throw new Error(`${name} was ${what} while it was open`);
  }
}

/**
 * What tells a file from others that have the same name before or after it.
 *
 * @param file The path of the file.
 * @returns Its device and number, or `undefined` if there is no such file.
 * @throws {Error} The file system's own error.
 */
function identityOf(file: string): string | undefined {
  const stats = statSync(file, { throwIfNoEntry: false });
  return stats && identityIn(stats);
}

function identityIn({ dev, ino }: Stats): string {
  return `${dev}:${ino}`;
}

/**
 * What changes if a name in a directory does.
 *
 * @param path The directory.
 * @returns What it is and when it was changed, or `undefined` if it may change without showing it.
 * @throws {Error} The file system's own error.
 */
function settledStateOf(path: string): string | undefined {
  const stats = statSync(path, { throwIfNoEntry: false });
  if (!stats) return undefined;
  const changedAtMs = Math.max(stats.mtimeMs, stats.ctimeMs);
  if (Date.now() - changedAtMs < CLOCK_TICK_MS) return undefined;
  return `${stats.dev}:${stats.ino}:${stats.mtimeMs}:${stats.ctimeMs}`;
}

/**
 * Checks, before any file is created or opened, that what has the names of LMDB's files are files,
 * that no other directory can have them, and that the data file has not been emptied: it gets its
 * name when it is complete (see `creation.ts`). The directory itself may be a link, and may be
 * mounted at several places.
 *
 * @param path The directory of the environment.
 * @param readOnly Whether it is opened for reading only. Otherwise the second name of a data file
 *   that a killed process has created is removed.
 * @throws {PersistenceError} `OPEN_FAILED` if one of them is not so.
 * @throws {Error} The file system's own error.
 */
export async function assertOwnFiles(path: string, readOnly: boolean): Promise<void> {
  const [data, lock] = [await statsOf(join(path, DATA_FILE)), await statsOf(join(path, LOCK_FILE))];
  assertFile(path, DATA_FILE, data);
  assertFile(path, LOCK_FILE, lock);
  if (lock && lock.nlink > 1) throw hasOtherNames(path, LOCK_FILE, lock.nlink);
  if (data && data.nlink > 1) await assertNamedByCreators(path, data, readOnly);
  if (data?.size === 0) {
    throw refusal(path, `${DATA_FILE} is empty: restore it, or remove it to begin anew`);
  }
}

function assertFile(path: string, name: string, stats: Stats | undefined): void {
  if (stats?.isSymbolicLink()) {
    throw refusal(
      path,
      `${name} is a symbolic link; open the directory that it leads to, or make this one a link`,
    );
  }
  if (stats && !stats.isFile()) throw refusal(path, `${name} is not a file`);
}

/**
 * Checks that a data file has no other names than those that its creators give it: see
 * `creation.ts`. They remove them at once, unless they are killed.
 */
async function assertNamedByCreators(
  path: string,
  data: Stats,
  readOnly: boolean,
): Promise<void> {
  const temporary = await temporaryNamesOf(path, data);
  // A creator may have removed its name before it was counted.
  const now = await statsOf(join(path, DATA_FILE));
  if (now && now.nlink - temporary.length > 1) throw hasOtherNames(path, DATA_FILE, now.nlink);
  if (readOnly) return;
  // What has the data file under its final name is needed no more, even if its creator lives.
  for (const directory of temporary) await rm(directory, { recursive: true, force: true });
}

/** The directories in which creators have made this very data file. */
async function temporaryNamesOf(path: string, data: Stats): Promise<string[]> {
  const found: string[] = [];
  for (const name of await readdir(path)) {
    if (!name.startsWith(TEMPORARY_DIRECTORY)) continue;
    const stats = await statsOf(join(path, name, DATA_FILE));
    if (stats?.ino === data.ino && stats.dev === data.dev) found.push(join(path, name));
  }
  return found;
}

function hasOtherNames(path: string, name: string, count: number): PersistenceError {
  return refusal(
    path,
    `${name} has ${count} names (hard links), so another directory may have it too; replace it ` +
      `by a copy`,
  );
}

function refusal(path: string, what: string): PersistenceError {
  return new PersistenceError(
    "OPEN_FAILED",
    `Cannot open LMDB environment at "${path}": ${what}`,
  );
}
