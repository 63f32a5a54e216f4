/**
 * THE PORT: ordered, versioned key-value storage with conditional, durable commits. Whatever
 * differs between LMDB, memory and a distributed database stands behind this interface; everything
 * else is written once, in core.
 *
 * `adapters/memory.ts` is the readable reference; the storage suite of
 * `@cajun/persistence/conformance` is the test of an implementation.
 *
 * @module
 */

/** A value, or the promise of one: a storage on a memory map answers at once. */
export type MaybePromise<T> = T | Promise<T>;

/** The separate key spaces of a storage. The same key may stand in each of them. */
export type Space = "meta" | "heads" | "entries" | "snapshots";

/** All spaces, for adapters that have to prepare them. */
export const SPACES: readonly Space[] = ["meta", "heads", "entries", "snapshots"];

/** The longest key that core uses, in bytes. A storage must accept keys of 1 to this many bytes. */
export const MAX_KEY_BYTES = 1_040;

/** What stands under a key. */
export interface StoredEntry {
  /** The key: the caller's to keep. */
  readonly key: Uint8Array;
  /** The value: the caller's to keep, never a view on the storage. Empty in a scan of keys only. */
  readonly value: Uint8Array;
  /** The version that the last `put` gave it: an integer from 0 to 2^53 - 1. */
  readonly version: number;
}

/** One bounded page of a space, in key order. Keys compare as unsigned bytes. */
export interface ScanRange {
  /** The lowest key, inclusive. */
  readonly start: Uint8Array;
  /** The end, exclusive: every key of the page is below it. */
  readonly end: Uint8Array;
  /** From the highest key down instead of from the lowest up. */
  readonly reverse?: boolean;
  /** At most this many entries: an integer of at least 1. */
  readonly maxEntries: number;
  /**
   * The page ends with the entry by which the sum of value lengths reaches this: an integer of at
   * least 1. So a page of a range that is not empty always has one entry, however large.
   */
  readonly maxBytes: number;
  /** Only the keys: every `value` is empty, every `version` 0, and `maxBytes` does not count. */
  readonly keysOnly?: boolean;
}

/** What must hold of a key when a group is applied. */
export interface Condition {
  readonly space: Space;
  readonly key: Uint8Array;
  /** The version that the key must have, or `undefined`: it must be absent. */
  readonly version: number | undefined;
}

/** One change of one key. */
export type Change =
  | {
    readonly type: "put";
    readonly space: Space;
    readonly key: Uint8Array;
    /** Not changed by the caller until the commit has settled. */
    readonly value: Uint8Array;
    /** An integer from 0 to 2^53 - 1. */
    readonly version: number;
  }
  | { readonly type: "delete"; readonly space: Space; readonly key: Uint8Array };

/** Changes that apply wholly where all conditions hold, and not at all otherwise. */
export interface WriteGroup {
  readonly conditions: readonly Condition[];
  /** Applied in order. Deleting an absent key is no error. */
  readonly changes: readonly Change[];
  /**
   * It makes room in the end, so it is carried out on a full storage, too. A group that only deletes
   * is taken for such a one anyway.
   */
  readonly makesRoom?: boolean;
}

/**
 * Whether a group is carried out on a full storage, too. For adapters with a size limit.
 *
 * @param group The group.
 * @returns Whether it makes room in the end.
 */
export function makesRoom(group: WriteGroup): boolean {
  return group.makesRoom === true || group.changes.every((change) => change.type === "delete");
}

/**
 * What a storage can do. A conformance case is skipped only where the flag that it needs is false.
 */
export interface StorageSupports {
  /** What was committed is there after close and reopen. */
  readonly reopen: boolean;
  /** What was committed survives the death of the process. */
  readonly processCrash: boolean;
  /** Several processes may use the same data at once. */
  readonly multipleProcesses: boolean;
  /** It can be opened such that every commit is refused with `READ_ONLY`. */
  readonly readOnly: boolean;
  /** It has a size limit and refuses what exceeds it with `STORAGE_FULL`. */
  readonly sizeLimit: boolean;
}

/** Figures about a storage at one moment. */
export interface StorageStats {
  /** The number of entries per space. */
  readonly entries: Readonly<Record<Space, number>>;
  /** The bytes that the data occupies, bookkeeping included. */
  readonly usedBytes: number;
  /** The bytes that the data may occupy, or `undefined` where there is no limit. */
  readonly limitBytes: number | undefined;
}

/**
 * Ordered, versioned key-value storage with conditional, durable commits.
 *
 * After `close()` every call rejects (or throws) `CLOSED`.
 */
export interface Storage extends AsyncDisposable {
  /** The name of the engine, such as `"lmdb"`. */
  readonly name: string;

  /** What it can do. */
  readonly supports: StorageSupports;

  /**
   * Reads one key. It sees every commit that took effect before the call, by any process.
   *
   * @param space Where the key stands.
   * @param key 1 to {@linkcode MAX_KEY_BYTES} bytes.
   * @returns The entry, or `undefined` where there is none.
   * @throws {PersistenceError} `CLOSED`, `CORRUPT`, `STORAGE_FAILED`.
   */
  get(space: Space, key: Uint8Array): MaybePromise<StoredEntry | undefined>;

  /**
   * Reads one page of a range, from one consistent state that is at least as new as the last
   * `get`. An empty or inverted range gives no entries.
   *
   * @param space Where the keys stand.
   * @param range Which keys, in which direction, and how much at the most.
   * @returns The entries. Fewer than `maxEntries` and fewer than `maxBytes` means the range ends.
   * @throws {PersistenceError} `CLOSED`, `CORRUPT`, `STORAGE_FAILED`.
   */
  scan(space: Space, range: ScanRange): MaybePromise<StoredEntry[]>;

  /**
   * Applies groups, in order, and makes them durable with one flush. Each group is atomic on its
   * own: it applies wholly (`true`) or, where one of its conditions does not hold, not at all
   * (`false`) without disturbing its neighbours; a condition sees what the groups before it did.
   * Commits take effect in the order of the calls.
   *
   * @param groups The groups. None: resolves at once.
   * @returns Which groups applied, when all that applied is durable, as far as the durability that
   *   the storage was opened with promises.
   * @throws {PersistenceError} `CLOSED`, `READ_ONLY`, `STORAGE_FULL` and `STORAGE_FAILED` where
   *   nothing of it was applied; `REOPEN_REQUIRED` where the storage cannot know.
   */
  commit(groups: readonly WriteGroup[]): Promise<readonly boolean[]>;

  /**
   * Resolves when all that was committed before is on disk, also where the storage was opened with
   * a weaker durability.
   *
   * @throws {PersistenceError} `CLOSED`, `STORAGE_FAILED`, `REOPEN_REQUIRED`.
   */
  sync(): Promise<void>;

  /**
   * Figures about the storage.
   *
   * @returns The figures at this moment.
   * @throws {PersistenceError} `CLOSED`, `STORAGE_FAILED`.
   */
  stats(): MaybePromise<StorageStats>;

  /** Waits for the commits that were called, then releases everything. Idempotent. */
  close(): Promise<void>;
}
