/**
 * The size limit of an environment. LMDB's map grows by itself, so the limit is checked before each
 * commit, when nothing of it has been applied yet.
 *
 * @module
 */

import { PersistenceError } from "../../core/errors/persistence_error.ts";
import { makesRoom, type OldestReader, type WriteGroup } from "../../core/ports/storage.ts";
import type { LmdbStats } from "./binding.ts";

/** Each put may copy its leaf and split it, and so may the pages above. */
const PAGES_PER_PUT = 3;
/** The paths from the roots of all trees, and the list of free pages. */
const PAGES_PER_COMMIT = 32;
/** After this many commits the occupancy is read again: other processes use the same file. */
const COMMITS_PER_READING = 64;
/** The share of the room that is used before it is read again, for the same reason. */
const SHARE_PER_READING = 1 / 8;

/** How large the file may become, in limits, before large values must fit into free pages. */
const MAX_FILE = 1.5;
/** The same, before commits that make room must be refused while a reader stands still. */
const MAX_FILE_MAKING_ROOM = 2;
/** What a page, and `lmdb`, put before a value. */
const VALUE_HEADER_BYTES = 32;

/** How full an environment is. */
export interface Occupancy {
  /** The bytes of a page. */
  readonly pageSize: number;
  /** The pages of the file. */
  readonly filePages: number;
  /** The pages that hold data. The others are used again. */
  readonly livePages: number;
}

/**
 * Counts the pages of an environment.
 *
 * @param stats The page counts of each of its named databases.
 * @returns How full the environment is.
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

/** Free pages that cannot be used yet. */
export interface PinnedPages {
  /** Their number. */
  readonly pages: number;
  /** The reader that may still read them, if there are any. */
  readonly reader: OldestReader | undefined;
}

/** What is asked about an environment, each time in one turn of the event loop. */
export interface Occupied {
  /** The bytes of a page. */
  readonly pageSize: number;
  /** Reads how long the file is. That costs less than to read how full it is. */
  fileBytes(): number;
  /** Reads how full it is. It is called before what follows. */
  read(): Occupancy;
  /** Counts the free pages that cannot be used yet. */
  countPinned(): PinnedPages;
  /** Checks whether values of several pages each, which must be in a row, fit into free pages. */
  haveRuns(lengths: readonly number[]): boolean;
}

/** Keeps an environment below its size limit. */
export class SizeLimit {
  readonly #limitBytes: number;
  readonly #occupied: Occupied;
  /** How many pages commits may need until the occupancy is read again. */
  #allowance = 0;
  #commitsLeft = 0;

  /**
   * Sets the limit.
   *
   * @param limitBytes The maximum number of bytes.
   * @param occupied Answers about the environment.
   */
  constructor(limitBytes: number, occupied: Occupied) {
    this.#limitBytes = limitBytes;
    this.#occupied = occupied;
  }

  /**
   * Refuses a commit that may not fit. Groups that make room are not counted; alone, they are
   * refused only if the file has grown to twice the limit because a reader stands still.
   *
   * @param groups The groups of the commit.
   * @throws {PersistenceError} `STORAGE_FULL` if it may not fit.
   */
  assertFits(groups: readonly WriteGroup[]): void {
    if (groups.every(makesRoom)) return this.#assertCanMakeRoom();
    if (this.#commitsLeft === 0 || this.#pagesFor(groups) > this.#allowance) this.#read(groups);
    this.#commitsLeft--;
    this.#allowance -= this.#pagesFor(groups);
  }

  #read(groups: readonly WriteGroup[]): void {
    // Whatever is wrong, it is read again for the next commit.
    this.#commitsLeft = 0;
    const { pageSize } = this.#occupied;
    const neededPages = this.#pagesFor(groups);
    const limitPages = Math.floor(this.#limitBytes / pageSize);
    let roomPages = Math.max(limitPages - this.#filePages(), 0);
    if (neededPages > roomPages) {
      const { filePages, livePages } = this.#occupied.read();
      const pinned = this.#occupied.countPinned();
      const freePages = Math.min(filePages, limitPages) - livePages - pinned.pages;
      // Free pages may be scattered: count half of them.
      roomPages = Math.max(limitPages - filePages, 0) + Math.floor(Math.max(freePages, 0) / 2);
      if (neededPages > roomPages) throw this.#full(pinned);
      if (filePages + neededPages > MAX_FILE * limitPages) {
        const runs = this.#runsFor(groups);
        if (runs.length > 0 && !this.#occupied.haveRuns(runs)) throw this.#full(pinned);
        // How many there will be after this commit is not known.
        roomPages = neededPages;
      }
    }
    this.#allowance = Math.max(neededPages, roomPages * SHARE_PER_READING);
    this.#commitsLeft = COMMITS_PER_READING;
  }

  #assertCanMakeRoom(): void {
    if (this.#occupied.fileBytes() < MAX_FILE_MAKING_ROOM * this.#limitBytes) return;
    const { filePages, livePages } = this.#occupied.read();
    const pinned = this.#occupied.countPinned();
    if (!pinned.reader || filePages - livePages - pinned.pages > PAGES_PER_COMMIT) return;
    throw this.#full(pinned);
  }

  #filePages(): number {
    return Math.ceil(this.#occupied.fileBytes() / this.#occupied.pageSize);
  }

  #full({ pages, reader }: PinnedPages): PersistenceError {
    const pinned = reader
      ? `; ${
        pages * this.#occupied.pageSize
      } bytes are free, but the process ${reader.processId} has been ` +
        `reading for ${reader.transactions} transactions`
      : "";
    return new PersistenceError(
      "STORAGE_FULL",
      `Cannot commit: the LMDB environment has reached its limit of ${this.#limitBytes} bytes (mapSize)${pinned}`,
    );
  }

  #pagesFor(groups: readonly WriteGroup[]): number {
    let pages = PAGES_PER_COMMIT;
    for (const group of groups) {
      if (makesRoom(group)) continue;
      for (const change of group.changes) {
        if (change.type === "put") {
          pages += PAGES_PER_PUT + Math.ceil(change.value.length / this.#occupied.pageSize);
        }
      }
    }
    return pages;
  }

  /** The lengths of the values that need several pages in a row. */
  #runsFor(groups: readonly WriteGroup[]): number[] {
    return groups.flatMap(({ changes }) => changes)
      .map((change) => change.type === "put" ? change.value.length + VALUE_HEADER_BYTES : 0)
      .map((bytes) => Math.ceil(bytes / this.#occupied.pageSize))
      .filter((pages) => pages > 1);
  }
}
