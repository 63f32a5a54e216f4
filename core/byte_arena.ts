/**
 * Memory for the many small records of a commit. A typed array with a buffer of its own costs the
 * runtime more than filling it; and LMDB asks for the address of each buffer, once. So small ones are
 * cut from larger buffers.
 *
 * @module
 */

const SLAB_BYTES = 65_536;
/** Beyond this, a buffer of its own wastes less. */
const MAX_CUT_BYTES = 8_192;

/** Memory for the many small records of a commit. It is freed slab by slab, by garbage collection. */
export class ByteArena {
  #slab = new Uint8Array(0);
  #used = 0;

  /**
   * Cuts off some memory.
   *
   * @param length How many bytes.
   * @returns The memory: zeros, and nobody else's.
   */
  allocate(length: number): Uint8Array {
    if (length > MAX_CUT_BYTES) return new Uint8Array(length);
    if (this.#used + length > this.#slab.length) {
      this.#slab = new Uint8Array(SLAB_BYTES);
      this.#used = 0;
    }
    const start = this.#used;
    this.#used += length;
    return this.#slab.subarray(start, this.#used);
  }
}
