/**
 * The suite about recovery, and about actors on top of it.
 *
 * @module
 */

import { describeAliasing } from "./aliasing_cases.ts";
import { describeShared } from "./sharing_cases.ts";
import { describeCallbacks } from "./callback_cases.ts";
import { describeConsumers } from "./consumer_cases.ts";
import { describeDeadlocks } from "./deadlock_cases.ts";
import { describeDebug } from "./debug_cases.ts";
import { describeDeadLetters } from "./dead_letter_cases.ts";
import { describeFailures } from "./failure_cases.ts";
import { describeFullStorage } from "./full_cases.ts";
import { describeActorFollowing } from "./follow_cases.ts";
import { describeActorKinds } from "./kind_cases.ts";
import { describeActorLimits } from "./limit_cases.ts";
import { describeMessages } from "./message_cases.ts";
import { describeOutbox } from "./outbox_cases.ts";
import { describePoison } from "./poison_cases.ts";
import { describeLateWrites } from "./late_write_cases.ts";
import { describeRemoved } from "./removed_cases.ts";
import { describeResults } from "./result_cases.ts";
import { describeResumption } from "./resume_cases.ts";
import { describeActorRetention } from "./retention_cases.ts";
import { describeMarks } from "./mark_cases.ts";
import { describeMetadata } from "./metadata_cases.ts";
import { describeObservers } from "./observer_cases.ts";
import { describeSnapshotting } from "./snapshot_cases.ts";
import { describeManyActors } from "./stateful_actors_cases.ts";
import { describeStoring } from "./storing_cases.ts";
import { describeRefusals } from "./supervision_cases.ts";
import { describeTold } from "./told_cases.ts";
import { describeRecovery } from "../recovery/recover_cases.ts";
import type { ConformanceOptions } from "../types.ts";

/**
 * Registers the cases about recovery and stateful actors.
 *
 * @param options The test runner and the storage under test.
 *
 * @example A storage of one's own, under Node's test runner
 * ```ts
 * import { test } from "node:test";
 * import { describeActors } from "@cajun/persistence/conformance";
 * import { MemoryDatabase, MemoryStorage } from "@cajun/persistence/memory";
 *
 * describeActors({
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
export function describeActors(options: ConformanceOptions): void {
  describeRecovery(options);
  describeMessages(options);
  describeActorLimits(options);
  describeFailures(options);
  describeRefusals(options);
  describeSnapshotting(options);
  describeActorRetention(options);
  describeConsumers(options);
  describeOutbox(options);
  describeManyActors(options);
  describeActorFollowing(options);
  describeDeadlocks(options);
  describeTold(options);
  describeCallbacks(options);
  describeObservers(options);
  describeStoring(options);
  describeAliasing(options);
  describeShared(options);
  describeResults(options);
  describeFullStorage(options);
  describeDeadLetters(options);
  describePoison(options);
  describeResumption(options);
  describeDebug(options);
  describeActorKinds(options);
  describeMarks(options);
  describeMetadata(options);
  describeRemoved(options);
  describeLateWrites(options);
}
