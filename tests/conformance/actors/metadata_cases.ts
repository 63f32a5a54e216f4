import assert from "node:assert/strict";
import { commandSourced, eventSourced } from "../../../core/actors/behavior.ts";
import { ArgumentTypeError } from "../../../core/errors/persistence_error.ts";
import type { Metadata } from "../../../core/ports/metadata.ts";
import type { PersistenceProvider } from "../../../core/provider.ts";
import { assertFails, casesOf, errorOf, withStorage } from "../fixture.ts";
import { ObservedStorage } from "../observed_storage.ts";
import { textSchema } from "../schema/fixture.ts";
import type { ConformanceOptions } from "../types.ts";
import { journalOf, openOn, Problems, startAllOn, startOn, withActors } from "./fixture.ts";

/** A decision: texts, and what is stored beside them. */
interface Command {
  readonly texts: readonly string[];
  readonly metadata?: Metadata;
}

const texts = eventSourced({
  initialState: [] as readonly string[],
  handle: (_state: readonly string[], { texts, metadata }: Command) => ({
    events: texts,
    ...(metadata !== undefined && { metadata }),
    reply: (state: readonly string[]) => state.length,
  }),
  apply: (state: readonly string[], text: string) => [...state, text],
});

const lines = commandSourced({
  initialState: [] as readonly string[],
  isReadOnly: (line: string) => line === "read",
  handle: (state: readonly string[], line: string) => ({
    state: [...state, line],
    reply: (state: readonly string[]) => state.length,
  }),
});

/** Registers the cases about metadata of messages and decisions. */
export function describeMetadata(options: ConformanceOptions): void {
  const check = casesOf(options, "actor metadata", withActors);

  check("that of the message stands beside each event, that of the decision on top", async (
    provider,
  ) => {
    const trace = { trace: { id: "x", parents: new Set(["y"]) }, tenant: "one" };
    const actor = startOn(provider, texts);
    const asked = [
      actor.ask({ texts: ["a", "b"] }, { metadata: trace }),
      actor.ask({ texts: ["c"], metadata: { tenant: "two", at: new Date(7) } }, {
        metadata: trace,
      }),
      actor.ask({ texts: ["d"], metadata: { cause: "c" } }),
      actor.ask({ texts: ["e"] }),
      actor.tell({ texts: ["f"] }, { metadata: { told: true } }),
      actor.ask({ texts: ["g"], metadata: {} }, { metadata: trace }),
      actor.ask({ texts: ["h"], metadata: { tenant: undefined } }, { metadata: trace }),
    ];
    await Promise.all<unknown>(asked);
    const expected = [
      ["a", trace],
      ["b", trace],
      ["c", { ...trace, tenant: "two", at: new Date(7) }],
      ["d", { cause: "c" }],
      ["e", undefined],
      ["f", { told: true }],
      ["g", trace],
      ["h", { ...trace, tenant: undefined }],
    ];
    assert.deepEqual(await besidesOf(provider), expected);
    await actor.snapshot();
    await actor.stop();
    await using again = startOn(provider, texts);
    assert.equal(await again.ask({ texts: [] }, { metadata: { nothing: true } }), 8);
    assert.deepEqual(await besidesOf(provider), expected, "recovery changes nothing");
  });

  check("with command sourcing it stands beside the message", async (provider) => {
    await using actors = startAllOn(provider, lines);
    await actors.ask("a", "x", { metadata: { trace: 1 } });
    await actors.tell("a", "y", { metadata: { trace: [2] } });
    await actors.ask("a", "z");
    await actors.ask("a", "read", { metadata: { trace: 3 } });
    assert.deepEqual(await besidesOf(provider), [
      ["x", { trace: 1 }],
      ["y", { trace: [2] }],
      ["z", undefined],
    ]);
  });

  const bad: readonly (readonly [string, unknown])[] = [
    ["a text", "trace"],
    ["a number", 7],
    ["null", null],
    ["false", false],
    ["an array", ["trace"]],
    ["a Map", new Map([["trace", 1]])],
    ["a Date", new Date(0)],
    [
      "an instance of a class",
      new (class Trace {
        readonly id = 1;
      })(),
    ],
    ["a function", () => ({})],
  ];
  for (const [name, metadata] of bad) {
    check(`${name} is refused, and so is its message alone`, async (provider) => {
      const options = { metadata: metadata as Metadata };
      const events = startOn(provider, texts);
      const commands = startOn(provider, lines, { kind: "lines" });
      const asked = [
        events.ask({ texts: ["bad"] }, options),
        events.ask({ texts: ["bad"], ...options }),
        events.ask({ texts: ["bad"], ...options }, { metadata: { good: true } }),
        events.ask({ texts: ["bad"], metadata: { good: true } }, options),
        commands.ask("bad", options),
      ];
      for (const call of asked) call.catch(() => {});
      const kept = [events.ask({ texts: ["good"] }), commands.ask("good")];
      for (const call of asked) {
        const error = await errorOf(() => call);
        assert.ok(error instanceof ArgumentTypeError, `${error}`);
        assert.match(error.message, /^Cannot .*metadata/);
      }
      assert.deepEqual(await Promise.all(kept), [1, 1]);
      await Promise.all([events.stop(), commands.stop()]);
      assert.deepEqual(await besidesOf(provider), [["good", undefined]]);
    });
  }

  check("more than 16 KiB of it is TOO_LARGE, also if only both are together", async (provider) => {
    const half = "x".repeat(9_000);
    await using actor = startOn(provider, texts);
    await actor.ask({ texts: ["good"], metadata: { half } });
    const both = () =>
      actor.ask({ texts: ["a"], metadata: { half } }, { metadata: { more: half } });
    await assertFails(both, "TOO_LARGE", { actorId: "a" });
    const one = () => actor.ask({ texts: ["a"] }, { metadata: { x: "x".repeat(17_000) } });
    await assertFails(one, "TOO_LARGE", { actorId: "a" });
    assert.deepEqual(await besidesOf(provider), [["good", { half }]]);
  });

  check("events with a schema have it, too; a tell that is refused for it is reported", async (
    provider,
  ) => {
    const problems = new Problems();
    {
      await using actor = startOn(provider, texts, {
        messageSchema: textSchema(1),
        onProblem: problems.onProblem,
      });
      await actor.ask({ texts: ["x"] }, { metadata: { trace: 1 } });
      void actor.tell({ texts: ["y"] }, { metadata: ["bad"] as unknown as Metadata });
    }
    assert.deepEqual(problems.types, ["message"]);
    const schema = textSchema(2);
    const journal = provider.createMessageJournal({ kind: "test", schema });
    const [entry] = await journal.readFrom("a", 0);
    assert.deepEqual([entry?.message, entry?.metadata], ["x → 2", { trace: 1 }]);
    await using again = startOn(provider, texts, { messageSchema: schema });
    assert.equal(await again.ask({ texts: [] }), 1);
  });

  const two = casesOf(
    options,
    "actor metadata",
    (factory, run: (one: PersistenceProvider, other: PersistenceProvider) => Promise<void>) =>
      withStorage(factory, async (storage) => {
        await using one = await openOn(new ObservedStorage(storage));
        await using other = await openOn(new ObservedStorage(storage));
        await run(one, other);
      }),
  );
  two("what is decided again after a conflict has it, too", async (one, other) => {
    const first = startOn(one, texts);
    await first.recovered;
    const second = startOn(other, texts);
    await second.ask({ texts: ["other"] }, { metadata: { by: "other" } });
    await Promise.all([
      first.ask({ texts: ["a"] }, { metadata: { by: 1 } }),
      first.ask({ texts: ["b"], metadata: { of: "b" } }, { metadata: { by: 2 } }),
    ]);
    assert.deepEqual(await besidesOf(one), [
      ["other", { by: "other" }],
      ["a", { by: 1 }],
      ["b", { by: 2, of: "b" }],
    ]);
    await Promise.all([first.stop(), second.stop()]);
  });
}

/** The messages of an actor's journal, each with what stands beside it. */
async function besidesOf(provider: PersistenceProvider): Promise<unknown[]> {
  const entries = await journalOf(provider).readFrom("a", 0);
  return entries.map(({ message, metadata }) => [message, metadata]);
}
