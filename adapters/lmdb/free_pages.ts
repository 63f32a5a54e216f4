/**
 * The free pages of an environment: how many of them cannot be used yet, because a reader may still
 * read them, and how many of the others are in a row. LMDB does not tell, so the free list is read
 * from the data file.
 *
 * @module
 */

import { closeSync, openSync } from "node:fs";
import { type NewestMeta, newestMeta, readMetaBytes } from "./verify/meta_pages.ts";
import {
  childAt,
  flagsAt,
  keyAt,
  NODE_OVERFLOW,
  nodeAt,
  type NodePage,
  valueAt,
  valueBytesAt,
} from "./verify/node_page.ts";
import {
  type Block,
  blockOf,
  PAGE_HEADER_BYTES,
  PAGE_LEAF,
  PageFile,
  readHalf,
  readWord,
} from "./verify/page_file.ts";

const WORD_BYTES = 8;
const MAX_DEPTH = 32;
/** Another process may commit while the file is read. */
const MAX_ATTEMPTS = 10;

/**
 * Counts the free pages that a transaction or a later one has freed. The caller must hold a read
 * transaction: it keeps the pages of the free list from being overwritten.
 *
 * @param path The data file.
 * @param transaction The number of the transaction.
 * @returns The number of pages.
 * @throws {PersistenceError} `CORRUPT` if the file is not sound.
 * @throws {Error} The file system's own error if the file cannot be read.
 */
export function countFreedSince(path: string, transaction: number): number {
  let pages = 0;
  readFreeList(path, transaction, Infinity, (_, length) => pages += length);
  return pages;
}

/**
 * Checks whether values of several pages each, which must be in a row, find room in free pages. The
 * caller must hold a read transaction.
 *
 * @param path The data file.
 * @param transaction The first transaction whose freed pages cannot be used yet.
 * @param lengths The number of pages of each value.
 * @returns Whether there is a place for each of them.
 * @throws {PersistenceError} `CORRUPT` if the file is not sound.
 * @throws {Error} The file system's own error if the file cannot be read.
 */
export function haveRuns(path: string, transaction: number, lengths: readonly number[]): boolean {
  const found: Run[] = [];
  readFreeList(path, 0, transaction, (first, length) => found.push({ first, length }));
  const runs = joinedLengths(found);
  // The largest first: what is left of its run may hold a smaller one.
  for (const length of [...lengths].sort((a, b) => b - a)) {
    const place = runs.findIndex((run) => run >= length);
    if (place < 0) return false;
    runs[place] = (runs[place] ?? 0) - length;
  }
  return true;
}

type OnRun = (first: number, length: number) => void;

interface Run {
  readonly first: number;
  readonly length: number;
}

/** The lengths of runs, after those that follow each other were joined: LMDB does so, too. */
function joinedLengths(runs: readonly Run[]): number[] {
  const lengths: number[] = [];
  let end = -1;
  for (const { first, length } of [...runs].sort((a, b) => a.first - b.first)) {
    if (first === end) lengths[lengths.length - 1] = (lengths[lengths.length - 1] ?? 0) + length;
    else lengths.push(length);
    end = first + length;
  }
  return lengths;
}

/** Reads which pages the transactions from one to before another one have freed, row by row. */
function readFreeList(
  path: string,
  start: number,
  end: number,
  onRun: OnRun,
): void {
  const descriptor = openSync(path, "r");
  try {
    const { pageBytes, freeTree } = readNewestMeta(path, descriptor);
    if (freeTree.root === undefined) return;
    const file = new PageFile(path, descriptor, pageBytes);
    new FreeListReader(file, start, end, onRun).read(freeTree.root, MAX_DEPTH);
  } finally {
    closeSync(descriptor);
  }
}

function readNewestMeta(path: string, descriptor: number): NewestMeta {
  for (let attempt = 1;; attempt++) {
    try {
      return newestMeta(path, readMetaBytes(descriptor));
    } catch (error) {
      if (attempt === MAX_ATTEMPTS) throw error;
    }
  }
}

/** Reads a part of a free list, whose keys are the transactions that freed the pages. */
class FreeListReader {
  readonly #file: PageFile;
  readonly #start: number;
  readonly #end: number;
  readonly #onRun: OnRun;

  constructor(file: PageFile, start: number, end: number, onRun: OnRun) {
    this.#file = file;
    this.#start = start;
    this.#end = end;
    this.#onRun = onRun;
  }

  read(page: number, depth: number): void {
    if (depth === 0) throw this.#file.damage(page, "the free list is too deep");
    const node = this.#readNode(page);
    for (let index = node.count - 1; index >= 0; index--) {
      const offset = nodeAt(node, index);
      // The first key of a branch is empty: it leads to everything before the second one.
      const isFirstOfBranch = !node.isLeaf && index === 0;
      const freedBy = isFirstOfBranch ? 0 : readWord(node.view, keyAt(node, offset).start);
      if (freedBy < this.#end) {
        if (!node.isLeaf) this.read(childAt(node, offset), depth - 1);
        else if (freedBy >= this.#start) this.#readRecord(node, offset);
      }
      // What is further to the left was freed earlier.
      if (freedBy < this.#start) break;
    }
  }

  #readNode(page: number): NodePage {
    const block = blockOf(this.#file.pageBytes);
    this.#file.read(block.bytes, page, 0, this.#file.pageBytes);
    const isLeaf = (readHalf(block, 18) & PAGE_LEAF) !== 0;
    return { ...block, page, base: 0, isLeaf, count: readHalf(block, 20) / 2 };
  }

  #readRecord(node: NodePage, offset: number): void {
    const value = valueAt(node, offset);
    if (!(flagsAt(node, offset) & NODE_OVERFLOW)) return this.#readRuns(node, value);
    const firstPage = readWord(node.view, value);
    const bytes = valueBytesAt(node, offset);
    const block = blockOf(bytes);
    this.#file.read(block.bytes, firstPage, PAGE_HEADER_BYTES, bytes);
    this.#readRuns(block, 0);
  }

  /** The words of a record: see `verify/free_list.ts`. */
  #readRuns({ view }: Block, start: number): void {
    const end = start + WORD_BYTES * (1 + readWord(view, start));
    for (let offset = start + WORD_BYTES; offset < end; offset += WORD_BYTES) {
      const word = readSigned(view, offset);
      if (word > 0) {
        this.#onRun(word, 1);
      } else if (word < 0) {
        offset += WORD_BYTES;
        this.#onRun(readSigned(view, offset), -word);
      }
    }
  }
}

function readSigned(view: DataView, offset: number): number {
  return view.getInt32(offset + 4, true) * 2 ** 32 + view.getUint32(offset, true);
}
