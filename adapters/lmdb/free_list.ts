import type { PageFile } from "./page_file.ts";
import type { PageSet } from "./page_set.ts";

const WORD_BYTES = 8;

/**
 * Reads the records of the free list, piece by piece, and adds the pages that they name to a set.
 *
 * A record is a list of signed 64-bit words: how many entries follow, then the entries. An entry is
 * a page number, or a negative number of pages with the first of them in the next entry, or zero
 * for a gap. Room behind the last entry is not in use. This is the list of `lmdb`'s own LMDB; the
 * original one has neither runs nor gaps.
 */
export class FreeList {
  readonly #file: PageFile;
  readonly #pages: PageSet;
  #recordPage = 0;
  /** How many entries are to come; `undefined` before the first word of a record. */
  #left: number | undefined;
  #room = 0;
  /** The length of the run whose first page comes next. */
  #runLength = 0;

  /**
   * @param file The file that is read.
   * @param pages Where the free pages are added.
   */
  constructor(file: PageFile, pages: PageSet) {
    this.#file = file;
    this.#pages = pages;
  }

  /**
   * Begins a record.
   *
   * @param recordPage The page that it stands on.
   * @param byteLength Its whole length.
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
   * @param view Where it stands.
   * @param start The offset of its first byte.
   * @param end The offset behind its last byte.
   */
  read(view: DataView, start: number, end: number): void {
    for (let offset = start; offset < end && this.#left !== 0; offset += WORD_BYTES) {
      this.#readWord(view.getInt32(offset + 4, true) * 2 ** 32 + view.getUint32(offset, true));
    }
  }

  /** Ends the record. */
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
          `a record of the free list says ${word} entries, but has room for ${this.#room}`,
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
