/**
 * Memory for the many small records of a commit. Making a typed array with its own buffer costs
 * more than filling it, and LMDB asks once for the address of each buffer. So small arrays are cut
 * from larger buffers.
 *
 * @module
 */

const SLAB_BYTES = 65_536;
/** A longer array gets its own buffer, which wastes less. */
const MAX_CUT_BYTES = 8_192;

/** Memory that is not cut from a larger buffer, for what lives long or is made rarely. */
export const OWN_MEMORY = { allocate: (length: number): Uint8Array => new Uint8Array(length) };

/**
 * Allocates memory for the many small records of a commit. It is garbage collected slab by slab.
 */
export class ByteArena {
  #slab = new Uint8Array(0);
  #used = 0;

  /**
   * Allocates memory.
   *
   * @param length The number of bytes.
   * @returns The memory, filled with zeros. Nothing else uses it.
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
