/**
 * The cases about deleting and erasing actors.
 *
 * @module
 */

import { describeRemovalConcurrency, describeRemovalFailures } from "./concurrency_cases.ts";
import { describeRemovalDamage } from "./damage_cases.ts";
import { describeRemovalHistories } from "./history_cases.ts";
import { describeInterruptedRemovals } from "./interrupted_cases.ts";
import { describeRemovalMeanwhile } from "./meanwhile_cases.ts";
import { describeRemovalReaders } from "./reader_cases.ts";
import { describeRemovalCases } from "./removal_cases.ts";
import { describeRemovalRetention } from "./retention_cases.ts";
import { describeRemovalSteps } from "./step_cases.ts";
import type { ConformanceOptions } from "../types.ts";

/**
 * Registers the cases about deleting and erasing actors: that nothing is left, at whatever moment it
 * is interrupted, and that nobody sees half of an actor.
 *
 * @param options The test runner and the storage under test.
 *
 * @example A storage of one's own, under Node's test runner
 * ```ts
 * import { test } from "node:test";
 * import { describeRemoval } from "@cajun/persistence/conformance";
 * import { MemoryDatabase, MemoryStorage } from "@cajun/persistence/memory";
 *
 * describeRemoval({
 *   test,
 *   factory: {
 *     supports: (await MemoryStorage.open()).supports,
 *     createPlace() {
 *       const database = new MemoryDatabase();
 *       return Promise.resolve({
 *         openStorage: ({ readOnly = false, limitBytes } = {}) =>
 *           MemoryStorage.open({
 *             database,
 *             readOnly,
 *             ...(limitBytes !== undefined && { maxBytes: limitBytes }),
 *           }),
 *         cleanup: () => Promise.resolve(),
 *       });
 *     },
 *   },
 * });
 * ```
 */
export function describeRemoval(options: ConformanceOptions): void {
  describeRemovalCases(options);
  describeRemovalSteps(options);
  describeInterruptedRemovals(options);
  describeRemovalHistories(options);
  describeRemovalConcurrency(options);
  describeRemovalFailures(options);
  describeRemovalReaders(options);
  describeRemovalMeanwhile(options);
  describeRemovalDamage(options);
  describeRemovalRetention(options);
}
