/**
 * Versions of records that are deleted with their actor, and may be made again.
 *
 * @module
 */

/** Small enough that versions, which count up from it, never reach the largest safe integer. */
const MAX_VERSION = 2 ** 52;

/**
 * Draws the first version of a record, so that no record can be taken for an earlier one under the
 * same key.
 *
 * @returns A random integer from 1 to 2^52.
 */
export function drawVersion(): number {
  return 1 + Math.floor(Math.random() * MAX_VERSION);
}
