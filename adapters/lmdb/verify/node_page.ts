/**
 * Branch and leaf pages of an LMDB data file: a table of offsets after the header, and nodes packed
 * without gaps at the end of the page.
 *
 * @module
 */

import {
  type Block,
  PAGE_BRANCH,
  PAGE_HEADER_BYTES,
  PAGE_LEAF,
  PAGE_TRANSACTION_AT,
  type PageFile,
  readHalf,
  readWord,
} from "./page_file.ts";

/** The node's value is on pages of its own; the node holds a reference to them. */
export const NODE_OVERFLOW = 0x01;
/** The node's value is the record of a tree. */
export const NODE_TREE = 0x02;
/**
 * The bytes of a reference to overflow pages: the first page, the transaction, the number of pages.
 */
export const OVERFLOW_REFERENCE_BYTES = 24;

const NODE_HEADER_BYTES = 8;
const TREE_RECORD_BYTES = 48;
const OFFSET_BYTES = 2;

/** A key, by its place in memory. */
export interface KeyPlace {
  /** The bytes that hold it. */
  readonly bytes: Uint8Array;
  /** The offset of its first byte. */
  readonly start: number;
  /** The offset after its last byte. */
  readonly end: number;
}

/** The range of keys that a page may hold, according to the branches above it. */
export interface KeyBounds {
  /** No key may be less than this one; `undefined` means no bound. */
  readonly lowest: KeyPlace | undefined;
  /** Every key must be less than this one; `undefined` means no bound. */
  readonly end: KeyPlace | undefined;
}

/** How the keys of a tree compare. */
export type KeyOrder = "bytes" | "integers";

/** A branch or leaf page in memory that has been checked. */
export interface NodePage extends Block {
  /** The number of the page. */
  readonly page: number;
  /** The offset of the page's first byte in the block. */
  readonly base: number;
  /** Whether it is a leaf. */
  readonly isLeaf: boolean;
  /** The number of its nodes. */
  readonly count: number;
}

/**
 * Finds a node.
 *
 * @param node The page.
 * @param index The index of the node, from 0.
 * @returns The offset of the node's header in the block.
 */
export function nodeAt(node: NodePage, index: number): number {
  const table = node.base + PAGE_HEADER_BYTES;
  return table + readHalf(node, table + index * OFFSET_BYTES);
}

/**
 * Finds the key of a node.
 *
 * @param node The page.
 * @param offset The offset of the node.
 * @returns The key.
 */
export function keyAt(node: NodePage, offset: number): KeyPlace {
  const start = offset + NODE_HEADER_BYTES;
  return { bytes: node.bytes, start, end: start + readHalf(node, offset + 6) };
}

/**
 * Reads which page a node of a branch leads to.
 *
 * @param node The page.
 * @param offset The offset of the node.
 * @returns The number of the page.
 */
export function childAt(node: NodePage, offset: number): number {
  return node.view.getUint32(offset, true) + readHalf(node, offset + 4) * 2 ** 32;
}

/**
 * Reads the flags of a node of a leaf.
 *
 * @param node The page.
 * @param offset The offset of the node.
 * @returns The flags.
 */
export function flagsAt(node: NodePage, offset: number): number {
  return readHalf(node, offset + 4);
}

/**
 * Reads how long the value of a node of a leaf is, also if it is on pages of its own.
 *
 * @param node The page.
 * @param offset The offset of the node.
 * @returns The length in bytes.
 */
export function valueBytesAt(node: NodePage, offset: number): number {
  return node.view.getUint32(offset, true);
}

/**
 * Finds what follows the key of a node: the value, or the reference to its pages.
 *
 * @param node The page.
 * @param offset The offset of the node.
 * @returns The offset of its first byte.
 */
export function valueAt(node: NodePage, offset: number): number {
  return offset + NODE_HEADER_BYTES + readHalf(node, offset + 6);
}

/** Checks branch and leaf pages of one file. */
export class NodePageCheck {
  readonly #file: PageFile;
  readonly #transaction: number;
  #newest = 0;
  readonly #maxKeyBytes: number;
  /** The length of each node, by half its offset. All zero between two pages. */
  readonly #lengths: Uint16Array;

  /**
   * Makes a check.
   *
   * @param file The file of the pages.
   * @param transaction The newest transaction: no page can be newer.
   */
  constructor(file: PageFile, transaction: number) {
    this.#file = file;
    this.#transaction = transaction;
    // At least two nodes fit on a page, and a node has room for the record of a tree after its key.
    const room = file.pageBytes - PAGE_HEADER_BYTES;
    const maxNodeBytes = 2 * Math.floor(room / 4) - OFFSET_BYTES;
    this.#maxKeyBytes = maxNodeBytes - NODE_HEADER_BYTES - TREE_RECORD_BYTES;
    this.#lengths = new Uint16Array(room / 2);
  }

  /** The newest transaction of the pages checked so far. */
  get newest(): number {
    return this.#newest;
  }

  /**
   * Checks the header of a page of a tree.
   *
   * @param block The bytes that hold the page.
   * @param base The offset of its first byte.
   * @param page Its number.
   * @param flags The flags that it must have.
   * @throws {PersistenceError} `CORRUPT` if the header is not that of the page.
   */
  checkHeader(block: Block, base: number, page: number, flags: number): void {
    const number = readWord(block.view, base);
    if (number !== page) throw this.#file.damage(page, `it says that it is page ${number}`);
    const transaction = readWord(block.view, base + PAGE_TRANSACTION_AT);
    if (transaction > this.#transaction) {
      throw this.#file.damage(
        page,
        `it is of transaction ${transaction}, but the newest one is ${this.#transaction}`,
      );
    }
    if (transaction > this.#newest) this.#newest = transaction;
    const actual = readHalf(block, base + 18);
    if (actual !== flags) {
      throw this.#file.damage(page, `its flags are ${actual}, not ${flags}`);
    }
  }

  /**
   * Checks a branch or leaf page: its header, the layout of its nodes, and the order of their keys.
   *
   * @param block The bytes that hold the page.
   * @param base The offset of its first byte.
   * @param page Its number.
   * @param isLeaf Whether it is a leaf.
   * @param order How its keys compare.
   * @param bounds The range of keys that it may hold.
   * @returns The page.
   * @throws {PersistenceError} `CORRUPT` if something is wrong with it.
   */
  check(
    block: Block,
    base: number,
    page: number,
    isLeaf: boolean,
    order: KeyOrder,
    bounds: KeyBounds,
  ): NodePage {
    this.checkHeader(block, base, page, isLeaf ? PAGE_LEAF : PAGE_BRANCH);
    const lower = readHalf(block, base + 20);
    const upper = readHalf(block, base + 22);
    const room = this.#file.pageBytes - PAGE_HEADER_BYTES;
    if (lower % OFFSET_BYTES !== 0 || upper % 2 !== 0 || lower > upper || upper > room) {
      throw this.#file.damage(page, `its free space is from ${lower} to ${upper} of ${room}`);
    }
    const { bytes, view, halves } = block;
    const node = { bytes, view, halves, page, base, isLeaf, count: lower / OFFSET_BYTES };
    // A branch of the free list may have a single child, as LMDB rebalances it while saving it.
    const least = isLeaf || order === "integers" ? 1 : 2;
    if (node.count < least) throw this.#file.damage(page, `it has ${node.count} nodes`);
    this.#checkLayout(node, upper, room, order);
    this.#checkOrder(node, order, bounds);
    return node;
  }

  /**
   * The nodes must fill the page without gaps from the end of the free space to the end of the
   * page.
   */
  #checkLayout(node: NodePage, upper: number, room: number, order: KeyOrder): void {
    const { page, count } = node;
    const table = node.base + PAGE_HEADER_BYTES;
    for (let index = 0; index < count; index++) {
      const place = readHalf(node, table + index * OFFSET_BYTES);
      if (place % 2 !== 0 || place < upper || place + NODE_HEADER_BYTES > room) {
        throw this.#file.damage(page, `node ${index} lies at ${place}`);
      }
      const length = this.#nodeBytes(node, table + place, index, order);
      if (place + length > room || this.#lengths[place / 2] !== 0) {
        throw this.#file.damage(page, `node ${index} at ${place} overlaps what follows`);
      }
      this.#lengths[place / 2] = length;
    }
    let place = upper;
    for (let left = count; left > 0; left--) {
      const length = this.#lengths[place / 2] ?? 0;
      if (length === 0) throw this.#file.damage(page, `no node begins at ${place}`);
      this.#lengths[place / 2] = 0;
      place += length;
    }
    if (place !== room) throw this.#file.damage(page, `its nodes end at ${place} of ${room}`);
  }

  /** The bytes that a node takes up, rounded up to an even number. */
  #nodeBytes(node: NodePage, offset: number, index: number, order: KeyOrder): number {
    const keyBytes = readHalf(node, offset + 6);
    // The first child of a branch covers all keys below the second one: its own key is not in use.
    const hasKey = node.isLeaf || index > 0;
    if (hasKey && (keyBytes === 0 || (order === "integers" && keyBytes !== 8))) {
      throw this.#file.damage(node.page, `the key of node ${index} has ${keyBytes} bytes`);
    }
    if (keyBytes > this.#maxKeyBytes) {
      throw this.#file.damage(node.page, `the key of node ${index} has ${keyBytes} bytes`);
    }
    let length = NODE_HEADER_BYTES + keyBytes;
    if (node.isLeaf) {
      const isOverflow = (flagsAt(node, offset) & NODE_OVERFLOW) !== 0;
      length += isOverflow ? OVERFLOW_REFERENCE_BYTES : valueBytesAt(node, offset);
    }
    return length + length % 2;
  }

  #checkOrder(node: NodePage, order: KeyOrder, bounds: KeyBounds): void {
    const { bytes, page, count } = node;
    const first = node.isLeaf ? 0 : 1;
    if (first >= count) return;
    const lowest = keyAt(node, nodeAt(node, first));
    if (bounds.lowest !== undefined) {
      const { lowest: bound } = bounds;
      const difference = compareKeys(
        order,
        lowest.bytes,
        lowest.start,
        lowest.end,
        bound.bytes,
        bound.start,
        bound.end,
      );
      if (difference < 0 || (difference === 0 && !node.isLeaf)) {
        throw this.#file.damage(page, "its first key belongs on a page before it");
      }
    }
    let { start, end } = lowest;
    for (let index = first + 1; index < count; index++) {
      const offset = nodeAt(node, index);
      const nextStart = offset + NODE_HEADER_BYTES;
      const nextEnd = nextStart + readHalf(node, offset + 6);
      if (compareKeys(order, bytes, start, end, bytes, nextStart, nextEnd) >= 0) {
        throw this.#file.damage(page, `the key of node ${index} is not above the one before it`);
      }
      start = nextStart;
      end = nextEnd;
    }
    if (bounds.end !== undefined) {
      const { end: bound } = bounds;
      if (compareKeys(order, bytes, start, end, bound.bytes, bound.start, bound.end) >= 0) {
        throw this.#file.damage(page, "its last key belongs on a page after it");
      }
    }
  }
}

/** Takes offsets, not objects: this runs for every record of the file. */
function compareKeys(
  order: KeyOrder,
  a: Uint8Array,
  aStart: number,
  aEnd: number,
  b: Uint8Array,
  bStart: number,
  bEnd: number,
): number {
  const aLength = aEnd - aStart;
  const bLength = bEnd - bStart;
  const length = Math.min(aLength, bLength);
  if (order === "integers") {
    for (let index = length - 1; index >= 0; index--) {
      const difference = (a[aStart + index] ?? 0) - (b[bStart + index] ?? 0);
      if (difference !== 0) return difference;
    }
  } else {
    for (let index = 0; index < length; index++) {
      const difference = (a[aStart + index] ?? 0) - (b[bStart + index] ?? 0);
      if (difference !== 0) return difference;
    }
  }
  return aLength - bLength;
}
