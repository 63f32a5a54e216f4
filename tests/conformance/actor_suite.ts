/**
 * The suite about recovery, and about actors on top of it.
 *
 * @module
 */

import { describeFailures } from "./actor_failure_cases.ts";
import { describeMessages } from "./actor_message_cases.ts";
import { describeOutbox } from "./actor_outbox_cases.ts";
import { describeSnapshotting } from "./actor_snapshot_cases.ts";
import { describeManyActors } from "./actors_cases.ts";
import { describeRecovery } from "./recovery_cases.ts";
import type { ConformanceOptions } from "./types.ts";

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
  describeFailures(options);
  describeSnapshotting(options);
  describeOutbox(options);
  describeManyActors(options);
}
