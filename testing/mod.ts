/**
 * For tests of actors: behaviors given events, when a command comes; a clock that the test moves; a
 * database in memory that survives crashes. It needs no test runner, and works with any.
 *
 * @module
 */

export { BehaviorTestError, type BehaviorTestErrorDetails } from "./behavior_test_error.ts";
export type { RejectionExpectation, When } from "./expectations.ts";
export { type BehaviorTest, behaviorTest, type Given } from "./given_when_then.ts";
export type { CommandOutcome } from "./outcome.ts";
export type { BehaviorTestOptions } from "./scratch_store.ts";
export { type PendingTimer, TestClock } from "./test_clock.ts";
export { TestDatabase } from "./test_database.ts";
