/**
 * Opens LMDB environments, each path only once in a process.
 *
 * @module
 */

import { join } from "node:path";
import { checkOptions, checkSignal } from "../../core/errors/arguments.ts";
import { ArgumentTypeError, PersistenceError } from "../../core/errors/persistence_error.ts";
import type { OptionNames } from "../../core/util/option_names.ts";
import { messageOf } from "../../core/util/text.ts";
import { type LmdbBinding, loadLmdb, openBinding } from "./binding.ts";
import { createDataFile } from "./creation.ts";
import {
  checkFiles,
  codeOf,
  DATA_FILE,
  prepareDirectory,
  realPathOf,
  syncDirectories,
  translatingFileErrors,
} from "./files.ts";
import { CommitGuard, withOpeningLock } from "./opening_lock.ts";
import { assertOwnFiles, OpenFiles } from "./own_files.ts";
import {
  checkEnvironmentOptions,
  LMDB_ENVIRONMENT_OPTION_NAMES,
  type LmdbDurability,
  type LmdbEnvironmentOptions,
  OPERATION,
} from "./options.ts";
import { Presence } from "./presence.ts";
import { SharedEnvironment } from "./shared_environment.ts";
import { assertSameOptions } from "./shared_options.ts";
import { checkDataFile, type VerificationProgress } from "./verify/data_file.ts";

/** The options of {@linkcode LmdbEnvironmentManager.verify}. */
export interface LmdbVerifyOptions {
  /**
   * Ends the check: it rejects with the signal's reason.
   *
   * @default {undefined}
   */
  signal?: AbortSignal;
  /**
   * Called at the beginning, every 10 ms, and at the end with how far the check has come. If it
   * throws, the check ends with what it has thrown; likewise if its promise rejects before the check
   * has ended.
   *
   * @param progress How far the check has come.
   * @default {undefined}
   */
  onProgress?: (progress: VerificationProgress) => void;
}

const VERIFY_OPTION_NAMES: OptionNames<LmdbVerifyOptions> = { signal: true, onProgress: true };

/** LMDB crashes the process if it cannot reserve address space. V8 needs a good part of it. */
const MAX_RESERVED_BYTES = 2 ** 45;

/** The open environments of this process, by path. */
const environments = new Map<string, SharedEnvironment>();
/** For each path, the opening or closing that was called last. */
const turns = new Map<string, Promise<unknown>>();

/**
 * An LMDB environment that this process has open. All managers of the same path share one
 * environment, which is closed when the last of them is closed.
 *
 * Any number of processes may have the same path open at the same time. The files of an open
 * environment must not be deleted or replaced: nothing can be committed then.
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
   * For subclasses. To open an environment, call {@linkcode LmdbEnvironmentManager.open}.
   *
   * @param shared The environment that all managers of its path share.
   */
  protected constructor(shared: SharedEnvironment) {
    this.#shared = shared;
  }

  /**
   * Opens an environment.
   *
   * @param options The path and how it is opened. Only `path` is required.
   * @returns The environment.
   * @throws {ArgumentTypeError | ArgumentRangeError} `INVALID_ARGUMENT` if an option is invalid or
   *   unknown.
   * @throws {PersistenceError} `OPTIONS_MISMATCH` if this process has the path open with other
   *   options; `CORRUPT` if the data file is damaged; `UNSUPPORTED_FORMAT` if it is of another
   *   version of LMDB or of another program; `PERMISSION_DENIED` if access is refused;
   *   `REOPEN_REQUIRED` if a commit failed, or the files were removed or replaced while they were
   *   open, and the path has not been closed by all its users since; `OPEN_FAILED` for any other
   *   reason.
   */
  static async open(options: LmdbEnvironmentOptions): Promise<LmdbEnvironmentManager> {
    checkOptions(options, OPERATION, LMDB_ENVIRONMENT_OPTION_NAMES);
    const checked = checkEnvironmentOptions(options);
    const path = await realPathOf(checked.path);
    return await inTurn(path, async () => {
      const shared = environments.get(path) ?? await openEnvironment(checked);
      assertUsable(shared, checked);
      shared.references++;
      return new this(shared);
    });
  }

  /** The directory of the database, absolute and without symbolic links. */
  get path(): string {
    return this.#shared.options.path;
  }

  /** The maximum number of bytes that the data may occupy. */
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

  /** Whether it can be used: it is open, no commit has failed, and its files were not found gone. */
  get isUsable(): boolean {
    return !this.isClosed && !this.#shared.failure;
  }

  /** Whether {@linkcode LmdbEnvironmentManager.close} has been called. */
  get isClosed(): boolean {
    return this.#closing !== undefined;
  }

  /**
   * The environment that all managers of the path share.
   *
   * @internal
   */
  get shared(): SharedEnvironment {
    return this.#shared;
  }

  /**
   * Checks all pages of the data file, except those of large values, while it is in use: what
   * `verifyOnOpen: "full"` does before opening. It lets the event loop turn every 10 ms. Until it
   * has ended, pages that are freed by commits are not used again, so the file may grow.
   *
   * It does not go through LMDB, so a damaged page does not crash the process.
   *
   * @param options What ends the check early, and a callback for its progress.
   * @returns A promise that resolves if the newest state at the time of the call is sound.
   * @throws {ArgumentTypeError} `INVALID_ARGUMENT` if an option is invalid or unknown.
   * @throws {PersistenceError} `CORRUPT` with the number of a damaged page; `CLOSED` if the
   *   environment is closed, also meanwhile; `STORAGE_FAILED` if the file cannot be read.
   * @throws {unknown} The signal's reason if it aborts; what `onProgress` throws, or its promise
   *   rejects with.
   *
   * @example Every night
   * ```ts
   * import { mkdtemp, rm } from "node:fs/promises";
   * import { tmpdir } from "node:os";
   * import { join } from "node:path";
   * import { LmdbEnvironmentManager, LmdbPersistenceProvider } from "@cajun/persistence/lmdb";
   *
   * const path = await mkdtemp(join(tmpdir(), "example-"));
   * {
   *   await using provider = await LmdbPersistenceProvider.open({ path });
   *   await provider.createMessageJournal<string>().append("door-1", "opened");
   *   // The same environment: a process opens a path only once.
   *   await using environment = await LmdbEnvironmentManager.open({ path });
   *   await environment.verify({ signal: AbortSignal.timeout(60_000) });
   *   console.log("sound"); // sound
   * }
   * await rm(path, { recursive: true });
   * ```
   */
  async verify(options: LmdbVerifyOptions = {}): Promise<void> {
    checkOptions(options, "verify", VERIFY_OPTION_NAMES);
    const { signal, onProgress = () => {} } = options;
    checkSignal(signal, "verify");
    if (typeof onProgress !== "function") {
      throw new ArgumentTypeError("Cannot verify: onProgress must be a function");
    }
    signal?.throwIfAborted();
    if (this.isClosed) {
      throw new PersistenceError("CLOSED", "Cannot verify: the environment is closed");
    }
    await this.#shared.verify(signal, onProgress);
  }

  /**
   * Closes this manager. The last manager of the path also waits for pending commits and closes the
   * environment. Idempotent.
   *
   * @throws {PersistenceError} `REOPEN_REQUIRED` if LMDB cannot be closed after a failed commit:
   *   the process must be restarted.
   */
  close(): Promise<void> {
    this.#closing ??= inTurn(this.path, async () => {
      if (--this.#shared.references > 0) return;
      environments.delete(this.path);
      await this.#shared.close();
    });
    return this.#closing;
  }

  /** Calls {@linkcode LmdbEnvironmentManager.close}. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

async function openEnvironment(
  checked: Required<LmdbEnvironmentOptions>,
): Promise<SharedEnvironment> {
  assertReservable(checked);
  const { path, parents } = await prepareDirectory(checked.path, !checked.readOnly);
  const options = { ...checked, path };
  await translatingFileErrors(
    options.path,
    () => assertOwnFiles(options.path, options.readOnly),
  );
  if (!options.readOnly) await createDataFile(options, parents);
  await checkFiles(options.path, options.readOnly);
  const { verifyOnOpen } = options;
  if (verifyOnOpen !== "none") {
    await translatingFileErrors(
      options.path,
      () => checkDataFile(join(options.path, DATA_FILE), verifyOnOpen),
    );
  }
  const shared = await translatingFileErrors(options.path, () => openUndisturbed(options));
  try {
    // The process that created the files may have died before it could do so.
    if (!options.readOnly) {
      await translatingFileErrors(options.path, () => syncDirectories([options.path]));
    }
  } catch (error) {
    await shared.close();
    throw error;
  }
  environments.set(options.path, shared);
  return shared;
}

/** Opens an environment while no other process commits: LMDB would undo the commit. */
async function openUndisturbed(
  options: Required<LmdbEnvironmentOptions>,
): Promise<SharedEnvironment> {
  const { path, readOnly, commitTimeoutMs } = options;
  // Loading takes a while, so do it before other processes have to wait. If it fails, opening fails
  // again, and says why.
  await loadLmdb().catch(() => {});
  const presence = await createPresence(options);
  if (!presence) {
    const { binding, files } = await openFiles(options);
    return new SharedEnvironment(options, binding, undefined, files);
  }
  let guard: CommitGuard | undefined;
  try {
    const { binding, files } = await withOpeningLock(
      path,
      presence,
      commitTimeoutMs,
      () => openFiles(options),
    );
    if (!readOnly) guard = new CommitGuard(path, presence, commitTimeoutMs);
    return new SharedEnvironment(options, binding, guard, files);
  } finally {
    // A reader needs it no more, since it never commits.
    if (!guard) await presence.close();
  }
}

/** On a read-only file system there is none, and no process commits. */
async function createPresence(
  { path, readOnly }: Required<LmdbEnvironmentOptions>,
): Promise<Presence | undefined> {
  try {
    return await Presence.create(path);
  } catch (error) {
    if (readOnly && codeOf(error) === "EROFS") return undefined;
    throw error;
  }
}

async function openFiles(
  options: Required<LmdbEnvironmentOptions>,
): Promise<{ binding: LmdbBinding; files: OpenFiles }> {
  const before = new OpenFiles(options.path);
  const binding = await openBinding(options);
  try {
    // Otherwise it is not known which file LMDB has open. It may have created the lock file.
    before.assertInPlace("data");
    return { binding, files: new OpenFiles(options.path) };
  } catch (error) {
    await binding.root.close();
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
  try {
    shared.assertUsable();
  } catch (cause) {
    throw new PersistenceError(
      "REOPEN_REQUIRED",
      `Cannot open LMDB environment at "${shared.options.path}": it cannot be used any more, all ` +
        `its users in this process must close it first: ${messageOf(cause)}`,
      { cause },
    );
  }
  assertSameOptions(shared.options, wanted);
}

/** Opens and closes a path one call after the other. */
async function inTurn<Result>(path: string, action: () => Promise<Result>): Promise<Result> {
  const turn = (turns.get(path) ?? Promise.resolve()).then(action);
  const over = turn.then(() => {}, () => {
    // The caller of the action gets the error; the next action is independent of it.
  });
  turns.set(path, over);
  try {
    return await turn;
  } finally {
    if (turns.get(path) === over) turns.delete(path);
  }
}
