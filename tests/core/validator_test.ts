import assert from "node:assert/strict";
import { type } from "arktype";
import * as v from "valibot";
import { z } from "zod";
import { MemoryPersistenceProvider } from "../../adapters/memory.ts";
import { MsgpackrCodec } from "../../adapters/msgpackr.ts";
import type { Codec } from "../../core/ports/codec.ts";
import { JsonCodec } from "../../core/codec/json_codec.ts";
import { MessagePackCodec } from "../../core/codec/msgpack_codec.ts";
import type { Schema } from "../../core/ports/schema.ts";
import type { StandardSchema } from "../../core/ports/standard_schema.ts";
import { assertFails } from "../conformance/fixture.ts";
import { test } from "../harness.ts";

interface Deposit {
  cents: number;
  currency: string;
}

/** The same validator in three libraries. */
const VALIDATORS: readonly [string, StandardSchema<Deposit>][] = [
  ["zod", z.object({ cents: z.number().int().positive(), currency: z.string().length(3) })],
  [
    "valibot",
    v.object({
      cents: v.pipe(v.number(), v.integer(), v.minValue(1)),
      currency: v.pipe(v.string(), v.length(3)),
    }),
  ],
  ["arktype", type({ cents: "number.integer > 0", currency: "string == 3" })],
];

const CODECS: readonly [string, Codec][] = [
  ["msgpack", new MessagePackCodec()],
  ["msgpackr", new MsgpackrCodec()],
  ["json", new JsonCodec()],
];

for (const [library, validator] of VALIDATORS) {
  for (const [name, codec] of CODECS) {
    test(`a validator of ${library} checks what is written and read, in ${name}`, async () => {
      await using provider = await MemoryPersistenceProvider.open({ codec });
      const schema: Schema<Deposit> = {
        name: "deposit",
        version: 2,
        validator,
        upcasters: { 1: (amount: number) => ({ cents: 100 * amount, currency: "EUR" }) },
      };
      const old = provider.createMessageJournal<number>({
        schema: { name: "deposit", version: 1 },
      });
      await old.appendBatch("a", [5, -5]);
      const journal = provider.createMessageJournal({ schema });
      const bad = { cents: 1.5, currency: "EUR" };
      const writing = await assertFails(() => journal.append("a", bad), "VALIDATION_FAILED");
      assert.equal(writing.issues?.length, 1);
      assert.match(writing.message, /at cents: /);
      const deposit = { cents: 50, currency: "CHF", note: "kept" };
      assert.equal(await journal.append("a", deposit), 2);

      const [first] = await journal.readFrom("a", 0, { to: 0 });
      assert.deepEqual(first?.message, { cents: 500, currency: "EUR" });
      const [last] = await journal.readFrom("a", 2);
      assert.deepEqual(last?.message, deposit, "it only checks, and removes nothing");
      const place = { actorId: "a", sequenceNumber: 1 };
      const reading = await assertFails(
        () => journal.readFrom("a", 0),
        "VALIDATION_FAILED",
        place,
      );
      assert.match(reading.message, /at cents: /);

      const snapshots = provider.createSnapshotStore({ schema });
      await assertFails(() => snapshots.saveSnapshot("a", bad, 0), "VALIDATION_FAILED");
      await snapshots.saveSnapshot("a", deposit, 0);
      assert.deepEqual((await snapshots.getLatestSnapshot("a"))?.state, deposit);
    });
  }
}

test("an asynchronous validator of a library is refused", async () => {
  await using provider = await MemoryPersistenceProvider.open();
  const validators = [
    z.string().refine(() => Promise.resolve(true)),
    v.pipeAsync(v.string(), v.checkAsync(() => Promise.resolve(true))),
  ];
  for (const validator of validators) {
    const schema = { name: "note", version: 1, validator };
    const journal = provider.createMessageJournal<string>({ schema });
    const error = await assertFails(() => journal.append("a", "x"), "VALIDATION_FAILED");
    assert.match(error.message, /async/i);
  }
});

test("types: messages are what the validator accepts, and a schema that converts is not a validator", () => {
  const union: Schema<{ type: "a"; n: number } | { type: "b" }> = {
    types: [
      { name: "a", version: 1, validator: z.object({ type: z.literal("a"), n: z.number() }) },
      { name: "b", version: 1, validator: v.object({ type: v.literal("b") }) },
    ],
    typeOf: (message) => message.type,
  };
  assert.equal(union.types.length, 2);
  // @ts-expect-error it accepts strings and returns numbers: which should be stored?
  const converting: StandardSchema<number> = z.string().transform(Number);
  // @ts-expect-error it accepts other objects
  const other: StandardSchema<Deposit> = z.object({ cents: z.number() });
  assert.ok(converting && other);
});
