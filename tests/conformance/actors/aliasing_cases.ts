import assert from "node:assert/strict";
import { type Behavior, eventSourced } from "../../../core/actors/behavior.ts";
import type { PersistenceProvider } from "../../../core/provider.ts";
import { casesOf, withStorage } from "../fixture.ts";
import { ObservedStorage } from "../observed_storage.ts";
import type { ConformanceOptions } from "../types.ts";
import { openOn, startOn, storedOf, withActors } from "./fixture.ts";

/** Something in a cart, which the behaviors change in place. */
export interface Item {
  sku: string;
  qty: number;
  readonly tags: Map<string, Set<string>>;
  readonly at: Date;
}

interface Cart {
  items: Item[];
  archive: unknown[];
}

/** What has happened to a cart. Everything in it may be shared with anything. */
type Event =
  | { readonly added: Item }
  | { readonly more: string }
  | { readonly archived: unknown }
  | { readonly all: Item[] };

type Command =
  | { readonly type: "decide"; readonly decide: (cart: Cart) => readonly Event[] }
  | { readonly type: "read" };

/** A cart that shares whatever it can, and changes it in place, as `apply` may. */
const carts: Behavior<Cart, Command, Event, Cart, unknown> = eventSourced<
  Cart,
  Command,
  Event,
  Cart,
  unknown
>({
  initialState: { items: [], archive: [] },
  handle: (cart, command) => ({
    events: command.type === "decide" ? command.decide(cart) : [],
    reply: (cart) => structuredClone(cart),
  }),
  apply(cart, event) {
    if ("added" in event) cart.items.push(event.added);
    if ("all" in event) cart.items = event.all;
    if ("archived" in event) cart.archive.push(event.archived);
    if ("more" in event) {
      for (const item of cart.items.filter(({ sku }) => sku === event.more)) {
        item.qty++;
        item.at.setTime(item.at.getTime() + 1);
        const tags = item.tags.get("all") ?? new Set();
        item.tags.set("all", tags.add(`${item.qty}`));
      }
      // It is the journal's no more, so this is harmless, too.
      (event as { more: string }).more = "changed";
    }
    return cart;
  },
});

/** A new item. */
export function item(sku: string): Item {
  return { sku, qty: 1, tags: new Map([["all", new Set(["new"])]]), at: new Date(0) };
}

const decide = (decide: (cart: Cart) => readonly Event[]): Command => ({ type: "decide", decide });
const more = decide(() => [{ more: "tea" }]);
const tea = item("tea");
const SAME: Event = { added: item("tea") };

/** Commands whose events share objects in every way. */
const SHAPES: readonly (readonly [string, () => readonly Command[]])[] = [
  ["with the state", () => [decide(() => [{ added: item("tea") }]), more, more]],
  ["with the state, in one command", () => [
    decide(() => [{ added: item("tea") }, { more: "tea" }, { more: "tea" }]),
  ]],
  ["with other events of the command", () => [
    decide(() => {
      const shared = item("tea");
      return [{ added: shared }, { more: "tea" }, { added: shared }, { archived: shared }];
    }),
    more,
  ]],
  ["because one event is there twice", () => [
    decide(() => {
      const event = { added: item("tea") };
      return [event, { more: "tea" }, event];
    }),
    more,
  ]],
  ["with those of other commands", () => [decide(() => [SAME]), more, decide(() => [SAME]), more]],
  [
    "with the command",
    () => [decide(() => [{ added: tea }]), more, decide(() => [{ added: tea }])],
  ],
  ["with objects of the state that it keeps elsewhere", () => [
    decide(() => [{ added: item("tea") }]),
    decide(({ items }) => [{ archived: items[0] }, { archived: [items] }]),
    more,
    decide(({ items }) => [{ archived: items[0]?.tags }, { archived: items[0]?.at }]),
    more,
  ]],
  ["with collections of the state", () => [
    decide(() => [{ added: item("tea") }]),
    decide(({ items }) => [{ all: items }, { added: item("tea") }, { all: items }]),
    more,
    decide(({ items }) => [{ added: item("tea") }, { all: [...items, ...items] }]),
    more,
  ]],
];

/** Registers the cases about objects that are shared, and changed later. */
export function describeAliasing(options: ConformanceOptions): void {
  describeEvents(options);
  describeLists(options);
}

function describeEvents(options: ConformanceOptions): void {
  const check = casesOf(options, "actor aliasing", withActors);

  for (const [name, commandsOf] of SHAPES) {
    for (const isAwaited of [true, false]) {
      const how = isAwaited ? "one by one" : "all at once";
      check(`events that share objects ${name}, ${how}: the state is that of the journal`, async (
        provider,
      ) => {
        const actor = startOn(provider, carts);
        await actor.recovered;
        const answers: Promise<Cart>[] = [];
        for (const command of commandsOf()) {
          answers.push(actor.ask(command));
          if (isAwaited) await answers[answers.length - 1];
        }
        await assertAsJournaled(provider, await Promise.all(answers));
        await actor.snapshot();
        const live = await actor.ask({ type: "read" });
        await actor.stop();
        await using again = startOn(provider, carts);
        assert.deepEqual(await again.ask({ type: "read" }), live);
      });
    }
  }

  const two = casesOf(
    options,
    "actor aliasing",
    (factory, run: (one: PersistenceProvider, other: PersistenceProvider) => Promise<void>) =>
      withStorage(factory, async (storage) => {
        await using one = await openOn(new ObservedStorage(storage));
        await using other = await openOn(new ObservedStorage(storage));
        await run(one, other);
      }),
  );
  for (const [name, commandsOf] of SHAPES) {
    two(`events that share objects ${name}, after a conflict`, async (one, other) => {
      const first = startOn(one, carts);
      await first.recovered;
      const second = startOn(other, carts);
      await second.ask(decide(() => [{ added: item("tea") }, { more: "tea" }]));
      await second.stop();
      // All of them are decided on a state that is not there, and are decided again.
      const answers = await Promise.all(commandsOf().map((command) => first.ask(command)));
      await assertAsJournaled(one, answers);
      const live = await first.ask({ type: "read" });
      await first.stop();
      await using again = startOn(one, carts);
      assert.deepEqual(await again.ask({ type: "read" }), live);
    });
  }
}

/** Each answer is the state that follows from a beginning of the journal. */
async function assertAsJournaled(
  provider: PersistenceProvider,
  answers: readonly Cart[],
): Promise<void> {
  if (carts.type !== "events") assert.fail();
  const { apply } = carts.events;
  const states: Cart[] = [{ items: [], archive: [] }];
  let state = structuredClone(states[0] as Cart);
  for (const event of await storedOf(provider)) {
    state = apply(state, event as Event);
    states.push(structuredClone(state));
  }
  for (const answer of answers) {
    assert.ok(
      states.some((state) => isSame(state, answer)),
      "an answer is a state that the journal has",
    );
  }
  assert.deepEqual(answers[answers.length - 1], states[states.length - 1]);
}

function isSame(one: unknown, other: unknown): boolean {
  try {
    assert.deepEqual(one, other);
    return true;
  } catch {
    return false;
  }
}

function describeLists(options: ConformanceOptions): void {
  const check = casesOf(options, "actor aliasing", withActors);

  const inPlace: readonly (readonly [string, (queue: string[], done: string[]) => void])[] = [
    ["takes from", (queue, done) => done.push(queue.shift() ?? "none")],
    ["adds to", (queue) => queue.push("more")],
    ["empties", (queue) => queue.length = 0],
  ];
  for (const [name, change] of inPlace) {
    check(`a list of events that apply ${name} is the one that was decided`, async (provider) => {
      const behavior = eventSourced({
        initialState: () => ({ queue: ["x", "y", "z"], done: [] as string[], applied: 0 }),
        handle: (state: Queue, command: "all" | "read") => ({
          ...(command === "all" && { events: state.queue }),
          reply: (state: Queue) => structuredClone(state),
        }),
        apply(state: Queue, _event: string) {
          state.applied++;
          change(state.queue, state.done);
          return state;
        },
      });
      const actor = startOn(provider, behavior);
      const live = await actor.ask("all");
      assert.equal(live.applied, 3);
      assert.deepEqual(await storedOf(provider), ["x", "y", "z"]);
      const receipt = await actor.ask("read");
      assert.deepEqual(receipt, live);
      await actor.snapshot();
      await actor.stop();
      await using again = startOn(provider, behavior);
      assert.deepEqual(await again.ask("read"), live);
      assert.equal((await again.recovered).snapshot?.sequenceNumber, 2);
    });
  }
}

interface Queue {
  queue: string[];
  done: string[];
  applied: number;
}
