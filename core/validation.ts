/**
 * Runs validators of other libraries.
 *
 * @module
 */

import type { StandardSchema, StandardSchemaIssue } from "./standard_schema.ts";

/** Enough to see what is wrong; all of them are in the error's `issues`. */
const MAX_DESCRIBED_ISSUES = 3;
const MAX_DESCRIPTION_LENGTH = 300;

/** Why a value is not valid. */
export interface ValidationFailure {
  /** What the validator has found. */
  readonly issues?: readonly StandardSchemaIssue[];
  /** What it has thrown instead. */
  readonly cause?: unknown;
}

/**
 * Validates a value. What the validator makes of it is not asked for.
 *
 * @param validator The validator.
 * @param value The value.
 * @returns Why it is not valid, or `undefined` where it is.
 */
export function validate(
  validator: StandardSchema<unknown>,
  value: unknown,
): ValidationFailure | undefined {
  let result: ReturnType<typeof validator["~standard"]["validate"]>;
  try {
    result = validator["~standard"].validate(value);
  } catch (cause) {
    return { cause };
  }
  if (isPromise(result)) {
    return { cause: new TypeError("the validator is asynchronous, but must answer at once") };
  }
  if (typeof result !== "object" || result === null) {
    return { cause: new TypeError("the validator has given no result") };
  }
  return result.issues ? { issues: result.issues } : undefined;
}

/**
 * Whether something is a promise where none is allowed. If it is, nobody waits for it any more: what
 * becomes of it does not matter, and must not end the process.
 *
 * @param value What was returned.
 * @returns Whether it is a promise.
 */
export function isPromise(value: unknown): value is Promise<unknown> {
  if (typeof value !== "object" || value === null) return false;
  if (!("then" in value) || typeof value.then !== "function") return false;
  if (value instanceof Promise) value.catch(() => {});
  return true;
}

/**
 * Says why a value is not valid.
 *
 * @param failure Why.
 * @returns A few words, with the way to what is wrong.
 */
export function describeIssues({ issues, cause }: ValidationFailure): string {
  if (!issues) return cause instanceof Error ? cause.message : String(cause);
  const described = issues.slice(0, MAX_DESCRIBED_ISSUES).map(describeIssue).join("; ");
  const text = described.length > MAX_DESCRIPTION_LENGTH
    ? `${described.slice(0, MAX_DESCRIPTION_LENGTH)}…`
    : described;
  const more = issues.length - MAX_DESCRIBED_ISSUES;
  return more > 0 ? `${text}; and ${more} more` : text;
}

function describeIssue({ message, path }: StandardSchemaIssue): string {
  if (!path || path.length === 0) return message;
  const keys = path.map((step) => String(typeof step === "object" ? step.key : step));
  return `at ${keys.join(".")}: ${message}`;
}
