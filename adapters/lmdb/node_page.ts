/**
 * Branch and leaf pages of an LMDB data file: a table of offsets behind the header, and nodes packed
 * without gaps at the end of the page.
 *
 * @module
 */

import {
  type Block,
  PAGE_BRANCH,
  PAGE_HEADER_BYTES,
  PAGE_LEAF,
  type PageFile,
  readHalf,
  readWord,
} from "./page_file.ts";

/** The node's value lies on pages of its own; a reference to them stands in its place. */
export const NODE_OVERFLOW = 0x01;
/** The node's value is the record of a tree. */
export const NODE_TREE = 0x02;
/** A reference to overflow pages: the first page, the transaction, how many pages. */
export const OVERFLOW_REFERENCE_BYTES = 24;

const NODE_HEADER_BYTES = 8;
const TREE_RECORD_BYTES = 48;
const OFFSET_BYTES = 2;

/** A key where it stands in memory. */
export interface KeyPlace {
  readonly bytes: Uint8Array;
  readonly start: number;
  readonly end: number;
}

/** The keys that a page may hold, by what stands in the pages that lead to it. */
export interface KeyBounds {
  /** No key may be below this; `undefined`: any may. */
  readonly lowest: KeyPlace | undefined;
  /** Every key must be below this; `undefined`: any may be. */
  readonly end: KeyPlace | undefined;
}

/** How the keys of a tree compare. */
export type KeyOrder = "bytes" | "integers";

/** A branch or leaf page in memory that was checked. */
export interface NodePage extends Block {
  readonly page: number;
  /** The offset of the page's first byte in the block. */
  readonly base: number;
  readonly isLeaf: boolean;
  readonly count: number;
}

/** The offset of a node's header in the block. */
export function nodeAt(node: NodePage, index: number): number {
  const table = node.base + PAGE_HEADER_BYTES;
  return table + readHalf(node, table + index * OFFSET_BYTES);
}

/** The key of the node at an offset. */
export function keyAt(node: NodePage, offset: number): KeyPlace {
  const start = offset + NODE_HEADER_BYTES;
  return { bytes: node.bytes, start, end: start + readHalf(node, offset + 6) };
}

/** The page that the branch node at an offset leads to. */
export function childAt(node: NodePage, offset: number): number {
  return node.view.getUint32(offset, true) + readHalf(node, offset + 4) * 2 ** 32;
}

/** The flags of the leaf node at an offset. */
export function flagsAt(node: NodePage, offset: number): number {
  return readHalf(node, offset + 4);
}

/** The length of the value of the leaf node at an offset, wherever it lies. */
export function valueBytesAt(node: NodePage, offset: number): number {
  return node.view.getUint32(offset, true);
}

/** The offset of what follows the key of the node at an offset. */
export function valueAt(node: NodePage, offset: number): number {
  return offset + NODE_HEADER_BYTES + readHalf(node, offset + 6);
}

/** Checks branch and leaf pages of one file. */
export class NodePageCheck {
  readonly #file: PageFile;
  readonly #transaction: number;
  #youngest = 0;
  readonly #maxKeyBytes: number;
  /** By the offset of a node halved: its length. All zero between two pages. */
  readonly #lengths: Uint16Array;

  /**
   * @param file The file that the pages stand in.
   * @param transaction The newest transaction: no page can be younger.
   */
  constructor(file: PageFile, transaction: number) {
    this.#file = file;
    this.#transaction = transaction;
    // At least two nodes fit on a page; a key leaves room for the record of a tree beside it.
    const room = file.pageBytes - PAGE_HEADER_BYTES;
    const maxNodeBytes = 2 * Math.floor(room / 4) - OFFSET_BYTES;
    this.#maxKeyBytes = maxNodeBytes - NODE_HEADER_BYTES - TREE_RECORD_BYTES;
    this.#lengths = new Uint16Array(room / 2);
  }

  /** The newest transaction that one of the checked pages is of. */
  get youngest(): number {
    return this.#youngest;
  }

  /**
   * Checks what every page of a tree begins with.
   *
   * @param block Where the page stands.
   * @param base The offset of its first byte.
   * @param page Its number.
   * @param flags What its flags must be.
   */
  checkHeader(block: Block, base: number, page: number, flags: number): void {
    const number = readWord(block.view, base);
    if (number !== page) throw this.#file.damage(page, `it says that it is page ${number}`);
    const transaction = readWord(block.view, base + 8);
    if (transaction > this.#transaction) {
      throw this.#file.damage(
        page,
        `it is of transaction ${transaction}, but the newest one is ${this.#transaction}`,
      );
    }
    if (transaction > this.#youngest) this.#youngest = transaction;
    const actual = readHalf(block, base + 18);
    if (actual !== flags) {
      throw this.#file.damage(page, `its flags are ${actual} where ${flags} belongs`);
    }
  }

  /**
   * Checks a branch or leaf page: its header, where its nodes lie, and the order of their keys.
   *
   * @param block Where the page stands.
   * @param base The offset of its first byte.
   * @param page Its number.
   * @param isLeaf Whether it is a leaf.
   * @param order How its keys compare.
   * @param bounds The keys that it may hold.
   * @returns The page.
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

  /** The nodes must lie side by side from the end of the free space to the end of the page. */
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
      if (length === 0) throw this.#file.damage(page, `there is no node at ${place}`);
      this.#lengths[place / 2] = 0;
      place += length;
    }
    if (place !== room) throw this.#file.damage(page, `its nodes end at ${place} of ${room}`);
  }

  /** The bytes that a node takes up, rounded up to an even number. */
  #nodeBytes(node: NodePage, offset: number, index: number, order: KeyOrder): number {
    const keyBytes = readHalf(node, offset + 6);
    // The first child of a branch takes what is below the second key: its own key is not in use.
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
        throw this.#file.damage(page, "its last key belongs on a page behind it");
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
