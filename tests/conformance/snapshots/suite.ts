import { describeSnapshotArguments, describeSnapshotClosing } from "./argument_cases.ts";
import { describeSnapshotFailure } from "./failure_cases.ts";
import { describeSnapshotCriteria, describeSnapshotSaving } from "./store_cases.ts";
import { describeSnapshotDeletion, describeSnapshotRetention } from "./retention_cases.ts";
import type { ConformanceOptions } from "../types.ts";

/**
 * Registers the cases about snapshot stores on the storage under test: saving, loading by criteria,
 * how many are kept, deletion, bad input, damage and failure.
 *
 * @param options The test runner and the storage under test.
 *
 * @example A storage of one's own, under Node's test runner
 * ```ts
 * import { test } from "node:test";
 * import { describeSnapshotStore } from "@cajun/persistence/conformance";
 * import { MemoryDatabase, MemoryStorage } from "@cajun/persistence/memory";
 *
 * describeSnapshotStore({
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
export function describeSnapshotStore(options: ConformanceOptions): void {
  describeSnapshotSaving(options);
  describeSnapshotCriteria(options);
  describeSnapshotRetention(options);
  describeSnapshotDeletion(options);
  describeSnapshotArguments(options);
  describeSnapshotClosing(options);
  describeSnapshotFailure(options);
}
