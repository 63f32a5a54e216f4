/**
 * The walk over the trees of an LMDB data file that finds every damage by which LMDB would crash,
 * misroute a lookup or overwrite what is in use.
 *
 * LMDB trusts what it maps: it follows page numbers, offsets and sizes without looking at them.
 * Here each of them is checked, and what a tree says of itself (depth, pages, records) is counted.
 *
 * @module
 */

import { setImmediate } from "node:timers/promises";
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
  type PageFile,
  readWord,
} from "./page_file.ts";
import { PageSet } from "./page_set.ts";
import { isPlainTree, readTree, type Tree, TREE_BYTES, TreeCount } from "./tree.ts";

/** LMDB's cursors hold no more levels. */
const MAX_DEPTH = 32;
/** One read holds no more than this, unless a single page is larger. */
const MAX_READ_BYTES = 1 << 20;
/** Leaves that lie no farther apart are read at once, with what lies between them. */
const MAX_PAGE_STEP = 16;
/** So many branches are collected before their leaves are read. */
const MAX_PARENT_BYTES = 2 << 20;
/** After working for so long, the walk lets the event loop turn. */
const MAX_TURN_MS = 10;

const NO_BOUNDS: KeyBounds = { lowest: undefined, end: undefined };

/** A branch that leads to leaves. */
interface Parent {
  readonly branch: NodePage;
  readonly bounds: KeyBounds;
}

/** Where a leaf stands, in the file and below its parent. */
interface Leaf {
  readonly page: number;
  readonly parent: Parent;
  readonly index: number;
}

/** Walks the trees of one state of a data file. */
export class PageWalk {
  readonly #file: PageFile;
  readonly #transaction: number;
  readonly #check: NodePageCheck;
  readonly #pages: PageSet;
  readonly #freeList: FreeList;
  /** One page per level of branches: the bounds of a page stand in those above it. */
  readonly #branchBlocks: Block[] = [];
  /** The branches whose leaves are to be walked next. */
  readonly #parents: Parent[] = [];
  /** Their pages. */
  readonly #parentBlocks: Block[] = [];
  readonly #leaves: Block;
  readonly #overflow: Block = blockOf(PAGE_HEADER_BYTES);
  /** The databases that the walk over the tree of databases met. */
  readonly #databases: Tree[] = [];
  #count = new TreeCount();
  #turnStart = Date.now();

  /**
   * @param file The file.
   * @param lastPage The highest page number in use.
   * @param transaction The transaction that made this state.
   */
  constructor(file: PageFile, lastPage: number, transaction: number) {
    this.#file = file;
    this.#transaction = transaction;
    this.#check = new NodePageCheck(file, transaction);
    this.#pages = new PageSet(file, lastPage);
    this.#freeList = new FreeList(file, this.#pages);
    this.#leaves = blockOf(Math.max(file.pageBytes, Math.min(MAX_READ_BYTES, file.byteLength)));
  }

  /** The databases met so far. */
  get databases(): readonly Tree[] {
    return this.#databases;
  }

  /** How many pages behind the end of the file neither a tree nor the free list refers to. */
  get lostBehindFile(): number {
    return this.#pages.lostBehindFile;
  }

  /** The newest transaction that one of the pages met so far is of. */
  get youngest(): number {
    return this.#check.youngest;
  }

  /**
   * Walks a tree.
   *
   * @param tree Its record.
   * @throws {PersistenceError} `CORRUPT` where something is wrong with it.
   */
  async walk(tree: Tree): Promise<void> {
    this.#count = new TreeCount();
    if (tree.root === undefined ? tree.depth !== 0 : tree.depth < 1 || tree.depth > MAX_DEPTH) {
      throw this.#file.damage(tree.recordPage, `it says depth ${tree.depth} of ${tree.name}`);
    }
    if (tree.root !== undefined) {
      this.#take(tree.root, 1, tree.recordPage);
      if (tree.depth === 1) {
        this.#file.read(this.#leaves.bytes, tree.root, 0, this.#file.pageBytes);
        this.#walkLeaf(tree, tree.root, 0, NO_BOUNDS);
      } else {
        await this.#walkBranch(tree, tree.root, 1, NO_BOUNDS);
        await this.#walkLeaves(tree);
      }
    }
    this.#count.check(tree, this.#file);
  }

  async #walkBranch(tree: Tree, page: number, level: number, bounds: KeyBounds): Promise<void> {
    const isParentOfLeaves = level + 1 === tree.depth;
    const block = isParentOfLeaves
      ? this.#parentBlocks[this.#parents.length] ??= blockOf(this.#file.pageBytes)
      : this.#branchBlocks[level] ??= blockOf(this.#file.pageBytes);
    this.#file.read(block.bytes, page, 0, this.#file.pageBytes);
    const branch = this.#check.check(block, 0, page, false, orderOf(tree), bounds);
    this.#count.branchPages++;
    for (let index = 0; index < branch.count; index++) {
      const child = childAt(branch, nodeAt(branch, index));
      this.#take(child, 1, page);
      if (isParentOfLeaves) continue;
      await this.#walkBranch(tree, child, level + 1, boundsOf(branch, index, bounds));
    }
    if (!isParentOfLeaves) return;
    this.#parents.push({ branch, bounds: copyOf(bounds) });
    await this.#letOthersRun();
    if (this.#parents.length * this.#file.pageBytes >= MAX_PARENT_BYTES) {
      await this.#walkLeaves(tree);
    }
  }

  /**
   * Walks the leaves below the collected parents, in the order of the file: in a tree that has grown
   * here and there, neighbours lie far apart, and a disk would take many times longer.
   */
  async #walkLeaves(tree: Tree): Promise<void> {
    const { pageBytes } = this.#file;
    const leaves: Leaf[] = [];
    for (const parent of this.#parents.splice(0)) {
      for (let index = 0; index < parent.branch.count; index++) {
        const page = childAt(parent.branch, nodeAt(parent.branch, index));
        leaves.push({ page, parent, index });
      }
    }
    leaves.sort((a, b) => a.page - b.page);
    let firstRead = 0;
    let endRead = 0;
    for (const [position, { page, parent, index }] of leaves.entries()) {
      if (page >= endRead) {
        firstRead = page;
        endRead = page + 1;
        for (let next = position + 1; next < leaves.length; next++) {
          const end = (leaves[next]?.page ?? 0) + 1;
          if (end - endRead > MAX_PAGE_STEP) break;
          if ((end - firstRead) * pageBytes > this.#leaves.bytes.length) break;
          endRead = end;
        }
        this.#file.read(this.#leaves.bytes, firstRead, 0, (endRead - firstRead) * pageBytes);
      }
      const base = (page - firstRead) * pageBytes;
      this.#walkLeaf(tree, page, base, boundsOf(parent.branch, index, parent.bounds));
      await this.#letOthersRun();
    }
  }

  #walkLeaf(tree: Tree, page: number, base: number, bounds: KeyBounds): void {
    const leaf = this.#check.check(this.#leaves, base, page, true, orderOf(tree), bounds);
    this.#count.leafPages++;
    this.#count.records += leaf.count;
    for (let index = 0; index < leaf.count; index++) {
      const offset = nodeAt(leaf, index);
      const flags = flagsAt(leaf, offset);
      if (tree.content === "free pages") this.#checkFreedBy(leaf, offset);
      if (tree.content === "databases") {
        this.#addDatabase(leaf, offset, flags);
      } else if (flags === NODE_OVERFLOW) {
        this.#walkOverflow(tree, leaf, offset);
      } else if (flags !== 0) {
        throw this.#file.damage(page, `the flags of node ${index} are ${flags}`);
      } else if (tree.content === "free pages") {
        const start = valueAt(leaf, offset);
        const length = valueBytesAt(leaf, offset);
        this.#freeList.begin(page, length);
        this.#freeList.read(leaf.view, start, start + length);
        this.#freeList.end();
      }
    }
  }

  /** A record of the free list stands under the transaction that freed its pages. */
  #checkFreedBy(leaf: NodePage, offset: number): void {
    const transaction = readWord(leaf.view, keyAt(leaf, offset).start);
    if (transaction < 1 || transaction > this.#transaction) {
      throw this.#file.damage(
        leaf.page,
        `it has pages that transaction ${transaction} freed, but the newest one is ` +
          `${this.#transaction}`,
      );
    }
  }

  #addDatabase(leaf: NodePage, offset: number, flags: number): void {
    const start = valueAt(leaf, offset);
    const { bytes, start: nameStart, end: nameEnd } = keyAt(leaf, offset);
    const name = new TextDecoder().decode(bytes.subarray(nameStart, nameEnd)).replace(/\0$/, "");
    if (flags !== NODE_TREE || valueBytesAt(leaf, offset) !== TREE_BYTES) {
      throw this.#file.damage(leaf.page, `its record ${JSON.stringify(name)} is no database`);
    }
    if (!isPlainTree(leaf.view, start)) {
      throw this.#file.damage(leaf.page, `the flags of database ${JSON.stringify(name)} are wrong`);
    }
    this.#databases.push(
      readTree(leaf.view, start, { name, content: "data", recordPage: leaf.page }),
    );
  }

  #walkOverflow(tree: Tree, leaf: NodePage, offset: number): void {
    const reference = valueAt(leaf, offset);
    const page = readWord(leaf.view, reference);
    const pages = readWord(leaf.view, reference + 16);
    const length = valueBytesAt(leaf, offset);
    if (PAGE_HEADER_BYTES + length > pages * this.#file.pageBytes) {
      throw this.#file.damage(leaf.page, `${length} bytes are said to lie on ${pages} pages`);
    }
    this.#take(page, pages, leaf.page);
    this.#count.overflowPages += pages;
    this.#file.read(this.#overflow.bytes, page, 0, PAGE_HEADER_BYTES);
    this.#check.checkHeader(this.#overflow, 0, page, PAGE_OVERFLOW);
    const actualPages = this.#overflow.view.getUint32(20, true);
    if (actualPages !== pages) {
      throw this.#file.damage(page, `it begins ${actualPages} pages where ${pages} belong`);
    }
    if (tree.content === "free pages") this.#readFreePages(page, length);
  }

  #readFreePages(page: number, length: number): void {
    const block = blockOf(Math.min(length, MAX_READ_BYTES));
    this.#freeList.begin(page, length);
    for (let done = 0; done < length; done += block.bytes.length) {
      const piece = Math.min(length - done, block.bytes.length);
      this.#file.read(block.bytes, page, PAGE_HEADER_BYTES + done, piece);
      this.#freeList.read(block.view, 0, piece);
    }
    this.#freeList.end();
  }

  /** Notes that pages which must be in the file have their place in a tree. */
  #take(first: number, count: number, referrer: number): void {
    this.#pages.add(first, count, referrer);
    if (!this.#file.contains(first, count)) {
      throw this.#file.damage(first, "the file ends before it");
    }
  }

  async #letOthersRun(): Promise<void> {
    if (Date.now() - this.#turnStart < MAX_TURN_MS) return;
    await setImmediate();
    this.#turnStart = Date.now();
  }
}

/** The keys of the free list are transaction numbers. */
function orderOf(tree: Tree): KeyOrder {
  return tree.content === "free pages" ? "integers" : "bytes";
}

/** The bounds of a child: its own key in the branch, and that of the next child. */
function boundsOf(branch: NodePage, index: number, bounds: KeyBounds): KeyBounds {
  return {
    lowest: index === 0 ? bounds.lowest : keyAt(branch, nodeAt(branch, index)),
    end: index + 1 === branch.count ? bounds.end : keyAt(branch, nodeAt(branch, index + 1)),
  };
}

function copyOf({ lowest, end }: KeyBounds): KeyBounds {
  return { lowest: lowest && copyOfKey(lowest), end: end && copyOfKey(end) };
}

function copyOfKey({ bytes, start, end }: KeyPlace): KeyPlace {
  return { bytes: bytes.slice(start, end), start: 0, end: end - start };
}
