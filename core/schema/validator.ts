/**
 * Runs validators of other libraries and describes their issues.
 *
 * @module
 */

import type { StandardSchema, StandardSchemaIssue } from "../ports/standard_schema.ts";
import { isUnwantedPromise } from "../util/promises.ts";
import { messageOf } from "../util/text.ts";

/** Enough to see what is wrong. All issues are in the `issues` of the error. */
const MAX_DESCRIBED_ISSUES = 3;
const MAX_DESCRIPTION_LENGTH = 300;

/** Why a value is not valid. */
export interface ValidationFailure {
  /** What the validator has found. Absent if it has thrown. */
  readonly issues?: readonly StandardSchemaIssue[];
  /** What the validator has thrown. Absent if it has found issues. */
  readonly cause?: unknown;
}

/**
 * Validates a value. The value that the validator returns is ignored.
 *
 * @param validator The validator.
 * @param value The value.
 * @returns Why the value is not valid, or `undefined` if it is.
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
  if (isUnwantedPromise(result)) {
    return { cause: new TypeError("the validator is asynchronous") };
  }
  if (typeof result !== "object" || result === null) {
    return { cause: new TypeError("the validator returned no result") };
  }
  return result.issues ? { issues: result.issues } : undefined;
}

/**
 * Describes why a value is not valid.
 *
 * @param failure Why the value is not valid.
 * @returns A phrase with the first issues and their paths.
 */
export function describeIssues({ issues, cause }: ValidationFailure): string {
  if (!issues) return messageOf(cause);
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
