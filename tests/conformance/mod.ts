/**
 * The suites that a storage must pass, for any test runner. If you write a {@linkcode Storage} for
 * another engine, they show whether it keeps what core relies on.
 *
 * They import no runner, and skip a case only if the storage says in its `supports` that it cannot
 * do what the case needs.
 *
 * @module
 */

import { describeActors } from "./actors/suite.ts";
import { describeBatchedJournal } from "./batching/suite.ts";
import { describeJournal } from "./journal/suite.ts";
import { describeKinds } from "./kinds/suite.ts";
import { describeProvider } from "./provider/suite.ts";
import { describeReopen } from "./recovery/reopen_suite.ts";
import { describeRemoval } from "./removal/suite.ts";
import { describeSchema } from "./schema/suite.ts";
import { describeSnapshotStore } from "./snapshots/suite.ts";
import { describeStorage } from "./storage/suite.ts";
import type { ConformanceOptions } from "./types.ts";

export { describeActors } from "./actors/suite.ts";
export { describeBatchedJournal } from "./batching/suite.ts";
export { describeJournal } from "./journal/suite.ts";
export { describeKinds } from "./kinds/suite.ts";
export { describeProvider } from "./provider/suite.ts";
export { describeReopen } from "./recovery/reopen_suite.ts";
export { describeRemoval } from "./removal/suite.ts";
export { describeSchema } from "./schema/suite.ts";
export { describeSnapshotStore } from "./snapshots/suite.ts";
export { describeStorage } from "./storage/suite.ts";
export type {
  ConformanceOptions,
  OpenStorageOptions,
  StorageFactory,
  StoragePlace,
  TestFunction,
} from "./types.ts";
export type { Storage, StorageSupports } from "../../core/ports/storage.ts";

/**
 * Registers all suites: storage, journal, batched journal, snapshot store, provider, kinds, schema,
 * reopen, removal and actors.
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
  describeKinds(options);
  describeSchema(options);
  describeReopen(options);
  describeRemoval(options);
  describeActors(options);
}
