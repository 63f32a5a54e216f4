import {
  describeAdaptiveBatching,
  describeBatchBytes,
  describeBatchedStream,
} from "./adaptive_cases.ts";
import { describeBatchCompany, describeFlush } from "./flush_cases.ts";
import { describeBatchDelay, describeBatchSize } from "./policy_cases.ts";
import { BATCHED } from "../journal/fixture.ts";
import { describeJournalKind } from "../journal/suite.ts";
import type { ConformanceOptions } from "../types.ts";

/**
 * Registers the cases about batched journals on the storage under test: everything that holds of
 * journals, and batch size, bytes, delay, adaptive batches and `flush`.
 *
 * @param options The test runner and the storage under test.
 *
 * @example A storage of one's own, under Node's test runner
 * ```ts
 * import { test } from "node:test";
 * import { describeBatchedJournal } from "@cajun/persistence/conformance";
 * import { MemoryDatabase, MemoryStorage } from "@cajun/persistence/memory";
 *
 * describeBatchedJournal({
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
export function describeBatchedJournal(options: ConformanceOptions): void {
  describeJournalKind(options, BATCHED);
  describeBatchSize(options);
  describeBatchDelay(options);
  describeBatchBytes(options);
  describeAdaptiveBatching(options);
  describeBatchedStream(options);
  describeFlush(options);
  describeBatchCompany(options);
}
