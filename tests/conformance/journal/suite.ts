import { describeAppend, describeAppendBatch } from "./append_cases.ts";
import { describeActorIds, describeBadArguments, describeClosing } from "./argument_cases.ts";
import { describeCollectedLogDamage } from "./collected_log_damage_cases.ts";
import { describeDamage } from "./damage_cases.ts";
import { describeTailDamage } from "./tail_damage_cases.ts";
import { describeKeyDamage } from "./key_damage_cases.ts";
import { describeLogDamage } from "./log_damage_cases.ts";
import { describeAbort, describeExpectation } from "./expectation_cases.ts";
import { describeReceipts } from "./receipt_cases.ts";
import { describeWordExpectation } from "./word_expectation_cases.ts";
import { describeFailure } from "./failure_cases.ts";
import { describeFollowing, describeFollowingByTime } from "./follow_cases.ts";
import { type JournalKind, PLAIN } from "./fixture.ts";
import { describeBackpressure, describeConcurrency } from "./order_cases.ts";
import { describeMetadata, describeMetadataRefusals } from "./metadata_cases.ts";
import { describePending } from "./pending_cases.ts";
import { describeReading, describeReplay } from "./read_cases.ts";
import { describeReverseReading, describeSlices } from "./slice_cases.ts";
import { describeReadable, describeWritable } from "./stream_cases.ts";
import { describeStart } from "./start_cases.ts";
import { describeTruncation } from "./truncate_cases.ts";
import { describeTruncationSteps } from "./truncate_step_cases.ts";
import type { ConformanceOptions } from "../types.ts";

/**
 * Registers the cases about journals on the storage under test: appending, reading, truncation,
 * order, limits, bad input, damage and failure.
 *
 * @param options The test runner and the storage under test.
 *
 * @example A storage of one's own, under Node's test runner
 * ```ts
 * import { test } from "node:test";
 * import { describeJournal } from "@cajun/persistence/conformance";
 * import { MemoryDatabase, MemoryStorage } from "@cajun/persistence/memory";
 *
 * describeJournal({
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
export function describeJournal(options: ConformanceOptions): void {
  describeJournalKind(options, PLAIN);
  describeDamage(options);
  describeTailDamage(options);
  describeKeyDamage(options);
  describeLogDamage(options);
  describeCollectedLogDamage(options);
}

/**
 * Registers the cases that hold of every kind of journal.
 *
 * @param options The test runner and the storage under test.
 * @param kind The kind.
 */
export function describeJournalKind(options: ConformanceOptions, kind: JournalKind): void {
  describeAppend(options, kind);
  describeAppendBatch(options, kind);
  describeExpectation(options, kind);
  describeWordExpectation(options, kind);
  describeReceipts(options, kind);
  describeAbort(options, kind);
  describeMetadata(options, kind);
  describeMetadataRefusals(options, kind);
  describeReading(options, kind);
  describeReplay(options, kind);
  describeSlices(options, kind);
  describeReverseReading(options, kind);
  describeFollowing(options, kind);
  describeFollowingByTime(options, kind);
  describeStart(options, kind);
  describeTruncation(options, kind);
  describeTruncationSteps(options, kind);
  describeBadArguments(options, kind);
  describeActorIds(options, kind);
  describeClosing(options, kind);
  describeConcurrency(options, kind);
  describeBackpressure(options, kind);
  describePending(options, kind);
  describeWritable(options, kind);
  describeReadable(options, kind);
  describeFailure(options, kind);
}
