/**
 * Walks whole trees of an LMDB data file. What a tree's record says of it (depth, pages, records)
 * is compared with what is found.
 *
 * @module
 */

import type { KeyBounds, NodePage } from "./node_page.ts";
import { type Block, blockOf } from "./page_file.ts";
import {
  boundsOf,
  childOf,
  copyOf,
  MAX_READ_BYTES,
  NO_BOUNDS,
  type PageVisitor,
} from "./page_visitor.ts";
import { type Tree, TreeCount } from "./tree.ts";

/** Leaves that are no farther apart, in pages, are read together, with the pages between them. */
const MAX_PAGE_STEP = 16;
/** How many bytes of branches are collected before their leaves are read. */
const MAX_PARENT_BYTES = 2 << 20;

/** A branch that leads to leaves. */
interface Parent {
  readonly branch: NodePage;
  readonly bounds: KeyBounds;
}

/** The place of a leaf, in the file and under its parent. */
interface Leaf {
  readonly page: number;
  readonly parent: Parent;
  readonly index: number;
}

/** Walks the trees of one state of a data file. */
export class PageWalk {
  readonly #visitor: PageVisitor;
  /** One page for each level of branches: the bounds of a page are in those above it. */
  readonly #branchBlocks: Block[] = [];
  /** The branches whose leaves are to be walked next. */
  readonly #parents: Parent[] = [];
  /** The pages of those branches. */
  readonly #parentBlocks: Block[] = [];
  readonly #leaves: Block;
  #count = new TreeCount();

  /**
   * Prepares a walk.
   *
   * @param visitor Visits the pages.
   */
  constructor(visitor: PageVisitor) {
    this.#visitor = visitor;
    const { pageBytes, byteLength } = visitor.file;
    this.#leaves = blockOf(Math.max(pageBytes, Math.min(MAX_READ_BYTES, byteLength)));
  }

  /**
   * Walks a tree.
   *
   * @param tree The record of the tree.
   * @throws {PersistenceError} `CORRUPT` if something is wrong with the tree or its record.
   */
  async walk(tree: Tree): Promise<void> {
    const { file } = this.#visitor;
    this.#count = new TreeCount();
    this.#visitor.root(tree);
    if (tree.root !== undefined) {
      if (tree.depth === 1) {
        file.read(this.#leaves.bytes, tree.root, 0, file.pageBytes);
        this.#visitor.leaf(this.#leaves, 0, tree.root, tree, NO_BOUNDS, "all", this.#count);
      } else {
        await this.#walkBranch(tree, tree.root, 1, NO_BOUNDS);
        await this.#walkLeaves(tree);
      }
    }
    this.#count.check(tree, file);
  }

  async #walkBranch(tree: Tree, page: number, level: number, bounds: KeyBounds): Promise<void> {
    const { file } = this.#visitor;
    const isParentOfLeaves = level + 1 === tree.depth;
    const block = isParentOfLeaves
      ? this.#parentBlocks[this.#parents.length] ??= blockOf(file.pageBytes)
      : this.#branchBlocks[level] ??= blockOf(file.pageBytes);
    file.read(block.bytes, page, 0, file.pageBytes);
    const branch = this.#visitor.branch(block, page, tree, bounds);
    this.#count.branchPages++;
    for (let index = 0; index < branch.count; index++) {
      const child = childOf(branch, index);
      this.#visitor.take(child, 1, page);
      if (isParentOfLeaves) continue;
      await this.#walkBranch(tree, child, level + 1, boundsOf(branch, index, bounds));
    }
    if (!isParentOfLeaves) return;
    this.#parents.push({ branch, bounds: copyOf(bounds) });
    await this.#visitor.letOthersRun();
    if (this.#parents.length * file.pageBytes >= MAX_PARENT_BYTES) await this.#walkLeaves(tree);
  }

  /**
   * Walks the leaves of the collected branches, in the order of the file: in a tree that has grown
   * here and there, neighbours are far apart, and a disk would take many times longer.
   */
  async #walkLeaves(tree: Tree): Promise<void> {
    const { file } = this.#visitor;
    const { pageBytes } = file;
    const leaves: Leaf[] = [];
    for (const parent of this.#parents.splice(0)) {
      for (let index = 0; index < parent.branch.count; index++) {
        leaves.push({ page: childOf(parent.branch, index), parent, index });
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
        file.read(this.#leaves.bytes, firstRead, 0, (endRead - firstRead) * pageBytes);
      }
      const base = (page - firstRead) * pageBytes;
      const bounds = boundsOf(parent.branch, index, parent.bounds);
      this.#visitor.leaf(this.#leaves, base, page, tree, bounds, "all", this.#count);
      await this.#visitor.letOthersRun();
    }
  }
}
