/**
 * Checks of the options of appends.
 *
 * @module
 */

import {
  checkBoolean,
  checkMetadata,
  checkOptions,
  checkSequenceNumber,
  checkSignal,
} from "../errors/arguments.ts";
import { describeActor, type NamedActor } from "../errors/actor_name.ts";
import { ArgumentRangeError } from "../errors/persistence_error.ts";
import {
  APPEND_OPTION_NAMES,
  type AppendOptions,
  type AppendReceiptOptions,
  type SequenceNumberExpectation,
} from "../ports/journal_options.ts";

/**
 * Checks the options of an append.
 *
 * @param actor The actor, for errors.
 * @param options The options.
 * @throws {ArgumentTypeError | ArgumentRangeError} `INVALID_ARGUMENT` if one is invalid or unknown.
 * @throws {unknown} The signal's reason if it has aborted.
 */
export function checkAppendOptions(
  actor: NamedActor,
  options: AppendOptions | AppendReceiptOptions,
): void {
  const operation = `append to ${describeActor(actor)}`;
  checkOptions<AppendOptions | AppendReceiptOptions>(options, operation, APPEND_OPTION_NAMES);
  const { expectedSequenceNumber, metadata, signal, receipt } = options;
  checkExpectation(expectedSequenceNumber, operation);
  if (receipt !== undefined) checkBoolean(receipt, "receipt", operation);
  checkMetadata(metadata, operation);
  checkSignal(signal, operation);
  signal?.throwIfAborted();
}

function checkExpectation(
  expected: SequenceNumberExpectation | undefined,
  operation: string,
): void {
  if (expected === undefined || expected === "exists" || expected === "empty") return;
  if (typeof expected !== "string") {
    checkSequenceNumber(expected, "expectedSequenceNumber", operation);
    return;
  }
  throw new ArgumentRangeError(
    `Cannot ${operation}: expectedSequenceNumber must be a number, "exists" or "empty", not "${
      String(expected)
    }"`,
  );
}
