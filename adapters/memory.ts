/**
 * The reference {@linkcode Storage}: everything in memory, small enough to be read as the port's
 * specification. For tests, and for actors whose state may be lost with the process.
 *
 * @module
 */

import { ArgumentRangeError, PersistenceError } from "../core/errors.ts";
import { compareBytes } from "../core/keys.ts";
import { PersistenceProvider, type ProviderOptions } from "../core/provider.ts";
import {
  type Change,
  type Condition,
  makesRoom,
  type ScanRange,
  type Space,
  SPACES,
  type Storage,
  type StorageStats,
  type StorageSupports,
  type StoredEntry,
  type WriteGroup,
} from "../core/storage.ts";

/** What one entry costs beside its key and value, roughly: the version and two references. */
const ENTRY_OVERHEAD_BYTES = 32;

/**
 * The data of a {@linkcode MemoryStorage}. It outlives the storage object, so opening a second one
 * on it shows what a reopened storage would show.
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
  /** @internal The entries of each space, in key order. */
  readonly spaces: ReadonlyMap<Space, StoredEntry[]> = new Map(SPACES.map((space) => [space, []]));
  /** @internal The bytes that all entries occupy. */
  usedBytes = 0;
}

/** How a {@linkcode MemoryStorage} is opened. */
export interface MemoryStorageOptions {
  /** The data to open. Default: a new, empty database. */
  database?: MemoryDatabase;
  /** The most bytes that the data may occupy. Default: no limit. */
  maxBytes?: number;
  /** Refuses every commit with `READ_ONLY`. Default: false. */
  readOnly?: boolean;
}

/**
 * A {@linkcode Storage} in memory.
 *
 * @example A storage of one's own under a provider
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

  /** What it can do. */
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

  private constructor(options: MemoryStorageOptions) {
    this.#database = options.database ?? new MemoryDatabase();
    this.#maxBytes = options.maxBytes;
    this.#readOnly = options.readOnly ?? false;
  }

  /**
   * Opens a storage in memory.
   *
   * @param options The data, its limit in bytes (an integer of at least 1), and whether it is
   *   read-only.
   * @returns The storage.
   * @throws {ArgumentRangeError} `INVALID_ARGUMENT` where `maxBytes` is no integer of at least 1.
   */
  static open(options: MemoryStorageOptions = {}): Promise<MemoryStorage> {
    const { maxBytes } = options;
    if (maxBytes !== undefined && !(Number.isSafeInteger(maxBytes) && maxBytes > 0)) {
      return Promise.reject(
        new ArgumentRangeError(`Cannot open storage: maxBytes must be at least 1, not ${maxBytes}`),
      );
    }
    return Promise.resolve(new MemoryStorage(options));
  }

  /**
   * Reads one key.
   *
   * @param space Where the key stands.
   * @param key The key.
   * @returns A copy of the entry, or `undefined` where there is none.
   * @throws {PersistenceError} `CLOSED`.
   */
  get(space: Space, key: Uint8Array): StoredEntry | undefined {
    this.#assertOpen("read");
    const found = find(this.#entries(space), key);
    return found.entry && copyOf(found.entry);
  }

  /**
   * Reads one page of a range.
   *
   * @param space Where the keys stand.
   * @param range Which keys, in which direction, and how much at the most.
   * @returns Copies of the entries.
   * @throws {PersistenceError} `CLOSED`.
   */
  scan(space: Space, range: ScanRange): StoredEntry[] {
    this.#assertOpen("scan");
    const entries = this.#entries(space);
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
   * Applies groups.
   *
   * @param groups The groups, each all or none.
   * @returns Which groups applied.
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
   * Figures about the storage.
   *
   * @returns The figures at this moment.
   * @throws {PersistenceError} `CLOSED`.
   */
  stats(): StorageStats {
    this.#assertOpen("read statistics");
    return {
      entries: {
        meta: this.#entries("meta").length,
        heads: this.#entries("heads").length,
        entries: this.#entries("entries").length,
        snapshots: this.#entries("snapshots").length,
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

  /** Closes the storage. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #apply(group: WriteGroup): boolean {
    if (!group.conditions.every((condition) => this.#holds(condition))) return false;
    for (const change of group.changes) this.#change(change);
    return true;
  }

  #holds(condition: Condition): boolean {
    return find(this.#entries(condition.space), condition.key).entry?.version === condition.version;
  }

  #change(change: Change): void {
    const entries = this.#entries(change.space);
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

  /** Counts every put as an addition: simple, and never lets more in than the limit allows. */
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

  #entries(space: Space): StoredEntry[] {
    const entries = this.#database.spaces.get(space);
    if (!entries) throw new ArgumentRangeError(`Cannot access space "${space}": there is none`);
    return entries;
  }

  #assertOpen(operation: string): void {
    if (this.#closed) {
      throw new PersistenceError("CLOSED", `Cannot ${operation}: the storage is closed`);
    }
  }
}

/** Where a key stands or would stand. */
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

/** How a {@linkcode MemoryPersistenceProvider} is opened. */
export interface MemoryProviderOptions extends MemoryStorageOptions, ProviderOptions {}

/**
 * A {@linkcode PersistenceProvider} in memory: the same journals and snapshots as on LMDB, gone with
 * the process.
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
   * @param options Those of the storage and those of the provider.
   * @returns The provider.
   * @throws {ArgumentRangeError} `INVALID_ARGUMENT` where an option is out of range.
   * @throws {PersistenceError} `CODEC_MISMATCH` where the database was written with another codec.
   */
  static async open(options: MemoryProviderOptions = {}): Promise<MemoryPersistenceProvider> {
    const storage = await MemoryStorage.open(options);
    return new MemoryPersistenceProvider(await PersistenceProvider.prepare(storage, options));
  }
}
