/**
 * The check of an LMDB data file before LMDB maps it. On a damaged file LMDB itself would crash the
 * process, answer with wrong data or overwrite what is in use.
 *
 * @module
 */

import { closeSync, openSync } from "node:fs";
import { PersistenceError } from "../../core/errors.ts";
import { SPACES } from "../../core/storage.ts";
import { damageOf, PageFile } from "./page_file.ts";
import { type MetaBytes, newestMeta, readMetaBytes } from "./meta_pages.ts";
import { PageWalk } from "./page_walk.ts";
import type { Tree } from "./tree.ts";

/** How often the check begins again while another process writes. */
const MAX_ATTEMPTS = 5;
/**
 * How many pages may lie behind the end of the file: a transaction may have allocated and freed them
 * without writing them. With pages of 4 KiB this is 256 GiB.
 */
const MAX_PAGES_BEHIND_FILE = 1 << 26;
/**
 * How many of them the free list may lack: `lmdb` loses some now and then. With more, LMDB would
 * make the file grow by gigabytes at once. With pages of 4 KiB this is 512 MiB.
 */
const MAX_PAGES_LOST_BEHIND_FILE = 1 << 17;

/**
 * Checks the structure of a data file: both meta pages, each page of the free list and of every
 * database, and that no page is used twice. The values of the records are not looked at.
 *
 * It reads pages of the trees, not those of large values, and needs one bit of memory per page. To
 * be called before LMDB opens the file; other processes may have it open. If the file seems damaged
 * but another process has committed since, the check begins again, and after five times it gives
 * up and resolves: pages change under it, and a process that goes on committing evidently works.
 *
 * @param path The data file, such as `"./data/data.mdb"`.
 * @returns When the file is sound, empty, or absent.
 * @throws {PersistenceError} `CORRUPT` with the page and what is wrong with it;
 *   `UNSUPPORTED_FORMAT` where it is an LMDB file of another format or of other databases.
 * @throws {Error} The file system's own error where the file cannot be read.
 */
export async function checkDataFile(path: string): Promise<void> {
  const descriptor = openExisting(path);
  if (descriptor === undefined) return;
  try {
    for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt++) {
      const metaBytes = readMetaBytes(descriptor);
      if (metaBytes.first.bytes.length === 0) return;
      try {
        return await checkState(path, descriptor, metaBytes);
      } catch (error) {
        if (!(error instanceof PersistenceError)) throw error;
        if (isSame(metaBytes, readMetaBytes(descriptor))) throw error;
      }
    }
  } finally {
    closeSync(descriptor);
  }
}

function openExisting(path: string): number | undefined {
  try {
    return openSync(path, "r");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
}

function isSame(a: MetaBytes, b: MetaBytes): boolean {
  return sameBytes(a.first.bytes, b.first.bytes) && sameBytes(a.second.bytes, b.second.bytes);
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, index) => byte === b[index]);
}

async function checkState(
  path: string,
  descriptor: number,
  metaBytes: MetaBytes,
): Promise<void> {
  const meta = newestMeta(path, metaBytes);
  const file = new PageFile(path, descriptor, meta.pageBytes);
  const maxLastPage = file.byteLength / file.pageBytes + MAX_PAGES_BEHIND_FILE;
  const isLastPageWrong = `it says that ${meta.lastPage} is the last page`;
  if (meta.lastPage < 1 || meta.lastPage > maxLastPage) {
    throw damageOf(path, meta.page, isLastPageWrong);
  }
  const walk = new PageWalk(file, meta.lastPage, meta.transaction);
  await walk.walk(meta.freeTree);
  await walk.walk(meta.mainTree);
  checkNames(path, walk.databases);
  for (const database of walk.databases) await walk.walk(database);
  if (walk.lostBehindFile > MAX_PAGES_LOST_BEHIND_FILE) {
    throw damageOf(path, meta.page, isLastPageWrong);
  }
  // Every transaction changes a tree, and with it the root. So this is an older state that only
  // looks like the newest one.
  if (walk.youngest !== meta.transaction && !meta.isCompactedCopy && walk.youngest !== 0) {
    throw damageOf(
      path,
      meta.page,
      `it is of transaction ${meta.transaction}, but its pages of ${walk.youngest} and before`,
    );
  }
}

/** A damaged name would make its database, and all that it holds, disappear. */
function checkNames(path: string, databases: readonly Tree[]): void {
  const expected: readonly string[] = SPACES;
  const unknown = databases.find((database) => !expected.includes(database.name));
  const known = databases.filter((database) => expected.includes(database.name));
  // Another program's databases may stand beside ours, as long as none of ours is missing.
  if (unknown === undefined || known.length === expected.length) return;
  const name = JSON.stringify(unknown.name);
  if (known.length > 0) {
    throw damageOf(path, unknown.recordPage, `a database has the name ${name}`);
  }
  throw new PersistenceError(
    "UNSUPPORTED_FORMAT",
    `Cannot open "${path}": it holds the database ${name} of another program`,
  );
}
