/**
 * Opens LMDB environments, each path once in a process.
 *
 * @module
 */

import { join } from "node:path";
import { PersistenceError } from "../../core/errors.ts";
import { loadLmdb, openBinding } from "./binding.ts";
import { createDataFile } from "./creation.ts";
import { checkDataFile } from "./data_file.ts";
import {
  checkFiles,
  checkPlaces,
  codeOf,
  DATA_FILE,
  prepareDirectory,
  syncDirectories,
  translatingFileErrors,
} from "./files.ts";
import {
  checkEnvironmentOptions,
  type LmdbDurability,
  type LmdbEnvironmentOptions,
} from "./options.ts";
import { CommitSlot, whileNobodyCommits } from "./opening_gate.ts";
import { SharedEnvironment } from "./shared_environment.ts";

/** What all in this process who have a path open must agree on. */
const SHARED_OPTIONS = [
  "mapSize",
  "maxDbs",
  "maxReaders",
  "readOnly",
  "durability",
  "commitTimeoutMs",
] as const;

/** LMDB crashes the process where it cannot reserve address space. V8 needs a good part of it. */
const MAX_RESERVED_BYTES = 2 ** 45;

const environments = new Map<string, SharedEnvironment>();
const turns = new Map<string, Promise<unknown>>();

/**
 * An LMDB environment that this process has open. The same path opened twice shares one environment,
 * which is closed when the last of those who opened it closes it.
 *
 * Any number of processes may have the same path open at once. What must not happen is that someone
 * deletes or replaces the files of an open environment.
 *
 * @example Two providers share an environment
 * ```ts
 * import { mkdtemp, rm } from "node:fs/promises";
 * import { tmpdir } from "node:os";
 * import { join } from "node:path";
 * import { PersistenceProvider } from "@cajun/persistence";
 * import { LmdbEnvironmentManager, LmdbStorage } from "@cajun/persistence/lmdb";
 *
 * const path = await mkdtemp(join(tmpdir(), "example-"));
 * {
 *   await using first = await LmdbEnvironmentManager.open({ path });
 *   await using second = await LmdbEnvironmentManager.open({ path });
 *   await using provider = await PersistenceProvider.openOn(new LmdbStorage(second));
 *   console.log(first.path === second.path, provider.name); // true lmdb
 * }
 * await rm(path, { recursive: true });
 * ```
 */
export class LmdbEnvironmentManager implements AsyncDisposable {
  readonly #shared: SharedEnvironment;
  #closing: Promise<void> | undefined;

  /**
   * For subclasses; everybody else calls {@linkcode LmdbEnvironmentManager.open}.
   *
   * @param shared The environment.
   */
  protected constructor(shared: SharedEnvironment) {
    this.#shared = shared;
  }

  /**
   * Opens an environment.
   *
   * @param options Where it is and how it is opened.
   * @returns The environment.
   * @throws {ArgumentTypeError | ArgumentRangeError} `INVALID_ARGUMENT` where an option is bad.
   * @throws {PersistenceError} `OPTIONS_MISMATCH` where this process has the path open with other
   *   options; `CORRUPT` where the data file is damaged; `UNSUPPORTED_FORMAT` where it is that of
   *   another LMDB; `PERMISSION_DENIED`; `REOPEN_REQUIRED` where a commit failed and not all have
   *   closed the path yet; `OPEN_FAILED` for any other reason.
   */
  static async open(options: LmdbEnvironmentOptions): Promise<LmdbEnvironmentManager> {
    const checked = checkEnvironmentOptions(options);
    const directory = await prepareDirectory(checked.path, !checked.readOnly);
    const resolved = { ...checked, path: directory.path };
    return await inTurn(directory.path, async () => {
      const shared = environments.get(directory.path) ??
        await openEnvironment(resolved, directory.changed);
      assertUsable(shared, resolved);
      shared.references++;
      return new this(shared);
    });
  }

  /** The directory of the database, absolute and without symbolic links. */
  get path(): string {
    return this.#shared.options.path;
  }

  /** The most bytes that the database may occupy. */
  get mapSize(): number {
    return this.#shared.options.mapSize;
  }

  /** Whether it is open for reading only. */
  get readOnly(): boolean {
    return this.#shared.options.readOnly;
  }

  /** What an acknowledged write survives. */
  get durability(): LmdbDurability {
    return this.#shared.options.durability;
  }

  /** Whether it can be used: it is open, and no commit has failed. */
  get isUsable(): boolean {
    return !this.isClosed && !this.#shared.failure;
  }

  /** Whether it has been given up. */
  get isClosed(): boolean {
    return this.#closing !== undefined;
  }

  /**
   * The environment itself.
   *
   * @internal
   */
  get shared(): SharedEnvironment {
    return this.#shared;
  }

  /**
   * Gives the environment up. The last one who does waits for its commits and closes it. Idempotent.
   *
   * @throws {PersistenceError} `REOPEN_REQUIRED` where LMDB cannot be closed after a failed commit.
   */
  close(): Promise<void> {
    this.#closing ??= inTurn(this.path, async () => {
      if (--this.#shared.references > 0) return;
      environments.delete(this.path);
      await this.#shared.close();
    });
    return this.#closing;
  }

  /** Gives the environment up. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

async function openEnvironment(
  options: Required<LmdbEnvironmentOptions>,
  changedDirectories: readonly string[],
): Promise<SharedEnvironment> {
  assertReservable(options);
  await checkPlaces(options.path);
  if (!options.readOnly) await createDataFile(options);
  await checkFiles(options.path, options.readOnly);
  if (options.verifyOnOpen) {
    await translatingFileErrors(
      options.path,
      () => checkDataFile(join(options.path, DATA_FILE)),
    );
  }
  const shared = await translatingFileErrors(options.path, () => openApart(options));
  try {
    await translatingFileErrors(options.path, () => syncDirectories(changedDirectories));
  } catch (error) {
    await shared.close();
    throw error;
  }
  environments.set(options.path, shared);
  return shared;
}

/** Opens it while no other process commits: LMDB would undo that. */
async function openApart(options: Required<LmdbEnvironmentOptions>): Promise<SharedEnvironment> {
  const { path, readOnly, commitTimeoutMs } = options;
  // It takes a while: not when others wait. Where it fails, opening tells why.
  await loadLmdb().catch(() => {});
  const open = async () => {
    const slot = readOnly ? undefined : new CommitSlot(path, commitTimeoutMs);
    try {
      return new SharedEnvironment(options, await openBinding(options), slot);
    } catch (error) {
      slot?.close();
      throw error;
    }
  };
  try {
    return await whileNobodyCommits(path, commitTimeoutMs, open);
  } catch (error) {
    // On a read-only file system nobody commits.
    if (readOnly && codeOf(error) === "EROFS") return await open();
    throw error;
  }
}

function assertReservable({ path, mapSize }: Required<LmdbEnvironmentOptions>): void {
  const sizes = [...environments.values()].map((shared) => shared.options.mapSize);
  const reserved = sizes.reduce((sum, size) => sum + size, 0);
  if (reserved + mapSize <= MAX_RESERVED_BYTES) return;
  throw new PersistenceError(
    "OPEN_FAILED",
    `Cannot open LMDB environment at "${path}": a process may reserve ${MAX_RESERVED_BYTES} bytes ` +
      `of address space; ${reserved} are reserved, and mapSize is ${mapSize}`,
  );
}

function assertUsable(
  shared: SharedEnvironment,
  wanted: Required<LmdbEnvironmentOptions>,
): void {
  if (shared.failure) {
    throw new PersistenceError(
      "REOPEN_REQUIRED",
      `Cannot open LMDB environment at "${wanted.path}": a commit failed, close it first`,
      { cause: shared.failure },
    );
  }
  for (const name of SHARED_OPTIONS) {
    if (shared.options[name] === wanted[name]) continue;
    throw new PersistenceError(
      "OPTIONS_MISMATCH",
      `Cannot open LMDB environment at "${wanted.path}": it is open with ${name} ${
        shared.options[name]
      }, not ${wanted[name]}`,
    );
  }
}

/** Opens and closes of one path take place one after the other. */
async function inTurn<Result>(path: string, action: () => Promise<Result>): Promise<Result> {
  const turn = (turns.get(path) ?? Promise.resolve()).then(action);
  const over = turn.then(() => {}, () => {
    // Told to whoever acted; the next one begins anew.
  });
  turns.set(path, over);
  try {
    return await turn;
  } finally {
    if (turns.get(path) === over) turns.delete(path);
  }
}
