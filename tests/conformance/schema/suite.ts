import { BATCHED, PLAIN } from "../journal/fixture.ts";
import { describeSchemaActors } from "./actor_cases.ts";
import { describeSchemaArguments } from "./argument_cases.ts";
import { describeUnknown, describeUpcasting } from "./journal_cases.ts";
import { describeSnapshotSchema } from "./snapshot_cases.ts";
import { describeStoredGenerations } from "./stored_cases.ts";
import { describeMessageValidation } from "./validation_cases.ts";
import type { ConformanceOptions } from "../types.ts";

/**
 * Registers the cases about schemas on the storage under test: names and versions, upcasting,
 * validation, what is unknown, and data that older code has written.
 *
 * @param options The test runner and the storage under test.
 *
 * @example A storage of one's own, under Node's test runner
 * ```ts
 * import { test } from "node:test";
 * import { describeSchema } from "@cajun/persistence/conformance";
 * import { MemoryDatabase, MemoryStorage } from "@cajun/persistence/memory";
 *
 * describeSchema({
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
export function describeSchema(options: ConformanceOptions): void {
  for (const kind of [PLAIN, BATCHED]) {
    describeUpcasting(options, kind);
    describeUnknown(options, kind);
    describeMessageValidation(options, kind);
    describeStoredGenerations(options, kind);
  }
  describeSnapshotSchema(options);
  describeSchemaActors(options);
  describeSchemaArguments(options);
}
