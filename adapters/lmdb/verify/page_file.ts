/**
 * The pages of an LMDB data file, read without LMDB.
 *
 * Numbers are in the byte order of the machine that wrote them; every machine that `lmdb` has
 * binaries for is little-endian.
 *
 * @module
 */

import { fstatSync, readSync } from "node:fs";
import { PersistenceError } from "../../../core/errors/persistence_error.ts";

/** The bytes of the header with which every page begins. */
export const PAGE_HEADER_BYTES = 24;

/** Where the header says which transaction has written the page. */
export const PAGE_TRANSACTION_AT = 8;

/** The flags in the header of a page that leads to other pages. */
export const PAGE_BRANCH = 0x01;
/** The flags in the header of a page that holds records. */
export const PAGE_LEAF = 0x02;
/** The flags in the header of the first page of a large value. */
export const PAGE_OVERFLOW = 0x04;
/** The flags in the header of a page that holds the roots of the trees. */
export const PAGE_META = 0x08;

/** Bytes in memory, in three views. */
export interface Block {
  /** The bytes. */
  readonly bytes: Uint8Array;
  /** The same for numbers at any offset. */
  readonly view: DataView;
  /** The 16-bit numbers at even offsets: Bun reads them twice as fast from here as from a view. */
  readonly halves: Uint16Array;
}

/**
 * Allocates a block.
 *
 * @param length The length in bytes.
 * @returns The block, all zero.
 */
export function blockOf(length: number): Block {
  const bytes = new Uint8Array(length);
  const halves = new Uint16Array(bytes.buffer, 0, Math.floor(length / 2));
  return { bytes, view: new DataView(bytes.buffer), halves };
}

/**
 * Reads an unsigned 16-bit number.
 *
 * @param block The bytes that hold it.
 * @param offset The offset of its first byte: an even number.
 * @returns The number.
 */
export function readHalf(block: Block, offset: number): number {
  return block.halves[offset >> 1] ?? 0;
}

/**
 * Reads an unsigned 64-bit word. Beyond 2^53 it is rounded, which is far beyond every limit that it
 * is compared with.
 *
 * @param view The bytes that hold it.
 * @param offset The offset of its first byte.
 * @returns The word.
 */
export function readWord(view: DataView, offset: number): number {
  return view.getUint32(offset + 4, true) * 2 ** 32 + view.getUint32(offset, true);
}

/**
 * Reads bytes of an open file.
 *
 * @param descriptor The descriptor of the file.
 * @param target The array that they are read into, from its start.
 * @param position The position of the first byte in the file.
 * @param length The number of bytes.
 * @returns The number of bytes that were read: fewer than `length` at the end of the file.
 * @throws {Error} The file system's own error.
 */
export function readBytes(
  descriptor: number,
  target: Uint8Array,
  position: number,
  length: number,
): number {
  let done = 0;
  while (done < length) {
    const count = readSync(descriptor, target, done, length - done, position + done);
    if (count === 0) break;
    done += count;
  }
  return done;
}

/** An open data file whose page size is known. */
export class PageFile {
  /** The path, for messages. */
  readonly path: string;
  /** The bytes of a page. */
  readonly pageBytes: number;
  /** The length of the file when this object was made, in bytes. */
  readonly byteLength: number;
  readonly #descriptor: number;

  /**
   * Wraps an open file. The caller closes it.
   *
   * @param path The path of the file.
   * @param descriptor The descriptor of the file.
   * @param pageBytes The bytes of a page.
   */
  constructor(path: string, descriptor: number, pageBytes: number) {
    this.path = path;
    this.pageBytes = pageBytes;
    this.byteLength = fstatSync(descriptor).size;
    this.#descriptor = descriptor;
  }

  /**
   * Checks whether pages are within the file.
   *
   * @param page The number of the first page.
   * @param count The number of pages.
   * @returns Whether all of them are, with all their bytes.
   */
  contains(page: number, count: number): boolean {
    return (page + count) * this.pageBytes <= this.byteLength;
  }

  /**
   * Reads bytes of a page, and of those after it.
   *
   * @param target The array that they are read into, from its start.
   * @param page The number of the page.
   * @param skip The offset in the page of the first byte to read.
   * @param length The number of bytes.
   * @throws {PersistenceError} `CORRUPT` if the file ends before the last of them.
   */
  read(target: Uint8Array, page: number, skip: number, length: number): void {
    const position = page * this.pageBytes + skip;
    if (readBytes(this.#descriptor, target, position, length) < length) {
      throw this.damage(page, "the file ends inside it");
    }
  }

  /**
   * Makes an error about a page of this file.
   *
   * @param page The number of the page.
   * @param what What is wrong with it.
   * @returns The error, with the code `CORRUPT`.
   */
  damage(page: number, what: string): PersistenceError {
    return damageOf(this.path, page, what);
  }
}

/**
 * Makes an error about a page.
 *
 * @param path The path of the data file.
 * @param page The number of the page.
 * @param what What is wrong with it.
 * @returns The error, with the code `CORRUPT`.
 */
export function damageOf(path: string, page: number, what: string): PersistenceError {
  return new PersistenceError("CORRUPT", `Cannot use "${path}": page ${page} is damaged: ${what}`);
}
