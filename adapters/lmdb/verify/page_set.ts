/**
 * The pages of an LMDB data file that the check has met.
 *
 * @module
 */

import type { PageFile } from "./page_file.ts";

/** The set of pages met so far: each page belongs in exactly one place, a tree or the free list. */
export class PageSet {
  readonly #file: PageFile;
  readonly #lastPage: number;
  readonly #bits: Uint32Array;
  readonly #filePages: number;
  #beyondFile = 0;

  /**
   * Makes an empty set.
   *
   * @param file The file of the pages.
   * @param lastPage The highest page number in use.
   */
  constructor(file: PageFile, lastPage: number) {
    this.#file = file;
    this.#lastPage = lastPage;
    this.#bits = new Uint32Array(Math.floor(lastPage / 32) + 1);
    this.#filePages = Math.floor(file.byteLength / file.pageBytes);
  }

  /** The number of pages beyond the end of the file that were not met. */
  get lostBeyondFile(): number {
    return Math.max(0, this.#lastPage + 1 - this.#filePages) - this.#beyondFile;
  }

  /**
   * Adds a run of pages.
   *
   * @param first The number of the first page.
   * @param count The number of pages.
   * @param referrer The number of the page that refers to them.
   * @throws {PersistenceError} `CORRUPT` if one of them does not exist, or was met before.
   */
  add(first: number, count: number, referrer: number): void {
    if (first < 2 || count < 1 || first + count - 1 > this.#lastPage) {
      const run = count === 1 ? `page ${first}` : `${count} pages from ${first} on`;
      throw this.#file.damage(
        referrer,
        `it refers to ${run}, but pages 2 to ${this.#lastPage} are in use`,
      );
    }
    for (let page = first; page < first + count; page++) {
      const index = Math.floor(page / 32);
      const bit = 1 << (page % 32);
      const word = this.#bits[index] ?? 0;
      if ((word & bit) !== 0) {
        throw this.#file.damage(
          referrer,
          `it refers to page ${page}, which something else refers to as well`,
        );
      }
      this.#bits[index] = word | bit;
      if (page >= this.#filePages) this.#beyondFile++;
    }
  }
}
