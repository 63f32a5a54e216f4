import assert from "node:assert/strict";
import { commandSourced, eventSourced } from "../../../core/actors/behavior.ts";
import { ArgumentTypeError } from "../../../core/errors/persistence_error.ts";
import { assertFails, casesOf, errorOf } from "../fixture.ts";
import type { ConformanceOptions } from "../types.ts";
import { startOn, storedOf, turn, withActors } from "./fixture.ts";

/** A state with something of each kind in it that can be changed in place. */
interface State {
  count: number;
  list: { sku: string }[];
  readonly byName: Map<string, { sku: string }>;
  readonly tags: Set<string>;
  readonly at: Date;
  readonly bytes: Uint8Array;
}

function initialState(): State {
  return {
    count: 0,
    list: [{ sku: "tea" }],
    byName: new Map([["tea", { sku: "tea" }]]),
    tags: new Set(["hot"]),
    at: new Date(0),
    bytes: Uint8Array.of(1, 2),
  };
}

/** The ways in which a state, or an answer, is changed in place. */
const CHANGES: readonly (readonly [string, (state: State) => unknown])[] = [
  ["a property", (state) => state.count++],
  ["a property that is new", (state) => Object.assign(state, { more: 1 })],
  ["a property that is removed", (state) => Reflect.deleteProperty(state, "count")],
  ["a list", (state) => state.list.push({ sku: "mud" })],
  ["something in a list", (state) => Object.assign(state.list[0] ?? {}, { sku: "mud" })],
  ["the order of a list", (state) => state.list.unshift({ sku: "mud" })],
  ["a Map", (state) => state.byName.set("mud", { sku: "mud" })],
  ["something in a Map", (state) => Object.assign(state.byName.get("tea") ?? {}, { sku: "mud" })],
  ["a Set", (state) => state.tags.delete("hot")],
  ["a Date", (state) => state.at.setFullYear(2030)],
];

/** Registers the cases about the development mode. */
export function describeDebug(options: ConformanceOptions): void {
  describeHandlers(options);
  describeAnswers(options);
}

type Command = { readonly change?: (state: State) => unknown; readonly isLate?: boolean } | "add";

const behavior = eventSourced({
  initialState,
  handle(state: State, command: Command) {
    if (command === "add") return { events: [1], reply: (state: State) => state };
    const { change, isLate } = command;
    if (!isLate) change?.(state);
    const result = { reply: (state: State) => state };
    return isLate
      ? turn().then(() => {
        change?.(state);
        return result;
      })
      : result;
  },
  apply(state: State, add: number) {
    state.count += add;
    return state;
  },
});

function describeHandlers(options: ConformanceOptions): void {
  const check = casesOf(options, "actor debug", withActors);

  const changes = [...CHANGES, ["bytes", (state: State) => state.bytes[0] = 9] as const];
  for (const [name, change] of changes) {
    for (const isLate of [false, true]) {
      check(
        `a handler that changes ${name}${isLate ? ", later," : ""} is refused and named`,
        async (
          provider,
        ) => {
          for (const supervision of ["resume", "restart"] as const) {
            const actorId = supervision;
            const actor = startOn(provider, behavior, { actorId, supervision, debug: true });
            await actor.ask("add");
            const asked = [actor.ask({ change, isLate }), actor.ask("add")];
            const error = await errorOf(() => asked[0]);
            assert.ok(error instanceof ArgumentTypeError);
            assert.match(error.message, /handle has changed the state, which only apply may/);
            assert.deepEqual(await asked[1], { ...initialState(), count: 2 }, "it is as journaled");
            assert.deepEqual(await actor.ask({}), { ...initialState(), count: 2 });
            await actor.stop();
            assert.deepEqual(await storedOf(provider, actorId), [1, 1]);
          }
        },
      );
    }
  }

  check("a handler that throws after it has changed the state leaves it as journaled", async (
    provider,
  ) => {
    await using actor = startOn(provider, behavior, { debug: true });
    await actor.ask("add");
    const failure = new Error("so wants the test");
    const change = (state: State) => {
      state.count = 99;
      throw failure;
    };
    assert.ok(await errorOf(() => actor.ask({ change })));
    assert.equal((await actor.ask({})).count, 1);
  });

  check("one that changes nothing works as without it, and so does apply in place", async (
    provider,
  ) => {
    await using actor = startOn(provider, behavior, { debug: true });
    const asked = [actor.ask("add"), actor.ask({ isLate: true }), actor.ask("add"), actor.ask({})];
    assert.deepEqual((await Promise.all(asked)).map(({ count }) => count), [1, 1, 2, 2]);
  });

  check("a state that cannot be stored is told at once", async (provider) => {
    const bad = eventSourced({
      initialState: { of: undefined as unknown },
      handle: (_state: object, event: "bad" | "read") => ({
        ...(event === "bad" && { events: [event] }),
      }),
      apply: (_state: { of: unknown }, _event: string) => ({ of: () => {} }),
    });
    await using actor = startOn(provider, bad, { debug: true });
    await actor.ask("bad");
    await assertFails(() => actor.ask("read"), "UNENCODABLE", { actorId: "a" });
  });
}

function describeAnswers(options: ConformanceOptions): void {
  const check = casesOf(options, "actor debug", withActors);

  for (const [name, change] of CHANGES) {
    check(`whoever changes ${name} of an answer gets an error there`, async (provider) => {
      const later = eventSourced({
        initialState,
        handle: (_state: State, isLate: boolean) => ({
          reply: (state: State) => isLate ? turn().then(() => state) : state,
        }),
        apply: (state: State, _event: never) => state,
      });
      const commands = commandSourced({
        initialState,
        handle: (_state: State, _message: null) => ({ reply: (state: State) => state }),
      });
      await using one = startOn(provider, behavior, { debug: true });
      await using two = startOn(provider, later, { kind: "later", debug: true });
      await using three = startOn(provider, commands, { kind: "commands", debug: true });
      const asks = [
        () => one.ask({}),
        () => two.ask(false),
        () => two.ask(true),
        () => three.ask(null),
      ];
      for (const ask of asks) {
        const answer = await ask();
        assert.deepEqual(answer, initialState());
        assert.throws(() => {
          // By functions that say whether it has worked, it is not thrown.
          if (change(answer) === false) throw new TypeError("refused");
        }, TypeError);
        assert.deepEqual(await ask(), initialState());
      }
    });
  }

  check("answers of before do not change with the state", async (provider) => {
    await using actor = startOn(provider, behavior, { debug: true });
    const answers = await Promise.all([actor.ask("add"), actor.ask("add"), actor.ask("add")]);
    assert.deepEqual(answers.map(({ count }) => count), [1, 2, 3]);
  });

  check("an answer with methods, or of a class, is the handler's own", async (provider) => {
    class Money {
      readonly cents: number;
      constructor(cents: number) {
        this.cents = cents;
      }
      plus(cents: number): Money {
        return new Money(this.cents + cents);
      }
    }
    const behavior = commandSourced({
      initialState: 7,
      handle: (_sum: number, which: "class" | "inside" | "function" | "error") => ({
        reply: (sum: number) => {
          if (which === "class") return new Money(sum);
          if (which === "inside") return { money: new Money(sum) };
          if (which === "function") return (add: number) => sum + add;
          return new RangeError(`${sum}`);
        },
      }),
    });
    await using actor = startOn(provider, behavior, { debug: true });
    const money = await actor.ask("class");
    assert.ok(money instanceof Money);
    assert.equal(money.plus(1).cents, 8);
    const inside = await actor.ask("inside");
    assert.ok("money" in inside && inside.money instanceof Money);
    const add = await actor.ask("function");
    assert.ok(typeof add === "function");
    assert.equal(add(1), 8);
    assert.ok(await actor.ask("error") instanceof RangeError);
  });

  check("without it answers are what the handler gave", async (provider) => {
    await using actor = startOn(provider, behavior);
    const answer = await actor.ask({});
    assert.equal(answer, await actor.ask({}), "shared, as documented");
    assert.ok(!Object.isFrozen(answer));
  });
}
