/**
 * Visits pages of one state of an LMDB data file, whatever the order, and finds on each of them
 * every damage by which LMDB would crash, misroute a lookup or overwrite what is in use.
 *
 * LMDB trusts what it maps: it follows page numbers, offsets and sizes unchecked. Here each of them
 * is checked.
 *
 * @module
 */

import { setImmediate } from "node:timers/promises";
import type { PersistenceError } from "../../../core/errors/persistence_error.ts";
import { FreeList } from "./free_list.ts";
import {
  childAt,
  flagsAt,
  keyAt,
  type KeyBounds,
  type KeyOrder,
  type KeyPlace,
  NODE_OVERFLOW,
  NODE_TREE,
  nodeAt,
  type NodePage,
  NodePageCheck,
  valueAt,
  valueBytesAt,
} from "./node_page.ts";
import {
  type Block,
  blockOf,
  PAGE_HEADER_BYTES,
  PAGE_OVERFLOW,
  PAGE_TRANSACTION_AT,
  type PageFile,
  readWord,
} from "./page_file.ts";
import { PageSet } from "./page_set.ts";
import { isPlainTree, readTree, type Tree, TREE_BYTES, type TreeCount } from "./tree.ts";

/** The most bytes of one read, unless a single page is larger. */
export const MAX_READ_BYTES: number = 1 << 20;
/** The bounds of a root: it may hold any key. */
export const NO_BOUNDS: KeyBounds = { lowest: undefined, end: undefined };

/** The most levels that LMDB's cursors can hold. */
const MAX_DEPTH = 32;
/** After this long a walk lets the event loop turn. */
const MAX_TURN_MS = 10;

/** Visits pages. Each page belongs in exactly one place, so none may be visited twice. */
export class PageVisitor {
  /** The file. */
  readonly file: PageFile;
  /** The number of the transaction that made this state. */
  readonly transaction: number;
  readonly #check: NodePageCheck;
  readonly #pages: PageSet;
  readonly #freeList: FreeList;
  readonly #overflow: Block = blockOf(PAGE_HEADER_BYTES);
  /** The databases that the tree of databases lists. */
  readonly #databases: Tree[] = [];
  readonly #onTurn: (visitedPages: number) => void;
  #visitedPages = 0;
  #turnStart = Date.now();

  /**
   * Makes a visitor that has met no page.
   *
   * @param file The file.
   * @param lastPage The highest page number in use.
   * @param transaction The number of the transaction that made this state.
   * @param onTurn Called now and then with how many pages have been visited; if it throws, the walk
   *   ends.
   */
  constructor(
    file: PageFile,
    lastPage: number,
    transaction: number,
    onTurn: (visitedPages: number) => void = () => {},
  ) {
    this.#onTurn = onTurn;
    this.file = file;
    this.transaction = transaction;
    this.#check = new NodePageCheck(file, transaction);
    this.#pages = new PageSet(file, lastPage);
    this.#freeList = new FreeList(file, this.#pages);
  }

  /** The databases found so far. */
  get databases(): readonly Tree[] {
    return this.#databases;
  }

  /**
   * The number of pages beyond the end of the file that neither a tree nor the free list refers to,
   * as far as they were visited.
   */
  get lostBeyondFile(): number {
    return this.#pages.lostBeyondFile;
  }

  /** The newest transaction of the pages met so far. */
  get newest(): number {
    return this.#check.newest;
  }

  /**
   * Checks what a tree's record says of its root.
   *
   * @param tree The record.
   * @throws {PersistenceError} `CORRUPT` if the depth does not fit, or the root cannot be one.
   */
  root(tree: Tree): void {
    if (tree.root === undefined ? tree.depth !== 0 : tree.depth < 1 || tree.depth > MAX_DEPTH) {
      throw this.file.damage(tree.recordPage, `it says that ${tree.name} has depth ${tree.depth}`);
    }
    if (tree.root !== undefined) this.take(tree.root, 1, tree.recordPage);
  }

  /**
   * Adds pages of a tree to those met. They must be in the file.
   *
   * @param first The number of the first page.
   * @param count The number of pages.
   * @param referrer The number of the page that refers to them.
   * @throws {PersistenceError} `CORRUPT` if one of them does not exist, or was met before.
   */
  take(first: number, count: number, referrer: number): void {
    this.#pages.add(first, count, referrer);
    if (!this.file.contains(first, count)) {
      throw this.file.damage(first, "the file ends before it");
    }
  }

  /**
   * Visits a branch page.
   *
   * @param block The bytes that hold the page, from their start.
   * @param page Its number.
   * @param tree The tree that it belongs to.
   * @param bounds The keys that it may hold.
   * @returns The page.
   * @throws {PersistenceError} `CORRUPT` if something is wrong with it.
   */
  branch(block: Block, page: number, tree: Tree, bounds: KeyBounds): NodePage {
    this.#visitedPages++;
    return this.#check.check(block, 0, page, false, orderOf(tree), bounds);
  }

  /**
   * Visits a leaf page, and the large values that it refers to.
   *
   * @param block The bytes that hold the page.
   * @param base The offset of its first byte.
   * @param page Its number.
   * @param tree The tree that it belongs to.
   * @param bounds The keys that it may hold.
   * @param values Which large values are visited: all, or those that the newest transaction wrote.
   * @param count Counts the page and what it holds.
   * @throws {PersistenceError} `CORRUPT` if something is wrong with it.
   */
  leaf(
    block: Block,
    base: number,
    page: number,
    tree: Tree,
    bounds: KeyBounds,
    values: "all" | "newest",
    count: TreeCount,
  ): void {
    this.#visitedPages++;
    const leaf = this.#check.check(block, base, page, true, orderOf(tree), bounds);
    count.leafPages++;
    count.records += leaf.count;
    for (let index = 0; index < leaf.count; index++) {
      const offset = nodeAt(leaf, index);
      const flags = flagsAt(leaf, offset);
      if (tree.content === "free pages") this.#checkFreedBy(leaf, offset);
      if (tree.content === "databases") {
        this.#addDatabase(leaf, offset, flags);
      } else if (flags === NODE_OVERFLOW) {
        this.#visitValue(tree, leaf, offset, values, count);
      } else if (flags !== 0) {
        throw this.file.damage(page, `the flags of node ${index} are ${flags}`);
      } else if (tree.content === "free pages") {
        const start = valueAt(leaf, offset);
        const length = valueBytesAt(leaf, offset);
        this.#freeList.begin(page, length);
        this.#freeList.read(leaf.view, start, start + length);
        this.#freeList.end();
      }
    }
  }

  /**
   * Makes an error about a page that the newest transaction must have written, but has not.
   *
   * @param page The number of the page.
   * @param writer The transaction that has written it.
   * @returns The error, with the code `CORRUPT`.
   */
  notNewest(page: number, writer: number): PersistenceError {
    return this.file.damage(
      page,
      `it is of transaction ${writer}, but transaction ${this.transaction} must have written it`,
    );
  }

  /** Lets the event loop turn now and then. */
  async letOthersRun(): Promise<void> {
    if (Date.now() - this.#turnStart < MAX_TURN_MS) return;
    this.#onTurn(this.#visitedPages);
    await setImmediate();
    this.#turnStart = Date.now();
  }

  /** The key of a record of the free list is the transaction that freed its pages. */
  #checkFreedBy(leaf: NodePage, offset: number): void {
    const transaction = readWord(leaf.view, keyAt(leaf, offset).start);
    if (transaction < 1 || transaction > this.transaction) {
      throw this.file.damage(
        leaf.page,
        `it lists pages that transaction ${transaction} freed, but the newest one is ` +
          `${this.transaction}`,
      );
    }
  }

  #addDatabase(leaf: NodePage, offset: number, flags: number): void {
    const start = valueAt(leaf, offset);
    const { bytes, start: nameStart, end: nameEnd } = keyAt(leaf, offset);
    const name = new TextDecoder().decode(bytes.subarray(nameStart, nameEnd)).replace(/\0$/, "");
    if (flags !== NODE_TREE || valueBytesAt(leaf, offset) !== TREE_BYTES) {
      throw this.file.damage(leaf.page, `its record ${JSON.stringify(name)} is not a database`);
    }
    if (!isPlainTree(leaf.view, start)) {
      throw this.file.damage(leaf.page, `the flags of database ${JSON.stringify(name)} are wrong`);
    }
    this.#databases.push(
      readTree(leaf.view, start, { name, content: "data", recordPage: leaf.page }),
    );
  }

  #visitValue(
    tree: Tree,
    leaf: NodePage,
    offset: number,
    values: "all" | "newest",
    count: TreeCount,
  ): void {
    const reference = valueAt(leaf, offset);
    const page = readWord(leaf.view, reference);
    const transaction = readWord(leaf.view, reference + 8);
    const pages = readWord(leaf.view, reference + 16);
    const length = valueBytesAt(leaf, offset);
    if (PAGE_HEADER_BYTES + length > pages * this.file.pageBytes) {
      throw this.file.damage(
        leaf.page,
        `a value of ${length} bytes does not fit on ${pages} pages`,
      );
    }
    this.take(page, pages, leaf.page);
    count.overflowPages += pages;
    if (values === "newest" && transaction !== this.transaction) return;
    this.file.read(this.#overflow.bytes, page, 0, PAGE_HEADER_BYTES);
    this.#check.checkHeader(this.#overflow, 0, page, PAGE_OVERFLOW);
    const writer = readWord(this.#overflow.view, PAGE_TRANSACTION_AT);
    if (values === "newest" && writer !== transaction) throw this.notNewest(page, writer);
    const actualPages = this.#overflow.view.getUint32(20, true);
    if (actualPages !== pages) {
      throw this.file.damage(page, `it begins a run of ${actualPages} pages, not ${pages}`);
    }
    if (tree.content === "free pages") this.#readFreePages(page, length);
  }

  #readFreePages(page: number, length: number): void {
    const block = blockOf(Math.min(length, MAX_READ_BYTES));
    this.#freeList.begin(page, length);
    for (let done = 0; done < length; done += block.bytes.length) {
      const piece = Math.min(length - done, block.bytes.length);
      this.file.read(block.bytes, page, PAGE_HEADER_BYTES + done, piece);
      this.#freeList.read(block.view, 0, piece);
    }
    this.#freeList.end();
  }
}

/** The keys of the free list are transaction numbers. */
function orderOf(tree: Tree): KeyOrder {
  return tree.content === "free pages" ? "integers" : "bytes";
}

/**
 * Finds which keys a child of a branch may hold: from its own key in the branch to that of the next
 * child.
 *
 * @param branch The branch.
 * @param index The index of the child.
 * @param bounds The keys that the branch may hold.
 * @returns The bounds. They refer to the bytes of the branch.
 */
export function boundsOf(branch: NodePage, index: number, bounds: KeyBounds): KeyBounds {
  return {
    lowest: index === 0 ? bounds.lowest : keyAt(branch, nodeAt(branch, index)),
    end: index + 1 === branch.count ? bounds.end : keyAt(branch, nodeAt(branch, index + 1)),
  };
}

/**
 * Finds the page that a branch leads to.
 *
 * @param branch The branch.
 * @param index The index of the child.
 * @returns The number of the page.
 */
export function childOf(branch: NodePage, index: number): number {
  return childAt(branch, nodeAt(branch, index));
}

/**
 * Copies bounds, so that they outlast the bytes that they refer to.
 *
 * @param bounds The bounds.
 * @returns The copy.
 */
export function copyOf({ lowest, end }: KeyBounds): KeyBounds {
  return { lowest: lowest && copyOfKey(lowest), end: end && copyOfKey(end) };
}

/**
 * Copies a key, so that it outlasts the page that it stands on.
 *
 * @param key The key.
 * @returns The copy.
 */
export function copyOfKey({ bytes, start, end }: KeyPlace): KeyPlace {
  return { bytes: bytes.slice(start, end), start: 0, end: end - start };
}
