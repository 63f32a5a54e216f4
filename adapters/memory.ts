/**
 * Journals and snapshots in memory, for tests, and for actors whose state may be lost with the
 * process.
 *
 * The storage is the reference implementation of the port {@linkcode Storage}, small enough to be
 * read as its specification.
 *
 * @module
 */

import { checkInteger, checkOptions, describeType } from "../core/errors/arguments.ts";
import {
  ArgumentRangeError,
  ArgumentTypeError,
  PersistenceError,
} from "../core/errors/persistence_error.ts";
import { PROVIDER_OPTION_NAMES, type ProviderOptions } from "../core/ports/provider.ts";
import {
  type Keyspace,
  KEYSPACES,
  makesRoom,
  type ScanRange,
  type Storage,
  type StorageChange,
  type StorageCondition,
  type StorageStats,
  type StorageSupports,
  type StoredEntry,
  type WriteGroup,
} from "../core/ports/storage.ts";
import { checkProviderOptions, PersistenceProvider, prepareProvider } from "../core/provider.ts";
import { compareBytes } from "../core/util/bytes.ts";
import type { OptionNames } from "../core/util/option_names.ts";
import { runtime } from "./runtime.ts";

/**
 * Roughly what one entry costs in addition to its key and value: the version and two references.
 */
const ENTRY_OVERHEAD_BYTES = 32;
const OPERATION = "open storage";

/**
 * The data of a {@linkcode MemoryStorage}. It outlives the storage, so opening another storage on
 * it is like reopening a database on disk.
 *
 * @example Close and reopen
 * ```ts
 * import { MemoryDatabase, MemoryPersistenceProvider } from "@cajun/persistence/memory";
 *
 * const database = new MemoryDatabase();
 * const first = await MemoryPersistenceProvider.open({ database });
 * await first.createMessageJournal<string>().append("door", "opened");
 * await first.close();
 *
 * await using second = await MemoryPersistenceProvider.open({ database });
 * console.log(await second.createMessageJournal<string>().getHighestSequenceNumber("door")); // 0
 * ```
 */
export class MemoryDatabase {
  /**
   * The entries of each keyspace, in the order of the keys.
   *
   * @internal
   */
  readonly keyspaces: ReadonlyMap<Keyspace, StoredEntry[]> = new Map(
    KEYSPACES.map((keyspace) => [keyspace, []]),
  );
  /**
   * The bytes that all entries occupy.
   *
   * @internal
   */
  usedBytes = 0;
}

/** The options of a {@linkcode MemoryStorage}. */
export interface MemoryStorageOptions {
  /**
   * The data to open.
   *
   * @default {new MemoryDatabase()}
   */
  database?: MemoryDatabase;
  /**
   * The maximum number of bytes that the data may occupy, at least 1. Once it is reached, commits
   * reject with `STORAGE_FULL`, except those that make room. No limit by default.
   *
   * @default {undefined}
   */
  maxBytes?: number;
  /**
   * Refuses every commit with `READ_ONLY`.
   *
   * @default {false}
   */
  readOnly?: boolean;
}

const MEMORY_STORAGE_OPTION_NAMES: OptionNames<MemoryStorageOptions> = {
  database: true,
  maxBytes: true,
  readOnly: true,
};

/**
 * A {@linkcode Storage} in memory.
 *
 * @example A provider on a storage that you open yourself
 * ```ts
 * import { PersistenceProvider } from "@cajun/persistence";
 * import { MemoryStorage } from "@cajun/persistence/memory";
 *
 * await using provider = await PersistenceProvider.openOn(await MemoryStorage.open());
 * console.log(provider.name); // "memory"
 * ```
 */
export class MemoryStorage implements Storage {
  /** The name of the engine. */
  readonly name = "memory";

  /** What the engine can do. */
  readonly supports: StorageSupports = {
    reopen: true,
    processCrash: false,
    multipleProcesses: false,
    readOnly: true,
    sizeLimit: true,
  };

  readonly #database: MemoryDatabase;
  readonly #maxBytes: number | undefined;
  readonly #readOnly: boolean;
  #closed = false;

  private constructor({ database, maxBytes, readOnly }: CheckedStorageOptions) {
    this.#database = database;
    this.#maxBytes = maxBytes;
    this.#readOnly = readOnly;
  }

  /**
   * Opens a storage in memory.
   *
   * @param options The data, its size limit, and whether it is read-only.
   * @returns The storage.
   * @throws {ArgumentTypeError | ArgumentRangeError} `INVALID_ARGUMENT` if an option is invalid or
   *   unknown.
   */
  static open(options: MemoryStorageOptions = {}): Promise<MemoryStorage> {
    try {
      checkOptions(options, OPERATION, MEMORY_STORAGE_OPTION_NAMES);
      return Promise.resolve(new MemoryStorage(checkStorageOptions(options)));
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /**
   * Reads one key.
   *
   * @param keyspace The keyspace of the key.
   * @param key The key.
   * @returns A copy of the entry, or `undefined` if there is none.
   * @throws {ArgumentRangeError} `INVALID_ARGUMENT` if there is no such keyspace.
   * @throws {PersistenceError} `CLOSED`.
   */
  get(keyspace: Keyspace, key: Uint8Array): StoredEntry | undefined {
    this.#assertOpen("read");
    const found = find(this.#entries(keyspace), key);
    return found.entry && copyOf(found.entry);
  }

  /**
   * Reads one page of a range.
   *
   * @param keyspace The keyspace of the keys.
   * @param range The keys, the direction, and the limits of the page.
   * @returns Copies of the entries, in the order of the direction.
   * @throws {ArgumentRangeError} `INVALID_ARGUMENT` if there is no such keyspace.
   * @throws {PersistenceError} `CLOSED`.
   */
  scan(keyspace: Keyspace, range: ScanRange): StoredEntry[] {
    this.#assertOpen("scan");
    const entries = this.#entries(keyspace);
    const first = find(entries, range.start).index;
    const end = find(entries, range.end).index;
    const page: StoredEntry[] = [];
    let bytes = 0;
    for (let offset = 0; offset < end - first; offset++) {
      if (page.length >= range.maxEntries || bytes >= range.maxBytes) break;
      const entry = entries[range.reverse ? end - 1 - offset : first + offset];
      if (entry === undefined) break;
      page.push(range.keysOnly ? keyOf(entry) : copyOf(entry));
      if (!range.keysOnly) bytes += entry.value.length;
    }
    return page;
  }

  /**
   * Applies groups of changes.
   *
   * @param groups The groups, each of which applies wholly or not at all.
   * @returns For each group, whether it was applied.
   * @throws {ArgumentRangeError} `INVALID_ARGUMENT` if there is no such keyspace.
   * @throws {PersistenceError} `CLOSED`, `READ_ONLY`, `STORAGE_FULL`.
   */
  commit(groups: readonly WriteGroup[]): Promise<readonly boolean[]> {
    try {
      this.#assertOpen("commit");
      if (this.#readOnly) {
        throw new PersistenceError("READ_ONLY", "Cannot commit: the storage is open read-only");
      }
      this.#assertFits(groups);
      return Promise.resolve(groups.map((group) => this.#apply(group)));
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /**
   * Does nothing: memory has nothing to flush.
   *
   * @returns A resolved promise.
   * @throws {PersistenceError} `CLOSED`.
   */
  sync(): Promise<void> {
    try {
      this.#assertOpen("sync");
      return Promise.resolve();
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /**
   * Counts entries and bytes.
   *
   * @returns The figures at this moment.
   * @throws {PersistenceError} `CLOSED`.
   */
  stats(): StorageStats {
    this.#assertOpen("read statistics");
    return {
      entries: {
        meta: this.#entries("meta").length,
        log: this.#entries("log").length,
        heads: this.#entries("heads").length,
        entries: this.#entries("entries").length,
        snapshots: this.#entries("snapshots").length,
        outbox: this.#entries("outbox").length,
      },
      usedBytes: this.#database.usedBytes,
      limitBytes: this.#maxBytes,
    };
  }

  /** Closes the storage. The {@linkcode MemoryDatabase} keeps the data. Idempotent. */
  close(): Promise<void> {
    this.#closed = true;
    return Promise.resolve();
  }

  /** Calls {@linkcode MemoryStorage.close}. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #apply(group: WriteGroup): boolean {
    if (!group.conditions.every((condition) => this.#holds(condition))) return false;
    for (const change of group.changes) this.#change(change);
    return true;
  }

  #holds(condition: StorageCondition): boolean {
    return find(this.#entries(condition.keyspace), condition.key).entry?.version ===
      condition.version;
  }

  #change(change: StorageChange): void {
    const entries = this.#entries(change.keyspace);
    const { index, entry } = find(entries, change.key);
    if (entry) {
      entries.splice(index, 1);
      this.#database.usedBytes -= sizeOf(entry);
    }
    if (change.type === "put") {
      const added = copyOf(change);
      entries.splice(index, 0, added);
      this.#database.usedBytes += sizeOf(added);
    }
  }

  /** Counts every put as an addition: that is simple, and never exceeds the limit. */
  #assertFits(groups: readonly WriteGroup[]): void {
    if (this.#maxBytes === undefined) return;
    let addedBytes = 0;
    for (const group of groups) {
      if (makesRoom(group)) continue;
      for (const change of group.changes) if (change.type === "put") addedBytes += sizeOf(change);
    }
    const neededBytes = this.#database.usedBytes + addedBytes;
    if (addedBytes > 0 && neededBytes > this.#maxBytes) {
      throw new PersistenceError(
        "STORAGE_FULL",
        `Cannot commit: ${neededBytes} bytes are more than the limit of ${this.#maxBytes}`,
      );
    }
  }

  #entries(keyspace: Keyspace): StoredEntry[] {
    const entries = this.#database.keyspaces.get(keyspace);
    if (!entries) {
      throw new ArgumentRangeError(`Cannot access keyspace "${keyspace}": there is none`);
    }
    return entries;
  }

  #assertOpen(operation: string): void {
    if (this.#closed) {
      throw new PersistenceError("CLOSED", `Cannot ${operation}: the storage is closed`);
    }
  }
}

/** The options of the storage alone, with their defaults. */
type CheckedStorageOptions =
  & MemoryStorageOptions
  & Required<Pick<MemoryStorageOptions, "database" | "readOnly">>;

function checkStorageOptions(options: MemoryStorageOptions): CheckedStorageOptions {
  const { database = new MemoryDatabase(), maxBytes, readOnly = false } = options;
  if (!(database instanceof MemoryDatabase)) {
    throw new ArgumentTypeError(`Cannot ${OPERATION}: database must be a MemoryDatabase`);
  }
  if (typeof readOnly !== "boolean") {
    throw new ArgumentTypeError(
      `Cannot ${OPERATION}: readOnly must be a boolean, not ${describeType(readOnly)}`,
    );
  }
  if (maxBytes === undefined) return { database, readOnly };
  checkInteger(maxBytes, "maxBytes", 1, Number.MAX_SAFE_INTEGER, OPERATION);
  return { database, readOnly, maxBytes };
}

/** The position at which a key is, or would be inserted. */
function find(
  entries: StoredEntry[],
  key: Uint8Array,
): { index: number; entry: StoredEntry | undefined } {
  let low = 0;
  let high = entries.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const candidate = entries[middle];
    const order = candidate ? compareBytes(candidate.key, key) : 0;
    if (order === 0) return { index: middle, entry: candidate };
    if (order < 0) low = middle + 1;
    else high = middle;
  }
  return { index: low, entry: undefined };
}

function copyOf({ key, value, version }: StoredEntry): StoredEntry {
  return { key: copyBytes(key), value: copyBytes(value), version };
}

function keyOf({ key }: StoredEntry): StoredEntry {
  return { key: copyBytes(key), value: new Uint8Array(0), version: 0 };
}

/** Not `slice()`: that of a Node `Buffer` is a view. */
function copyBytes(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes);
}

function sizeOf({ key, value }: { key: Uint8Array; value: Uint8Array }): number {
  return key.length + value.length + ENTRY_OVERHEAD_BYTES;
}

/** The options of a {@linkcode MemoryPersistenceProvider}. */
export interface MemoryProviderOptions extends MemoryStorageOptions, ProviderOptions {}

const MEMORY_PROVIDER_OPTION_NAMES: OptionNames<MemoryProviderOptions> = {
  ...MEMORY_STORAGE_OPTION_NAMES,
  ...PROVIDER_OPTION_NAMES,
};

/**
 * A {@linkcode PersistenceProvider} in memory: the same journals and snapshots as on LMDB, lost
 * when the process ends.
 *
 * @example A journal in memory
 * ```ts
 * import { MemoryPersistenceProvider } from "@cajun/persistence/memory";
 *
 * await using provider = await MemoryPersistenceProvider.open();
 * const journal = provider.createMessageJournal<{ add: number }>();
 * await journal.append("counter", { add: 2 });
 * console.log((await journal.readFrom("counter", 0))[0]?.message); // { add: 2 }
 * ```
 */
export class MemoryPersistenceProvider extends PersistenceProvider {
  /**
   * Opens a provider in memory.
   *
   * @param options The options of the storage and those of the provider.
   * @returns The provider.
   * @throws {ArgumentTypeError | ArgumentRangeError} `INVALID_ARGUMENT` if an option is invalid or
   *   unknown.
   * @throws {PersistenceError} `CODEC_MISMATCH` if the data was written with another codec;
   *   `UNSUPPORTED_FORMAT` if it was written by a newer version of this package; `CORRUPT` if it is
   *   damaged.
   */
  static async open(options: MemoryProviderOptions = {}): Promise<MemoryPersistenceProvider> {
    checkOptions(options, OPERATION, MEMORY_PROVIDER_OPTION_NAMES);
    const storageOptions = checkStorageOptions(options);
    const settings = checkProviderOptions(options, runtime);
    const storage = await MemoryStorage.open(storageOptions);
    return new this(await prepareProvider(storage, settings));
  }
}
