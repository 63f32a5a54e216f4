/**
 * Checks which snapshots are meant, and how many are kept.
 *
 * @module
 */

import { checkDate, checkInteger, checkSequenceNumber } from "../errors/arguments.ts";
import type { ActorAddress } from "../format/actor_address.ts";
import { entryKey, entryKeysEnd } from "../format/keys.ts";
import type { DeleteSnapshotsCriteria } from "../ports/snapshot_store.ts";

const MAX_KEEP = 2 ** 31 - 1;

/** Which snapshots match. */
export interface Bounds {
  /** The lowest sequence number, inclusive. */
  readonly minSequenceNumber: number;
  /** The highest sequence number, inclusive. */
  readonly maxSequenceNumber: number;
  /** The latest time, inclusive: milliseconds since 1970, or `Infinity`. */
  readonly maxTimeMs: number;
}

/**
 * Checks how many snapshots are kept.
 *
 * @param keep The argument.
 * @param operation The caller's operation, for the error message.
 * @returns The number, which may be `Infinity`.
 * @throws {ArgumentTypeError | ArgumentRangeError} `INVALID_ARGUMENT` if it is invalid.
 */
export function checkKeep(keep: number, operation: string): number {
  return keep === Infinity ? keep : checkInteger(keep, "keep", 1, MAX_KEEP, operation);
}

/**
 * Checks which snapshots are meant.
 *
 * @param criteria The criteria, whose names have been checked.
 * @param operation The caller's operation, for the error message.
 * @returns The bounds.
 * @throws {ArgumentTypeError | ArgumentRangeError} `INVALID_ARGUMENT` if a criterion is invalid.
 */
export function checkCriteria(criteria: DeleteSnapshotsCriteria, operation: string): Bounds {
  const { sequenceNumber, maxSequenceNumber, maxTimestamp } = criteria;
  if (sequenceNumber !== undefined) {
    checkSequenceNumber(sequenceNumber, "sequenceNumber", operation);
  }
  if (maxSequenceNumber !== undefined) {
    checkSequenceNumber(maxSequenceNumber, "maxSequenceNumber", operation);
  }
  return {
    minSequenceNumber: sequenceNumber ?? 0,
    maxSequenceNumber: Math.min(
      sequenceNumber ?? Number.MAX_SAFE_INTEGER,
      maxSequenceNumber ?? Number.MAX_SAFE_INTEGER,
    ),
    maxTimeMs: maxTimestamp === undefined
      ? Infinity
      : checkDate(maxTimestamp, "maxTimestamp", operation),
  };
}

/**
 * The end of the keys within bounds.
 *
 * @param actor The actor.
 * @param bounds The bounds.
 * @returns The upper bound, exclusive.
 */
export function endOf({ key }: ActorAddress, { maxSequenceNumber }: Bounds): Uint8Array {
  return maxSequenceNumber === Number.MAX_SAFE_INTEGER
    ? entryKeysEnd(key)
    : entryKey(key, maxSequenceNumber + 1);
}
