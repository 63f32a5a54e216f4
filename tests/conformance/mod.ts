/**
 * The suites that a storage must pass, for any test runner: so that whoever writes a
 * {@linkcode Storage} for another engine can find out whether it keeps what core relies on.
 *
 * They import no runner, and skip a case only where the storage says in its `supports` that it
 * cannot do what the case needs.
 *
 * @module
 */

import { describeActors } from "./actor_suite.ts";
import { describeBatchedJournal } from "./batched_journal_suite.ts";
import { describeJournal } from "./journal_suite.ts";
import { describeProvider } from "./provider_suite.ts";
import { describeReopen } from "./reopen_suite.ts";
import { describeSchema } from "./schema_suite.ts";
import { describeSnapshotStore } from "./snapshot_store_suite.ts";
import { describeStorage } from "./storage_suite.ts";
import type { ConformanceOptions } from "./types.ts";

export { describeActors } from "./actor_suite.ts";
export { describeBatchedJournal } from "./batched_journal_suite.ts";
export { describeJournal } from "./journal_suite.ts";
export { describeProvider } from "./provider_suite.ts";
export { describeReopen } from "./reopen_suite.ts";
export { describeSchema } from "./schema_suite.ts";
export { describeSnapshotStore } from "./snapshot_store_suite.ts";
export { describeStorage } from "./storage_suite.ts";
export type {
  ConformanceOptions,
  OpenStorageOptions,
  StorageFactory,
  StoragePlace,
  TestFunction,
} from "./types.ts";
export type { Storage, StorageSupports } from "../../core/storage.ts";

/**
 * Registers all suites: storage, journal, batched journal, snapshot store, provider, schema, reopen
 * and actors.
 *
 * @param options The test runner and the storage under test.
 *
 * @example A storage of one's own, under Node's test runner
 * ```ts
 * import { test } from "node:test";
 * import { conformance } from "@cajun/persistence/conformance";
 * import { MemoryDatabase, MemoryStorage } from "@cajun/persistence/memory";
 *
 * conformance({
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
export function conformance(options: ConformanceOptions): void {
  describeStorage(options);
  describeJournal(options);
  describeBatchedJournal(options);
  describeSnapshotStore(options);
  describeProvider(options);
  describeSchema(options);
  describeReopen(options);
  describeActors(options);
}
