import assert from "node:assert/strict";
import type { CommandOutcome, When } from "../../testing/mod.ts";
import { BehaviorTestError } from "../../testing/mod.ts";

/**
 * Awaits a test of a behavior that must fail.
 *
 * @param test The test.
 * @param reason What the first line of its message must be.
 * @returns The error.
 */
export async function failureOf<State, Stored, Reply, Effect>(
  test: When<State, Stored, Reply, Effect>,
  reason: string,
): Promise<BehaviorTestError> {
  let outcome: CommandOutcome<State, Stored, Reply, Effect>;
  try {
    outcome = await test;
  } catch (error) {
    assert.ok(error instanceof BehaviorTestError, String(error));
    assert.equal(error.message.split("\n")[0], reason);
    return error;
  }
  return assert.fail(`It should fail, but ${JSON.stringify(outcome)} came of it`);
}
