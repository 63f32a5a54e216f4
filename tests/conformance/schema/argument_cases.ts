import assert from "node:assert/strict";
import type { Schema } from "../../../core/ports/schema.ts";
import { assertThrowsRefused, casesOf, withProvider } from "../fixture.ts";
import { bad } from "../ids.ts";
import { textSchema, validatorOf } from "./fixture.ts";
import type { ConformanceOptions } from "../types.ts";

const identity = (value: unknown) => value;
const note = { name: "note", version: 1 };
const typeOf = () => "note";

const BAD_SCHEMAS: readonly [string, unknown, "type" | "range"][] = [
  ["null", null, "type"],
  ["a text", "note", "type"],
  ["without a name", { version: 1 }, "type"],
  ["an empty name", { name: "", version: 1 }, "range"],
  ["a name of 256 bytes", { name: "é".repeat(128), version: 1 }, "range"],
  ["a name with a lone surrogate", { name: "\ud83d", version: 1 }, "range"],
  ["a reserved name", { name: "@cajun/actor", version: 1 }, "range"],
  ["a name that is a number", { name: 5, version: 1 }, "type"],
  ["without a version", { name: "note" }, "type"],
  ["version 0", { name: "note", version: 0 }, "range"],
  ["version 1.5", { name: "note", version: 1.5 }, "range"],
  ["version 2^31", { name: "note", version: 2 ** 31 }, "range"],
  ["a version that is a text", { name: "note", version: "1" }, "type"],
  ["a validator that is a function", { ...note, validator: identity }, "type"],
  ["a validator that is null", { ...note, validator: null }, "type"],
  ["a validator that is a text", { ...note, validator: "string" }, "type"],
  ["a validator of a newer interface", {
    ...note,
    validator: { "~standard": { version: 2, vendor: "test", validate: identity } },
  }, "type"],
  ["upcasters that are a function", { ...note, upcasters: identity }, "type"],
  ["an upcaster that is a text", { ...note, version: 2, upcasters: { 1: "x" } }, "type"],
  ["an upcaster from the current version", { ...note, upcasters: { 1: identity } }, "range"],
  ["an upcaster from version 0", { ...note, version: 2, upcasters: { 0: identity } }, "range"],
  ["an upcaster from a name", { ...note, version: 2, upcasters: { note: identity } }, "range"],
  ["an upcaster from 01", { ...note, version: 2, upcasters: { "01": identity } }, "range"],
  ["a chain that ends early", { ...note, version: 3, upcasters: { 1: identity } }, "range"],
  [
    "a chain with a hole",
    { ...note, version: 4, upcasters: { 1: identity, 3: identity } },
    "range",
  ],
  ["unversioned that is null", { ...note, unversioned: null }, "type"],
  ["unversioned of another type", { ...note, unversioned: { name: "x", version: 1 } }, "range"],
  [
    "unversioned of a version that cannot be read",
    { ...note, version: 3, upcasters: { 2: identity }, unversioned: note },
    "range",
  ],
  ["onUnknown that is a text", { ...note, onUnknown: "x" }, "type"],
  ["types that are none", { types: note, typeOf }, "type"],
  ["no types", { types: [], typeOf }, "range"],
  ["types without typeOf", { types: [note] }, "type"],
  ["the same type twice", { types: [note, { ...note, version: 2 }], typeOf }, "range"],
  ["types and a name", { ...note, types: [note], typeOf }, "type"],
  ["types and a validator", { types: [note], typeOf, validator: validatorOf(() => []) }, "type"],
  ["types and upcasters", { types: [note], typeOf, upcasters: {} }, "type"],
  ["typeOf without types", { ...note, typeOf }, "type"],
  ["a type that is bad", { types: [note, { name: "", version: 1 }], typeOf }, "range"],
];

/** Versions that have upcasters, and the oldest version after them that has none. */
const BROKEN_CHAINS: readonly [versions: readonly number[], missing: number][] = [
  [[1, 2], 3],
  [[1, 3], 2],
  [[1], 2],
  [[2], 3],
];

/** Registers the cases about schemas that are refused when a journal or a store is created. */
export function describeSchemaArguments(options: ConformanceOptions): void {
  const onProvider = casesOf(options, "schema argument", withProvider());

  for (const [name, schema, type] of BAD_SCHEMAS) {
    onProvider(`${name} is refused at once`, (provider) => {
      const options = { schema: bad<Schema<unknown>>(schema) };
      assertThrowsRefused(() => provider.createMessageJournal(options), type);
      assertThrowsRefused(() => provider.createBatchedMessageJournal(options), type);
      assertThrowsRefused(() => provider.createSnapshotStore(options), type);
      return Promise.resolve();
    });
  }

  for (const [versions, missing] of BROKEN_CHAINS) {
    onProvider(`version 4 with upcasters from ${versions}: ${missing} is missing`, (provider) => {
      const upcasters = Object.fromEntries(versions.map((version) => [version, identity]));
      const schema = { ...note, version: 4, upcasters };
      const message = new RegExp(`no upcaster from version ${missing},`);
      assert.throws(() => provider.createMessageJournal({ schema }), { message });
      return Promise.resolve();
    });
  }

  onProvider("what is allowed to the limit is taken", async (provider) => {
    const name = "é".repeat(127) + "x";
    const schema = { ...textSchema(3, 2), name, version: 2 ** 31 - 1, upcasters: {} };
    const journal = provider.createMessageJournal<string>({ actorId: "a", schema });
    await journal.append("a", "x");
    const [entry] = await journal.readFrom("a", 0);
    assert.deepEqual(entry?.schema, { name, version: 2 ** 31 - 1 });
    assertThrowsRefused(() => provider.createMessageJournal({ schema, actorId: "" }), "range");
  });

  onProvider("what is undefined is as if left out", async (provider) => {
    const none = { validator: undefined, upcasters: undefined };
    const one = { ...note, ...none, types: undefined, typeOf: undefined, onUnknown: undefined };
    const several = { ...none, types: [{ ...note, ...none }], typeOf, name: undefined };
    for (const [index, schema] of [one, several].entries()) {
      const journal = provider.createMessageJournal({ schema: bad<Schema<unknown>>(schema) });
      assert.equal(await journal.append("a", "x"), index);
      assert.deepEqual((await journal.readFrom("a", index))[0]?.schema, note);
    }
  });

  onProvider("a validator may be a function, as those of some libraries are", async (provider) => {
    const validator = Object.assign(() => {}, validatorOf<string>(() => []));
    const journal = provider.createMessageJournal({ schema: { ...textSchema(1), validator } });
    assert.equal(await journal.append("a", "x"), 0);
  });
}
