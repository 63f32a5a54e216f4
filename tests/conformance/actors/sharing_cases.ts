import assert from "node:assert/strict";
import { commandSourced, eventSourced } from "../../../core/actors/behavior.ts";
import { casesOf, range } from "../fixture.ts";
import type { ConformanceOptions } from "../types.ts";
import { type Item, item } from "./aliasing_cases.ts";
import {
  Deliveries,
  gate,
  journalOf,
  startOn,
  storedOf,
  withActors,
  withObserved,
} from "./fixture.ts";

/** Registers the cases about effects, metadata and messages that are shared, and changed later. */
export function describeShared(options: ConformanceOptions): void {
  describeBeside(options);
  describeMessages(options);
}

function describeBeside(options: ConformanceOptions): void {
  const check = casesOf(options, "actor aliasing", withActors);

  check("effects and metadata are as they were decided", async (provider) => {
    const deliveries = new Deliveries();
    const held = gate();
    deliveries.onDeliver = () => held.opened;
    const behavior = eventSourced({
      initialState: () => ({ item: item("tea"), context: { user: { name: "one" } } }),
      handle: (state: Beside, qty: number) => ({
        events: [qty],
        effects: [state.item, { item: state.item }, [state.item.tags]],
        metadata: { ...state.context, item: state.item },
        reply: (state: Beside) => state.item.qty,
      }),
      apply(state: Beside, qty: number) {
        state.item.qty += qty;
        state.item.tags.set(`${state.item.qty}`, new Set());
        state.context.user.name += "!";
        return state;
      },
    });
    await using actor = startOn(provider, behavior, { outbox: { deliver: deliveries.deliver } });
    const sent = { trace: { id: 1 } };
    const asked = range(1, 3).map(async () => {
      const answer = await actor.ask(1, { metadata: sent });
      return answer;
    });
    assert.deepEqual(await Promise.all(asked), [2, 3, 4]);
    sent.trace.id = 2;
    held.open();
    await actor.outbox.drained();
    const seen = deliveries.seen.map(({ effect }) => effect);
    const tagsOf = (qty: number) =>
      new Map([
        ["all", new Set(["new"])],
        ...range(2, qty).map((n) => [`${n}`, new Set()] as const),
      ]);
    const itemOf = (qty: number) => ({ ...item("tea"), qty, tags: tagsOf(qty) });
    assert.deepEqual(
      seen,
      range(1, 3).flatMap((qty) => [itemOf(qty), { item: itemOf(qty) }, [tagsOf(qty)]]),
    );
    const entries = await journalOf(provider).readFrom("a", 0);
    assert.deepEqual(
      entries.map(({ metadata }) => metadata),
      range(1, 3).map((qty) => ({
        trace: { id: 1 },
        user: { name: `one${"!".repeat(qty - 1)}` },
        item: itemOf(qty),
      })),
    );
  });

  check("what afterPersist and reply do to events does not reach journal or state", async (
    provider,
  ) => {
    const behavior = eventSourced({
      initialState: () => [] as Item[],
      handle(_items: Item[], command: "add" | "read") {
        const event = item("tea");
        if (command === "read") return { reply: (items: Item[]) => items.length };
        const spoil = () => {
          event.qty = -1;
          event.tags.clear();
        };
        return {
          events: [event],
          reply: (items: Item[]) => {
            spoil();
            return items.length;
          },
          afterPersist: spoil,
        };
      },
      apply: (items: Item[], added: Item) => [...items, added],
    });
    const actor = startOn(provider, behavior);
    assert.deepEqual(await Promise.all([actor.ask("add"), actor.ask("add")]), [1, 2]);
    await actor.snapshot();
    await actor.stop();
    assert.deepEqual(await storedOf(provider), [item("tea"), item("tea")]);
    const saved = await provider.createSnapshotStore({ kind: "test" }).getLatestSnapshot("a");
    assert.deepEqual(saved?.state, [item("tea"), item("tea")]);
  });
}

interface Beside {
  readonly item: Item;
  readonly context: { readonly user: { name: string } };
}

function describeMessages(options: ConformanceOptions): void {
  const observed = casesOf(options, "actor aliasing", withObserved);

  /** A cart with command sourcing, which keeps messages and changes them. */
  const behavior = commandSourced<Item[], Item | "more" | "read", Item[], unknown>({
    initialState: () => [],
    isReadOnly: (message) => message === "read",
    handle(items, message) {
      if (message === "more") { for (const item of items) item.qty++; }
      else if (message !== "read") {
        message.tags.set("handled", new Set());
        message.at.setTime(7);
        items.push(message);
      }
      return { state: items, reply: (items) => structuredClone(items) };
    },
  });

  for (const isAwaited of [true, false]) {
    observed(
      `a message that its handler keeps and changes, ${isAwaited ? "one by one" : "all at once"}`,
      async (_storage, provider) => {
        const actor = startOn(provider, behavior);
        await actor.recovered;
        const constant = item("tea");
        const answers: Promise<Item[]>[] = [];
        for (const message of [constant, "more", constant, "more", item("ink")] as const) {
          answers.push(actor.ask(message));
          if (isAwaited) await answers[answers.length - 1];
        }
        const live = (await Promise.all(answers))[4];
        assert.deepEqual(live?.map(({ qty }) => qty), [3, 2, 1]);
        assert.deepEqual(constant, item("tea"), "what was sent is the sender's");
        assert.deepEqual(await storedOf(provider), [
          item("tea"),
          "more",
          item("tea"),
          "more",
          item("ink"),
        ]);
        await actor.stop();
        await using again = startOn(provider, behavior);
        assert.deepEqual(await again.ask("read"), live);
      },
    );
  }

  observed("a message that its sender changes when it is under way", async (storage, provider) => {
    const actor = startOn(provider, behavior);
    await actor.recovered;
    const release = storage.holdCommits();
    const message = item("tea");
    const asked = actor.ask(message);
    await storage.commitHeld();
    message.qty = 99;
    message.tags.clear();
    release();
    const live = await asked;
    message.sku = "ink";
    assert.deepEqual(live.map(({ qty }) => qty), [1]);
    assert.deepEqual(await storedOf(provider), [item("tea")]);
    assert.deepEqual(await actor.ask("read"), live);
    await actor.stop();
    await using again = startOn(provider, behavior);
    assert.deepEqual(await again.ask("read"), live);
  });

  observed("a command that its sender changes after the answer", async (_storage, provider) => {
    const events = eventSourced({
      initialState: () => [] as Item[],
      handle: (_items: Item[], command: { add?: Item }) => ({
        ...(command.add && { events: [command.add] }),
        reply: (items: Item[]) => structuredClone(items),
      }),
      apply(items: Item[], added: Item) {
        items.push(added);
        return items;
      },
    });
    const actor = startOn(provider, events);
    const command = { add: item("tea") };
    const live = await actor.ask(command);
    command.add.qty = 99;
    command.add.tags.clear();
    assert.deepEqual(await actor.ask({}), live);
    await actor.stop();
    await using again = startOn(provider, events);
    assert.deepEqual(await again.ask({}), live);
  });
}
