import assert from "node:assert/strict";
import { commandSourced, eventSourced } from "../../../core/actors/behavior.ts";
import type { Codec } from "../../../core/ports/codec.ts";
import { JsonCodec } from "../../../core/codec/json_codec.ts";
import { PersistenceError } from "../../../core/errors/persistence_error.ts";
import { assertFails, casesOf, errorOf, range, withProvider } from "../fixture.ts";
import { keptOf } from "../snapshots/fixture.ts";
import type { ConformanceOptions } from "../types.ts";
import { refusedValues } from "../values.ts";
import {
  Deliveries,
  Problems,
  settled,
  snapshotsOf,
  startAllOn,
  startOn,
  storedOf,
  withActors,
} from "./fixture.ts";

/** Registers the cases about what cannot be stored: it is refused by name, and nothing is lost. */
export function describeStoring(options: ConformanceOptions): void {
  describeInitialStates(options);
  describeStates(options);
  describeDecided(options);
  describeCodec(options);
}

/** States that could be told from what comes back: what is refused in them, and around them. */
const AROUND: readonly (readonly [string, (value: unknown) => unknown])[] = [
  ["", (value) => value],
  [" in an object", (value) => ({ value })],
  [" in an array", (value) => [1, [value]]],
  [" in a Map", (value) => new Map([["value", value]])],
  [" in a Set", (value) => new Set([value])],
];

function describeInitialStates(options: ConformanceOptions): void {
  const check = casesOf(options, "actor initial state", withActors);

  for (const [name, value] of refusedValues) {
    check(`${name} is refused at the start`, async (provider) => {
      for (const [where, wrap] of AROUND) {
        const initialState = wrap(value);
        const handle = () => ({ reply: () => "started" });
        const behaviors = [
          eventSourced({ initialState: initialState as object, handle, apply: (state) => state }),
          commandSourced({ initialState: initialState as object, handle }),
        ];
        for (const behavior of behaviors) {
          // A function is one that creates the state.
          if (typeof initialState === "function") continue;
          const kind = behavior.type;
          const start = [
            () => startOn(provider, behavior as (typeof behaviors)[0], { kind }),
            () => startAllOn(provider, behavior as (typeof behaviors)[0], { kind }),
          ];
          for (const call of start) {
            const error = await assertFails(call, "UNENCODABLE", { kind });
            assert.ok(error.message.length > 0, where);
          }
        }
        const made = eventSourced({
          initialState: () => initialState as object,
          handle,
          apply: (state: object) => state,
        });
        const problems = new Problems();
        const actor = startOn(provider, made, { onProblem: problems.onProblem });
        // Whether it is a promise is looked at before, which such a proxy does not let happen.
        const isPromise = name === "a Promise" || name === "a revoked proxy";
        const code = where === "" && isPromise ? "RECOVERY_FAILED" : "UNENCODABLE";
        await assertFails(() => actor.ask(undefined), code, { actorId: "a" });
        await actor.terminated;
        assert.deepEqual(problems.types, ["stopped"]);
      }
    });
  }

  check("an instance of a class is named, with its place", async (provider) => {
    class Account {
      readonly #cents = 0;
      get cents() {
        return this.#cents;
      }
    }
    const behavior = eventSourced({
      initialState: { accounts: [new Account()] },
      handle: () => ({}),
      apply: (state) => state,
    });
    const error = await assertFails(() => startOn(provider, behavior), "UNENCODABLE");
    assert.match(error.message, /Account/);
    assert.match(error.message, /accounts/);
  });
}

class Money {
  readonly cents: number;
  constructor(cents: number) {
    this.cents = cents;
  }
  plus(cents: number): Money {
    return new Money(this.cents + cents);
  }
}

function describeStates(options: ConformanceOptions): void {
  const check = casesOf(options, "actor state", withActors);

  const retention = { mode: "onSnapshot", retainMessagesBeforeSnapshot: 0 } as const;
  for (const [name, value] of refusedValues) {
    check(`${name} in it: no snapshot is saved, nothing is truncated, nothing is lost`, async (
      provider,
    ) => {
      const reply = (state: Holder) => state.sum;
      const behaviors = [
        eventSourced({
          initialState: { sum: 0 } as Holder,
          handle: (_state: Holder, add: number) => ({ events: [add], reply }),
          apply: (state: Holder, add: number) => ({ sum: state.sum + add, value }),
        }),
        commandSourced({
          initialState: { sum: 0 } as Holder,
          handle: (state: Holder, add: number) => ({
            state: { sum: state.sum + add, value },
            reply,
          }),
        }),
      ];
      for (const behavior of behaviors) {
        const kind = behavior.type;
        for (const life of range(0, 1)) {
          const problems = new Problems();
          const actor = startOn(provider, behavior as (typeof behaviors)[0], {
            kind,
            retention,
            snapshotPolicy: { everyMessages: 1 },
            onProblem: problems.onProblem,
          });
          for (const sum of range(3 * life + 1, 3 * life + 3)) {
            assert.equal(await actor.ask(1), sum);
            await settled(actor);
          }
          const error = await assertFails(() => actor.snapshot(), "UNENCODABLE", { actorId: "a" });
          assert.ok(error instanceof PersistenceError);
          await actor.stop();
          assert.ok(problems.types.length > 0);
          assert.ok(problems.types.every((type) => type === "snapshot"));
        }
        assert.deepEqual(await keptOf(snapshotsOf(provider, kind)), []);
        assert.deepEqual(await storedOf(provider, "a", kind), Array(6).fill(1));
      }
    });
  }

  check("one with methods is recovered by apply, which makes it anew", async (provider) => {
    const behavior = eventSourced({
      initialState: { of: new Map<string, Money>() },
      handle: (_state, cents: number) => ({
        events: [cents],
        reply: ({ of }: { of: Map<string, Money> }) => of.get("x")?.plus(0).cents,
      }),
      apply(state: { of: Map<string, Money> }, cents: number) {
        state.of.set("x", (state.of.get("x") ?? new Money(0)).plus(cents));
        return state;
      },
    });
    for (const life of range(1, 3)) {
      const actor = startOn(provider, behavior, {
        retention,
        snapshotPolicy: { everyMessages: 1 },
      });
      assert.equal(await actor.ask(5), 5 * life);
      await settled(actor);
      await actor.stop();
    }
  });
}

interface Holder {
  readonly sum: number;
  readonly value?: unknown;
}

function describeDecided(options: ConformanceOptions): void {
  const check = casesOf(options, "actor decision", withActors);

  for (const [name, value] of refusedValues) {
    check(`${name} among events, effects, metadata or messages is refused alone`, async (
      provider,
    ) => {
      const deliveries = new Deliveries();
      const outbox = { deliver: deliveries.deliver };
      const events = eventSourced({
        initialState: 0,
        handle: (_sum: number, decision: object) => ({ ...decision, reply: (sum: number) => sum }),
        apply: (sum: number, _event: unknown) => sum + 1,
      });
      const actor = startOn(provider, events, { outbox });
      const good = { events: ["x"], effects: ["mail"] };
      const bad = [
        { events: ["x", value], effects: ["mail"] },
        { events: [{ value }], effects: ["mail"] },
        { events: ["x"], effects: ["mail", value] },
        { events: ["x"], effects: ["mail", [value]] },
        { events: ["x"], effects: ["mail"], metadata: { value } },
      ];
      assert.equal(await actor.ask(good), 1);
      const asked = bad.map((decision) => [actor.ask(decision), actor.ask(good)] as const);
      for (const [index, [refused, kept]] of asked.entries()) {
        await assertFails(() => refused, "UNENCODABLE", { actorId: "a" });
        assert.equal(await kept, index + 2);
      }
      await assertFails(() => actor.ask(good, { metadata: { value } }), "UNENCODABLE");
      await actor.outbox.drained();
      await actor.stop();
      assert.deepEqual(await storedOf(provider), Array(6).fill("x"));
      assert.deepEqual(deliveries.seen.map(({ effect }) => effect), Array(6).fill("mail"));

      const commands = commandSourced({
        initialState: 0,
        handle: (sum: number, _message: unknown) => ({
          state: sum + 1,
          reply: (sum: number) => sum,
        }),
      });
      const other = startOn(provider, commands, { kind: "commands" });
      const told = [other.ask("x"), other.ask(value), other.ask([value]), other.ask("y")];
      assert.equal(await told[0], 1);
      for (const refused of told.slice(1, 3)) {
        await assertFails(() => refused, "UNENCODABLE", { actorId: "a" });
      }
      assert.equal(await told[3], 2);
      await other.stop();
      assert.deepEqual(await storedOf(provider, "a", "commands"), ["x", "y"]);
    });
  }
}

/** A codec that does something else with some texts. */
function trickCodec(
  tricks: { encode?: (text: string) => unknown; decode?: (text: string) => unknown },
): Codec {
  const inner = new JsonCodec();
  return {
    name: "trick",
    encode(value) {
      // What it gives instead of bytes is what the case is about.
      const trick = typeof value === "string" ? tricks.encode?.(value) : undefined;
      return (trick ?? inner.encode(value)) as Uint8Array;
    },
    decode(bytes) {
      const value = inner.decode(bytes);
      return (typeof value === "string" ? tricks.decode?.(value) : undefined) ?? value;
    },
  };
}

function describeCodec(options: ConformanceOptions): void {
  const failure = new Error("so wants the test");
  let isBad = false;
  const texts = eventSourced({
    initialState: [] as readonly string[],
    handle: (_state: readonly string[], event: string) => ({
      ...(event !== "" && { events: [event] }),
      reply: (state: readonly string[]) => state.join(),
    }),
    apply: (state: readonly string[], event: string) => [...state, event],
  });

  const encoding: readonly (readonly [string, () => unknown])[] = [
    ["throws", () => {
      throw failure;
    }],
    ["returns a promise", () => Promise.resolve(new Uint8Array(1))],
    ["returns a promise that rejects", () => Promise.reject(failure)],
    ["returns a text", () => "bytes"],
    ["returns an array", () => [1, 2]],
    ["returns null", () => Object.create(null)],
  ];
  for (const [name, trick] of encoding) {
    const codec = trickCodec({ encode: (text) => text === "bad" ? trick() : undefined });
    const check = casesOf(options, "actor codec", withProvider({ codec }));
    check(`encode ${name}: the message is refused`, async (provider) => {
      const actor = startOn(provider, texts);
      const asked = ["x", "bad", "y"].map((text) => actor.ask(text));
      assert.equal(await asked[0], "x");
      await assertFails(() => asked[1], "UNENCODABLE", { actorId: "a" });
      assert.equal(await asked[2], "x,y");
      await actor.stop();
      assert.deepEqual(await storedOf(provider), ["x", "y"]);
    });
  }

  for (const [name, trick] of encoding.slice(0, 3)) {
    const codec = trickCodec({ decode: (text) => isBad && text === "bad" ? trick() : undefined });
    const check = casesOf(options, "actor codec", withProvider({ codec }));
    check(`decode ${name}: recovery fails, and nothing is lost`, async (provider) => {
      isBad = false;
      const problems = new Problems();
      {
        await using actor = startOn(provider, texts);
        for (const text of ["x", "bad", "y"]) await actor.ask(text);
      }
      isBad = true;
      const actor = startOn(provider, texts, { onProblem: problems.onProblem });
      await assertFails(() => actor.ask(""), "CORRUPT", { actorId: "a", sequenceNumber: 1 });
      await actor.terminated;
      assert.deepEqual(problems.types, ["stopped"]);
      isBad = false;
      await using again = startOn(provider, texts);
      assert.equal(await again.ask(""), "x,bad,y");
    });
  }

  const check = casesOf(options, "actor codec", withActors);
  check("getters of messages may use the actor", async (provider) => {
    const actor = startOn(
      provider,
      eventSourced({
        initialState: 0,
        handle: (_sum: number, event: unknown) => ({
          events: [event],
          reply: (sum: number) => sum,
        }),
        apply: (sum: number, _event: unknown) => sum + 1,
      }),
    );
    let tells = 0;
    const odd = {
      get value() {
        if (tells++ === 0) void actor.tell("told");
        return 7;
      },
    };
    assert.equal(await actor.ask(odd), 1);
    assert.ok(
      await errorOf(() =>
        actor.ask({
          get value(): never {
            throw failure;
          },
        })
      ),
    );
    assert.equal(await actor.ask("last"), 3);
    await actor.stop();
    assert.deepEqual(await storedOf(provider), [{ value: 7 }, "told", "last"]);
  });
}
