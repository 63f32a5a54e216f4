import assert from "node:assert/strict";
import { commandSourced, eventSourced } from "../../../core/actors/behavior.ts";
import { ArgumentRangeError, ArgumentTypeError } from "../../../core/errors/persistence_error.ts";
import { casesOf, errorOf } from "../fixture.ts";
import type { ConformanceOptions } from "../types.ts";
import { Deliveries, journalOf, Problems, startOn, storedOf, turn, withActors } from "./fixture.ts";

class Decision {
  readonly events = ["x"];
}

/** What no handler may return, whatever is journaled, and what the error names. */
const BAD: readonly (readonly [string, unknown, RegExp])[] = [
  ["a number", 7, /not a number|not number/],
  ["zero", 0, /number/],
  ["a text", "x", /string/],
  ["true", true, /boolean/],
  ["false", false, /boolean/],
  ["null", null, /null/],
  ["a symbol", Symbol("x"), /symbol/],
  ["a function", () => ({}), /function/],
  ["an array", [{ add: 1 }], /an array/],
  ["an empty array", [], /an array/],
  ["a misspelt name", { replly: () => 1 }, /"replly"/],
  ["a name in capitals", { Reply: () => 1 }, /"Reply"/],
  ["a name in the singular", { effect: "mail" }, /"effect"/],
  ["a name of JavaScript", { toString: 1 }, /"toString"/],
  ["a name beside good ones", { reply: () => 1, then: 7 }, /"then"/],
  ["__proto__ of its own", JSON.parse('{"__proto__":1}'), /"__proto__"/],
  ["a reply that is no function", { reply: 7 }, /reply must be a function/],
  ["a reply that is null", { reply: null }, /reply must be a function/],
  ["a reply that is a promise", { reply: Promise.resolve(7) }, /reply must be a function/],
  ["an afterPersist that is no function", { afterPersist: {} }, /afterPersist must be a function/],
  ["effects that are one effect", { effects: "mail" }, /effects must be an array/],
  ["effects that are a Set", { effects: new Set(["mail"]) }, /effects must be an array/],
  ["effects that are null", { effects: null }, /effects must be an array/],
  ["a getter that throws", {
    get reply(): never {
      throw new TypeError("no reply");
    },
  }, /no reply/],
];

/** What event sourcing does not know. */
const BAD_DECISIONS: typeof BAD = [
  ["event", { event: ["x"] }, /"event".*events/],
  ["event beside events", { events: ["x"], event: "y" }, /"event"/],
  ["state", { state: 7 }, /"state"/],
  ["state beside events", { events: ["x"], state: 7 }, /"state"/],
  ["events that are one event", { events: "x" }, /events must be an array/],
  ["events that are an object", { events: { 0: "x", length: 1 } }, /events must be an array/],
  ["events that are a Set", { events: new Set(["x"]) }, /events must be an array/],
  ["events that are null", { events: null }, /events must be an array/],
  ["events that are a promise", { events: Promise.resolve(["x"]) }, /events must be an array/],
  ["metadata that is a text", { events: ["x"], metadata: "trace" }, /metadata/],
  ["metadata that is an array", { events: ["x"], metadata: ["trace"] }, /metadata/],
  ["metadata that is a Map", { events: ["x"], metadata: new Map() }, /metadata/],
  ["metadata that is null", { events: ["x"], metadata: null }, /metadata/],
  ["metadata of a class", { events: ["x"], metadata: new Decision() }, /metadata/],
];

/** What command sourcing does not know. */
const BAD_OUTCOMES: typeof BAD = [
  ["events", { events: ["x"] }, /"events".*state/],
  ["events beside a state", { state: 7, events: [] }, /"events"/],
  ["event", { event: "x" }, /"event"/],
  ["metadata", { state: 7, metadata: {} }, /"metadata"/],
  ["a misspelt state", { sate: 7 }, /"sate"/],
];

/** Registers the cases about what handlers return. */
export function describeResults(options: ConformanceOptions): void {
  describeDecisions(options);
  describeOutcomes(options);
  describeGood(options);
}

function describeDecisions(options: ConformanceOptions): void {
  const check = casesOf(options, "actor decision", withActors);

  const behavior = eventSourced({
    initialState: 0,
    // What the types forbid.
    handle: (_sum: number, command: { decision: unknown; isLate: boolean }) =>
      (command.isLate ? turn().then(() => command.decision) : command.decision) as {
        reply: (sum: number) => number;
      },
    apply: (sum: number, _event: string) => sum + 1,
  });
  const good = { decision: { events: ["x"], reply: (sum: number) => sum }, isLate: false };

  for (const [name, decision, says] of [...BAD, ...BAD_DECISIONS]) {
    check(`${name}: nothing is journaled, the asker is told`, async (provider) => {
      const deliveries = new Deliveries();
      await using actor = startOn(provider, behavior, { outbox: { deliver: deliveries.deliver } });
      assert.equal(await actor.ask(good), 1);
      for (const isLate of [false, true]) {
        const asked = [actor.ask({ decision, isLate }), actor.ask(good)];
        const error = await errorOf(() => asked[0]);
        assert.ok(error instanceof TypeError || error instanceof RangeError, `${error}`);
        assert.match(error.message, says);
        if (name !== "a getter that throws") {
          assert.ok(error instanceof ArgumentTypeError || error instanceof ArgumentRangeError);
          assert.match(error.message, /^Cannot /);
        }
        assert.equal(await asked[1], isLate ? 3 : 2);
      }
      assert.deepEqual(await storedOf(provider), ["x", "x", "x"]);
      assert.deepEqual(await actor.outbox.counts(), { open: 0, dead: 0 });
      assert.deepEqual(deliveries.seen, []);
    });
  }

  check("effects without an outbox: nothing is journaled, the asker is told", async (provider) => {
    await using actor = startOn(provider, behavior);
    const decision = { events: ["x"], effects: ["mail"] };
    const error = await errorOf(() => actor.ask({ decision, isLate: false }));
    assert.ok(error instanceof ArgumentTypeError && /no outbox/.test(error.message));
    assert.deepEqual(await storedOf(provider), []);
  });
}

function describeOutcomes(options: ConformanceOptions): void {
  const check = casesOf(options, "actor outcome", withActors);

  for (const [name, outcome, says] of [...BAD, ...BAD_OUTCOMES]) {
    check(`${name}: the message is refused, live and in a replay`, async (provider) => {
      const problems = new Problems();
      const behavior = commandSourced({
        initialState: 0,
        isReadOnly: (message: string) => message === "read",
        handle: (sum: number, message: string) =>
          (message === "bad" ? outcome : {
            ...(message === "x" && { state: sum + 1 }),
            reply: (sum: number) => sum,
          }) as { reply: (sum: number) => number },
      });
      const overrides = {
        outbox: { deliver: () => assert.fail("nothing is to be delivered") },
        onProblem: problems.onProblem,
      };
      {
        await using actor = startOn(provider, behavior, overrides);
        assert.equal(await actor.ask("x"), 1);
        const asked = [actor.ask("bad"), actor.ask("x")];
        const error = await errorOf(() => asked[0]);
        assert.ok(error instanceof Error);
        assert.match(error.message, says);
        assert.equal(await asked[1], 2);
      }
      assert.deepEqual(problems.types, []);
      // As if the process had been killed before they were handled.
      await journalOf(provider).appendBatch("a", ["bad", "x", "bad"]);
      for (const _ of [1, 2]) {
        await using actor = startOn(provider, behavior, overrides);
        assert.equal(await actor.ask("read"), 3);
      }
      assert.deepEqual(problems.types, ["message", "message"], "once for each");
      for (const { error } of problems.all) assert.match((error as Error).message, says);
    });
  }

  check(
    "effects without an outbox: refused live; of what was accepted before they are kept",
    async (
      provider,
    ) => {
      const problems = new Problems();
      const behavior = commandSourced({
        initialState: 0,
        isReadOnly: (message: string) => message === "read",
        handle: (sum: number, message: string) => ({
          ...(message !== "read" && { state: sum + 1, effects: ["mail"] }),
          reply: (sum: number) => sum,
        }),
      });
      const overrides = { onProblem: problems.onProblem };
      {
        await using actor = startOn(provider, behavior, overrides);
        const error = await errorOf(() => actor.ask("x"));
        assert.ok(error instanceof ArgumentTypeError && /no outbox/.test(error.message));
      }
      // A process that had an outbox has accepted it, and was killed before it was handled.
      await journalOf(provider).append("a", "x");
      await using actor = startOn(provider, behavior, overrides);
      assert.equal(await actor.ask("read"), 1);
      assert.deepEqual(problems.types, []);
      assert.deepEqual(await actor.outbox.counts(), { open: 1, dead: 0 });
    },
  );
}

function describeGood(options: ConformanceOptions): void {
  const check = casesOf(options, "actor decision", withActors);

  check("what says nothing is let pass: undefined, and what is inherited", async (provider) => {
    const good: readonly object[] = [
      {},
      { events: undefined, effects: undefined, metadata: undefined, state: undefined },
      { reply: undefined, afterPersist: undefined, event: undefined, anything: undefined },
      Object.create({ event: ["x"] }),
      Object.create(null),
      Object.freeze({ events: Object.freeze([]), effects: Object.freeze([]) }),
      { [Symbol("mine")]: 7 },
    ];
    const behavior = eventSourced({
      initialState: 0,
      handle: (_sum: number, decision: object) => decision as { reply: () => number },
      apply: (sum: number, _event: string) => sum,
    });
    await using actor = startOn(provider, behavior);
    for (const decision of good) assert.equal(await actor.ask(decision), undefined);
    assert.deepEqual(await storedOf(provider), []);
    const kept = actor.ask(new Decision());
    await kept;
    assert.deepEqual(await storedOf(provider), ["x"], "an instance of a class may decide, too");
  });
}
