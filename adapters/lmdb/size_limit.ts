/**
 * The size limit of an environment. LMDB's map grows by itself, so a limit must be kept before each
 * commit, when nothing of it has been applied.
 *
 * @module
 */

import { PersistenceError } from "../../core/errors.ts";
import { makesRoom, type WriteGroup } from "../../core/storage.ts";
import type { LmdbStats } from "./binding.ts";

/** Each put may copy its leaf and split it, and so may the pages above. */
const PAGES_PER_PUT = 3;
/** The paths from the roots of all trees, and the list of free pages. */
const PAGES_PER_COMMIT = 32;
/** The figures are read anew after this many commits: other processes use the same file. */
const COMMITS_PER_READING = 64;

/** What is needed to know how full an environment is. */
export interface Occupancy {
  readonly pageSize: number;
  /** Pages that the file has. */
  readonly filePages: number;
  /** Pages of it that hold data. The others are used again. */
  readonly livePages: number;
}

/**
 * How full an environment is.
 *
 * @param stats The figures of each of its named databases.
 * @returns How full it is.
 */
export function occupancyOf(stats: readonly LmdbStats[]): Occupancy {
  const [any] = stats;
  if (!any) return { pageSize: 0, filePages: 0, livePages: 0 };
  const trees = [any.root, any.free, ...stats];
  const metaPages = 2;
  return {
    pageSize: any.pageSize,
    filePages: any.lastPageNumber + 1,
    livePages: trees.reduce(
      (pages, tree) =>
        pages + tree.treeBranchPageCount + tree.treeLeafPageCount + tree.overflowPages,
      metaPages,
    ),
  };
}

/** Keeps an environment below its limit. */
export class SizeLimit {
  readonly #limitBytes: number;
  readonly #readOccupancy: () => Occupancy;
  #roomPages = 0;
  #pageSize = 4_096;
  #commitsLeft = 0;

  /**
   * @param limitBytes The most bytes that the file may have.
   * @param readOccupancy Says how full the environment is.
   */
  constructor(limitBytes: number, readOccupancy: () => Occupancy) {
    this.#limitBytes = limitBytes;
    this.#readOccupancy = readOccupancy;
  }

  /**
   * Refuses a commit for which there may be no room. Groups that make room are not counted.
   *
   * @param groups The groups of the commit.
   * @throws {PersistenceError} `STORAGE_FULL`.
   */
  assertFits(groups: readonly WriteGroup[]): void {
    if (groups.every(makesRoom)) return;
    let neededPages = this.#pagesFor(groups);
    if (this.#commitsLeft === 0 || neededPages > this.#roomPages) {
      this.#read();
      neededPages = this.#pagesFor(groups);
    }
    if (neededPages > this.#roomPages) {
      throw new PersistenceError(
        "STORAGE_FULL",
        `Cannot commit: the LMDB environment has reached its limit of ${this.#limitBytes} bytes (mapSize)`,
      );
    }
    this.#commitsLeft--;
    this.#roomPages -= neededPages;
  }

  #read(): void {
    const { pageSize, filePages, livePages } = this.#readOccupancy();
    const limitPages = Math.floor(this.#limitBytes / pageSize);
    const newPages = limitPages - filePages;
    // Free pages may lie scattered, or be held by a reader: count on half of them.
    const reusablePages = (Math.min(filePages, limitPages) - livePages) / 2;
    this.#pageSize = pageSize;
    this.#roomPages = Math.floor(Math.max(newPages, 0) + Math.max(reusablePages, 0));
    this.#commitsLeft = COMMITS_PER_READING;
  }

  #pagesFor(groups: readonly WriteGroup[]): number {
    let pages = PAGES_PER_COMMIT;
    for (const group of groups) {
      if (makesRoom(group)) continue;
      for (const change of group.changes) {
        if (change.type === "put") {
          pages += PAGES_PER_PUT + Math.ceil(change.value.length / this.#pageSize);
        }
      }
    }
    return pages;
  }
}
