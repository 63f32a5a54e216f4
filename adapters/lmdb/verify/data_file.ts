/**
 * Checks an LMDB data file before LMDB maps it. On a damaged file LMDB itself would crash the
 * process, return wrong data, or overwrite what is in use.
 *
 * @module
 */

import { closeSync, openSync } from "node:fs";
import { PersistenceError } from "../../../core/errors/persistence_error.ts";
import { KEYSPACES } from "../../../core/ports/storage.ts";
import {
  areSame,
  type Meta,
  type MetaBytes,
  type NewestMeta,
  newestMeta,
  readMetaBytes,
  readNewestState,
} from "./meta_pages.ts";
import { NewestWalk } from "./newest_walk.ts";
import { damageOf, PageFile } from "./page_file.ts";
import { PageVisitor } from "./page_visitor.ts";
import { PageWalk } from "./page_walk.ts";
import { codeOf } from "../files.ts";
import type { Tree } from "./tree.ts";

/** How often the file is checked if another process keeps writing to it. */
const MAX_ATTEMPTS = 5;
/**
 * How many pages may lie beyond the end of the file: a transaction may have allocated and freed
 * them without writing them. With pages of 4 KiB this is 256 GiB.
 */
const MAX_PAGES_BEYOND_FILE = 1 << 26;
/**
 * How many of them may be missing from the free list: `lmdb` loses some now and then. With more,
 * LMDB would make the file grow by gigabytes at once. With pages of 4 KiB this is 512 MiB.
 */
const MAX_PAGES_LOST_BEYOND_FILE = 1 << 17;
/**
 * How many bytes of trees, and of the free list, the bounded check reads at the most, beside what
 * the newest transaction has written. It takes some 10 ms to check so many that are in memory.
 */
const MAX_BOUNDED_BYTES = 16 << 20;

/**
 * How much of a data file is checked.
 *
 * - `"full"`: both meta pages, each page of the free list and of every database, and that no page is
 *   used twice.
 * - `"bounded"`: both meta pages, the list of databases, the free list, all roots, the length of the
 *   file, and each page that the newest transaction has written. So it takes no longer for a large
 *   file than for a small one, and finds what a crash, a full disk or a truncation can leave. The
 *   check is full all the same if the trees are small, or if the file is shorter than it should be.
 */
export type CheckExtent = "bounded" | "full";

/**
 * Checks the structure of a data file, but not the values of the records.
 *
 * It reads the pages of the trees, not those of large values, and needs one bit of memory per page.
 * It must be called before LMDB opens the file; other processes may have it open. If the file seems
 * damaged but another process has committed meanwhile, the check begins again. After five attempts
 * it gives up and resolves: pages change while it reads, and a process that goes on committing
 * evidently works.
 *
 * @param path The data file, such as `"./data/data.mdb"`.
 * @param extent How much is checked.
 * @param maxBoundedBytes How many bytes of trees the bounded check reads at the most, beside those
 *   that the newest transaction has written. Tests set it, since their files are small.
 * @returns A promise that resolves if the file is sound, empty, or absent.
 * @throws {PersistenceError} `CORRUPT` with the number of the page and what is wrong with it;
 *   `UNSUPPORTED_FORMAT` if it is an LMDB file of another format or with other databases.
 * @throws {Error} The file system's own error if the file cannot be read.
 */
export async function checkDataFile(
  path: string,
  extent: CheckExtent = "full",
  maxBoundedBytes: number = MAX_BOUNDED_BYTES,
): Promise<void> {
  const descriptor = openExisting(path);
  if (descriptor === undefined) return;
  try {
    for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt++) {
      const metaBytes = readMetaBytes(descriptor);
      if (metaBytes.first.bytes.length === 0) return;
      try {
        return await checkState(path, descriptor, metaBytes, extent, maxBoundedBytes);
      } catch (error) {
        if (!(error instanceof PersistenceError)) throw error;
        if (areSame(metaBytes, readMetaBytes(descriptor))) throw error;
      }
    }
  } finally {
    closeSync(descriptor);
  }
}

/** How far a check has come. */
export interface VerificationProgress {
  /** The pages of trees that have been checked. */
  readonly checkedPages: number;
  /** The pages of trees that there are, without those of large values. */
  readonly totalPages: number;
}

/**
 * Checks all trees of a data file that is open. Others may commit meanwhile, but a reader must keep
 * the newest state from before the call on, until the check has ended.
 *
 * @param path The data file.
 * @param onProgress Called at the beginning, at the end, and every 10 ms or so with how far the check
 *   has come; if it throws, the check ends.
 * @throws {PersistenceError} The errors of {@linkcode checkDataFile}.
 * @throws {Error} The file system's own error if the file cannot be read; what `onProgress` throws.
 */
export async function checkOpenDataFile(
  path: string,
  onProgress: (progress: VerificationProgress) => void,
): Promise<void> {
  const descriptor = openSync(path, "r");
  try {
    const { meta } = readNewestState(path, descriptor);
    const file = new PageFile(path, descriptor, meta.pageBytes);
    const freeListValues = meta.freeTree.overflowPages;
    const totalPages = await bytesOfTrees(file, meta) / meta.pageBytes - freeListValues;
    onProgress({ checkedPages: 0, totalPages });
    await checkAll(file, meta, (checkedPages) => onProgress({ checkedPages, totalPages }));
    onProgress({ checkedPages: totalPages, totalPages });
  } finally {
    closeSync(descriptor);
  }
}

function openExisting(path: string): number | undefined {
  try {
    return openSync(path, "r");
  } catch (error) {
    if (codeOf(error) === "ENOENT") return undefined;
    throw error;
  }
}

async function checkState(
  path: string,
  descriptor: number,
  metaBytes: MetaBytes,
  extent: CheckExtent,
  maxBoundedBytes: number,
): Promise<void> {
  const meta = newestMeta(path, metaBytes);
  const file = new PageFile(path, descriptor, meta.pageBytes);
  const maxLastPage = file.byteLength / file.pageBytes + MAX_PAGES_BEYOND_FILE;
  if (meta.lastPage < 1 || meta.lastPage > maxLastPage) throw isLastPageWrong(file, meta);
  const isFull = extent === "full" || await bytesOfTrees(file, meta) <= maxBoundedBytes;
  if (isFull) await checkAll(file, meta);
  const mayBeCutOff = await checkNewest(file, meta, maxBoundedBytes);
  if (mayBeCutOff && !isFull) await checkAll(file, meta);
}

async function bytesOfTrees(file: PageFile, meta: NewestMeta): Promise<number> {
  const visitor = new PageVisitor(file, meta.lastPage, meta.transaction);
  await new PageWalk(visitor).walk(meta.mainTree);
  return visitor.databases.reduce(
    (sum, tree) => sum + bytesOf(tree, file),
    freeListBytes(file, meta),
  );
}

function freeListBytes(file: PageFile, { freeTree }: NewestMeta): number {
  return bytesOf(freeTree, file) + freeTree.overflowPages * file.pageBytes;
}

/** The length of a tree, without its large values. */
function bytesOf({ branchPages, leafPages }: Tree, { pageBytes }: PageFile): number {
  return (branchPages + leafPages) * pageBytes;
}

/** Checks all trees. */
async function checkAll(
  file: PageFile,
  meta: NewestMeta,
  onTurn?: (visitedPages: number) => void,
): Promise<void> {
  const visitor = new PageVisitor(file, meta.lastPage, meta.transaction, onTurn);
  const walk = new PageWalk(visitor);
  await walk.walk(meta.freeTree);
  await walk.walk(meta.mainTree);
  checkNames(file.path, visitor.databases);
  for (const database of visitor.databases) await walk.walk(database);
  if (visitor.lostBeyondFile > MAX_PAGES_LOST_BEYOND_FILE) throw isLastPageWrong(file, meta);
  checkTransaction(file, meta, visitor.newest);
}

/**
 * Checks the list of databases, the free list, all roots, and what the newest transaction has
 * written.
 *
 * @returns Whether the file may have been cut off: only a check of all trees can tell.
 */
async function checkNewest(
  file: PageFile,
  meta: NewestMeta,
  maxFreeListBytes: number,
): Promise<boolean> {
  const visitor = new PageVisitor(file, meta.lastPage, meta.transaction);
  const whole = new PageWalk(visitor);
  const older = await olderState(file, meta);
  const newest = new NewestWalk(visitor, older?.visitor);
  // Pages beyond the end must be free. If not, either `lmdb` has lost them or the file was cut off.
  const isShort = !file.contains(0, meta.lastPage + 1);
  if (isShort || freeListBytes(file, meta) <= maxFreeListBytes) await whole.walk(meta.freeTree);
  else await newest.walk(meta.freeTree, older && meta.older.freeTree);
  const mayBeCutOff = isShort && visitor.lostBeyondFile > 0;
  await whole.walk(meta.mainTree);
  checkNames(file.path, visitor.databases);
  for (const database of visitor.databases) {
    await newest.walk(database, older?.databases.get(database.name));
  }
  checkTransaction(file, meta, visitor.newest);
  return mayBeCutOff;
}

function isLastPageWrong(file: PageFile, { page, lastPage }: Meta): PersistenceError {
  return file.damage(page, `it says that ${lastPage} is the last page`);
}

/**
 * Every transaction changes a tree, and with it the root. So a state whose pages are all older is an
 * older one that only looks like the newest.
 */
function checkTransaction(file: PageFile, meta: NewestMeta, newest: number): void {
  if (newest === meta.transaction || meta.isCompactedCopy || newest === 0) return;
  throw file.damage(
    meta.page,
    `it is of transaction ${meta.transaction}, but the newest page of its trees is of ${newest}`,
  );
}

interface OlderState {
  readonly visitor: PageVisitor;
  /** Its databases, by name. */
  readonly databases: ReadonlyMap<string, Tree>;
}

/**
 * Reads which trees the state before the newest transaction had.
 *
 * @returns The state, or `undefined` if it is not in the file any more: a copy that was made while
 *   others wrote need not hold it, nor does a compacted one.
 */
async function olderState(
  file: PageFile,
  { older, isCompactedCopy }: NewestMeta,
): Promise<OlderState | undefined> {
  if (isCompactedCopy) return undefined;
  const visitor = new PageVisitor(file, older.lastPage, older.transaction);
  try {
    await new PageWalk(visitor).walk(older.mainTree);
    const { databases } = visitor;
    for (const tree of [older.freeTree, ...databases]) visitor.root(tree);
    if (visitor.newest !== older.transaction) return undefined;
    return { visitor, databases: new Map(databases.map((tree) => [tree.name, tree])) };
  } catch (error) {
    if (error instanceof PersistenceError) return undefined;
    throw error;
  }
}

/** A damaged name would make its database disappear, with all that it holds. */
function checkNames(path: string, databases: readonly Tree[]): void {
  const expected: readonly string[] = KEYSPACES;
  const unknown = databases.find((database) => !expected.includes(database.name));
  const known = databases.filter((database) => expected.includes(database.name));
  // There may be databases of another program, as long as none of ours is missing.
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
