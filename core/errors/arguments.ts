/**
 * Checks of the arguments that callers pass.
 *
 * @module
 */

import { ArgumentRangeError, ArgumentTypeError } from "./persistence_error.ts";
import type { Metadata } from "../ports/metadata.ts";
import { builtInOf } from "../util/built_ins.ts";
import { nearestName, type OptionNames } from "../util/option_names.ts";
import { isPlainObject } from "../util/plain_object.ts";
import { isWellFormed } from "../util/text.ts";

/** The length of the longest actor id, in bytes of UTF-8. */
export const MAX_ACTOR_ID_BYTES = 512;
/** The length of the longest kind of actors, in bytes of UTF-8. */
export const MAX_KIND_BYTES = 128;
/** The size of the largest metadata of a message when encoded, in bytes. */
export const MAX_METADATA_BYTES = 16_384;

const encoder = new TextEncoder();

/**
 * Checks an actor id.
 *
 * @param actorId The argument.
 * @param operation The caller's operation, for the error message: `"append"`.
 * @returns The actor id in UTF-8.
 * @throws {ArgumentTypeError} `INVALID_ARGUMENT` if it is not a string.
 * @throws {ArgumentRangeError} `INVALID_ARGUMENT` if it is empty, ill-formed or longer than
 *   {@linkcode MAX_ACTOR_ID_BYTES}.
 */
export function checkActorId(actorId: string, operation: string): Uint8Array {
  const bytes = checkText(actorId, "actor id", MAX_ACTOR_ID_BYTES, operation);
  if (bytes.length > 0) return bytes;
  throw new ArgumentRangeError(`Cannot ${operation}: the actor id is empty`);
}

/**
 * Checks a kind of actors.
 *
 * @param kind The argument.
 * @param operation The caller's operation, for the error message: `"create journal"`.
 * @returns The kind in UTF-8.
 * @throws {ArgumentTypeError} `INVALID_ARGUMENT` if it is not a string.
 * @throws {ArgumentRangeError} `INVALID_ARGUMENT` if it is empty, ill-formed or longer than
 *   {@linkcode MAX_KIND_BYTES}.
 */
export function checkKind(kind: string, operation: string): Uint8Array {
  const bytes = checkText(kind, "kind", MAX_KIND_BYTES, operation);
  if (bytes.length > 0) return bytes;
  throw new ArgumentRangeError(`Cannot ${operation}: the kind is empty`);
}

/**
 * Checks the `kind` of options, which may be absent.
 *
 * @param kind The option.
 * @param operation The caller's operation, for the error message: `"create journal"`.
 * @returns The kind, or an empty string if the option is absent.
 * @throws {ArgumentTypeError | ArgumentRangeError} `INVALID_ARGUMENT` if it is invalid.
 */
export function checkOptionalKind(kind: string | undefined, operation: string): string {
  if (kind === undefined) return "";
  checkKind(kind, operation);
  return kind;
}

/**
 * Checks the text that actor ids begin with.
 *
 * @param prefix The argument.
 * @param operation The caller's operation, for the error message: `"list actors"`.
 * @returns The prefix in UTF-8. It may be empty.
 * @throws {ArgumentTypeError} `INVALID_ARGUMENT` if it is not a string.
 * @throws {ArgumentRangeError} `INVALID_ARGUMENT` if it is ill-formed, such as if it ends within a
 *   character, or longer than {@linkcode MAX_ACTOR_ID_BYTES}.
 */
export function checkPrefix(prefix: string, operation: string): Uint8Array {
  return checkText(prefix, "prefix", MAX_ACTOR_ID_BYTES, operation);
}

function checkText(text: string, noun: string, maxBytes: number, operation: string): Uint8Array {
  if (typeof text !== "string") {
    throw new ArgumentTypeError(
      `Cannot ${operation}: the ${noun} must be a string, not ${describeType(text)}`,
    );
  }
  // UTF-8 never has fewer bytes than the string has code units.
  if (text.length > maxBytes) throw tooLong(text, noun, maxBytes, operation);
  if (!isWellFormed(text)) {
    throw new ArgumentRangeError(
      `Cannot ${operation}: the ${noun} ${JSON.stringify(text)} has a lone surrogate`,
    );
  }
  const bytes = encoder.encode(text);
  if (bytes.length > maxBytes) throw tooLong(text, noun, maxBytes, operation);
  return bytes;
}

function tooLong(
  text: string,
  noun: string,
  maxBytes: number,
  operation: string,
): ArgumentRangeError {
  return new ArgumentRangeError(
    `Cannot ${operation}: the ${noun} "${
      text.slice(0, 32)
    }…" is longer than ${maxBytes} bytes of UTF-8`,
  );
}

/**
 * Checks that an argument is an integer within a range.
 *
 * @param value The argument.
 * @param name The name of the argument, for the error message.
 * @param minimum The lowest allowed value.
 * @param maximum The highest allowed value.
 * @param operation The caller's operation, for the error message: `"append"`.
 * @returns The integer.
 * @throws {ArgumentTypeError} `INVALID_ARGUMENT` if it is not a number.
 * @throws {ArgumentRangeError} `INVALID_ARGUMENT` if it is not an integer in this range.
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
 * Checks that an argument is a sequence number.
 *
 * @param value The argument.
 * @param name The name of the argument, for the error message.
 * @param operation The caller's operation, for the error message: `"append"`.
 * @returns The sequence number.
 * @throws {ArgumentTypeError | ArgumentRangeError} `INVALID_ARGUMENT` if it is not a safe integer
 *   of at least 0.
 */
export function checkSequenceNumber(value: number, name: string, operation: string): number {
  return checkInteger(value, name, 0, Number.MAX_SAFE_INTEGER, operation);
}

/**
 * Checks that an argument is a bound of sequence numbers, which may be negative.
 *
 * @param value The argument.
 * @param name The name of the argument, for the error message.
 * @param operation The caller's operation, for the error message: `"read"`.
 * @returns The bound.
 * @throws {ArgumentTypeError | ArgumentRangeError} `INVALID_ARGUMENT` if it is not a safe integer.
 */
export function checkSafeInteger(value: number, name: string, operation: string): number {
  const { MIN_SAFE_INTEGER, MAX_SAFE_INTEGER } = Number;
  return checkInteger(value, name, MIN_SAFE_INTEGER, MAX_SAFE_INTEGER, operation);
}

/**
 * Checks that an argument is a boolean.
 *
 * @param value The argument.
 * @param name The name of the argument, for the error message.
 * @param operation The caller's operation, for the error message: `"append"`.
 * @returns The boolean.
 * @throws {ArgumentTypeError} `INVALID_ARGUMENT` if it is not a boolean.
 */
export function checkBoolean(value: boolean, name: string, operation: string): boolean {
  if (typeof value === "boolean") return value;
  throw new ArgumentTypeError(
    `Cannot ${operation}: ${name} must be a boolean, not ${describeType(value)}`,
  );
}

/**
 * Checks that an argument is a valid date.
 *
 * @param value The argument.
 * @param name The name of the argument, for the error message.
 * @param operation The caller's operation, for the error message: `"append"`.
 * @returns The time, in milliseconds since 1970.
 * @throws {ArgumentTypeError} `INVALID_ARGUMENT` if it is not a `Date`.
 * @throws {ArgumentRangeError} `INVALID_ARGUMENT` if it is an invalid date.
 */
export function checkDate(value: Date, name: string, operation: string): number {
  if (typeof value !== "object" || value === null || builtInOf(value) !== "Date") {
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
 * Checks that an argument is an abort signal or absent.
 *
 * @param value The argument.
 * @param operation The caller's operation, for the error message: `"append"`.
 * @throws {ArgumentTypeError} `INVALID_ARGUMENT` if it is neither a signal nor undefined.
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
 * Checks that an argument is an object with known options only. Otherwise a misspelt option would be
 * ignored and its default would apply. An option that is `undefined` counts as left out, whatever its
 * name. The caller checks the values.
 *
 * @typeParam Options The type of the options.
 * @param options The argument.
 * @param operation The caller's operation, for the error message: `"append"`.
 * @param names The names of all options.
 * @param path The name of the option that holds these options, for the error message, if there is one.
 * @throws {ArgumentTypeError} `INVALID_ARGUMENT` if it is not an object, or has an own enumerable
 *   property of another name. The message then names the nearest known option, or all of them.
 */
export function checkOptions<Options extends object>(
  options: Options,
  operation: string,
  names: NoInfer<OptionNames<Options>>,
  path?: string,
): void {
  if (typeof options !== "object" || options === null) {
    throw new ArgumentTypeError(
      `Cannot ${operation}: ${path ?? "options"} must be an object, not ${describeType(options)}`,
    );
  }
  for (const name in options) {
    // What `names` inherits, such as `toString`, is not true.
    if (names[name] === true || options[name] === undefined) continue;
    // An instance of a class has properties of its own, which are nobody's options.
    if (!Object.hasOwn(options, name) || !isPlainObject(options)) continue;
    throw unknownOption(name, names, operation, path);
  }
}

function unknownOption(
  name: string,
  names: object,
  operation: string,
  path: string | undefined,
): ArgumentTypeError {
  const quote = (option: string) => JSON.stringify(path ? `${path}.${option}` : option);
  const known = Object.keys(names);
  const nearest = nearestName(name, known);
  const hint = nearest === undefined
    ? `the options are ${known.map(quote).join(", ")}`
    : `do you mean ${quote(nearest)}?`;
  return new ArgumentTypeError(
    `Cannot ${operation}: there is no option ${quote(name)}, ${hint}`,
  );
}

/**
 * Checks that an argument is metadata or absent.
 *
 * @param value The argument.
 * @param operation The caller's operation, for the error message: `"append"`.
 * @throws {ArgumentTypeError} `INVALID_ARGUMENT` if it is neither a plain object nor undefined.
 */
export function checkMetadata(value: Metadata | undefined, operation: string): void {
  if (value === undefined || isPlainObject(value)) return;
  const found = typeof value !== "object" || value === null
    ? describeType(value)
    : Array.isArray(value)
    ? "an array"
    : "an instance of a class";
  throw new ArgumentTypeError(
    `Cannot ${operation}: metadata must be a plain object, not ${found}`,
  );
}

/**
 * Names the type of a value in an error message.
 *
 * @param value The value.
 * @returns The result of `typeof`, but `null` for null.
 */
export function describeType(value: unknown): string {
  return value === null ? "null" : typeof value;
}
