/**
 * How much more the data file may grow, as far as the system tells without writing.
 *
 * @module
 */

import { readFileSync, statfsSync } from "node:fs";
import { isGranted } from "./permissions.ts";

const LIMITS_FILE = "/proc/self/limits";
const UNLIMITED = /^Max file size\s+unlimited/m;

/**
 * Looks how many bytes a file system has left for files of this user.
 *
 * @param path The directory of the database.
 * @returns The bytes: 0 if that cannot be known. A quota of the user is not in it.
 */
export function roomBytesAt(path: string): number {
  // To ask Deno without having the permission would make it ask the user.
  if (!isGranted({ name: "sys", kind: "statfs" })) return 0;
  try {
    const { bavail, bsize } = statfsSync(path);
    return bavail * bsize;
  } catch {
    return 0;
  }
}

/**
 * Whether the files of this process may not become as large as the disk allows.
 *
 * @returns Whether they may not. False if that cannot be known: only Linux tells it.
 */
export function isFileSizeLimited(): boolean {
  if (!isGranted({ name: "read", path: LIMITS_FILE })) return false;
  try {
    return !UNLIMITED.test(readFileSync(LIMITS_FILE, "latin1"));
  } catch {
    return false;
  }
}
