// What the type checker must infer, and what it must refuse: most of it is checked when this file is
// compiled, and not when it runs.
import assert from "node:assert/strict";
import {
  type Behavior,
  commandSourced,
  eventSourced,
  type Replies,
  StatefulActor,
  StatefulActors,
} from "../../mod.ts";
import { MemoryPersistenceProvider } from "../../adapters/memory.ts";
import { test } from "../harness.ts";

/** The types of a behavior: state, message, what is stored, reply, effect. */
type TypesOf<B> = B extends
  Behavior<infer State, infer Message, infer Stored, infer Reply, infer Effect>
  ? [State, Message, Stored, Reply, Effect]
  : never;

/** Whether two types are the same, and not only assignable. */
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends (<T>() => T extends B ? 1 : 2) ? true
  : false;

/** Compiles only if the types are the same. */
function same<A, B>(_isSame: Same<A, B>): void {}

type Command = { type: "deposit"; amount: number } | { type: "balance" } | { type: "mail" };
type Event = { deposited: number };

test("types: those of an event-sourced behavior follow from its callbacks", () => {
  const account = eventSourced({
    initialState: 0,
    handle(_balance: number, command: Command) {
      if (command.type === "balance") return { reply: (balance: number) => balance };
      if (command.type === "mail") {
        return { events: [{ deposited: 1 }], effects: [{ mail: "x" }] };
      }
      return { events: [{ deposited: command.amount }], reply: (balance: number) => balance };
    },
    apply: (balance: number, event: Event) => balance + event.deposited,
  });
  same<TypesOf<typeof account>, [number, Command, Event, number, { mail: string }]>(true);

  const silent = eventSourced({
    initialState: 0,
    handle: async (_balance: number, command: Command) => {
      await undefined;
      if (command.type === "balance") return;
      return { events: [{ deposited: 1 }] };
    },
    apply: (balance: number, event: Event) => balance + event.deposited,
  });
  same<TypesOf<typeof silent>, [number, Command, Event, void, never]>(true);

  const items = eventSourced({
    initialState: () => ({ items: [] as string[] }),
    handle: (_cart, command: Command) =>
      command.type === "balance"
        ? { reply: (cart) => cart.items.length }
        : { events: [{ deposited: 2 }] },
    apply: (cart, event: Event) => {
      cart.items.push(String(event.deposited));
      return cart;
    },
  });
  same<TypesOf<typeof items>, [{ items: string[] }, Command, Event, number, never]>(true);

  const later = eventSourced({
    initialState: 0,
    handle: (_sum: number, _command: null) => ({
      reply: (sum: number) => Promise.resolve(`${sum}`),
    }),
    apply: (sum: number, add: number) => sum + add,
  });
  same<TypesOf<typeof later>, [number, null, number, string, never]>(true);
  assert.deepEqual(
    [account, silent, items, later].map(({ type }) => type),
    Array(4).fill("events"),
  );
});

test("types: those of a command-sourced behavior follow from its callbacks", () => {
  const counter = commandSourced({
    initialState: 0,
    handle: (count: number, add: number) => ({
      state: count + add,
      reply: (count: number) => `${count}`,
    }),
  });
  same<TypesOf<typeof counter>, [number, number, number, string, never]>(true);

  const mailer = commandSourced({
    initialState: { sent: 0 },
    isReadOnly: (message: "read" | { to: string }) => message === "read",
    handle: async ({ sent }, message: "read" | { to: string }) => {
      await undefined;
      if (message === "read") return { reply: ({ sent }) => sent };
      return { state: { sent: sent + 1 }, effects: [{ mail: message.to }] };
    },
  });
  type Message = "read" | { to: string };
  same<
    TypesOf<typeof mailer>,
    [{ sent: number }, Message, Message, number, { mail: string }]
  >(true);
  assert.deepEqual([counter, mailer].map(({ type }) => type), ["commands", "commands"]);
});

test("types: answers and effects of several types are all of them", () => {
  const events = eventSourced({
    initialState: 0,
    async handle(_sum: number, command: "sum" | "text" | "list" | "mail" | "nothing" | "post") {
      if (command === "sum") return { reply: (sum: number) => sum };
      if (command === "text") return { reply: (sum: number) => Promise.resolve(`${sum}`) };
      if (command === "list") return { events: [1], reply: () => [true] };
      if (command === "mail") return { effects: [{ mail: "x" }] };
      if (command === "post") return { effects: [{ post: await Promise.resolve(7) }] };
      return;
    },
    apply: (sum: number, add: number) => sum + add,
  });
  same<TypesOf<typeof events>[3], number | string | boolean[]>(true);
  same<TypesOf<typeof events>[4], { mail: string } | { post: number }>(true);
  const commands = commandSourced({
    initialState: 0,
    handle(sum: number, message: "sum" | "text" | "mail") {
      if (message === "sum") return { state: sum + 1, reply: (sum: number) => sum };
      if (message === "text") return { reply: (sum: number) => `${sum}` };
      return { effects: [7] };
    },
  });
  same<TypesOf<typeof commands>[3], number | string>(true);
  same<TypesOf<typeof commands>[4], number>(true);
  eventSourced({
    initialState: 0,
    // @ts-expect-error: one of the answers comes with a state, which follows from events
    handle(_sum: number, command: boolean) {
      if (command) return { reply: (sum: number) => sum };
      return { state: 7, reply: (sum: number) => `${sum}` };
    },
    apply: (sum: number, add: number) => sum + add,
  });
});

test("types: a decision with a typing error is refused", () => {
  const events = { initialState: 0, apply: (sum: number, add: number) => sum + add };
  eventSourced({
    ...events,
    // @ts-expect-error: it is called `events`
    handle: (_sum: number, _command: number) => ({ event: [1] }),
  });
  eventSourced({
    ...events,
    // @ts-expect-error: the state follows from events
    handle: (_sum: number, _command: number) => ({ state: 1 }),
  });
  eventSourced({
    ...events,
    // @ts-expect-error: the state follows from events
    handle: (_sum: number, command: number) => ({ events: [command], state: 1 }),
  });
  eventSourced({
    ...events,
    // @ts-expect-error: events of another type
    handle: (_sum: number, _command: number) => ({ events: ["1"] }),
  });
  eventSourced({
    ...events,
    // @ts-expect-error: events are an array
    handle: (_sum: number, command: number) => ({ events: command }),
  });
  eventSourced({
    ...events,
    // @ts-expect-error: not the decision itself
    handle: (_sum: number, command: number) => [command],
  });
  eventSourced({
    ...events,
    // @ts-expect-error: a reply is a function
    handle: (sum: number, _command: number) => ({ reply: sum }),
  });
  eventSourced({
    ...events,
    handle: (_sum: number, _command: number) => ({}),
    // @ts-expect-error: apply answers at once
    apply: (sum: number, add: number) => Promise.resolve(sum + add),
  });
  const commands = { initialState: 0 };
  commandSourced({
    ...commands,
    // @ts-expect-error: there are no events
    handle: (_sum: number, command: number) => ({ events: [command] }),
  });
  commandSourced({
    ...commands,
    // @ts-expect-error: metadata is given when a message is sent
    handle: (_sum: number, _command: number) => ({ state: 1, metadata: {} }),
  });
  commandSourced({
    ...commands,
    // @ts-expect-error: a state of another type
    handle: (_sum: number, _command: number) => ({ state: "1" }),
  });
});

type Question =
  | ({ type: "count" } & Replies<number>)
  | ({ type: "list" } & Replies<string[]>)
  | ({ type: "add"; sku: string } & Replies<void>);

test("types: an answer is that of the message, if messages are marked", async () => {
  await using provider = await MemoryPersistenceProvider.open();
  await using carts = StatefulActors.start({
    provider,
    kind: "cart",
    behavior: eventSourced({
      initialState: [],
      handle(_skus: string[], command: Question) {
        if (command.type === "count") return { reply: (skus: string[]) => skus.length };
        if (command.type === "list") return { reply: (skus: string[]) => [...skus] };
        return { events: [command.sku] };
      },
      apply: (skus: string[], sku: string) => [...skus, sku],
    }),
  });
  const added = carts.ask("42", { type: "add", sku: "tea" });
  same<typeof added, Promise<void>>(true);
  await added;
  const count = await carts.ask("42", { type: "count" });
  same<typeof count, number>(true);
  const list = await carts.ask("42", { type: "list" });
  same<typeof list, string[]>(true);
  assert.deepEqual([count, list], [1, ["tea"]]);
  // @ts-expect-error: there is no such message
  await carts.ask("42", { type: "clear" });
  // @ts-expect-error: it needs a sku
  await carts.ask("43", { type: "add" }).catch(() => {});
});

test("types: an answer is that of the behavior, if messages are not marked", async () => {
  await using provider = await MemoryPersistenceProvider.open();
  await using actor = StatefulActor.start({
    provider,
    kind: "counter",
    actorId: "1",
    behavior: commandSourced({
      initialState: 0,
      handle: (sum: number, add: number) => ({ state: sum + add, reply: (sum: number) => sum }),
    }),
  });
  const sum = await actor.ask(5);
  same<typeof sum, number>(true);
  assert.equal(sum, 5);
  // @ts-expect-error: a message of another type
  const refused = actor.tell("5");
  await refused;
});

test("types: effects need an outbox that takes them; a kind is required", async () => {
  await using provider = await MemoryPersistenceProvider.open();
  const behavior = eventSourced({
    initialState: 0,
    handle: (_sum: number, add: number) => ({ events: [add], effects: [{ mail: add }] }),
    apply: (sum: number, add: number) => sum + add,
  });
  const seen: number[] = [];
  await using actors = StatefulActors.start({
    provider,
    kind: "mailer",
    behavior,
    outbox: {
      deliver(effect) {
        same<typeof effect, { mail: number }>(true);
        seen.push(effect.mail);
      },
    },
  });
  await actors.tell("1", 7);
  await actors.outbox.drained();
  assert.deepEqual(seen, [7]);
  const forOthers = { provider, kind: "x", outbox: { deliver: (_effect: string) => {} } };
  // @ts-expect-error: an outbox for other effects
  await StatefulActors.start({ ...forOthers, behavior }).stop();
  // @ts-expect-error: a kind is required
  assert.throws(() => StatefulActors.start({ provider, behavior }));
  // @ts-expect-error: an actor has an id
  assert.throws(() => StatefulActor.start({ provider, kind: "x", behavior }));
});
