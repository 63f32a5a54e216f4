/**
 * The part of the package `lmdb` that we use, and how we open it.
 *
 * The types are our own so that ours do not depend on those of `lmdb`, which need Node's.
 *
 * @module
 */

import { PersistenceError } from "../../core/errors/persistence_error.ts";
import { messageOf } from "../../core/util/text.ts";
import type { Keyspace } from "../../core/ports/storage.ts";
import { assertHandlesLeft } from "./files.ts";
import type { LmdbEnvironmentOptions } from "./options.ts";
import { agreeOnOptions, type LmdbNative, type LmdbShared } from "./shared_options.ts";

/** An entry of a database, with the version that it was written with. */
export interface LmdbEntry {
  readonly value: Uint8Array;
  readonly version?: number;
}

/** Which keys a range covers. The start comes first in the direction of the range. */
export interface LmdbRange {
  readonly start: Uint8Array;
  readonly end: Uint8Array;
  readonly reverse: boolean;
  readonly exclusiveStart: boolean;
  readonly inclusiveEnd: boolean;
  readonly limit: number;
  readonly versions: true;
}

/** Page counts of one B-tree. */
export interface LmdbTreeStats {
  readonly pageSize: number;
  readonly treeBranchPageCount: number;
  readonly treeLeafPageCount: number;
  readonly overflowPages: number;
  readonly entryCount: number;
}

/** Figures of a database and of its environment. */
export interface LmdbStats extends LmdbTreeStats {
  readonly root: LmdbTreeStats;
  readonly free: LmdbTreeStats;
  readonly lastPageNumber: number;
  /** The number of the last transaction. */
  readonly lastTxnId: number;
}

/** A database with binary keys and values, and versions. */
export interface LmdbDatabase {
  /** Looks up one key. */
  getEntry(key: Uint8Array): LmdbEntry | undefined;
  /** Iterates over the entries of a range. */
  getRange(range: LmdbRange): Iterable<{ key: Uint8Array } & LmdbEntry>;
  /** Iterates over the keys of a range. */
  getKeys(range: LmdbRange): Iterable<{ key: Uint8Array; version?: number }>;
  /**
   * Writes one entry, in the batch that is open. With `ifVersion` only if the key has this version,
   * or is absent if that is null; the promise resolves to whether it was written.
   */
  put(
    key: Uint8Array,
    value: Uint8Array,
    version: number,
    ifVersion?: number | null,
  ): Promise<boolean>;
  /** Removes one key, in the batch that is open. */
  remove(key: Uint8Array): Promise<boolean>;
  /** Applies changes only if a key has a version; resolves to whether it had. */
  ifVersion(key: Uint8Array, version: number, changes: () => void): Promise<boolean>;
  /** Applies changes only if a key is absent; resolves to whether it was. */
  ifNoExists(key: Uint8Array, changes: () => void): Promise<boolean>;
  /** Page counts of the database and of its environment. */
  getStats(): LmdbStats;
}

/** The root database of an environment, through which the environment itself is used. */
export interface LmdbRoot extends LmdbDatabase, LmdbShared {
  /** The environment. */
  readonly env: LmdbShared["env"] & {
    /** Figures of the newest state; costs less than the statistics. */
    info(): { readonly lastPageNumber: number };
  };
  /** Opens a named database: `undefined` if it does not exist and is not to be created. */
  openDB(name: string, options: object): LmdbDatabase | undefined;
  /**
   * Collects the writes that a function makes for one transaction; resolves when it is committed.
   */
  batch(changes: () => void): Promise<boolean>;
  /** Makes the next read see the newest state. */
  resetReadTxn(): void;
  /** Keeps the newest state, with all its pages, until it is done. */
  useReadTransaction(): { done(): void };
  /** The readers of all processes, one on a line. */
  readerList(): string;
  /** Clears the readers of processes that have died, and returns how many they were. */
  readerCheck(): number;
  /** Flushes all that was committed before. */
  sync(callback: (error: unknown) => void): void;
  /** Closes the environment after the commits that are under way. */
  close(): Promise<void>;
}

/** What we use of `lmdb`, described by types of our own. */
interface LmdbModule {
  readonly open: (options: object) => LmdbRoot;
  readonly nativeAddon: LmdbNative;
}

/** An open environment with one database for each keyspace. */
export interface LmdbBinding {
  readonly root: LmdbRoot;
  readonly databases: Readonly<Record<Keyspace, LmdbDatabase>>;
}

/**
 * The settings under which a resolved batch is on disk. Measured with crash images, fault injection
 * and kill tests: the defaults of `lmdb` (overlapping sync) are faster in parts, but a power loss
 * can undo what they have acknowledged, and a failed flush may go unnoticed.
 */
const DURABLE_SETTINGS = {
  overlappingSync: false,
  eventTurnBatching: false,
  // The second batch of a commit makes `lmdb` begin it: see `writeGroups`.
  txnStartThreshold: 1,
  // Only then: it would write the first part of a large batch while the rest is being prepared, and
  // if the thread is terminated in between, wait for the rest for ever, with LMDB's lock in hand.
  batchStartThreshold: Number.MAX_SAFE_INTEGER,
} as const;
const EINVAL = 22;
const BINARY = { encoding: "binary", keyEncoding: "binary" } as const;

/**
 * Loads `lmdb`, with its native part, so that opening takes less time afterwards.
 *
 * @throws {Error} The error of the runtime if it cannot be loaded.
 */
export async function loadLmdb(): Promise<void> {
  await import("lmdb");
}

/**
 * Opens an environment. `lmdb` is loaded only now, so that on Deno an error can name the
 * permissions without which its native part does not load.
 *
 * @param options The options, with all defaults filled in.
 * @param shownPath The path that errors name, if it is not the one that is opened.
 * @returns The environment.
 * @throws {PersistenceError} `OPEN_FAILED` if `lmdb` cannot be loaded or cannot open it;
 *   `OPTIONS_MISMATCH` if another thread, or another copy of this module, has it open with other
 *   options.
 */
export async function openBinding(
  options: Required<LmdbEnvironmentOptions>,
  shownPath: string = options.path,
): Promise<LmdbBinding> {
  const { open, nativeAddon } = await importLmdb(shownPath);
  let root: LmdbRoot | undefined;
  try {
    assertHandlesLeft(options.path);
    root = openRoot(open, nativeAddon, options);
    agreeOnOptions(root, nativeAddon, options);
    return { root, databases: openDatabases(root) };
  } catch (cause) {
    await root?.close();
    if (cause instanceof PersistenceError) throw cause;
    throw openFailed(shownPath, messageOf(cause), cause);
  }
}

async function importLmdb(shownPath: string): Promise<LmdbModule> {
  try {
    return await import("lmdb") as unknown as LmdbModule;
  } catch (cause) {
    // What follows the first line are the places in which its native part was looked for.
    const [reason] = messageOf(cause).split("\n");
    const advice = "It must be installed where the program runs, with its optional dependencies, " +
      "and must not be bundled";
    throw openFailed(shownPath, `the package lmdb cannot be loaded: ${reason}. ${advice}`, cause);
  }
}

function openFailed(shownPath: string, reason: string, cause: unknown): PersistenceError {
  return new PersistenceError(
    "OPEN_FAILED",
    `Cannot open LMDB environment at "${shownPath}": ${reason}`,
    { cause },
  );
}

function openRoot(
  open: LmdbModule["open"],
  native: LmdbNative,
  options: Required<LmdbEnvironmentOptions>,
): LmdbRoot {
  try {
    return open(settingsOf(options));
  } catch (error) {
    const isInvalid = error instanceof Error && "code" in error && error.code === EINVAL;
    if (options.readOnly || !isInvalid) throw error;
    // So it is if this process has it open read-only, maybe in another thread.
    const root = open(settingsOf({ ...options, readOnly: true }));
    try {
      agreeOnOptions(root, native, options);
    } finally {
      void root.close();
    }
    throw error;
  }
}

function settingsOf(options: Required<LmdbEnvironmentOptions>): object {
  return {
    ...DURABLE_SETTINGS,
    ...BINARY,
    path: options.path,
    noSubdir: false,
    mapSize: options.mapSize,
    maxDbs: options.maxDbs,
    maxReaders: options.maxReaders,
    readOnly: options.readOnly,
    noSync: options.durability === "none",
    noMetaSync: options.durability === "relaxed",
  };
}

function openDatabases(root: LmdbRoot): Record<Keyspace, LmdbDatabase> {
  const database = (keyspace: Keyspace) => {
    const opened = root.openDB(keyspace, { ...BINARY, useVersions: true });
    // Only if the environment is open read-only: opening it for writing creates the databases.
    if (!opened) throw new Error(`it has no database "${keyspace}" yet`);
    return opened;
  };
  return {
    meta: database("meta"),
    log: database("log"),
    heads: database("heads"),
    entries: database("entries"),
    snapshots: database("snapshots"),
    outbox: database("outbox"),
  };
}
