// A shopping cart whose events have had three versions. Each generation of the code wrote its own;
// today's code reads them all, and nothing that is stored is ever rewritten.
import assert from "node:assert/strict";
import { z } from "zod"; // or valibot, arktype, or any other that keeps to Standard Schema
// In your project: "@cajun/persistence" and "@cajun/persistence/memory".
import { MemoryPersistenceProvider } from "../adapters/memory.ts";
import { eventSourced, type Schema, StatefulActors } from "../mod.ts";

// Version 1: an item was one piece, and its price in euros.
interface ItemAddedV1 {
  type: "item added";
  sku: string;
  price: number;
}

// Version 2: any number of pieces.
interface ItemAddedV2 extends ItemAddedV1 {
  quantity: number;
}

// Version 3, today: the price in cents.
const ItemAdded = z.object({
  type: z.literal("item added"),
  sku: z.string().min(1),
  quantity: z.number().int().positive(),
  cents: z.number().int().nonnegative(),
});
const ItemRemoved = z.object({ type: z.literal("item removed"), sku: z.string() });

type CartEvent = z.infer<typeof ItemAdded> | z.infer<typeof ItemRemoved>;

const schema: Schema<CartEvent> = {
  types: [
    {
      name: "item added",
      version: 3,
      validator: ItemAdded,
      // One step for each version. The next change adds a step, and leaves these alone.
      upcasters: {
        1: (event: ItemAddedV1): ItemAddedV2 => ({ ...event, quantity: 1 }),
        2: ({ price, ...event }: ItemAddedV2) => ({ ...event, cents: Math.round(100 * price) }),
      },
    },
    { name: "item removed", version: 1, validator: ItemRemoved },
  ],
  typeOf: (event) => event.type,
};

type Command = CartEvent | { type: "total" };
type Cart = Map<string, number>;

const totalOf = (cart: Cart) => [...cart.values()].reduce((sum, cents) => sum + cents, 0);

const cart = eventSourced({
  initialState: (): Cart => new Map(),
  handle: (_cart: Cart, command: Command) => ({
    events: command.type === "total" ? [] : [command],
    reply: totalOf,
  }),
  // Knows only today's events.
  apply(cart: Cart, event: CartEvent) {
    const { sku } = event;
    if (event.type === "item removed") cart.delete(sku);
    else cart.set(sku, (cart.get(sku) ?? 0) + event.quantity * event.cents);
    return cart;
  },
});

await using provider = await MemoryPersistenceProvider.open();

// The first two generations have stored these.
const first = provider.createMessageJournal<ItemAddedV1>({
  kind: "cart",
  schema: { name: "item added", version: 1 },
});
await first.append("1", { type: "item added", sku: "pen", price: 1.5 });
const second = provider.createMessageJournal<ItemAddedV2>({
  kind: "cart",
  schema: { name: "item added", version: 2 },
});
await second.append("1", { type: "item added", sku: "ink", price: 12, quantity: 2 });

// Today's code goes on with it.
await using carts = StatefulActors.start({
  provider,
  kind: "cart",
  behavior: cart,
  messageSchema: schema,
});
assert.equal(await carts.ask("1", { type: "total" }), 1_50 + 2 * 12_00);
const added = { type: "item added", sku: "cap", quantity: 3, cents: 4_00 } as const;
assert.equal(await carts.ask("1", added), 1_50 + 2 * 12_00 + 3 * 4_00);
assert.equal(await carts.ask("1", { type: "item removed", sku: "ink" }), 1_50 + 3 * 4_00);

// An event that is not valid is never stored.
await assert.rejects(carts.ask("1", { ...added, quantity: 0 }), { code: "VALIDATION_FAILED" });

const journal = provider.createMessageJournal({ kind: "cart", schema });
const entries = await journal.readFrom("1", 0);
assert.deepEqual(entries[0]?.message, {
  type: "item added",
  sku: "pen",
  quantity: 1,
  cents: 1_50,
});
const versions = entries.map(({ schema }) => `${schema?.name} ${schema?.version}`);
assert.deepEqual(versions, ["item added 1", "item added 2", "item added 3", "item removed 1"]);
console.log(`${await carts.ask("1", { type: "total" })} cents, from ${versions.join(", ")}`);
