/**
 * The pages of an LMDB data file, read without LMDB.
 *
 * Numbers stand in the byte order of the machine that wrote them; every machine that `lmdb` has
 * binaries for is little-endian.
 *
 * @module
 */

import { fstatSync, readSync } from "node:fs";
import { PersistenceError } from "../../core/errors.ts";

/** The bytes of the header that every page begins with. */
export const PAGE_HEADER_BYTES = 24;

/** The header's flags of a page that leads to other pages. */
export const PAGE_BRANCH = 0x01;
/** The header's flags of a page that holds records. */
export const PAGE_LEAF = 0x02;
/** The header's flags of the first of the pages that hold one large value. */
export const PAGE_OVERFLOW = 0x04;
/** The header's flags of a page that says where the trees begin. */
export const PAGE_META = 0x08;

/** Bytes in memory, with the ways of looking at them. */
export interface Block {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  /** The 16-bit numbers at even offsets: Bun reads them twice as fast from here as from a view. */
  readonly halves: Uint16Array;
}

/**
 * Makes room for bytes of the file.
 *
 * @param length In bytes.
 * @returns The zeroed block.
 */
export function blockOf(length: number): Block {
  const bytes = new Uint8Array(length);
  const halves = new Uint16Array(bytes.buffer, 0, Math.floor(length / 2));
  return { bytes, view: new DataView(bytes.buffer), halves };
}

/**
 * Reads an unsigned 16-bit number.
 *
 * @param block Where it stands.
 * @param offset Of its first byte: an even number.
 * @returns The number.
 */
export function readHalf(block: Block, offset: number): number {
  return block.halves[offset >> 1] ?? 0;
}

/**
 * Reads an unsigned 64-bit word. Beyond 2^53 it comes rounded, which is far out of every limit that
 * it is compared with.
 *
 * @param view Where it stands.
 * @param offset Of its first byte.
 * @returns The word.
 */
export function readWord(view: DataView, offset: number): number {
  return view.getUint32(offset + 4, true) * 2 ** 32 + view.getUint32(offset, true);
}

/**
 * Reads bytes of an open file.
 *
 * @param descriptor Of the file.
 * @param target Where they go.
 * @param position Of the first one in the file.
 * @param length How many.
 * @returns How many there were: fewer than `length` at the end of the file.
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
  readonly path: string;
  readonly pageBytes: number;
  /** The length of the file when this object was made. */
  readonly byteLength: number;
  readonly #descriptor: number;

  constructor(path: string, descriptor: number, pageBytes: number) {
    this.path = path;
    this.pageBytes = pageBytes;
    this.byteLength = fstatSync(descriptor).size;
    this.#descriptor = descriptor;
  }

  /** Whether `count` whole pages from `page` on lie within the file. */
  contains(page: number, count: number): boolean {
    return (page + count) * this.pageBytes <= this.byteLength;
  }

  /** Reads `length` bytes into `target`, from `skip` bytes behind the start of `page` on. */
  read(target: Uint8Array, page: number, skip: number, length: number): void {
    const position = page * this.pageBytes + skip;
    if (readBytes(this.#descriptor, target, position, length) < length) {
      throw this.damage(page, "the file ends inside it");
    }
  }

  /** The error that says what is wrong with a page. */
  damage(page: number, what: string): PersistenceError {
    return damageOf(this.path, page, what);
  }
}

/**
 * The error that says what is wrong with a page.
 *
 * @param path Of the data file.
 * @param page The number of the page.
 * @param what What is wrong with it.
 * @returns The error.
 */
export function damageOf(path: string, page: number, what: string): PersistenceError {
  return new PersistenceError("CORRUPT", `Cannot open "${path}": page ${page} is damaged: ${what}`);
}
