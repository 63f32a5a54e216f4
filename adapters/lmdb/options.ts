/**
 * The options of an LMDB environment.
 *
 * @module
 */

import { checkInteger } from "../../core/errors/arguments.ts";
import { ArgumentRangeError, ArgumentTypeError } from "../../core/errors/persistence_error.ts";
import { KEYSPACES } from "../../core/ports/storage.ts";
import type { OptionNames } from "../../core/util/option_names.ts";

/**
 * What an acknowledged write survives.
 *
 * - `"full"`: a power loss. The data, and then the page that makes it valid, are flushed before the
 *   promise resolves. The default.
 * - `"relaxed"`: a crash of the process. A power loss may undo the last acknowledged commits, as if
 *   they had never been made; the database stays intact.
 * - `"none"`: a crash of the process. A power loss may make the whole database unusable. For data
 *   that can be made again.
 */
export type LmdbDurability = "full" | "relaxed" | "none";

/**
 * How much of the data file is checked before it is opened. LMDB crashes the process on a damaged
 * page.
 *
 * - `"bounded"`: what a crash, a full disk or a truncation can have damaged, which takes no longer
 *   for a large database than for a small one. The trees of a small one, up to 16 MiB, are checked
 *   in full.
 * - `"full"`: all pages except those of large values, so that rotten bytes are found, too. It takes
 *   longer the larger the database is.
 * - `"none"`: nothing.
 */
export type LmdbVerification = "bounded" | "full" | "none";

/** The options of an LMDB environment. Only `path` is required. */
export interface LmdbEnvironmentOptions {
  /**
   * The directory of the database, absolute or relative to the working directory. It is created,
   * with mode 0700, if it does not exist, unless the environment is opened read-only.
   */
  path: string;
  /**
   * The maximum number of bytes that the data may occupy, from 1 MiB to 2^44: 10 GiB by default.
   * Once it is reached, commits reject with `STORAGE_FULL`, except those that make room. The file
   * may become larger, by up to a half, if large values do not fit into the gaps that others have
   * left; and up to twice as large if journals are truncated while a reader stands still. Address space of this size is reserved, disk space is not; all environments of a
   * process together may reserve 2^45 bytes.
   *
   * @default {10_737_418_240}
   */
  mapSize?: number;
  /**
   * The maximum number of named databases in the environment, from 4 to 65,535. Four of them are
   * those of this package.
   *
   * @default {100}
   */
  maxDbs?: number;
  /**
   * The maximum number of readers that are active at the same time in all processes, from 1 to
   * 65,535.
   *
   * @default {126}
   */
  maxReaders?: number;
  /**
   * Opens an existing database for reading only. A reader registers in `lock.mdb`, and while it
   * opens the database, a file of its own in the directory keeps other processes from committing.
   * So `lock.mdb` and the directory must be writable, unless the file system is read-only.
   *
   * @default {false}
   */
  readOnly?: boolean;
  /**
   * What an acknowledged write survives.
   *
   * @default {"full"}
   */
  durability?: LmdbDurability;
  /**
   * How much of the data file is checked before it is opened: `"bounded"` by default, and `"full"`
   * with durability `"none"`, since a power loss may then have damaged any page.
   *
   * @default {"bounded"}
   */
  verifyOnOpen?: LmdbVerification;
  /**
   * How long a commit may take, in milliseconds, from 1 to 2^31 - 1. After that it rejects with
   * `REOPEN_REQUIRED`, since its outcome is unknown.
   *
   * @default {30_000}
   */
  commitTimeoutMs?: number;
}

/** The names of {@linkcode LmdbEnvironmentOptions}. */
export const LMDB_ENVIRONMENT_OPTION_NAMES: OptionNames<LmdbEnvironmentOptions> = {
  path: true,
  mapSize: true,
  maxDbs: true,
  maxReaders: true,
  readOnly: true,
  durability: true,
  verifyOnOpen: true,
  commitTimeoutMs: true,
};

/** What the messages of errors about options say that the caller is about to do. */
export const OPERATION = "open LMDB environment";
const GIB = 2 ** 30;
const MIN_MAP_SIZE = 2 ** 20;
const MAX_MAP_SIZE = 2 ** 44;
const MAX_UINT16 = 2 ** 16 - 1;
const MAX_INT32 = 2 ** 31 - 1;
const DURABILITIES: readonly LmdbDurability[] = ["full", "relaxed", "none"];
const VERIFICATIONS: readonly LmdbVerification[] = ["bounded", "full", "none"];

/**
 * Checks the values of options and fills in the defaults. The caller checks the names, since it may
 * have more options.
 *
 * @param options The options that the caller passed.
 * @returns All options.
 * @throws {ArgumentTypeError | ArgumentRangeError} `INVALID_ARGUMENT` if an option has the wrong
 *   type or is out of range.
 */
export function checkEnvironmentOptions(
  options: LmdbEnvironmentOptions,
): Required<LmdbEnvironmentOptions> {
  const {
    path,
    mapSize = 10 * GIB,
    maxDbs = 100,
    maxReaders = 126,
    readOnly = false,
    durability = "full",
    verifyOnOpen = durability === "none" ? "full" : "bounded",
    commitTimeoutMs = 30_000,
  } = options;
  checkType(path, "path", "string");
  if (path.length === 0 || path.includes("\0")) {
    throw new ArgumentRangeError(`Cannot ${OPERATION}: path ${JSON.stringify(path)} is not a path`);
  }
  checkType(readOnly, "readOnly", "boolean");
  checkChoice(durability, "durability", DURABILITIES);
  checkChoice(verifyOnOpen, "verifyOnOpen", VERIFICATIONS);
  return {
    path,
    mapSize: checkInteger(mapSize, "mapSize", MIN_MAP_SIZE, MAX_MAP_SIZE, OPERATION),
    maxDbs: checkInteger(maxDbs, "maxDbs", KEYSPACES.length, MAX_UINT16, OPERATION),
    maxReaders: checkInteger(maxReaders, "maxReaders", 1, MAX_UINT16, OPERATION),
    readOnly,
    durability,
    verifyOnOpen,
    commitTimeoutMs: checkInteger(commitTimeoutMs, "commitTimeoutMs", 1, MAX_INT32, OPERATION),
  };
}

function checkChoice(value: string, name: string, choices: readonly string[]): void {
  checkType(value, name, "string");
  if (choices.includes(value)) return;
  const quoted = choices.map((choice) => `"${choice}"`);
  throw new ArgumentRangeError(
    `Cannot ${OPERATION}: ${name} must be ${quoted.slice(0, -1).join(", ")} or ${
      quoted.slice(-1)
    }, not "${value}"`,
  );
}

function checkType(value: unknown, name: string, type: "string" | "boolean"): void {
  const actual = value === null ? "null" : typeof value;
  if (actual === type) return;
  throw new ArgumentTypeError(`Cannot ${OPERATION}: ${name} must be a ${type}, not ${actual}`);
}
