import { describeKindChanges, describeKindErrors, describeKindIsolation } from "./cases.ts";
import { describeActorList } from "./actor_list_cases.ts";
import { describeKindList } from "./list_cases.ts";
import type { ConformanceOptions } from "../types.ts";

/**
 * Registers the cases about kinds of actors: that actors of different kinds share nothing, whatever
 * the characters of kinds and ids, and how they are listed.
 *
 * @param options The test runner and the storage under test.
 *
 * @example A storage of one's own, under Node's test runner
 * ```ts
 * import { test } from "node:test";
 * import { describeKinds } from "@cajun/persistence/conformance";
 * import { MemoryDatabase, MemoryStorage } from "@cajun/persistence/memory";
 *
 * describeKinds({
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
export function describeKinds(options: ConformanceOptions): void {
  describeKindIsolation(options);
  describeKindChanges(options);
  describeKindErrors(options);
  describeKindList(options);
  describeActorList(options);
}
