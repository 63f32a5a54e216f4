/**
 * The free list of an LMDB data file: the pages that are not in use.
 *
 * @module
 */

import type { PageFile } from "./page_file.ts";
import type { PageSet } from "./page_set.ts";

const WORD_BYTES = 8;

/**
 * Reads the records of the free list, piece by piece, and adds the pages that they list to a set.
 *
 * A record is a list of signed 64-bit words: the number of entries, then the entries. An entry is a
 * page number, or a negative number of pages followed by the first of them in the next entry, or
 * zero for a gap. Room after the last entry is not in use. This is the format of the LMDB in
 * `lmdb`; the original one has neither runs nor gaps.
 */
export class FreeList {
  readonly #file: PageFile;
  readonly #pages: PageSet;
  #recordPage = 0;
  /** The number of entries to come; `undefined` before the first word of a record. */
  #left: number | undefined;
  #room = 0;
  /** The number of pages of the run whose first page is the next word, or 0. */
  #runLength = 0;

  /**
   * Makes a reader of the records.
   *
   * @param file The data file.
   * @param pages The set that the free pages are added to.
   */
  constructor(file: PageFile, pages: PageSet) {
    this.#file = file;
    this.#pages = pages;
  }

  /**
   * Begins a record.
   *
   * @param recordPage The number of the page that it is on.
   * @param byteLength The length of the record, in bytes.
   * @throws {PersistenceError} `CORRUPT` if a record cannot have this length.
   */
  begin(recordPage: number, byteLength: number): void {
    if (byteLength < WORD_BYTES || byteLength % WORD_BYTES !== 0) {
      throw this.#file.damage(recordPage, `a record of the free list has ${byteLength} bytes`);
    }
    this.#recordPage = recordPage;
    this.#left = undefined;
    this.#room = byteLength / WORD_BYTES - 1;
    this.#runLength = 0;
  }

  /**
   * Reads a piece of the record.
   *
   * @param view The bytes that hold it.
   * @param start The offset of its first byte.
   * @param end The offset after its last byte.
   * @throws {PersistenceError} `CORRUPT` if it has more entries than room, or lists a page that
   *   cannot be free.
   */
  read(view: DataView, start: number, end: number): void {
    for (let offset = start; offset < end && this.#left !== 0; offset += WORD_BYTES) {
      this.#readWord(view.getInt32(offset + 4, true) * 2 ** 32 + view.getUint32(offset, true));
    }
  }

  /**
   * Ends the record.
   *
   * @throws {PersistenceError} `CORRUPT` if it ends inside a run of pages.
   */
  end(): void {
    if (this.#runLength !== 0) {
      throw this.#file.damage(this.#recordPage, "a record of the free list ends inside a run");
    }
  }

  #readWord(word: number): void {
    if (this.#left === undefined) {
      if (word < 0 || word > this.#room) {
        throw this.#file.damage(
          this.#recordPage,
          `a record of the free list has ${word} entries, but room for only ${this.#room}`,
        );
      }
      this.#left = word;
      return;
    }
    this.#left--;
    if (this.#runLength !== 0) {
      this.#pages.add(word, this.#runLength, this.#recordPage);
      this.#runLength = 0;
    } else if (word > 0) {
      this.#pages.add(word, 1, this.#recordPage);
    } else {
      this.#runLength = -word;
    }
  }
}
