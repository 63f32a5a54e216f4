/**
 * Walks the pages that the newest transaction has written, and no others, however large the trees
 * are.
 *
 * A transaction never overwrites a page in use: it copies each page that it changes, and so each
 * page above it. So the state before it still stands in the file, and a page that both states lead
 * to holds the same in both, with everything below it. What only the newest state leads to was
 * written by the newest transaction.
 *
 * A new branch of which a part was not written may lead to the right pages by wrong keys. So a page
 * that is not new is looked at, too, if a key beside it is not what it was before.
 *
 * @module
 */

import { PersistenceError } from "../../../core/errors/persistence_error.ts";
import { keyAt, type KeyBounds, type KeyPlace, nodeAt, type NodePage } from "./node_page.ts";
import { type Block, blockOf, PAGE_TRANSACTION_AT, readWord } from "./page_file.ts";
import { boundsOf, childOf, NO_BOUNDS, type PageVisitor } from "./page_visitor.ts";
import { type Tree, TreeCount } from "./tree.ts";

/** A branch that is new, or that is not and has other bounds than before. */
interface Parent {
  readonly branch: NodePage;
  readonly bounds: KeyBounds;
  readonly isOld: boolean;
}

/** A page below it that is looked at. */
interface Place {
  readonly page: number;
  readonly parent: Parent;
  readonly index: number;
  /** Whether the state before led to it, too: then only its keys are compared with their bounds. */
  readonly isOld: boolean;
}

/** How many children a branch may have: a page has no more than 64 KiB. */
const MAX_CHILDREN = 1 << 16;

/** Pages that the state before leads to, with their keys in the branches above. */
class OlderPages {
  readonly #branches: NodePage[] = [];
  /** By page: its branch and its index there, as one number, or -1 for a root. */
  readonly #places = new Map<number, number>();

  addRoot(page: number): void {
    this.#places.set(page, -1);
  }

  addChildren(branch: NodePage): void {
    const first = this.#branches.push(branch) - 1;
    for (let index = 0; index < branch.count; index++) {
      this.#places.set(childOf(branch, index), first * MAX_CHILDREN + index);
    }
  }

  delete(page: number): boolean {
    return this.#places.delete(page);
  }

  sorted(): number[] {
    return [...this.#places.keys()].sort((a, b) => a - b);
  }

  /** Whether a child of a branch had the same key here. */
  hasKey(branch: NodePage, index: number): boolean {
    const place = this.#places.get(childOf(branch, index)) ?? -1;
    const older = this.#branches[Math.floor(place / MAX_CHILDREN)];
    if (older === undefined) return false;
    return isSameKey(keyOf(branch, index), keyOf(older, place % MAX_CHILDREN));
  }
}

/** Walks what is new in the newest state. */
export class NewestWalk {
  readonly #visitor: PageVisitor;
  readonly #leaf: Block;
  #older: PageVisitor | undefined;

  /**
   * Prepares a walk.
   *
   * @param visitor Visits the pages of the newest state.
   * @param older Visits those of the state before, if it is still in the file. Without it, pages are
   *   new if their headers say so, and all that a new branch leads to must be read to find out.
   */
  constructor(visitor: PageVisitor, older: PageVisitor | undefined) {
    this.#visitor = visitor;
    this.#leaf = blockOf(visitor.file.pageBytes);
    this.#older = older;
  }

  /**
   * Walks the root of a tree, whether it is new or not, and all new pages below it.
   *
   * @param tree The record of the tree.
   * @param older Its record in the state before, if there was one.
   * @throws {PersistenceError} `CORRUPT` if something is wrong with a page, or if one that must be
   *   new is not.
   */
  async walk(tree: Tree, older: Tree | undefined): Promise<void> {
    this.#visitor.root(tree);
    const rootHeight = tree.depth - 1;
    const olderRootHeight = (older?.depth ?? 0) - 1;
    let places: Place[] = [];
    /** The pages of this height that only the state before leads to. */
    let gone = new OlderPages();
    // From the higher of the two roots down to the leaves: a page keeps its height.
    for (let height = Math.max(rootHeight, olderRootHeight); height >= 0; height--) {
      if (older?.root !== undefined && height === olderRootHeight) gone.addRoot(older.root);
      const isRootOld = height === rootHeight && tree.root !== undefined && gone.delete(tree.root);
      const below = older && height > 0 ? await this.#childrenOf(older, gone) : new OlderPages();
      const parents = height === rootHeight
        ? this.#visitRoot(tree, isRootOld)
        : await this.#visitAll(tree, height, places);
      places = parents.flatMap((parent) => this.#placesBelow(parent, below));
      gone = below;
    }
  }

  #visitRoot(tree: Tree, isOld: boolean): Parent[] {
    if (tree.root === undefined) return [];
    const block = this.#read(tree.root, tree.depth - 1);
    const isNew = !isOld && this.#isNew(tree.root, block);
    const branch = this.#visit(tree, tree.depth - 1, tree.root, block, NO_BOUNDS);
    return branch && isNew ? [{ branch, bounds: NO_BOUNDS, isOld: false }] : [];
  }

  /**
   * The children of a branch that are to be looked at: those that are new, and those whose bounds are
   * others than before. No second branch, nor the free list, may have one of the others.
   */
  #placesBelow(parent: Parent, before: OlderPages): Place[] {
    const { branch, isOld } = parent;
    if (isOld) return edgesOf(parent);
    const places: Place[] = [];
    let hasOldKey = before.hasKey(branch, 0);
    for (let index = 0; index < branch.count; index++) {
      const page = childOf(branch, index);
      // The first and the last one have a bound that stands farther above.
      const isInside = index > 0 && index + 1 < branch.count;
      const hasOldEnd = index + 1 < branch.count && before.hasKey(branch, index + 1);
      const hasOldBounds = isInside && hasOldKey && hasOldEnd;
      const isOld = before.delete(page);
      if (isOld && hasOldBounds) this.#visitor.take(page, 1, branch.page);
      else places.push({ page, parent, index, isOld });
      hasOldKey = hasOldEnd;
    }
    return places;
  }

  /** Visits the pages, in the order of the file, and returns the branches that are new. */
  async #visitAll(tree: Tree, height: number, places: Place[]): Promise<Parent[]> {
    const parents: Parent[] = [];
    for (const { page, parent, index, isOld } of places.sort((a, b) => a.page - b.page)) {
      this.#visitor.take(page, 1, parent.branch.page);
      const block = this.#read(page, height);
      const isNew = !isOld && this.#isNew(page, block);
      const bounds = boundsOf(parent.branch, index, parent.bounds);
      const branch = this.#visit(tree, height, page, block, bounds);
      if (branch) parents.push({ branch, bounds, isOld: !isNew });
      await this.#visitor.letOthersRun();
    }
    return parents;
  }

  #visit(
    tree: Tree,
    height: number,
    page: number,
    block: Block,
    bounds: KeyBounds,
  ): NodePage | undefined {
    if (height > 0) return this.#visitor.branch(block, page, tree, bounds);
    this.#visitor.leaf(block, 0, page, tree, bounds, "newest", new TreeCount());
    return undefined;
  }

  /** Reads a page. A branch keeps its bytes, since the bounds of what is below it are in them. */
  #read(page: number, height: number): Block {
    const { file } = this.#visitor;
    const block = height === 0 ? this.#leaf : blockOf(file.pageBytes);
    file.read(block.bytes, page, 0, file.pageBytes);
    return block;
  }

  /** Whether the newest transaction has written a page that the state before did not lead to. */
  #isNew(page: number, { view }: Block): boolean {
    const writer = readWord(view, PAGE_TRANSACTION_AT);
    if (writer >= this.#visitor.transaction) return true;
    if (this.#older === undefined) return false;
    throw this.#visitor.notNewest(page, writer);
  }

  /** What branches of the state before lead to. */
  async #childrenOf(tree: Tree, pages: OlderPages): Promise<OlderPages> {
    const children = new OlderPages();
    const older = this.#older;
    if (older === undefined) return children;
    try {
      for (const page of pages.sorted()) {
        // It is kept, since the keys are in it.
        const block = blockOf(older.file.pageBytes);
        older.file.read(block.bytes, page, 0, block.bytes.length);
        children.addChildren(older.branch(block, page, tree, NO_BOUNDS));
        await older.letOthersRun();
      }
    } catch (error) {
      if (!(error instanceof PersistenceError)) throw error;
      // Nobody needs that state any more. A copy that was made while others wrote need not hold it.
      this.#older = undefined;
    }
    return children;
  }
}

/** The children of a branch to which its own bounds are handed down. */
function edgesOf(parent: Parent): Place[] {
  return [...new Set([0, parent.branch.count - 1])].map((index) => {
    return { page: childOf(parent.branch, index), parent, index, isOld: true };
  });
}

function keyOf(branch: NodePage, index: number): KeyPlace {
  return keyAt(branch, nodeAt(branch, index));
}

function isSameKey(a: KeyPlace, b: KeyPlace): boolean {
  const length = a.end - a.start;
  if (length !== b.end - b.start) return false;
  for (let at = 0; at < length; at++) {
    if (a.bytes[a.start + at] !== b.bytes[b.start + at]) return false;
  }
  return true;
}
