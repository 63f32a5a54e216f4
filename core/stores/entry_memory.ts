/**
 * Memory for entries that are encoded before they are appended. What is encoded one after the other
 * stands one after the other, so that entries which go out together need not be copied together. And
 * it is not cut into typed arrays, each of which would cost more than a small message.
 *
 * @module
 */

const SLAB_BYTES = 65_536;

/** Memory for entries. It is garbage collected slab by slab. */
export class EntryMemory {
  /** The bytes that entries are written to. */
  slab: Uint8Array = new Uint8Array(0);
  /** How many of them are in use. */
  used = 0;
  /** Where the entry begins that was written last. */
  start = 0;

  /**
   * Makes room in the slab, or takes another one.
   *
   * @param length The number of bytes.
   */
  reserve(length: number): void {
    if (this.used + length <= this.slab.length) return;
    this.slab = new Uint8Array(Math.max(length, SLAB_BYTES));
    this.used = 0;
  }
}
