/**
 * The options of a verification.
 *
 * @module
 */

import { checkBoolean, checkInteger, checkOptions, checkSignal } from "../errors/arguments.ts";
import { ArgumentTypeError } from "../errors/persistence_error.ts";
import { VERIFY_OPTION_NAMES, type VerifyOptions } from "../ports/verification.ts";

const OPERATION = "verify";
const DEFAULT_MAX_PROBLEMS = 1_000;

/** {@linkcode VerifyOptions} with their defaults. */
export type CheckedVerifyOptions =
  & Required<Pick<VerifyOptions, "decode" | "maxProblems">>
  & VerifyOptions;

/**
 * Checks the options of a verification.
 *
 * @param options The options.
 * @returns The options with their defaults.
 * @throws {ArgumentTypeError | ArgumentRangeError} `INVALID_ARGUMENT` if one is invalid or unknown.
 * @throws {unknown} The reason of a signal that has aborted.
 */
export function checkVerifyOptions(options: VerifyOptions): CheckedVerifyOptions {
  checkOptions(options, OPERATION, VERIFY_OPTION_NAMES);
  const { decode = true, maxProblems = DEFAULT_MAX_PROBLEMS, signal, onProgress } = options;
  checkBoolean(decode, "decode", OPERATION);
  checkInteger(maxProblems, "maxProblems", 0, Number.MAX_SAFE_INTEGER, OPERATION);
  checkSignal(signal, OPERATION);
  if (onProgress !== undefined && typeof onProgress !== "function") {
    throw new ArgumentTypeError(`Cannot ${OPERATION}: onProgress must be a function`);
  }
  signal?.throwIfAborted();
  return {
    decode,
    maxProblems,
    ...(signal && { signal }),
    ...(onProgress && { onProgress }),
  };
}
