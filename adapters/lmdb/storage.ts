/**
 * The {@linkcode Storage} on LMDB.
 *
 * @module
 */

import { PersistenceError } from "../../core/errors.ts";
import type {
  ScanRange,
  Space,
  Storage,
  StorageStats,
  StorageSupports,
  StoredEntry,
  WriteGroup,
} from "../../core/storage.ts";
import type { LmdbEnvironmentManager } from "./environment.ts";

/**
 * A {@linkcode Storage} on an LMDB environment. Reads answer at once, from the memory map.
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

  /** What it can do. */
  readonly supports: StorageSupports = {
    reopen: true,
    processCrash: true,
    multipleProcesses: true,
    readOnly: true,
    sizeLimit: true,
  };

  readonly #environment: LmdbEnvironmentManager;

  /**
   * @param environment The environment, which then belongs to the storage: `close()` gives it up.
   */
  constructor(environment: LmdbEnvironmentManager) {
    this.#environment = environment;
  }

  /**
   * Reads one key. It sees every commit that took effect before the call, by any process.
   *
   * @param space Where the key stands.
   * @param key The key.
   * @returns The entry, or `undefined` where there is none.
   * @throws {PersistenceError} `CLOSED`, `CORRUPT`, `STORAGE_FAILED`.
   */
  get(space: Space, key: Uint8Array): StoredEntry | undefined {
    this.#assertOpen("read");
    return this.#environment.shared.get(space, key);
  }

  /**
   * Reads one page of a range.
   *
   * @param space Where the keys stand.
   * @param range Which keys, in which direction, and how much at the most.
   * @returns The entries.
   * @throws {PersistenceError} `CLOSED`, `CORRUPT`, `STORAGE_FAILED`.
   */
  scan(space: Space, range: ScanRange): StoredEntry[] {
    this.#assertOpen("scan");
    return this.#environment.shared.scan(space, range);
  }

  /**
   * Applies groups and flushes once.
   *
   * @param groups The groups, each all or none.
   * @returns Which groups applied.
   * @throws {PersistenceError} `CLOSED`, `READ_ONLY`, `STORAGE_FULL`; `REOPEN_REQUIRED` where a
   *   commit failed or timed out, and from then on.
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
   * Resolves when all that was committed before is on disk, whatever the durability.
   *
   * @throws {PersistenceError} `CLOSED`, `STORAGE_FAILED`.
   */
  async sync(): Promise<void> {
    this.#assertOpen("sync");
    await this.#environment.shared.sync();
  }

  /**
   * Figures about the storage.
   *
   * @returns The figures at this moment.
   * @throws {PersistenceError} `CLOSED`, `STORAGE_FAILED`.
   */
  stats(): StorageStats {
    this.#assertOpen("read statistics");
    return this.#environment.shared.stats();
  }

  /** Waits for the commits that were called, then gives the environment up. Idempotent. */
  close(): Promise<void> {
    return this.#environment.close();
  }

  /** Closes the storage. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #assertOpen(operation: string): void {
    if (this.#environment.isClosed) {
      throw new PersistenceError("CLOSED", `Cannot ${operation}: the storage is closed`);
    }
  }
}
