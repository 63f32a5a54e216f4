import assert from "node:assert/strict";
import {
  MemoryDatabase,
  MemoryPersistenceProvider,
  type MemoryProviderOptions,
  MemoryStorage,
} from "../adapters/memory.ts";
import { assertFails, assertRefused } from "./conformance/fixture.ts";
import { test } from "./harness.ts";

const BOTH = [MemoryStorage, MemoryPersistenceProvider];
const MISSPELT: readonly [name: string, meant: string, openers: typeof BOTH][] = [
  ["databse", "database", BOTH],
  ["maxByte", "maxBytes", BOTH],
  ["readonly", "readOnly", BOTH],
  ["maxPendingByte", "maxPendingBytes", [MemoryPersistenceProvider]],
];
for (const [name, meant, openers] of MISSPELT) {
  test(`memory options: "${name}" is refused and "${meant}" is named`, async () => {
    for (const opened of openers) {
      const { message } = await assertRefused(() => opened.open({ [name]: 1 }), "type");
      assert.equal(
        message,
        `Cannot open storage: there is no option "${name}", do you mean "${meant}"?`,
      );
    }
  });
}

test("memory options: those of a provider are none of a storage", async () => {
  const options: MemoryProviderOptions = { maxPendingMessages: 5 };
  const { message } = await assertRefused(() => MemoryStorage.open(options), "type");
  assert.ok(message.endsWith('the options are "database", "maxBytes", "readOnly"'), message);
  await (await MemoryPersistenceProvider.open(options)).close();
});

test("memory options: bad values are refused", async () => {
  const refuse = async (options: object, type: "type" | "range") => {
    for (const opened of BOTH) await assertRefused(() => opened.open(options), type);
  };
  for (const maxBytes of [0, -1, 1.5, NaN, Infinity, 2 ** 53]) await refuse({ maxBytes }, "range");
  for (const maxBytes of [null, "5", 5n]) await refuse({ maxBytes }, "type");
  for (const readOnly of [null, 0, "true"]) await refuse({ readOnly }, "type");
  for (const database of [null, "data", {}]) await refuse({ database }, "type");
  for (const options of ["data", 7, null]) await refuse(options as unknown as object, "type");
});

test("memory options: undefined stands for the default, and all of them work", async () => {
  const none: { [Name in keyof MemoryProviderOptions]: unknown } = {
    database: undefined,
    maxBytes: undefined,
    readOnly: undefined,
    codec: undefined,
    backpressure: undefined,
  };
  await (await MemoryPersistenceProvider.open(none as MemoryProviderOptions)).close();

  const database = new MemoryDatabase();
  const first = await MemoryPersistenceProvider.open({ database, maxBytes: 1_000 });
  assert.equal((await first.stats()).storage.limitBytes, 1_000);
  assert.equal(await first.createMessageJournal().append("a", "x"), 0);
  await first.close();
  await using second = await MemoryPersistenceProvider.open({ database, readOnly: true });
  await assertFails(() => second.createMessageJournal().append("a", "y"), "READ_ONLY");
});
