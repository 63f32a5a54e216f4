/**
 * Checks of the bounds of reads.
 *
 * @module
 */

import {
  checkBoolean,
  checkInteger,
  checkOptions,
  checkSafeInteger,
  checkSignal,
} from "../errors/arguments.ts";
import {
  FOLLOW_OPTION_NAMES,
  type FollowOptions,
  type ReadOptions,
} from "../ports/journal_options.ts";
import type { ReadBounds } from "../read/journal_reader.ts";
import { MAX_TIMER_MS } from "../util/deadlines.ts";

const DEFAULT_POLL_MS = 100;

/**
 * Checks which entries a read gives. For the rule see {@linkcode ReadOptions}.
 *
 * @param from The lowest sequence number.
 * @param name The name of that argument, for the error message.
 * @param options The upper bound, the limit and the direction.
 * @param operation The caller's operation, for the error message: `"read actor \"a\""`.
 * @returns The bounds.
 * @throws {ArgumentTypeError | ArgumentRangeError} `INVALID_ARGUMENT` if one is invalid.
 */
export function checkBounds(
  from: number,
  name: string,
  options: ReadOptions,
  operation: string,
): ReadBounds {
  const { to = Number.MAX_SAFE_INTEGER, limit = Number.MAX_SAFE_INTEGER, reverse = false } =
    options;
  checkSafeInteger(from, name, operation);
  checkSafeInteger(to, "to", operation);
  checkInteger(limit, "limit", 0, Number.MAX_SAFE_INTEGER, operation);
  checkBoolean(reverse, "reverse", operation);
  return { from, to, limit, reverse };
}

/**
 * Checks how a journal is followed.
 *
 * @param from The lowest sequence number.
 * @param options How often to look, and the signal.
 * @param operation The caller's operation, for the error message: `"follow actor \"a\""`.
 * @returns The lowest sequence number, and how often to look.
 * @throws {ArgumentTypeError | ArgumentRangeError} `INVALID_ARGUMENT` if one is invalid.
 */
export function checkFollow(
  from: number,
  options: FollowOptions,
  operation: string,
): { readonly from: number; readonly pollMs: number } {
  checkOptions(options, operation, FOLLOW_OPTION_NAMES);
  const { signal, pollMs = DEFAULT_POLL_MS } = options;
  checkSafeInteger(from, "fromSequenceNumber", operation);
  checkInteger(pollMs, "pollMs", 1, MAX_TIMER_MS, operation);
  checkSignal(signal, operation);
  return { from: Math.max(0, from), pollMs };
}
