/**
 * THE STORAGE PORT: ordered, versioned key-value storage with conditional, durable commits. This
 * interface hides whatever differs between LMDB, memory and a distributed database; everything else
 * is written once, in core.
 *
 * `adapters/memory.ts` is the readable reference; the storage suite of
 * `@cajun/persistence/conformance` is the test of an implementation.
 *
 * @module
 */

import type { MaybePromise } from "../util/promises.ts";

export type { MaybePromise };

/**
 * The keyspaces of a storage, which are separate: the same key may exist in each of them.
 *
 * - `meta`: the name of the codec, the positions of consumers, the marks of stateful actors, and the
 *   probe of the health check.
 * - `log`: one record per commit, with what it has done to journals.
 * - `heads`: one head per journal whose part of the log has been collected, with its range of sequence
 *   numbers and its last few entries.
 * - `entries`: all other entries that have been collected, in frames of consecutive entries.
 * - `snapshots`: the snapshots of all actors.
 * - `outbox`: the effects of stateful actors that have not been delivered.
 */
export type Keyspace = "meta" | "log" | "heads" | "entries" | "snapshots" | "outbox";

/** All keyspaces, for adapters that have to create them. */
export const KEYSPACES: readonly Keyspace[] = [
  "meta",
  "log",
  "heads",
  "entries",
  "snapshots",
  "outbox",
];

/** The length of the longest key, in bytes. A storage must accept keys of 1 to this many bytes. */
export const MAX_KEY_BYTES = 1_300;

/** A key with its value and version. */
export interface StoredEntry {
  /** The key. The caller may keep it. */
  readonly key: Uint8Array;
  /**
   * The value. The caller may keep it: it is never a view of the storage. Empty with `keysOnly`.
   */
  readonly value: Uint8Array;
  /** The version that the last `put` gave it: an integer from 0 to 2^53 - 1. */
  readonly version: number;
}

/** One bounded page of a keyspace, in key order. Keys compare as unsigned bytes. */
export interface ScanRange {
  /** The lowest key, inclusive. */
  readonly start: Uint8Array;
  /** The upper bound, exclusive: every key of the page is below it. */
  readonly end: Uint8Array;
  /**
   * Whether to read from the highest key down instead of from the lowest key up.
   *
   * @default {false}
   */
  readonly reverse?: boolean;
  /** The maximum number of entries: an integer of at least 1. */
  readonly maxEntries: number;
  /**
   * The page ends with the entry at which the total length of the values reaches this: an integer
   * of at least 1. So a page of a range that is not empty has at least one entry, however large.
   */
  readonly maxBytes: number;
  /**
   * Whether to read only the keys: every `value` is empty, every `version` is 0, and `maxBytes`
   * does not apply.
   *
   * @default {false}
   */
  readonly keysOnly?: boolean;
}

/** A condition on a key that must hold for a group to be applied. */
export interface StorageCondition {
  /** The keyspace of the key. */
  readonly keyspace: Keyspace;
  /** The key: 1 to {@linkcode MAX_KEY_BYTES} bytes. */
  readonly key: Uint8Array;
  /** The version that the key must have, or `undefined` if the key must not exist. */
  readonly version: number | undefined;
}

/** A change of one key: a `put` sets its value and version, a `delete` removes it. */
export type StorageChange =
  | {
    readonly type: "put";
    readonly keyspace: Keyspace;
    readonly key: Uint8Array;
    /** The new value. The caller must not change it until the commit has settled. */
    readonly value: Uint8Array;
    /** The new version: an integer from 0 to 2^53 - 1. */
    readonly version: number;
  }
  | { readonly type: "delete"; readonly keyspace: Keyspace; readonly key: Uint8Array };

/** Changes that are all applied if all conditions hold. Otherwise none of them is applied. */
export interface WriteGroup {
  /** The conditions. */
  readonly conditions: readonly StorageCondition[];
  /**
   * The changes, which are applied in order. Deleting a key that does not exist is not an error.
   */
  readonly changes: readonly StorageChange[];
  /**
   * Whether the group frees space in the end, so that it must be carried out even if the storage is
   * full. This always holds for a group that only deletes.
   *
   * @default {false}
   */
  readonly makesRoom?: boolean;
}

/**
 * Whether a group must be carried out even if the storage is full. For adapters with a size limit.
 *
 * @param group The group.
 * @returns Whether the group frees space in the end.
 *
 * @example Groups on a full storage
 * ```ts
 * import { makesRoom } from "@cajun/persistence";
 *
 * const place = { keyspace: "meta", key: Uint8Array.of(1) } as const;
 * const put = { type: "put", ...place, value: Uint8Array.of(2), version: 0 } as const;
 * const remove = { type: "delete", ...place } as const;
 * console.log(makesRoom({ conditions: [], changes: [put] })); // false
 * console.log(makesRoom({ conditions: [], changes: [remove] })); // true
 * ```
 */
export function makesRoom(group: WriteGroup): boolean {
  return group.makesRoom === true || group.changes.every((change) => change.type === "delete");
}

/** What a storage supports. A conformance case is skipped only if a flag that it needs is false. */
export interface StorageSupports {
  /** Whether committed data is still there after the storage was closed and reopened. */
  readonly reopen: boolean;
  /** Whether committed data survives a crash of the process. */
  readonly processCrash: boolean;
  /** Whether several processes may use the same data at once. */
  readonly multipleProcesses: boolean;
  /** Whether it can be opened read-only, so that every commit is refused with `READ_ONLY`. */
  readonly readOnly: boolean;
  /** Whether it has a size limit and refuses commits that exceed it with `STORAGE_FULL`. */
  readonly sizeLimit: boolean;
}

/** The statistics of a storage at one moment. */
export interface StorageStats {
  /** The number of keys per keyspace. */
  readonly entries: Readonly<Record<Keyspace, number>>;
  /** The bytes that the data occupies, including bookkeeping. */
  readonly usedBytes: number;
  /** The bytes that the data may occupy, or `undefined` if there is no limit. */
  readonly limitBytes: number | undefined;
  /**
   * The bytes of the engine's files that the data does not occupy, if the engine can tell. They are
   * used again before the files grow, unless a reader still reads what was there.
   */
  readonly freeBytes?: number | undefined;
  /**
   * Who reads an older state than the newest one, if the engine can tell. Nothing that has been
   * freed since is used again before that reader goes on or ends.
   */
  readonly oldestReader?: OldestReader | undefined;
  /** How often commits waited for others that opened the storage, if the engine makes them wait. */
  readonly openingWaits?: OpeningWaits | undefined;
}

/** How often commits of a process had to wait while another one opened the storage. */
export interface OpeningWaits {
  /** How often. */
  readonly count: number;
  /** How long altogether, in milliseconds. */
  readonly totalMs: number;
}

/** The reader of the oldest state of a storage that still is read. */
export interface OldestReader {
  /** The id of its process. */
  readonly processId: number;
  /** How many transactions have been committed since it began to read. */
  readonly transactions: number;
}

/**
 * Ordered, versioned key-value storage with conditional, durable commits.
 *
 * After `close()` every call rejects, or throws, with `CLOSED`.
 *
 * @example A conditional write
 * ```ts
 * import type { Storage } from "@cajun/persistence";
 * import { MemoryStorage } from "@cajun/persistence/memory";
 *
 * await using storage: Storage = await MemoryStorage.open();
 * const key = Uint8Array.of(1);
 * const group = {
 *   conditions: [{ keyspace: "meta", key, version: undefined }],
 *   changes: [{ type: "put", keyspace: "meta", key, value: Uint8Array.of(7), version: 0 }],
 * } as const;
 * console.log(await storage.commit([group])); // [true]
 * // Now the key exists.
 * console.log(await storage.commit([group])); // [false]
 * console.log((await storage.get("meta", key))?.version); // 0
 * ```
 */
export interface Storage extends AsyncDisposable {
  /** The name of the engine, such as `"lmdb"`. */
  readonly name: string;

  /** What it supports. */
  readonly supports: StorageSupports;

  /**
   * Reads one key. The read sees every commit, of any process, that took effect before the call.
   *
   * @param keyspace The keyspace of the key.
   * @param key The key: 1 to {@linkcode MAX_KEY_BYTES} bytes.
   * @returns The entry, or `undefined` if there is none.
   * @throws {PersistenceError} `CLOSED`, `CORRUPT`, `STORAGE_FAILED`.
   */
  get(keyspace: Keyspace, key: Uint8Array): MaybePromise<StoredEntry | undefined>;

  /**
   * Reads one page of a range, from one consistent state that is at least as new as that of the
   * last `get`. An empty or inverted range has no entries.
   *
   * @param keyspace The keyspace of the keys.
   * @param range The bounds of the keys, the direction, and the maximum size of the page.
   * @returns The entries. If they are fewer than `maxEntries` and have fewer than `maxBytes` bytes,
   *   the range has no more.
   * @throws {PersistenceError} `CLOSED`, `CORRUPT`, `STORAGE_FAILED`.
   */
  scan(keyspace: Keyspace, range: ScanRange): MaybePromise<StoredEntry[]>;

  /**
   * Applies groups, in order, and makes them durable with one flush. Each group is atomic on its
   * own: all of it is applied (`true`) or, if one of its conditions does not hold, none of it
   * (`false`), without affecting the other groups. A condition sees what the groups before it have
   * changed. Commits take effect in the order of the calls.
   *
   * @param groups The groups. If there are none, the call resolves at once.
   * @returns Which groups were applied. Resolves when these have reached the durability that the
   *   storage was opened with.
   * @throws {PersistenceError} `CLOSED`, `READ_ONLY`, `STORAGE_FULL` or `STORAGE_FAILED` if no
   *   group was applied; `REOPEN_REQUIRED` if the storage cannot know which groups were.
   */
  commit(groups: readonly WriteGroup[]): Promise<readonly boolean[]>;

  /**
   * Waits until all earlier commits are on disk, even if the storage was opened with a weaker
   * durability.
   *
   * @returns Resolves when they are on disk.
   * @throws {PersistenceError} `CLOSED`, `STORAGE_FAILED`, `REOPEN_REQUIRED`.
   */
  sync(): Promise<void>;

  /**
   * Reads the statistics of the storage.
   *
   * @returns The statistics at this moment.
   * @throws {PersistenceError} `CLOSED`, `STORAGE_FAILED`, `REOPEN_REQUIRED`.
   */
  stats(): MaybePromise<StorageStats>;

  /**
   * Closes the storage: refuses new calls, waits for the commits that were called, and releases all
   * resources. Idempotent.
   *
   * @returns Resolves when the storage is closed.
   */
  close(): Promise<void>;
}
