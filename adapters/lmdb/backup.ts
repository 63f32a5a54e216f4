/**
 * Backups of an LMDB environment, and restoring them. A backup is a directory with
 *
 * - `data.mdb`, a copy of one moment;
 * - `manifest.json`, which says what is in it: see {@linkcode BackupManifest}.
 *
 * It gets its name when it is complete, verified and on disk. What a process that was killed has left
 * has a name that ends in `.part-` and random letters, and can be removed.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdir, mkdtemp, open, readdir, readFile, rename, rm, stat } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { checkOptions, checkSignal } from "../../core/errors/arguments.ts";
import { ArgumentTypeError, PersistenceError } from "../../core/errors/persistence_error.ts";
import type { VerifyProgress, VerifyReport } from "../../core/ports/verification.ts";
import type { OptionNames } from "../../core/util/option_names.ts";
import { messageOf } from "../../core/util/text.ts";
import { codeOf, DATA_FILE, syncDirectories } from "./files.ts";
import type { CopyProgress } from "./state_copy.ts";

const MANIFEST_FILE = "manifest.json";
const FORMAT = 1;
const READ_BYTES = 2 ** 20;

/** What is in a backup. */
export interface BackupManifest {
  /** The version of this format: 1. */
  readonly format: number;
  /** When the copy was made: an ISO 8601 date in UTC. */
  readonly createdAt: string;
  /** The name of the codec that the data was written with. */
  readonly codec: string;
  /** The position of the newest commit in it: see `provider.position()`. */
  readonly position: number;
  /** How many journals are in it. */
  readonly journals: number;
  /** How many entries they have. */
  readonly entries: number;
  /** The size of `data.mdb` in bytes. */
  readonly bytes: number;
  /** The SHA-256 of `data.mdb`, in hexadecimal digits. */
  readonly sha256: string;
}

/** Options of a backup and of restoring one. */
export interface BackupOptions {
  /**
   * Ends it: it rejects with the signal's reason, and leaves nothing.
   *
   * @default {undefined}
   */
  signal?: AbortSignal;
  /**
   * Called now and then with how far it has come. It must not throw.
   *
   * @param progress How far it has come.
   * @default {undefined}
   */
  onProgress?: (progress: BackupProgress) => void;
}

/** How far a backup, or restoring one, has come. */
export interface BackupProgress {
  /** What it does: the copy, its digest, its verification. */
  readonly phase: "copy" | "digest" | "verify";
  /** How many bytes, or in the last phase records and journals, it has been through. */
  readonly done: number;
  /** How many there are about. */
  readonly total: number;
}

const BACKUP_OPTION_NAMES: OptionNames<BackupOptions> = { signal: true, onProgress: true };

/** What a backup is made of. */
export interface BackupSource {
  /** The name of the codec. */
  readonly codec: string;
  /** Copies the data of this moment into a file that is made. */
  readonly copyTo: (file: string, onProgress: (progress: CopyProgress) => void) => Promise<void>;
  /** Opens the copy, verifies all of it, and closes it. */
  readonly verify: (
    directory: string,
    watch: { readonly signal?: AbortSignal; onProgress(progress: VerifyProgress): void },
  ) => Promise<{ readonly report: VerifyReport; readonly position: number }>;
}

/**
 * Makes a backup.
 *
 * @param source What is copied.
 * @param target The directory that is made.
 * @param options A signal, and who watches.
 * @returns What is in it.
 * @throws {ArgumentTypeError | ArgumentRangeError} `INVALID_ARGUMENT` if an argument is invalid.
 * @throws {PersistenceError} `STORAGE_FAILED` if the target exists, or cannot be written; `CORRUPT`
 *   if the data is damaged.
 */
export async function makeBackup(
  source: BackupSource,
  target: string,
  options: BackupOptions,
): Promise<BackupManifest> {
  const operation = `back up to "${target}"`;
  const { signal, onProgress } = checkBackup(target, options, "back up");
  return await inNewDirectory(target, operation, signal, async (directory) => {
    const createdAt = new Date().toISOString();
    const file = join(directory, DATA_FILE);
    await source.copyTo(file, (progress) => {
      signal?.throwIfAborted();
      onProgress({ phase: "copy", ...progress });
    });
    await syncFile(file);
    const { size: bytes } = await stat(file);
    const sha256 = await digestOf(file, bytes, signal, onProgress);
    const { report, position } = await source.verify(directory, watchOf(signal, onProgress));
    if (!report.isSound) throw damaged(operation, report);
    const { journals, entries } = report;
    const manifest = {
      format: FORMAT,
      createdAt,
      codec: source.codec,
      position,
      journals,
      entries,
      bytes,
      sha256,
    };
    await writeManifest(directory, manifest);
    return manifest;
  });
}

/**
 * Restores a backup: its data file, and nothing else, gets a directory of its own.
 *
 * @param source The directory of the backup.
 * @param target The directory that is made.
 * @param options A signal, and who watches.
 * @returns What is in it.
 * @throws {ArgumentTypeError | ArgumentRangeError} `INVALID_ARGUMENT` if an argument is invalid or
 *   unknown.
 * @throws {PersistenceError} `CORRUPT` if the backup is damaged or not complete;
 *   `UNSUPPORTED_FORMAT` if a newer version has made it; `STORAGE_FAILED` if the target exists, or
 *   cannot be written.
 * @throws {unknown} The signal's reason after an abort.
 *
 * @example A backup, restored elsewhere
 * ```ts
 * import { mkdtemp, rm } from "node:fs/promises";
 * import { tmpdir } from "node:os";
 * import { join } from "node:path";
 * import { LmdbPersistenceProvider, restoreBackup } from "@cajun/persistence/lmdb";
 *
 * const directory = await mkdtemp(join(tmpdir(), "example-"));
 * {
 *   await using provider = await LmdbPersistenceProvider.open({ path: join(directory, "data") });
 *   await provider.createMessageJournal<string>().append("door-1", "opened");
 *   await provider.backup(join(directory, "backup"));
 * }
 * const { entries } = await restoreBackup(join(directory, "backup"), join(directory, "restored"));
 * console.log(entries); // 1
 * {
 *   await using provider = await LmdbPersistenceProvider.open({ path: join(directory, "restored") });
 *   const [entry] = await provider.createMessageJournal<string>().readFrom("door-1", 0);
 *   console.log(entry?.message); // opened
 * }
 * await rm(directory, { recursive: true });
 * ```
 */
export async function restoreBackup(
  source: string,
  target: string,
  options: BackupOptions = {},
): Promise<BackupManifest> {
  const { signal, onProgress } = checkBackup(target, options, "restore backup");
  if (typeof source !== "string" || source === "") {
    throw new ArgumentTypeError("Cannot restore backup: its path must be a string");
  }
  const operation = `restore backup "${source}" to "${target}"`;
  const manifest = await readManifest(source, operation);
  return await inNewDirectory(target, operation, signal, async (directory) => {
    const { bytes, sha256 } = manifest;
    const file = join(directory, DATA_FILE);
    await copyFile(join(source, DATA_FILE), file, bytes, signal, onProgress);
    await syncFile(file);
    // Of what was written, and not of what was read.
    if (await digestOf(file, bytes, signal, onProgress) !== sha256) {
      throw new PersistenceError("CORRUPT", `Cannot ${operation}: its digest is another one`);
    }
    return manifest;
  });
}

function checkBackup(target: string, options: BackupOptions, operation: string) {
  if (typeof target !== "string" || target === "") {
    throw new ArgumentTypeError(`Cannot ${operation}: the path must be a string that is not empty`);
  }
  checkOptions(options, operation, BACKUP_OPTION_NAMES);
  const { signal, onProgress = () => {} } = options;
  checkSignal(signal, operation);
  if (typeof onProgress !== "function") {
    throw new ArgumentTypeError(`Cannot ${operation}: onProgress must be a function`);
  }
  signal?.throwIfAborted();
  return { signal, onProgress };
}

/** Fills a directory beside the target, and gives it the target's name when it is complete. */
async function inNewDirectory<Result>(
  target: string,
  operation: string,
  signal: AbortSignal | undefined,
  fill: (directory: string) => Promise<Result>,
): Promise<Result> {
  const absolute = resolve(target);
  const parent = dirname(absolute);
  let part: string | undefined;
  try {
    await assertAbsent(absolute, operation);
    await mkdir(parent, { recursive: true });
    part = await mkdtemp(join(parent, `${basename(absolute)}.part-`));
    const result = await fill(part);
    signal?.throwIfAborted();
    await syncDirectories([part]);
    await assertAbsent(absolute, operation);
    await rename(part, absolute);
    await syncDirectories([parent]);
    return result;
  } catch (error) {
    // What is left does no harm, and must not hide why it failed.
    if (part !== undefined) await rm(part, { recursive: true, force: true }).catch(() => {});
    if (error instanceof PersistenceError || signal?.aborted) throw error;
    throw new PersistenceError("STORAGE_FAILED", `Cannot ${operation}: ${messageOf(error)}`, {
      cause: error,
    });
  }
}

async function assertAbsent(path: string, operation: string): Promise<void> {
  try {
    await stat(path);
  } catch (error) {
    if (codeOf(error) === "ENOENT") return;
    throw error;
  }
  throw new PersistenceError("STORAGE_FAILED", `Cannot ${operation}: it exists already`);
}

async function copyFile(
  from: string,
  to: string,
  total: number,
  signal: AbortSignal | undefined,
  onProgress: (progress: BackupProgress) => void,
): Promise<void> {
  const file = await open(to, "wx", 0o664);
  try {
    let done = 0;
    for await (const chunk of createReadStream(from, { highWaterMark: READ_BYTES })) {
      signal?.throwIfAborted();
      await file.writeFile(chunk);
      done += chunk.length;
      onProgress({ phase: "copy", done, total: Math.max(done, total) });
    }
  } finally {
    await file.close();
  }
}

async function digestOf(
  path: string,
  total: number,
  signal: AbortSignal | undefined,
  onProgress: (progress: BackupProgress) => void,
): Promise<string> {
  const hash = createHash("sha256");
  let done = 0;
  for await (const chunk of createReadStream(path, { highWaterMark: READ_BYTES })) {
    signal?.throwIfAborted();
    hash.update(chunk);
    done += chunk.length;
    onProgress({ phase: "digest", done, total: Math.max(done, total) });
  }
  return hash.digest("hex");
}

function watchOf(
  signal: AbortSignal | undefined,
  onProgress: (progress: BackupProgress) => void,
): { readonly signal?: AbortSignal; onProgress(progress: VerifyProgress): void } {
  return {
    ...(signal && { signal }),
    onProgress: ({ done, total }) => onProgress({ phase: "verify", done, total }),
  };
}

async function writeManifest(directory: string, manifest: BackupManifest): Promise<void> {
  // Opening the copy has left files that belong to no backup.
  for (const name of await readdir(directory)) {
    if (name !== DATA_FILE) await rm(join(directory, name), { recursive: true, force: true });
  }
  const file = await open(join(directory, MANIFEST_FILE), "wx", 0o664);
  try {
    await file.writeFile(`${JSON.stringify(manifest, null, 2)}\n`);
    await file.sync();
  } finally {
    await file.close();
  }
}

async function readManifest(source: string, operation: string): Promise<BackupManifest> {
  const manifest = await parseManifest(source, operation);
  if (manifest.format === FORMAT) return manifest;
  throw new PersistenceError(
    "UNSUPPORTED_FORMAT",
    `Cannot ${operation}: its format is ${manifest.format}, but this package reads only ${FORMAT}`,
  );
}

async function parseManifest(source: string, operation: string): Promise<BackupManifest> {
  let manifest: unknown;
  try {
    manifest = JSON.parse(await readFile(join(source, MANIFEST_FILE), "utf8"));
  } catch (cause) {
    const reason = `its manifest cannot be read: ${messageOf(cause)}`;
    throw new PersistenceError("CORRUPT", `Cannot ${operation}: ${reason}`, { cause });
  }
  if (isManifest(manifest)) return manifest;
  throw new PersistenceError("CORRUPT", `Cannot ${operation}: its manifest is malformed`);
}

function isManifest(value: unknown): value is BackupManifest {
  if (typeof value !== "object" || value === null) return false;
  const manifest: Partial<Record<keyof BackupManifest, unknown>> = value;
  return typeof manifest.format === "number" && typeof manifest.bytes === "number" &&
    typeof manifest.sha256 === "string" && typeof manifest.codec === "string";
}

async function syncFile(path: string): Promise<void> {
  const file = await open(path, "r+");
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}

function damaged(operation: string, { problemCount, problems }: VerifyReport): PersistenceError {
  const [first] = problems;
  return new PersistenceError(
    "CORRUPT",
    `Cannot ${operation}: ${problemCount} problems were found, see provider.verify(); the first ` +
      `one is: ${first?.message}`,
  );
}
