/**
 * The two meta pages of an LMDB data file: each holds the roots of the trees as one transaction
 * left them, and every commit overwrites the older one.
 *
 * @module
 */

import { PersistenceError } from "../../../core/errors/persistence_error.ts";
import {
  type Block,
  blockOf,
  damageOf,
  PAGE_HEADER_BYTES,
  PAGE_META,
  readBytes,
  readHalf,
  readWord,
} from "./page_file.ts";
import { isPlainTree, readTree, type Tree } from "./tree.ts";

/** The state of the file as one transaction left it. */
export interface Meta {
  /** The number of the meta page: 0 or 1. */
  readonly page: number;
  /** The bytes of a page. */
  readonly pageBytes: number;
  /** The number of the transaction. */
  readonly transaction: number;
  /** The highest page number in use. */
  readonly lastPage: number;
  /** The tree of the free list. */
  readonly freeTree: Tree;
  /** The tree of the databases. */
  readonly mainTree: Tree;
}

/** The newest state of the file. */
export interface NewestMeta extends Meta {
  /**
   * Whether LMDB has written the file as a compacted copy: all its pages look older than they are.
   */
  readonly isCompactedCopy: boolean;
  /** The state before, which LMDB would go back to. */
  readonly older: Meta;
}

/** The first bytes of the two meta pages; fewer if the file ends before. */
export interface MetaBytes {
  /** The bytes of page 0. */
  readonly first: Block;
  /** The bytes of page 1. */
  readonly second: Block;
}

/** How often the meta pages are read if they change meanwhile. */
const MAX_META_ATTEMPTS = 100;
const MAGIC = 0xbeefc0de;
/** The format of the LMDB in `lmdb`. */
const FORMAT = 2;
/** Page headers are shorter in format 1, that of the original LMDB, and on 32-bit systems. */
const SHORT_HEADER_BYTES = 16;
const MIN_PAGE_BYTES = 256;
const MAX_PAGE_BYTES = 1 << 16;

const FORMAT_AT = PAGE_HEADER_BYTES + 4;
const FREE_TREE_AT = PAGE_HEADER_BYTES + 24;
const MAIN_TREE_AT = PAGE_HEADER_BYTES + 72;
const LAST_PAGE_AT = PAGE_HEADER_BYTES + 120;
const TRANSACTION_AT = PAGE_HEADER_BYTES + 128;
const META_BYTES = PAGE_HEADER_BYTES + 144;

/** The keys of the free list are integers: this flag of its tree is always set. */
const TREE_INTEGER_KEYS = 0x08;
/**
 * The flags that the environment was opened with are stored with it: metrics, safe restore,
 * overlapping sync, no subdirectory. They do not change the format.
 */
const ENVIRONMENT_FLAGS = 0x400 | 0x800 | 0x1000 | 0x4000;

/**
 * Reads the first bytes of the meta pages, unchecked.
 *
 * @param descriptor The descriptor of the open file.
 * @returns The bytes.
 * @throws {Error} The file system's own error if the file cannot be read.
 */
export function readMetaBytes(descriptor: number): MetaBytes {
  const first = readBlock(descriptor, 0);
  const pageBytes = first.bytes.length < META_BYTES ? 0 : pageBytesOf(first);
  const second = isPageSize(pageBytes) ? readBlock(descriptor, pageBytes) : blockOf(0);
  return { first, second };
}

/**
 * Finds the meta page that LMDB uses: that of the newest transaction.
 *
 * LMDB checks the magic number and the format of page 0 only, and trusts the transaction numbers.
 * If one of these is wrong, it silently falls back to an older state. So both pages must be sound
 * here, and consistent with each other.
 *
 * @param path The path of the file, for messages.
 * @param metaBytes The bytes of the meta pages.
 * @returns The newest state.
 * @throws {PersistenceError} `CORRUPT` if a page is damaged; `UNSUPPORTED_FORMAT` if the file is
 *   one of LMDB, but of another format.
 */
export function newestMeta(path: string, { first, second }: MetaBytes): NewestMeta {
  checkFormat(path, first, second);
  const metas = [readMeta(path, first, 0), readMeta(path, second, 1)] as const;
  const [newest, older] = metas[0].transaction >= metas[1].transaction
    ? metas
    : [metas[1], metas[0]];
  if (older.pageBytes !== newest.pageBytes) {
    throw damageOf(path, 1, `it says that a page has ${metas[1].pageBytes} bytes, unlike page 0`);
  }
  const isCompactedCopy = isNew(older) && older.page === 0 && newest.transaction > 1;
  // Transaction N reads meta page (N - 1) % 2, and writes the other one.
  const isSuccessor = newest.transaction - older.transaction === 1 &&
    newest.transaction % 2 === newest.page;
  if (!isSuccessor && !isCompactedCopy && !isNew(newest)) {
    throw damageOf(
      path,
      newest.page,
      `it is of transaction ${newest.transaction}, but page ${older.page} of ${older.transaction}`,
    );
  }
  if (older.lastPage > newest.lastPage) {
    throw damageOf(
      path,
      newest.page,
      `it says that ${newest.lastPage} is the last page, but it was ${older.lastPage} before`,
    );
  }
  return { ...newest, isCompactedCopy, older };
}

/** The newest state of a file that others may write, and the bytes that say so. */
export interface NewestState {
  /** The newest state. */
  readonly meta: NewestMeta;
  /** The bytes of both meta pages. */
  readonly metaBytes: MetaBytes;
}

/**
 * Reads the newest state. The meta pages are read again if they change while they are read.
 *
 * @param path The path of the file, for messages.
 * @param descriptor The descriptor of the open file.
 * @returns The newest state.
 * @throws {PersistenceError} The errors of {@linkcode newestMeta}.
 * @throws {Error} The file system's own error if the file cannot be read.
 */
export function readNewestState(path: string, descriptor: number): NewestState {
  for (let attempt = 1;; attempt++) {
    const metaBytes = readMetaBytes(descriptor);
    try {
      return { meta: newestMeta(path, metaBytes), metaBytes };
    } catch (error) {
      const isStable = areSame(metaBytes, readMetaBytes(descriptor));
      if (isStable || attempt === MAX_META_ATTEMPTS) throw error;
    }
  }
}

/**
 * Whether the meta pages are the same.
 *
 * @param one Those that were read first.
 * @param other Those that were read later.
 * @returns Whether nobody has committed in between.
 */
export function areSame(one: MetaBytes, other: MetaBytes): boolean {
  return sameBytes(one.first.bytes, other.first.bytes) &&
    sameBytes(one.second.bytes, other.second.bytes);
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, index) => byte === b[index]);
}

/**
 * Makes both meta pages of a copy that has one state: the other page says the same of the
 * transaction before, since the state before is not in the copy.
 *
 * @param state The state.
 * @returns The two pages.
 */
export function metaPagesOf({ meta, metaBytes }: NewestState): Uint8Array {
  const { page, pageBytes, transaction } = meta;
  const pages = new Uint8Array(2 * pageBytes);
  const { bytes } = page === 0 ? metaBytes.first : metaBytes.second;
  const view = new DataView(pages.buffer);
  for (const number of [0, 1]) {
    const start = number * pageBytes;
    pages.set(bytes, start);
    view.setBigUint64(start, BigInt(number), true);
    const isNewest = number === page || transaction === 0;
    view.setBigUint64(
      start + TRANSACTION_AT,
      BigInt(isNewest ? transaction : transaction - 1),
      true,
    );
  }
  return pages;
}

function readBlock(descriptor: number, position: number): Block {
  const block = blockOf(META_BYTES);
  const length = readBytes(descriptor, block.bytes, position, META_BYTES);
  return { ...block, bytes: block.bytes.subarray(0, length) };
}

function pageBytesOf({ view }: Block): number {
  return view.getUint32(FREE_TREE_AT, true);
}

function isPageSize(pageBytes: number): boolean {
  return pageBytes >= MIN_PAGE_BYTES && pageBytes <= MAX_PAGE_BYTES &&
    (pageBytes & (pageBytes - 1)) === 0;
}

/** Tells a file of another format from a damaged one. */
function checkFormat(path: string, first: Block, second: Block): void {
  if (first.bytes.length < META_BYTES) {
    throw damageOf(path, 0, `the file has only ${first.bytes.length} bytes`);
  }
  const format = first.view.getUint32(FORMAT_AT, true);
  if (first.view.getUint32(PAGE_HEADER_BYTES, true) !== MAGIC) {
    if (first.view.getUint32(SHORT_HEADER_BYTES, true) !== MAGIC) {
      throw damageOf(path, 0, "it does not begin like a data file of LMDB");
    }
    throw unsupported(path, "has the short page headers of format 1 or of a 32-bit system");
  }
  if (format === FORMAT) return;
  const isSecondSound = second.bytes.length === META_BYTES &&
    second.view.getUint32(PAGE_HEADER_BYTES, true) === MAGIC &&
    second.view.getUint32(FORMAT_AT, true) === FORMAT;
  if (isSecondSound) throw damageOf(path, 0, `it is of format ${format}, but page 1 of ${FORMAT}`);
  throw unsupported(path, `is of format ${format}`);
}

function unsupported(path: string, what: string): PersistenceError {
  return new PersistenceError(
    "UNSUPPORTED_FORMAT",
    `Cannot open "${path}": it is an LMDB data file that ${what}, but only format ${FORMAT} of ` +
      `64-bit systems is supported`,
  );
}

function readMeta(path: string, block: Block, page: number): Meta {
  const { bytes, view } = block;
  if (bytes.length < META_BYTES) throw damageOf(path, page, "the file ends before it");
  if (readWord(view, 0) !== page || readHalf(block, 18) !== PAGE_META) {
    throw damageOf(path, page, "its header is not that of a meta page");
  }
  if (view.getUint32(PAGE_HEADER_BYTES, true) !== MAGIC) {
    throw damageOf(path, page, "its magic number is wrong");
  }
  if (view.getUint32(FORMAT_AT, true) !== FORMAT) throw damageOf(path, page, "its format is wrong");
  const pageBytes = view.getUint32(FREE_TREE_AT, true);
  if (!isPageSize(pageBytes)) {
    throw damageOf(path, page, `it says that a page has ${pageBytes} bytes`);
  }
  const flags = readHalf(block, FREE_TREE_AT + 4);
  if ((flags & ~ENVIRONMENT_FLAGS) !== TREE_INTEGER_KEYS || !isPlainTree(view, MAIN_TREE_AT)) {
    throw damageOf(path, page, `the flags of its trees are wrong`);
  }
  return {
    page,
    pageBytes,
    transaction: readWord(view, TRANSACTION_AT),
    lastPage: readWord(view, LAST_PAGE_AT),
    freeTree: readTree(view, FREE_TREE_AT, {
      name: "the free list",
      content: "free pages",
      recordPage: page,
    }),
    mainTree: readTree(view, MAIN_TREE_AT, {
      name: "the list of databases",
      content: "databases",
      recordPage: page,
    }),
  };
}

/** Whether no transaction has written the page yet. */
function isNew(meta: Meta): boolean {
  return meta.transaction === 0 && meta.mainTree.root === undefined;
}
