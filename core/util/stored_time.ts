/**
 * Times as they are stored.
 *
 * @module
 */

/** The last time that a `Date` can have. */
const MAX_TIME_MS = 8_640_000_000_000_000;

/**
 * The time of a clock as it is stored. A clock may be wrong, above all one that a test has replaced:
 * what it says must neither fail a write nor make unreadable what was written.
 *
 * @param timeMs What the clock says: milliseconds since 1970.
 * @returns The nearest time that can be stored, an integer; 1970 if it is not a number.
 */
export function storedTime(timeMs: number): number {
  // Not greater than 0 is NaN, too.
  return timeMs > 0 ? Math.min(Math.floor(timeMs), MAX_TIME_MS) : 0;
}
