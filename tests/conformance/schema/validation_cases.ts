import assert from "node:assert/strict";
import { assertFails, casesOf, outcomesOf } from "../fixture.ts";
import { type JournalKind, messagesOf, withJournal } from "../journal/fixture.ts";
import { ADDED, CART, type CartEvent, REMOVED, textSchema } from "./fixture.ts";
import type { ConformanceOptions } from "../types.ts";

/** Registers the cases about validation. */
export function describeMessageValidation(options: ConformanceOptions, kind: JournalKind): void {
  const suite = `${kind.name} validation`;
  const check = casesOf(options, suite, withJournal(kind));
  const limited = casesOf(options, suite, withJournal(kind, { maxMessageBytes: 20 }));
  const invalid = { ...ADDED, cents: "free" } as unknown as CartEvent;

  check("what is not valid is refused before anything is stored, with no gap", async (_, scene) => {
    const journal = scene.create(undefined, CART);
    const calls = [
      journal.append("a", ADDED),
      journal.append("a", invalid),
      journal.appendBatch("a", [REMOVED, invalid]),
      journal.append("a", REMOVED),
      journal.append("a", { type: "sold" } as unknown as CartEvent),
      journal.append("a", null as unknown as CartEvent),
      journal.append("a", { type: Object.create(null) } as unknown as CartEvent),
    ];
    assert.deepEqual(await outcomesOf(calls), [
      0,
      "VALIDATION_FAILED",
      "VALIDATION_FAILED",
      1,
      "UNKNOWN_SCHEMA",
      "UNKNOWN_SCHEMA",
      "UNKNOWN_SCHEMA",
    ]);
    assert.deepEqual(await messagesOf(journal), [ADDED, REMOVED]);
    const call = () => journal.append("a", invalid);
    const error = await assertFails(call, "VALIDATION_FAILED", { actorId: "a" });
    assert.deepEqual(error.issues, [{ message: "must be a number", path: ["cents"] }]);
    assert.match(error.message, /version 3 of "item added": at cents: must be a number$/);
    assert.deepEqual({ ...journal.pending }, { messages: 0, bytes: 0 });
  });

  check("a stream errors at what is not valid, and what was before it is stored", async (
    _,
    scene,
  ) => {
    const journal = scene.create(undefined, CART);
    const writer = journal.writable("a").getWriter();
    const writes = outcomesOf([ADDED, REMOVED, invalid, ADDED].map((event) => writer.write(event)));
    const closed = outcomesOf([writer.closed]);
    assert.deepEqual((await writes).slice(0, 3), [undefined, undefined, "VALIDATION_FAILED"]);
    assert.deepEqual(await closed, ["VALIDATION_FAILED"]);
    assert.deepEqual(await messagesOf(journal), [ADDED, REMOVED]);
  });

  check("what is read is validated, also after it was upcast", async (_, scene) => {
    await scene.create<string>(undefined, { name: "item added", version: 1 }).append("a", "x");
    await scene.create<string>(undefined, { name: "item added", version: 3 }).append("b", "x");
    const journal = scene.create(undefined, CART);
    for (const actorId of ["a", "b"]) {
      const error = await assertFails(() => journal.readFrom(actorId, 0), "VALIDATION_FAILED", {
        actorId,
        sequenceNumber: 0,
      });
      assert.ok(error.issues && error.issues.length > 0);
    }
  });

  check("a validator only checks: what it makes of a value changes nothing", async (_, scene) => {
    const journal = scene.create<unknown>(undefined, {
      name: "any",
      version: 1,
      validator: {
        "~standard": { version: 1, vendor: "test", validate: () => ({ value: "changed" }) },
      },
    });
    await journal.append("a", { kept: true });
    assert.deepEqual(await messagesOf(journal), [{ kept: true }]);
  });

  check("an asynchronous validator is refused, and one that throws is the cause", async (
    _,
    scene,
  ) => {
    const reason = new Error("broken");
    const validators: (() => unknown)[] = [
      () => Promise.resolve({ value: 1 }),
      () => Promise.reject(reason),
      () => {
        throw reason;
      },
      () => undefined,
    ];
    for (const validate of validators) {
      const journal = scene.create<unknown>(undefined, {
        name: "any",
        version: 1,
        validator: {
          "~standard": { version: 1, vendor: "test", validate: validate as () => { value: 1 } },
        },
      });
      const error = await assertFails(() => journal.append("a", 1), "VALIDATION_FAILED");
      assert.ok(error.cause instanceof TypeError || error.cause === reason);
      assert.equal(error.issues, undefined);
      assert.equal(await journal.getHighestSequenceNumber("a"), -1);
    }
  });

  limited("the name counts for the size limit", async (_, scene) => {
    const journal = scene.create(undefined, textSchema(1));
    const tagBytes = 2 + "text".length;
    const longest = "x".repeat(20 - tagBytes - 1);
    await journal.append("a", longest);
    await assertFails(() => journal.append("a", `${longest}x`), "TOO_LARGE");
    assert.deepEqual(await messagesOf(journal), [longest]);
  });
}
