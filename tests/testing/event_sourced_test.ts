import assert from "node:assert/strict";
import { eventSourced } from "../../mod.ts";
import { behaviorTest } from "../../testing/mod.ts";
import { test } from "../harness.ts";
import { Child } from "../processes/child.ts";
import { failureOf } from "./behaviors.ts";

interface Cart {
  readonly items: ReadonlyMap<string, number>;
  readonly paid: boolean;
}

type Command =
  | { type: "add"; sku: string; quantity: number }
  | { type: "count" }
  | { type: "pay" };

type CartEvent = { type: "added"; sku: string; quantity: number } | { type: "paid" };

interface Letter {
  text: string;
}

const cart = eventSourced({
  initialState: { items: new Map(), paid: false },
  async handle(cart: Cart, command: Command) {
    await undefined;
    const reply = ({ items }: Cart) => [...items.values()].reduce((sum, one) => sum + one, 0);
    switch (command.type) {
      case "count":
        return { reply };
      case "add": {
        if (cart.paid) throw new RangeError("It is paid already");
        const { sku, quantity } = command;
        return {
          events: [{ type: "added", sku, quantity } as const],
          metadata: { by: "Ada" },
          reply,
        };
      }
      case "pay":
        return {
          events: [{ type: "paid" } as const],
          effects: [{ text: `${cart.items.size} items` }],
          reply,
        };
    }
  },
  apply(cart: Cart, event: CartEvent): Cart {
    if (event.type === "paid") return { ...cart, paid: true };
    const items = new Map(cart.items);
    return { ...cart, items: items.set(event.sku, (items.get(event.sku) ?? 0) + event.quantity) };
  },
});

const { given } = behaviorTest<Cart, Command, CartEvent, number, Letter>(cart);
const tea = { type: "added", sku: "tea", quantity: 2 } as const;
const salt = { type: "added", sku: "salt", quantity: 1 } as const;

test("behavior test: what an event-sourced behavior does is what is expected", async () => {
  await given(tea)
    .when({ type: "add", sku: "salt", quantity: 1 })
    .thenEvents({ quantity: 1, sku: "salt", type: "added" })
    .thenState({ paid: false, items: new Map([["salt", 1], ["tea", 2]]) })
    .thenReply(3)
    .thenEffects();
  await given(tea, salt).when({ type: "pay" }).thenEffects({ text: "2 items" }).thenReply(3);
  await given(tea).when({ type: "count" }).thenNothing().thenReply(2).thenEvents();
  for (const expected of [RangeError, "paid already", (error: unknown) => Boolean(error)]) {
    await given({ type: "paid" }).when({ ...salt, type: "add" }).thenRejects(expected)
      .thenNothing();
  }
});

test("behavior test: it resolves to what came of the command", async () => {
  assert.deepEqual(await given().when({ type: "add", sku: "tea", quantity: 2 }), {
    events: [tea],
    metadata: { by: "Ada" },
    state: { items: new Map([["tea", 2]]), paid: false },
    effects: [],
    reply: 2,
    rejection: undefined,
  });
});

test("behavior test: each expectation that is not met fails", async () => {
  const pay = () => given(tea).when({ type: "pay" });
  await failureOf(
    pay().thenEvents({ type: "paid" }, salt),
    'Unexpected events: at [1] { type: "added", sku: "salt", quantity: 1 } is missing',
  );
  await failureOf(
    pay().thenEvents(),
    'Unexpected events: at [0] { type: "paid" } is too much',
  );
  await failureOf(
    pay().thenState({ paid: true, items: new Map([["tea", 3]]) }),
    'Unexpected state: at .items.get("tea") expected 3, found 2',
  );
  await failureOf(pay().thenReply(3), "Unexpected reply: expected 3, found 2");
  await failureOf(
    pay().thenEffects(),
    'Unexpected effects: at [0] { text: "1 items" } is too much',
  );
  await failureOf(
    pay().thenRejects(RangeError),
    "It should be rejected with RangeError, and is not",
  );
  await failureOf(
    pay().thenNothing(),
    'Unexpected events: at [0] { type: "paid" } is too much',
  );
});

test("behavior test: a rejection that is not the expected one fails", async () => {
  const add = () => given({ type: "paid" }).when({ ...salt, type: "add" });
  const rejected = "The command is rejected: RangeError: It is paid already";
  const { cause } = await failureOf(add(), rejected);
  assert.ok(cause instanceof RangeError);
  await failureOf(add().thenEvents(), rejected);
  await failureOf(add().thenNothing(), rejected);
  await failureOf(
    add().thenRejects(TypeError),
    "It should be rejected with TypeError, not with RangeError: It is paid already",
  );
  await failureOf(
    add().thenRejects("sold out"),
    'It should be rejected with the message "sold out", not with RangeError: It is paid already',
  );
  await failureOf(
    add().thenRejects(() => false),
    "It should be rejected with an error that the function accepts, not with RangeError: It is " +
      "paid already",
  );
  await failureOf(
    add().thenRejects(RangeError).thenReply(1),
    "There is no reply, for the command is rejected",
  );
});

test("behavior test: a failure says what was given, and where the test stands", async () => {
  const run = given(tea).when({ type: "count" }).thenReply(1);
  const { message, stack, expected, actual } = await failureOf(
    run,
    "Unexpected reply: expected 1, found 2",
  );
  assert.equal(
    message,
    `Unexpected reply: expected 1, found 2

Expected:
  1
Actual:
  2
Given:
  { type: "added", sku: "tea", quantity: 2 }
When:
  { type: "count" }`,
  );
  assert.deepEqual([expected, actual], [1, 2]);
  assert.match(stack ?? "", /event_sourced_test/);
});

test("behavior test: an expectation after the test has been awaited is refused", async () => {
  const run = given(tea).when({ type: "count" });
  await run;
  assert.throws(() => run.thenReply(1), /awaited already/);
});

test("behavior test: bad arguments are refused", () => {
  const refused = { code: "INVALID_ARGUMENT" };
  // @ts-expect-error: an option that there is not.
  assert.throws(() => behaviorTest(cart, { schema: undefined, codecs: 1 }), refused);
  assert.throws(() => behaviorTest(cart, { actorId: "" }), refused);
  // @ts-expect-error: not a behavior.
  assert.throws(() => behaviorTest({ handle() {}, apply() {} }), refused);
  // @ts-expect-error: not an expectation.
  assert.throws(() => given().when({ type: "count" }).thenRejects(undefined), refused);
});

test("behavior test: a test that nobody awaits fails, too", async () => {
  for (const expected of [1, 2]) {
    await using child = new Child("testing/children/not_awaited", { expected });
    const { code, errors } = await child.ended;
    assert.equal(code === 0, expected === 1, errors);
    assert.equal(errors.includes("Unexpected state: expected 2, found 1"), expected === 2, errors);
  }
});
