/**
 * The records that an LMDB data file holds about its trees.
 *
 * @module
 */

import { type PageFile, readWord } from "./page_file.ts";

/** What LMDB records about a tree. */
export interface Tree {
  /** The name of the database, or of another tree, for messages. */
  readonly name: string;
  /** The kind of its records. */
  readonly content: "free pages" | "databases" | "data";
  /** The number of the page that holds the tree's record. */
  readonly recordPage: number;
  /** The number of its levels. */
  readonly depth: number;
  /** The number of its branch pages. */
  readonly branchPages: number;
  /** The number of its leaf pages. */
  readonly leafPages: number;
  /** The number of pages that hold its large values. */
  readonly overflowPages: number;
  /** The number of its records. */
  readonly records: number;
  /** The number of the root page, or `undefined` if the tree is empty. */
  readonly root: number | undefined;
}

/** The bytes of a tree's record. */
export const TREE_BYTES = 48;

/** The flag of a tree whose records carry versions: `lmdb` uses it, LMDB itself does not. */
const HAS_VERSIONS = 0x100;

/** The root that LMDB writes for an empty tree: 2^64 - 1, as `readWord` rounds it. */
const NO_ROOT = 2 ** 64;

/**
 * Reads a tree's record, except for its first six bytes, whose meaning depends on the tree.
 *
 * @param view The bytes that hold the record.
 * @param offset The offset of its first byte.
 * @param origin What the record itself does not contain.
 * @returns The record.
 */
export function readTree(
  view: DataView,
  offset: number,
  origin: Pick<Tree, "name" | "content" | "recordPage">,
): Tree {
  const root = readWord(view, offset + 40);
  return {
    ...origin,
    depth: view.getUint16(offset + 6, true),
    branchPages: readWord(view, offset + 8),
    leafPages: readWord(view, offset + 16),
    overflowPages: readWord(view, offset + 24),
    records: readWord(view, offset + 32),
    root: root === NO_ROOT ? undefined : root,
  };
}

/**
 * Checks whether a tree's record says that keys compare as bytes and are unique.
 *
 * @param view The bytes that hold the record.
 * @param offset The offset of its first byte.
 * @returns Whether it does.
 */
export function isPlainTree(view: DataView, offset: number): boolean {
  const keyBytes = view.getUint32(offset, true);
  const flags = view.getUint16(offset + 4, true);
  return keyBytes === 0 && (flags & ~HAS_VERSIONS) === 0;
}

/** Counts what a walk finds in a tree, to be compared with the tree's record. */
export class TreeCount {
  /** The number of branch pages found so far. */
  branchPages = 0;
  /** The number of leaf pages found so far. */
  leafPages = 0;
  /** The number of overflow pages found so far. */
  overflowPages = 0;
  /** The number of records found so far. */
  records = 0;

  /**
   * Compares the counts with the tree's record.
   *
   * @param tree The record.
   * @param file The file of the tree.
   * @throws {PersistenceError} `CORRUPT` if they differ.
   */
  check(tree: Tree, file: PageFile): void {
    this.#compare(tree, file, "branch pages", tree.branchPages, this.branchPages);
    this.#compare(tree, file, "leaf pages", tree.leafPages, this.leafPages);
    this.#compare(tree, file, "overflow pages", tree.overflowPages, this.overflowPages);
    this.#compare(tree, file, "records", tree.records, this.records);
  }

  #compare(tree: Tree, file: PageFile, what: string, recorded: number, counted: number): void {
    if (recorded === counted) return;
    throw file.damage(
      tree.recordPage,
      `it says that ${tree.name} has ${recorded} ${what}, but there are ${counted}`,
    );
  }
}
