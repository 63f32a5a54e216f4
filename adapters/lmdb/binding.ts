/**
 * The part of the package `lmdb` that we use, and how we open it.
 *
 * The types are our own so that ours do not depend on those of `lmdb`, which need Node's.
 *
 * @module
 */

import { PersistenceError } from "../../core/errors.ts";
import type { Space } from "../../core/storage.ts";
import { assertHandlesLeft } from "./files.ts";
import type { LmdbEnvironmentOptions } from "./options.ts";

/** An entry of a database with versions. */
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
}

/** A database with binary keys and values, and versions. */
export interface LmdbDatabase {
  getEntry(key: Uint8Array): LmdbEntry | undefined;
  getRange(range: LmdbRange): Iterable<{ key: Uint8Array } & LmdbEntry>;
  getKeys(range: LmdbRange): Iterable<{ key: Uint8Array; version?: number }>;
  /** With `ifVersion` only where the key has this version, or is absent where that is null. */
  put(
    key: Uint8Array,
    value: Uint8Array,
    version: number,
    ifVersion?: number | null,
  ): Promise<boolean>;
  remove(key: Uint8Array): Promise<boolean>;
  ifVersion(key: Uint8Array, version: number, changes: () => void): Promise<boolean>;
  ifNoExists(key: Uint8Array, changes: () => void): Promise<boolean>;
  getStats(): LmdbStats;
}

/** The root of an environment. */
export interface LmdbRoot extends LmdbDatabase {
  openDB(name: string, options: object): LmdbDatabase | undefined;
  batch(changes: () => void): Promise<boolean>;
  resetReadTxn(): void;
  sync(callback: (error: unknown) => void): void;
  close(): Promise<void>;
}

/** An open environment with its databases. */
export interface LmdbBinding {
  readonly root: LmdbRoot;
  readonly databases: Readonly<Record<Space, LmdbDatabase>>;
}

/**
 * The settings with which a resolved batch is on disk. Measured with crash images, fault injection
 * and kill tests: the defaults of `lmdb` (overlapping sync) are faster in parts, but a power loss can
 * undo what they have acknowledged, and a failed flush may go unnoticed.
 */
const DURABLE_SETTINGS = {
  overlappingSync: false,
  eventTurnBatching: false,
  // The second batch of a commit makes it begin: see `SharedEnvironment`.
  txnStartThreshold: 1,
} as const;
const BINARY = { encoding: "binary", keyEncoding: "binary" } as const;

/**
 * Loads `lmdb`, with its native part.
 *
 * @returns The package.
 */
export function loadLmdb(): Promise<typeof import("lmdb")> {
  return import("lmdb");
}

/**
 * Opens an environment. `lmdb` is loaded only now, so that on Deno missing permissions can be named
 * before its native part fails for want of them.
 *
 * @param options How it is opened, all defaults filled in.
 * @returns The environment.
 * @throws {PersistenceError} `OPEN_FAILED`.
 */
export async function openBinding(options: Required<LmdbEnvironmentOptions>): Promise<LmdbBinding> {
  let root: LmdbRoot | undefined;
  try {
    const { open } = await loadLmdb();
    assertHandlesLeft(options.path);
    // Only the part that we use is described, by types of our own.
    root = open({
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
    }) as unknown as LmdbRoot;
    return { root, databases: openDatabases(root) };
  } catch (cause) {
    await root?.close();
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new PersistenceError(
      "OPEN_FAILED",
      `Cannot open LMDB environment at "${options.path}": ${reason}`,
      { cause },
    );
  }
}

function openDatabases(root: LmdbRoot): Record<Space, LmdbDatabase> {
  const database = (space: Space) => {
    const opened = root.openDB(space, { ...BINARY, useVersions: true });
    // Only where it is open for reading: whoever opens it for writing creates them.
    if (!opened) throw new Error(`it has no database "${space}" yet`);
    return opened;
  };
  return {
    meta: database("meta"),
    heads: database("heads"),
    entries: database("entries"),
    snapshots: database("snapshots"),
  };
}
