/**
 * Checks of what callers pass.
 *
 * @module
 */

import { ArgumentRangeError, ArgumentTypeError } from "./errors.ts";

/**
 * Checks an integer.
 *
 * @param value What the caller passed.
 * @param name What the argument is called.
 * @param minimum The lowest value that is allowed.
 * @param maximum The highest value that is allowed.
 * @param operation What the caller is about to do, for the error's message.
 * @returns The integer.
 * @throws {ArgumentTypeError} `INVALID_ARGUMENT` where it is no number.
 * @throws {ArgumentRangeError} `INVALID_ARGUMENT` where it is no integer in this range.
 */
export function checkInteger(
  value: number,
  name: string,
  minimum: number,
  maximum: number,
  operation: string,
): number {
  if (typeof value !== "number") {
    throw new ArgumentTypeError(
      `Cannot ${operation}: ${name} must be a number, not ${describeType(value)}`,
    );
  }
  if (!Number.isSafeInteger(value) || value < minimum || value > maximum) {
    throw new ArgumentRangeError(
      `Cannot ${operation}: ${name} must be an integer from ${minimum} to ${maximum}, not ${value}`,
    );
  }
  return value;
}

/**
 * Checks a sequence number.
 *
 * @param value What the caller passed.
 * @param name What the argument is called.
 * @param operation What the caller is about to do, for the error's message.
 * @returns The sequence number.
 * @throws {ArgumentTypeError | ArgumentRangeError} `INVALID_ARGUMENT` where it is no safe integer
 *   of at least 0.
 */
export function checkSequenceNumber(value: number, name: string, operation: string): number {
  return checkInteger(value, name, 0, Number.MAX_SAFE_INTEGER, operation);
}

/**
 * Checks a time.
 *
 * @param value What the caller passed.
 * @param name What the argument is called.
 * @param operation What the caller is about to do, for the error's message.
 * @returns Milliseconds since 1970.
 * @throws {ArgumentTypeError} `INVALID_ARGUMENT` where it is no `Date`.
 * @throws {ArgumentRangeError} `INVALID_ARGUMENT` where it is an invalid date.
 */
export function checkDate(value: Date, name: string, operation: string): number {
  if (!(value instanceof Date)) {
    throw new ArgumentTypeError(
      `Cannot ${operation}: ${name} must be a Date, not ${describeType(value)}`,
    );
  }
  const timeMs = value.getTime();
  if (Number.isNaN(timeMs)) {
    throw new ArgumentRangeError(`Cannot ${operation}: ${name} is an invalid date`);
  }
  return timeMs;
}

/**
 * Checks an abort signal.
 *
 * @param value What the caller passed.
 * @param operation What the caller is about to do, for the error's message.
 * @throws {ArgumentTypeError} `INVALID_ARGUMENT` where it is neither left out nor a signal.
 */
export function checkSignal(value: AbortSignal | undefined, operation: string): void {
  if (value === undefined) return;
  if (typeof value !== "object" || typeof value?.addEventListener !== "function") {
    throw new ArgumentTypeError(
      `Cannot ${operation}: signal must be an AbortSignal, not ${describeType(value)}`,
    );
  }
}

/**
 * Checks an options bag.
 *
 * @param value What the caller passed.
 * @param operation What the caller is about to do, for the error's message.
 * @throws {ArgumentTypeError} `INVALID_ARGUMENT` where it is no object.
 */
export function checkOptions(value: object, operation: string): void {
  if (typeof value !== "object" || value === null) {
    throw new ArgumentTypeError(
      `Cannot ${operation}: options must be an object, not ${describeType(value)}`,
    );
  }
}

/**
 * The type of a value, in the words of error messages.
 *
 * @param value The value.
 * @returns What `typeof` gives, but `null` for null.
 */
export function describeType(value: unknown): string {
  return value === null ? "null" : typeof value;
}
