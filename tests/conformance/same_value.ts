import assert from "node:assert/strict";
import { describeDifference, findDifference } from "../../testing/difference.ts";

/**
 * Asserts that a value came back as it went in: the same kinds, the same contents, the same order.
 *
 * Not `deepStrictEqual`: Bun's takes time exponential in the depth of Sets, and tells `/(?:)/` from
 * `new RegExp("")`, although nothing else does.
 *
 * @param actual What came back.
 * @param expected What went in.
 * @param name What it is called.
 */
export function assertSameValue(actual: unknown, expected: unknown, name: string): void {
  const difference = findDifference(actual, expected, "exact");
  if (!difference) return;
  assert.fail(`${name} did not come back as it went in: ${describeDifference(difference)}`);
}

/**
 * Whether two values are of the same kinds, with the same contents in the same order.
 *
 * @param actual One.
 * @param expected The other.
 * @returns Whether they are.
 */
export function isSameValue(actual: unknown, expected: unknown): boolean {
  return findDifference(actual, expected, "exact") === undefined;
}
