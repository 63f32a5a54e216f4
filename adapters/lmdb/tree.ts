import { type PageFile, readWord } from "./page_file.ts";

/** What LMDB records of a tree. */
export interface Tree {
  /** The database's name; for messages where there is none. */
  readonly name: string;
  /** What its records are. */
  readonly content: "free pages" | "databases" | "data";
  /** The page that the tree's record stands on. */
  readonly recordPage: number;
  readonly depth: number;
  readonly branchPages: number;
  readonly leafPages: number;
  readonly overflowPages: number;
  readonly records: number;
  /** The page of the root, or `undefined` where the tree is empty. */
  readonly root: number | undefined;
}

/** The bytes of a tree's record. */
export const TREE_BYTES = 48;

/** The flag of a tree whose records carry versions: `lmdb`'s own, no matter to LMDB. */
const HAS_VERSIONS = 0x100;

/** What LMDB writes as root of an empty tree: 2^64 - 1, as `readWord` rounds it. */
const NO_ROOT = 2 ** 64;

/**
 * Reads a tree's record, except for its first six bytes: what stands there depends on the tree.
 *
 * @param view Where the record stands.
 * @param offset Of its first byte.
 * @param origin What it cannot tell.
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
 * Whether a tree's record says that keys compare as bytes and stand once each.
 *
 * @param view Where the record stands.
 * @param offset Of its first byte.
 * @returns Whether it does.
 */
export function isPlainTree(view: DataView, offset: number): boolean {
  const keyBytes = view.getUint32(offset, true);
  const flags = view.getUint16(offset + 4, true);
  return keyBytes === 0 && (flags & ~HAS_VERSIONS) === 0;
}

/** Counts what a walk over a tree meets, to be compared with the tree's record. */
export class TreeCount {
  branchPages = 0;
  leafPages = 0;
  overflowPages = 0;
  records = 0;

  /**
   * Compares.
   *
   * @param tree The record.
   * @param file The file that it stands in.
   * @throws {PersistenceError} `CORRUPT` where the record says something else.
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
      `it says ${recorded} ${what} of ${tree.name}, but there are ${counted}`,
    );
  }
}
