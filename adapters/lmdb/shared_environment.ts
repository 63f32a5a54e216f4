/**
 * An open LMDB environment, shared by all users of its path in this process. One commit is in
 * flight at a time; further ones are queued here, in the order of the calls.
 *
 * @module
 */

import { statSync } from "node:fs";
import { join } from "node:path";
import { PersistenceError } from "../../core/errors/persistence_error.ts";
import {
  type Keyspace,
  KEYSPACES,
  type OldestReader,
  type ScanRange,
  type StorageStats,
  type StoredEntry,
  type WriteGroup,
} from "../../core/ports/storage.ts";
import { compareBytes } from "../../core/util/bytes.ts";
import { messageOf } from "../../core/util/text.ts";
import type { LmdbBinding, LmdbStats } from "./binding.ts";
import type { CommitGuard } from "./opening_lock.ts";
import type { LmdbEnvironmentOptions } from "./options.ts";
import type { OpenFiles } from "./own_files.ts";
import { isFileSizeLimited, roomBytesAt } from "./disk_room.ts";
import { FileReserve } from "./file_reserve.ts";
import { DATA_FILE } from "./files.ts";
import { countFreedSince, haveRuns } from "./free_pages.ts";
import { assertWritable, writeGroups } from "./group_write.ts";
import { plainArray, readPage } from "./page_read.ts";
import { oldestReaderIn } from "./readers.ts";
import { occupancyOf, type PinnedPages, SizeLimit } from "./size_limit.ts";
import { type CopyProgress, copyState } from "./state_copy.ts";
import { Verifications } from "./verifications.ts";
import type { VerificationProgress } from "./verify/data_file.ts";

/** After a failed commit LMDB may hang when it is closed, so wait no longer. */
const CLOSE_TIMEOUT_MS = 5_000;
/** How long to wait for `lmdb` to report why a commit failed. */
const REASON_TIMEOUT_MS = 100;

/** How long a commit that does not fit waits for a reader to go on. */
const READER_PATIENCE_MS = 100;
const READER_POLL_MS = 5;

/** An open LMDB environment. */
export class SharedEnvironment {
  /** The options that it was opened with, with all defaults filled in. */
  readonly options: Required<LmdbEnvironmentOptions>;
  /** The number of managers that use it. */
  references = 0;

  readonly #binding: LmdbBinding;
  readonly #guard: CommitGuard | undefined;
  readonly #files: OpenFiles;
  readonly #sizeLimit: SizeLimit;
  readonly #reserve: FileReserve;
  readonly #verifications = new Verifications();
  #lastCommit: Promise<unknown> = Promise.resolve();
  #failure: PersistenceError | undefined;
  /** The reader, by its process and state, for which commits wait no more. */
  #standingReader: string | undefined;

  /**
   * Takes over an open environment.
   *
   * @param options The options that it was opened with, with all defaults filled in.
   * @param binding The open environment.
   * @param guard What shows its commits to others that open it, unless it is read-only.
   * @param files The files that are open.
   */
  constructor(
    options: Required<LmdbEnvironmentOptions>,
    binding: LmdbBinding,
    guard: CommitGuard | undefined,
    files: OpenFiles,
  ) {
    this.options = options;
    this.#binding = binding;
    this.#guard = guard;
    this.#files = files;
    const { pageSize } = binding.root.getStats();
    const runsExist = (lengths: readonly number[]) =>
      haveRuns(this.#dataFile, this.#oldestTransaction(), lengths);
    this.#sizeLimit = new SizeLimit(options.mapSize, {
      pageSize,
      // A file that is gone has no length: the commit finds that out by itself.
      fileBytes: () => statSync(this.#dataFile, { throwIfNoEntry: false })?.size ?? 0,
      read: () => occupancyOf(this.#statsOfKeyspaces()),
      countPinned: () => this.#pinned(),
      haveRuns: runsExist,
    });
    this.#reserve = new FileReserve({
      pageSize,
      limitPages: Math.floor(options.mapSize / pageSize),
      isLimited: isFileSizeLimited(),
      roomBytes: () => roomBytesAt(options.path),
      open: () => files.openForAppending(),
      usedPages: () => binding.root.env.info().lastPageNumber + 1,
      freePages: () => {
        const { filePages, livePages } = occupancyOf(this.#statsOfKeyspaces());
        return filePages - livePages - this.#pinned().pages;
      },
      haveRuns: runsExist,
    });
  }

  /** Why nothing can be committed any more: a commit failed, or the files are no longer there. */
  get failure(): PersistenceError | undefined {
    return this.#failure;
  }

  /**
   * Checks that commits are possible: none has failed, and the files are where they were.
   *
   * @throws {PersistenceError} `REOPEN_REQUIRED` if they are not.
   */
  assertUsable(): void {
    if (this.#failure) throw this.#failure;
    this.#assertInPlace();
  }

  /**
   * Reads one key, from the newest state.
   *
   * @param keyspace The keyspace of the key.
   * @param key The key.
   * @returns The entry, or `undefined` if there is none.
   * @throws {PersistenceError} `CORRUPT`, `STORAGE_FAILED`.
   */
  get(keyspace: Keyspace, key: Uint8Array): StoredEntry | undefined {
    return translateErrors("read", () => {
      // Without this, commits of other processes stay invisible until the event loop turns.
      this.#binding.root.resetReadTxn();
      const entry = this.#binding.databases[keyspace].getEntry(key);
      return entry &&
        { key: new Uint8Array(key), value: plainArray(entry.value), version: entry.version ?? 0 };
    });
  }

  /**
   * Reads one page of a range.
   *
   * @param keyspace The keyspace of the keys.
   * @param range The keys, the direction, and the limits of the page.
   * @returns The entries, in the order of the direction.
   * @throws {PersistenceError} `CORRUPT`, `STORAGE_FAILED`.
   */
  scan(keyspace: Keyspace, range: ScanRange): StoredEntry[] {
    const database = this.#binding.databases[keyspace];
    if (compareBytes(range.start, range.end) >= 0) return [];
    return translateErrors("scan", () => readPage(database, range));
  }

  /**
   * Queues a commit.
   *
   * @param groups The groups, each of which applies wholly or not at all.
   * @returns For each group, whether it was applied.
   * @throws {ArgumentRangeError} `INVALID_ARGUMENT` if a keyspace, key or value is not valid.
   * @throws {PersistenceError} `STORAGE_FULL`; `STORAGE_FAILED` if the file cannot be written, or
   *   another process opens the environment and does not get on; `REOPEN_REQUIRED` if a commit fails
   *   or times out, and for each commit after that.
   */
  commit(groups: readonly WriteGroup[]): Promise<boolean[]> {
    assertWritable(groups);
    const commit = this.#lastCommit.then(() => this.#commitNow(groups));
    this.#lastCommit = commit.catch(() => {
      // The caller gets the error. The next commit is tried, or fails for a reason of its own.
    });
    return commit;
  }

  /**
   * Flushes all that was committed before.
   *
   * @returns A promise that resolves when it is on disk.
   * @throws {PersistenceError} `STORAGE_FAILED`; `REOPEN_REQUIRED` if nothing can be committed any
   *   more.
   */
  async sync(): Promise<void> {
    await this.#lastCommit;
    if (this.options.readOnly) return;
    if (this.options.durability !== "full") await this.#syncNow();
    this.assertUsable();
  }

  async #syncNow(): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#binding.root.sync((cause) => {
        if (!cause) return resolve();
        reject(new PersistenceError("STORAGE_FAILED", `Cannot sync: ${String(cause)}`, { cause }));
      });
    });
  }

  /**
   * Counts entries and bytes.
   *
   * @returns The figures at this moment.
   * @throws {PersistenceError} `CORRUPT`, `STORAGE_FAILED`; `REOPEN_REQUIRED` if the files are not
   *   where they were.
   */
  stats(): StorageStats {
    this.#assertInPlace();
    return translateErrors("read statistics", () => {
      const stats = this.#statsOfKeyspaces();
      const counts = stats.map(({ entryCount }) => entryCount);
      const [meta = 0, log = 0, heads = 0, entries = 0, snapshots = 0, outbox = 0] = counts;
      const { filePages, livePages, pageSize } = occupancyOf(stats);
      return {
        entries: { meta, log, heads, entries, snapshots, outbox },
        usedBytes: livePages * pageSize,
        freeBytes: (filePages - livePages) * pageSize,
        limitBytes: this.options.mapSize,
        oldestReader: this.#oldestReader(stats[0]?.lastTxnId ?? 0),
        openingWaits: this.#guard?.waits,
      };
    });
  }

  /**
   * Checks all pages of the newest state while others go on.
   *
   * @param signal Ends the check.
   * @param onProgress Called now and then with how far it has come.
   * @throws {PersistenceError} `CORRUPT`, `UNSUPPORTED_FORMAT`, `STORAGE_FAILED`; `CLOSED` if the
   *   environment is closed meanwhile.
   */
  async verify(
    signal: AbortSignal | undefined,
    onProgress: (progress: VerificationProgress) => void,
  ): Promise<void> {
    // Without this, the reader may keep a state that is older than the newest one.
    this.#binding.root.resetReadTxn();
    const reader = this.#binding.root.useReadTransaction();
    await this.#verifications.run(join(this.options.path, DATA_FILE), reader, signal, onProgress);
  }

  /**
   * Copies the newest state while others go on. Pages that commits free meanwhile are not used again,
   * so the file may grow. It must not be closed before that has ended.
   *
   * @param file The file that is made.
   * @param onProgress Called now and then with how far it has come; if it throws, the copy ends.
   * @throws {PersistenceError} `CORRUPT`, `UNSUPPORTED_FORMAT`.
   * @throws {Error} The file system's own error; what `onProgress` throws.
   */
  async copyTo(file: string, onProgress: (progress: CopyProgress) => void): Promise<void> {
    this.#binding.root.resetReadTxn();
    const reader = this.#binding.root.useReadTransaction();
    try {
      await copyState(this.#dataFile, file, onProgress);
    } finally {
      reader.done();
    }
  }

  /**
   * Ends verifications, waits for pending commits, then closes the environment.
   *
   * @throws {PersistenceError} `REOPEN_REQUIRED` if LMDB cannot be closed after a failed commit.
   */
  async close(): Promise<void> {
    await this.#verifications.end();
    await this.#lastCommit;
    try {
      await this.#close();
    } finally {
      await this.#guard?.close();
    }
  }

  async #close(): Promise<void> {
    const closed = this.#binding.root.close();
    if (!this.#failure) return await closed;
    const failure = new PersistenceError(
      "REOPEN_REQUIRED",
      `Cannot close LMDB environment at "${this.options.path}" after a failed commit: restart the process`,
      { cause: this.#failure },
    );
    await within(CLOSE_TIMEOUT_MS, closed, () => failure);
  }

  async #commitNow(groups: readonly WriteGroup[]): Promise<boolean[]> {
    if (this.#failure) throw this.#failure;
    await this.#assertFits(groups);
    this.#reserve.take(groups);
    await this.#waitForOpeners();
    try {
      const applied = await within(
        this.options.commitTimeoutMs,
        this.#writeGuarded(groups),
        () => new Error(`not done within ${this.options.commitTimeoutMs} ms`),
      );
      // What was committed to a file that is no longer there must not be acknowledged.
      this.#files.assertInPlace("data");
      return applied;
    } catch (cause) {
      throw this.#fail(await reasonOf(cause), cause);
    }
  }

  /** A reader that is about to go on does not make the storage full. */
  async #assertFits(groups: readonly WriteGroup[]): Promise<void> {
    for (;;) {
      try {
        return this.#sizeLimit.assertFits(groups);
      } catch (error) {
        if (!(await this.#readerGoesOn())) throw error;
      }
    }
  }

  #assertInPlace(): void {
    try {
      this.#files.assertInPlace("both");
    } catch (cause) {
      throw this.#fail(messageOf(cause), cause);
    }
  }

  /** Refuses all further commits. */
  #fail(reason: string, cause: unknown): PersistenceError {
    this.#failure = new PersistenceError(
      "REOPEN_REQUIRED",
      `Cannot commit to LMDB environment at "${this.options.path}": ${reason}; close it and open it again`,
      { cause },
    );
    return this.#failure;
  }

  /** Waits while others open the environment: LMDB would undo the commit. */
  async #waitForOpeners(): Promise<void> {
    try {
      const mayBegin = this.#guard?.begin();
      if (mayBegin) await mayBegin;
    } catch (cause) {
      if (cause instanceof PersistenceError) throw cause;
      // The presence is gone, maybe with the whole directory: nobody would see the commit.
      this.#assertInPlace();
      throw this.#fail(messageOf(cause), cause);
    }
  }

  async #writeGuarded(groups: readonly WriteGroup[]): Promise<boolean[]> {
    try {
      return await writeGroups(this.#binding, groups);
    } finally {
      const closing = this.#guard?.end();
      if (closing) await closing;
    }
  }

  /** What cannot be used again yet. */
  #pinned(): PinnedPages {
    const { lastTxnId } = this.#binding.root.getStats();
    const reader = this.#oldestReader(lastTxnId);
    if (!reader) return { pages: 0, reader };
    const since = lastTxnId - reader.transactions;
    return { pages: countFreedSince(this.#dataFile, since), reader };
  }

  /** What it and later ones have freed cannot be used by the next commit. */
  #oldestTransaction(): number {
    const { lastTxnId } = this.#binding.root.getStats();
    return lastTxnId - (this.#oldestReader(lastTxnId)?.transactions ?? 0);
  }

  get #dataFile(): string {
    return join(this.options.path, DATA_FILE);
  }

  /**
   * Waits a moment for the reader of the oldest state, unless that has been waited for before.
   *
   * @returns Whether it has gone on.
   */
  async #readerGoesOn(): Promise<boolean> {
    const name = () => {
      const { lastTxnId } = this.#binding.root.getStats();
      const reader = this.#oldestReader(lastTxnId);
      return reader && `${reader.processId} ${lastTxnId - reader.transactions}`;
    };
    const reader = name();
    if (reader === undefined || reader === this.#standingReader) return false;
    for (let waitedMs = 0; waitedMs < READER_PATIENCE_MS; waitedMs += READER_POLL_MS) {
      await new Promise((resolve) => setTimeout(resolve, READER_POLL_MS));
      if (name() !== reader) return true;
    }
    this.#standingReader = reader;
    return false;
  }

  /**
   * The reader of the oldest state, unless that is the newest state as well. Those of dead processes
   * are cleared before.
   */
  #oldestReader(lastTransaction: number): OldestReader | undefined {
    this.#binding.root.readerCheck();
    const oldest = oldestReaderIn(this.#binding.root.readerList());
    if (!oldest || oldest.transaction >= lastTransaction) return undefined;
    const { processId, transaction } = oldest;
    return { processId, transactions: lastTransaction - transaction };
  }

  #statsOfKeyspaces(): LmdbStats[] {
    this.#binding.root.resetReadTxn();
    return KEYSPACES.map((keyspace) => this.#binding.databases[keyspace].getStats());
  }
}

function translateErrors<Result>(operation: string, read: () => Result): Result {
  try {
    return read();
  } catch (cause) {
    const reason = messageOf(cause);
    const isDamage = /MDB_(CORRUPTED|PAGE_NOTFOUND|INVALID|PANIC)/.test(reason);
    throw new PersistenceError(
      isDamage ? "CORRUPT" : "STORAGE_FAILED",
      `Cannot ${operation}: ${reason}`,
      { cause },
    );
  }
}

/** Settles like a promise, or rejects if that takes too long. */
async function within<Result>(
  timeoutMs: number,
  promise: Promise<Result>,
  onTimeout: () => Error,
): Promise<Result> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const timeout = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(onTimeout()), timeoutMs);
  });
  try {
    return await Promise.race([promise, timeout]);
  } finally {
    clearTimeout(timer);
  }
}

/**
 * Why a commit failed. `lmdb` reports it by a second promise, which must be handled in any case.
 */
async function reasonOf(cause: unknown): Promise<string> {
  const message = messageOf(cause);
  if (typeof cause !== "object" || cause === null || !("commitError" in cause)) return message;
  const reason = Promise.resolve(cause.commitError).then(String, String);
  return await within(REASON_TIMEOUT_MS, reason, () => new Error(message)).catch(() => message);
}
