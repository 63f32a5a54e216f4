/**
 * The {@linkcode Storage} on LMDB.
 *
 * @module
 */

import { PersistenceError } from "../../core/errors/persistence_error.ts";
import type {
  Keyspace,
  ScanRange,
  Storage,
  StorageStats,
  StorageSupports,
  StoredEntry,
  WriteGroup,
} from "../../core/ports/storage.ts";
import type { LmdbEnvironmentManager } from "./environment.ts";

/**
 * A {@linkcode Storage} on an LMDB environment. Reads return at once, from the memory map.
 *
 * @example A provider with a codec of its own
 * ```ts
 * import { mkdtemp, rm } from "node:fs/promises";
 * import { tmpdir } from "node:os";
 * import { join } from "node:path";
 * import { JsonCodec, PersistenceProvider } from "@cajun/persistence";
 * import { LmdbEnvironmentManager, LmdbStorage } from "@cajun/persistence/lmdb";
 *
 * const path = await mkdtemp(join(tmpdir(), "example-"));
 * const environment = await LmdbEnvironmentManager.open({ path });
 * const provider = await PersistenceProvider.openOn(new LmdbStorage(environment), {
 *   codec: new JsonCodec(),
 * });
 * console.log(await provider.isHealthy()); // true
 * await provider.close();
 * await rm(path, { recursive: true });
 * ```
 */
export class LmdbStorage implements Storage {
  /** The name of the engine. */
  readonly name = "lmdb";

  /** What the engine can do. */
  readonly supports: StorageSupports = {
    reopen: true,
    processCrash: true,
    multipleProcesses: true,
    readOnly: true,
    sizeLimit: true,
  };

  readonly #environment: LmdbEnvironmentManager;

  /**
   * Makes a storage on an open environment.
   *
   * @param environment The environment. From now on it belongs to the storage, whose `close()`
   *   closes it.
   */
  constructor(environment: LmdbEnvironmentManager) {
    this.#environment = environment;
  }

  /**
   * Reads one key. It sees every commit that took effect before the call, in any process.
   *
   * @param keyspace The keyspace of the key.
   * @param key The key, of 1 to `MAX_KEY_BYTES` bytes.
   * @returns The entry, or `undefined` if there is none.
   * @throws {PersistenceError} `CLOSED`, `CORRUPT`, `STORAGE_FAILED`.
   */
  get(keyspace: Keyspace, key: Uint8Array): StoredEntry | undefined {
    this.#assertOpen("read");
    return this.#environment.shared.get(keyspace, key);
  }

  /**
   * Reads one page of a range.
   *
   * @param keyspace The keyspace of the keys.
   * @param range The keys, the direction, and the limits of the page.
   * @returns The entries, in the order of the direction.
   * @throws {PersistenceError} `CLOSED`, `CORRUPT`, `STORAGE_FAILED`.
   */
  scan(keyspace: Keyspace, range: ScanRange): StoredEntry[] {
    this.#assertOpen("scan");
    return this.#environment.shared.scan(keyspace, range);
  }

  /**
   * Applies groups of changes in one transaction, and flushes it once.
   *
   * @param groups The groups, each of which applies wholly or not at all.
   * @returns For each group, whether it was applied.
   * @throws {ArgumentRangeError} `INVALID_ARGUMENT` if a keyspace, key or value is not valid.
   * @throws {PersistenceError} `CLOSED`, `READ_ONLY`, `STORAGE_FULL`; `REOPEN_REQUIRED` if a commit
   *   fails or times out, or the files are no longer where they were, and for each commit after
   *   that.
   */
  async commit(groups: readonly WriteGroup[]): Promise<readonly boolean[]> {
    this.#assertOpen("commit");
    if (this.#environment.readOnly) {
      throw new PersistenceError("READ_ONLY", "Cannot commit: the storage is open read-only");
    }
    if (groups.length === 0) return [];
    return await this.#environment.shared.commit(groups);
  }

  /**
   * Flushes all that was committed before, whatever the durability.
   *
   * @returns A promise that resolves when it is on disk.
   * @throws {PersistenceError} `CLOSED`, `STORAGE_FAILED`; `REOPEN_REQUIRED` after a failed commit, or
   *   if the files are no longer where they were.
   */
  async sync(): Promise<void> {
    this.#assertOpen("sync");
    await this.#environment.shared.sync();
  }

  /**
   * Counts entries and bytes.
   *
   * @returns The figures at this moment.
   * @throws {PersistenceError} `CLOSED`, `STORAGE_FAILED`; `REOPEN_REQUIRED` if the files are no
   *   longer where they were.
   */
  stats(): StorageStats {
    this.#assertOpen("read statistics");
    return this.#environment.shared.stats();
  }

  /**
   * Closes the storage. If it is the last user of the environment in this process, waits for
   * pending commits and closes the environment, too. Idempotent.
   *
   * @throws {PersistenceError} `REOPEN_REQUIRED` if LMDB cannot be closed after a failed commit:
   *   the process must be restarted.
   */
  close(): Promise<void> {
    return this.#environment.close();
  }

  /** Calls {@linkcode LmdbStorage.close}. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #assertOpen(operation: string): void {
    if (this.#environment.isClosed) {
      throw new PersistenceError("CLOSED", `Cannot ${operation}: the storage is closed`);
    }
  }
}
