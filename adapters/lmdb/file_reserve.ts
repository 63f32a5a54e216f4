/**
 * Room at the end of the data file, taken before LMDB needs it, when room is scarce.
 *
 * If a page cannot be written because the disk is full, LMDB cannot go on, and `lmdb` 3.5.6 writes
 * beyond a buffer when it words the error (see `docs/format.md`): the process may abort. So it is
 * found out here whether the file can grow, by appending zeros. What is appended never overwrites
 * what others write, even if they let the file grow at the same time. As long as there is plenty of
 * room nothing is appended: it would be written to the disk beside the pages themselves.
 *
 * @module
 */

import { closeSync, fstatSync, writeSync } from "node:fs";
import { PersistenceError } from "../../core/errors/persistence_error.ts";
import { makesRoom, type WriteGroup } from "../../core/ports/storage.ts";
import { messageOf } from "../../core/util/text.ts";
import { codeOf } from "./files.ts";

/** The paths from the roots of all trees, and the list of free pages. */
const PAGES_PER_COMMIT = 32;
/** The path from a root to a leaf, and that of the list of free pages. */
const PAGES_PER_PATH = 8;
/** Each put may copy its leaf and split it. */
const PAGES_PER_PUT = 2;
/** Keys that are deleted together are next to each other. */
const DELETES_PER_PAGE = 8;
/** What only commits that make room may use, when the file cannot grow. */
const KEPT_PAGES = 64;
/** How much more is taken than is needed, so that few commits have to. */
const EXTRA_PAGES = 64;
/** What a page, and `lmdb`, put before a value. */
const HEADER_BYTES = 32;
const MAX_WRITE_BYTES = 2 ** 20;
/** With so much room left beyond what a commit needs, it is not scarce. */
const PLENTY_BYTES = 64 * 2 ** 20;
/** How long a look at the room is good for: others do not fill so much within that time. */
const LOOK_MS = 50;

/**
 * The errors that are not about room. Deno has no code for EFBIG and EDQUOT, and Node none for
 * EDQUOT, so the others cannot be named.
 */
const FAILURES: ReadonlySet<string | undefined> = new Set(["EIO", "EROFS", "ENXIO", "ENODEV"]);

/** The data file of an open environment. */
export interface GrowingFile {
  /** The bytes of a page. */
  readonly pageSize: number;
  /** The number of pages that the file may have without exceeding the size limit. */
  readonly limitPages: number;
  /** Whether files of this process may not become as large as the disk allows. */
  readonly isLimited: boolean;
  /** Looks how many bytes there are left on the disk: 0 if that cannot be known. */
  roomBytes(): number;
  /** Opens it for appending. Gives its descriptor, or `undefined` if that is not possible now. */
  open(): number | undefined;
  /** Reads the number of pages that LMDB has ever used, from the newest state. */
  usedPages(): number;
  /** Counts the pages that are free, except those that a reader may still read. */
  freePages(): number;
  /**
   * Checks whether the next commit finds free pages in a row, of these lengths. It is called after
   * they were counted.
   */
  haveRuns(lengths: readonly number[]): boolean;
}

/** Lets a data file grow before each commit that may need it. */
export class FileReserve {
  readonly #file: GrowingFile;
  /** The length of the file, or less: others may have let it grow. It never shrinks. */
  #byteLength = 0;
  /** How much room there was when it was looked at, less what commits may have taken since. */
  #roomBytes = 0;
  #lookedAtMs = -Infinity;

  /** @param file The file. */
  constructor(file: GrowingFile) {
    this.#file = file;
  }

  /**
   * Takes room for a commit.
   *
   * @param groups The groups of the commit.
   * @throws {PersistenceError} `STORAGE_FULL` if there is not enough; `STORAGE_FAILED` if the file
   *   cannot be written.
   */
  take(groups: readonly WriteGroup[]): void {
    const { pageSize, limitPages } = this.#file;
    // Without asking LMDB, which would take longer.
    if (!this.#isScarce(needOf(groups, Infinity, pageSize).mostPages * pageSize)) return;
    const usedPages = this.#file.usedPages();
    const need = needOf(groups, usedPages, pageSize);
    const wantedPages = usedPages + need.mostPages + KEPT_PAGES;
    if (Math.min(wantedPages, limitPages) * pageSize <= this.#byteLength) return;
    this.#grow(wantedPages + EXTRA_PAGES, usedPages, need, groups);
  }

  /** Whether a commit of so many bytes may find too little room. */
  #isScarce(bytes: number): boolean {
    if (this.#file.isLimited) return true;
    this.#roomBytes -= bytes;
    const nowMs = performance.now();
    if (this.#roomBytes < PLENTY_BYTES || nowMs - this.#lookedAtMs >= LOOK_MS) {
      this.#lookedAtMs = nowMs;
      this.#roomBytes = this.#file.roomBytes() - bytes;
    }
    return this.#roomBytes < PLENTY_BYTES;
  }

  #grow(
    wantedPages: number,
    usedPages: number,
    need: Need,
    groups: readonly WriteGroup[],
  ): void {
    const { pageSize, limitPages } = this.#file;
    const descriptor = this.#file.open();
    if (descriptor === undefined) return;
    try {
      this.#growTo(Math.min(wantedPages, limitPages) * pageSize, descriptor);
    } catch (cause) {
      if (this.#suffices(usedPages, need, groups)) return;
      throw new PersistenceError(
        FAILURES.has(codeOf(cause)) ? "STORAGE_FAILED" : "STORAGE_FULL",
        `Cannot commit: the data file of the LMDB environment cannot grow: ${messageOf(cause)}`,
        { cause },
      );
    } finally {
      closeSync(descriptor);
    }
  }

  /** Whether a commit can be carried out although the file cannot grow. */
  #suffices(
    usedPages: number,
    { mostPages, leastPages, runs }: Need,
    groups: readonly WriteGroup[],
  ): boolean {
    const roomPages = this.#byteLength / this.#file.pageSize - usedPages;
    // What makes room must be carried out if it is at all possible.
    const neededPages = groups.every(makesRoom) ? leastPages : mostPages + KEPT_PAGES;
    if (neededPages <= roomPages) return true;
    const freePages = this.#file.freePages();
    if (freePages < mostPages) return false;
    const singlePages = mostPages - runs.reduce((pages, run) => pages + run, 0);
    if (this.#file.haveRuns([...runs, ...new Array<number>(singlePages).fill(1)])) return true;
    // What the last commit has freed can be used by the one after the next.
    return leastPages <= roomPages && neededPages <= freePages / 2;
  }

  #growTo(byteLength: number, descriptor: number): void {
    this.#byteLength = fstatSync(descriptor).size;
    while (this.#byteLength < byteLength) {
      const zeros = new Uint8Array(Math.min(byteLength - this.#byteLength, MAX_WRITE_BYTES));
      // At once, which takes less time than to encode as much: otherwise it would wait for a thread,
      // and on Bun there may be two, in which commits of other databases wait for a lock.
      this.#byteLength += writeSync(descriptor, zeros);
    }
  }
}

/** How many pages a commit needs, if none is free. */
interface Need {
  readonly mostPages: number;
  /** Without those that are copied only if the changes are far apart. */
  readonly leastPages: number;
  /** The pages of each large value, which must be in a row. */
  readonly runs: readonly number[];
}

function needOf(groups: readonly WriteGroup[], usedPages: number, pageSize: number): Need {
  let [puts, deletes, smallBytes, largePages] = [0, 0, 0, 0];
  const runs: number[] = [];
  for (const { changes } of groups) {
    for (const change of changes) {
      if (change.type === "delete") {
        deletes++;
        continue;
      }
      const bytes = change.key.length + change.value.length + HEADER_BYTES;
      puts++;
      if (bytes < pageSize / 2) {
        smallBytes += bytes;
        continue;
      }
      const run = Math.ceil(bytes / pageSize);
      largePages += run;
      runs.push(run);
    }
  }
  const filledPages = Math.ceil(2 * smallBytes / pageSize);
  const touchedPages = PAGES_PER_PUT * puts + Math.ceil(deletes / DELETES_PER_PAGE);
  return {
    // It copies no more pages than there are.
    mostPages: PAGES_PER_COMMIT + largePages + Math.min(touchedPages, usedPages + filledPages),
    leastPages: PAGES_PER_PATH + largePages + filledPages,
    runs,
  };
}
