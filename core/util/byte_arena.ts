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

const NO_BYTES = new Uint8Array(0);

/** Allocates memory. */
export interface ByteMemory {
  /** What was cut last is a part of this. */
  readonly bytes: Uint8Array;
  /** Where that begins. */
  readonly start: number;

  /**
   * Allocates memory without making an array for it, which would take longer than to fill it: until
   * the next call it is at {@linkcode ByteMemory.start} in {@linkcode ByteMemory.bytes}.
   *
   * @param length The number of bytes. They are zeros, and nothing else uses them.
   */
  cut(length: number): void;

  /**
   * Allocates memory.
   *
   * @param length The number of bytes.
   * @returns The memory, filled with zeros. Nothing else uses it.
   */
  allocate(length: number): Uint8Array;
}

class OwnMemory implements ByteMemory {
  bytes: Uint8Array = NO_BYTES;
  readonly start = 0;

  cut(length: number): void {
    this.bytes = new Uint8Array(length);
  }

  allocate(length: number): Uint8Array {
    return new Uint8Array(length);
  }
}

/** Memory that is not cut from a larger buffer, for what lives long or is made rarely. */
export const OWN_MEMORY: ByteMemory = new OwnMemory();

/**
 * Allocates memory for the many small records of a commit. It is garbage collected slab by slab.
 */
export class ByteArena implements ByteMemory {
  /** See {@linkcode ByteMemory.bytes}. */
  bytes: Uint8Array = NO_BYTES;
  /** See {@linkcode ByteMemory.start}. */
  start = 0;
  #slab: Uint8Array = NO_BYTES;
  #used = 0;

  /** See {@linkcode ByteMemory.cut}. */
  cut(length: number): void {
    if (length > MAX_CUT_BYTES) {
      this.bytes = new Uint8Array(length);
      this.start = 0;
      return;
    }
    if (this.#used + length > this.#slab.length) {
      this.#slab = new Uint8Array(SLAB_BYTES);
      this.#used = 0;
    }
    this.bytes = this.#slab;
    this.start = this.#used;
    this.#used += length;
  }

  /** See {@linkcode ByteMemory.allocate}. */
  allocate(length: number): Uint8Array {
    if (length > MAX_CUT_BYTES) return new Uint8Array(length);
    this.cut(length);
    return this.bytes.subarray(this.start, this.start + length);
  }
}
