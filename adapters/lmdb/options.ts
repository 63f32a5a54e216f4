/**
 * How an LMDB environment is opened.
 *
 * @module
 */

import { checkInteger, checkOptions } from "../../core/arguments.ts";
import { ArgumentRangeError, ArgumentTypeError } from "../../core/errors.ts";
import { SPACES } from "../../core/storage.ts";

/**
 * What an acknowledged write survives.
 *
 * - `"full"`: power loss. Data and then the page that makes it valid are flushed before the promise
 *   resolves. The default.
 * - `"relaxed"`: the death of the process. After a power loss the last acknowledged commits may be
 *   gone, as if they had not been made; the database is intact.
 * - `"none"`: the death of the process. After a power loss the whole database may be unusable. For
 *   data that can be made again.
 */
export type LmdbDurability = "full" | "relaxed" | "none";

/** How an LMDB environment is opened. */
export interface LmdbEnvironmentOptions {
  /** The directory of the database. It is created, with mode 0700, where it does not exist. */
  path: string;
  /**
   * The most bytes that the data may occupy: from 1 MiB to 2^44. Beyond it commits reject with
   * `STORAGE_FULL`, except such that make room. The file may become larger, up to about a half, where
   * large values do not fit into the gaps that others have left. Address space of this size is
   * reserved, disk space is not; all environments of a process together may reserve 2^45 bytes.
   * Default: 10 GiB.
   */
  mapSize?: number;
  /** How many named databases the environment may have: 4 to 65,535; we use 4. Default: 100. */
  maxDbs?: number;
  /** How many readers may be active at once, over all processes: 1 to 65,535. Default: 126. */
  maxReaders?: number;
  /**
   * Opens an existing database for reading only. Readers stand in `lock.mdb`, and keep commits of
   * other processes apart from their opening by a file of their own, so it must be possible to write
   * to that file and to the directory, unless the file system is read-only. Default: false.
   */
  readOnly?: boolean;
  /** What an acknowledged write survives. Default: `"full"`. */
  durability?: LmdbDurability;
  /**
   * Checks the structure of the data file before it is opened, because LMDB crashes the process on a
   * damaged one. It reads all pages but those of large values. Default: true.
   */
  verifyOnOpen?: boolean;
  /**
   * How long a commit may take, in milliseconds: 1 to 2^31 - 1. After that it rejects with
   * `REOPEN_REQUIRED`, as its outcome cannot be known. Default: 30,000.
   */
  commitTimeoutMs?: number;
}

const OPERATION = "open LMDB environment";
const GIB = 2 ** 30;
const MIN_MAP_SIZE = 2 ** 20;
const MAX_MAP_SIZE = 2 ** 44;
const MAX_UINT16 = 2 ** 16 - 1;
const MAX_INT32 = 2 ** 31 - 1;
const DURABILITIES: readonly LmdbDurability[] = ["full", "relaxed", "none"];

/**
 * Checks options and fills in the defaults.
 *
 * @param options What the caller passed.
 * @returns All options.
 * @throws {ArgumentTypeError | ArgumentRangeError} `INVALID_ARGUMENT` where one is bad.
 */
export function checkEnvironmentOptions(
  options: LmdbEnvironmentOptions,
): Required<LmdbEnvironmentOptions> {
  checkOptions(options, OPERATION);
  const {
    path,
    mapSize = 10 * GIB,
    maxDbs = 100,
    maxReaders = 126,
    readOnly = false,
    durability = "full",
    verifyOnOpen = true,
    commitTimeoutMs = 30_000,
  } = options;
  checkType(path, "path", "string");
  if (path.length === 0 || path.includes("\0")) {
    throw new ArgumentRangeError(`Cannot ${OPERATION}: path ${JSON.stringify(path)} is no path`);
  }
  checkType(readOnly, "readOnly", "boolean");
  checkType(durability, "durability", "string");
  if (!DURABILITIES.includes(durability)) {
    throw new ArgumentRangeError(
      `Cannot ${OPERATION}: durability must be "full", "relaxed" or "none", not "${durability}"`,
    );
  }
  checkType(verifyOnOpen, "verifyOnOpen", "boolean");
  return {
    path,
    mapSize: checkInteger(mapSize, "mapSize", MIN_MAP_SIZE, MAX_MAP_SIZE, OPERATION),
    maxDbs: checkInteger(maxDbs, "maxDbs", SPACES.length, MAX_UINT16, OPERATION),
    maxReaders: checkInteger(maxReaders, "maxReaders", 1, MAX_UINT16, OPERATION),
    readOnly,
    durability,
    verifyOnOpen,
    commitTimeoutMs: checkInteger(commitTimeoutMs, "commitTimeoutMs", 1, MAX_INT32, OPERATION),
  };
}

function checkType(value: unknown, name: string, type: "string" | "boolean"): void {
  const actual = value === null ? "null" : typeof value;
  if (actual === type) return;
  throw new ArgumentTypeError(`Cannot ${OPERATION}: ${name} must be a ${type}, not ${actual}`);
}
