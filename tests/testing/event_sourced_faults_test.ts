import assert from "node:assert/strict";
import { eventSourced, JsonCodec } from "../../mod.ts";
import { behaviorTest, BehaviorTestError } from "../../testing/mod.ts";
import { test } from "../harness.ts";
import { failureOf } from "./behaviors.ts";

/** Keeps a list; what it does beside that is what is wrong with it. */
function listWith<Event>(
  { apply = (list, event) => [...list, event], handle = (_list, event) => ({ events: [event] }) }: {
    apply?: (list: Event[], event: Event) => Event[];
    handle?: (list: Event[], event: Event) => { events?: Event[]; effects?: unknown[] };
  },
): ReturnType<typeof behaviorTest<Event[], Event, Event, void, unknown>> {
  return behaviorTest(eventSourced<Event[], Event, Event, void, unknown>({
    initialState: () => [],
    handle,
    apply,
  }));
}

class Money {
  readonly cents: number;

  constructor(cents: number) {
    this.cents = cents;
  }
}

test("behavior test: a handler that changes the state is found", async () => {
  const list = listWith<number>({
    handle(list, event) {
      list.push(event);
      return {};
    },
  });
  const error = await failureOf(
    list.given(1).when(2),
    "handle has changed the state, which only apply may: at [1] 2 is too much",
  );
  assert.deepEqual([error.expected, error.actual], [[1], [1, 2]]);
  // One that throws after that has done so, too.
  const throwing = listWith<{ count: number }>({
    handle(list) {
      for (const item of list) item.count++;
      throw new RangeError("no");
    },
  });
  await failureOf(
    throwing.given({ count: 1 }).when({ count: 1 }).thenRejects(RangeError),
    "handle has changed the state, which only apply may: at [0].count expected 1, found 2",
  );
});

test("behavior test: what cannot be stored is found, whatever it is", async () => {
  const reason = "PersistenceError: an instance of Money";
  const price = { price: new Money(5) };
  const sum = eventSourced<{ price: Money | number }, unknown, unknown, void, unknown>({
    initialState: { price: 0 },
    handle: (_state, command) => command as Record<string, never>,
    apply: (_state, event) => event as { price: Money },
  });
  const { given } = behaviorTest(sum);
  await failureOf(
    given().when({ events: [{ price: 1 }, price] }),
    `Event [1] cannot be stored: ${reason} at .price cannot be encoded`,
  );
  await failureOf(
    given(price).when({}),
    `Given event [0] cannot be stored: ${reason} at .price cannot be encoded`,
  );
  await failureOf(
    given().when({ effects: [price] }),
    `Effect [0] cannot be stored: ${reason} at .price cannot be encoded`,
  );
  await failureOf(
    given().when({ events: [{ price: 1 }], metadata: price }),
    `Metadata cannot be stored: ${reason} at .price cannot be encoded`,
  );
  await failureOf(
    given().when({ events: [{ price: 1 }], metadata: new Money(1) }),
    "Metadata must be a plain object",
  );
  const inState = listWith<number>({ apply: () => [() => 1] as unknown as number[] });
  await failureOf(
    inState.given().when(1),
    "The state after the command cannot be stored: PersistenceError: a function at [0] cannot be encoded",
  );
  await failureOf(
    inState.given(1).when(1),
    "The state before the command cannot be stored: PersistenceError: a function at [0] cannot be encoded",
  );
});

test("behavior test: an initial state that cannot be stored is found", async () => {
  const account = eventSourced({
    initialState: new Money(0),
    handle: (_state: Money, command: number) => ({ events: [command] }),
    apply: (state: Money, event: number) => new Money(state.cents + event),
  });
  await failureOf(
    behaviorTest(account).given().when(1),
    "initialState cannot be stored: PersistenceError: an instance of Money cannot be encoded",
  );
});

test("behavior test: what another codec does not give back as it was is found", async () => {
  const list = eventSourced({
    initialState: () => [],
    handle: (_list: unknown[], command: unknown) => ({ events: [command] }),
    apply: (list: unknown[], event: unknown) => [...list, event],
  });
  await behaviorTest(list).given().when(new Date(0)).thenEvents(new Date(0));
  await failureOf(
    behaviorTest(list, { codec: new JsonCodec() }).given().when(new Date(0)),
    "Event [0] cannot be stored: PersistenceError: an instance of Date cannot be encoded",
  );
});

test("behavior test: what a careless codec changes is found, whatever it is", async () => {
  const codec = {
    name: "careless",
    encode: (value: unknown) => new TextEncoder().encode(JSON.stringify(value)),
    decode: (bytes: Uint8Array) => JSON.parse(new TextDecoder().decode(bytes)) as unknown,
  };
  const careful = eventSourced<unknown, Record<string, unknown[]>, unknown, void, unknown>({
    initialState: 0,
    handle: (_state, command) => command,
    apply: (_state, event) => event === "date" ? new Date(0) : event,
  });
  const { given } = behaviorTest(careful, { codec });
  const changed = "does not come back as it was: expected Date(1970-01-01T00:00:00.000Z), found " +
    '"1970-01-01T00:00:00.000Z"';
  await failureOf(given().when({ events: [new Date(0)] }), `Event [0] ${changed}`);
  await failureOf(given().when({ effects: [new Date(0)] }), `Effect [0] ${changed}`);
  await failureOf(given().when({ events: ["date"] }), `The state after the command ${changed}`);
  await failureOf(given("date").when({}), `The state before the command ${changed}`);
});

test("behavior test: apply that depends on anything but its arguments is found", async () => {
  let calls = 0;
  const counting = listWith<number>({ apply: (list, event) => [...list, event + calls++] });
  await failureOf(
    counting.given(5).when(5),
    "Folding the same events twice gives two states: at [0] expected 6, found 5",
  );
  calls = 0;
  await failureOf(
    counting.given().when(5),
    "apply gives another state at first than in a replay of the journaled events: at [0] " +
      "expected 6, found 5",
  );
});

test("behavior test: a state that shares an object which is changed later is found", async () => {
  // What apply keeps of the first event is changed by the second one, and is the third one.
  interface Line {
    sku: string;
    quantity: number;
  }
  const shared = { sku: "tea", quantity: 1 };
  const list = listWith<Line>({
    handle: () => ({ events: [shared, shared, shared] }),
    apply(list, line) {
      const known = list.find(({ sku }) => sku === line.sku);
      if (known) known.quantity += line.quantity;
      else list.push(line);
      return list;
    },
  });
  await failureOf(
    list.given().when(shared),
    "apply gives another state at first than in a replay of the journaled events: at " +
      "[0].quantity expected 3, found 4",
  );
});

test("behavior test: what is journaled is encoded before apply changes it", async () => {
  const list = listWith<{ quantity: number }>({
    apply(list, event) {
      event.quantity *= 10;
      return [...list, event];
    },
  });
  await list.given().when({ quantity: 1 }).thenEvents({ quantity: 1 }).thenState([{
    quantity: 10,
  }]);
});

test("behavior test: apply that throws or answers by a promise is found", async () => {
  const throwing = listWith<number>({
    apply() {
      throw new RangeError("no");
    },
  });
  await failureOf(throwing.given().when(1), "apply fails for event [0]: RangeError: no");
  await failureOf(
    throwing.given(1).when(1),
    "apply fails in a replay, for what was journaled as [0]: RangeError: no",
  );
  const late = listWith<number>({ apply: (() => Promise.resolve([])) as never });
  await failureOf(
    late.given().when(1),
    "apply fails for event [0]: TypeError: it must answer at once, not by a promise",
  );
});

test("behavior test: a handler that returns what it may not is found", async () => {
  for (
    const [result, reason] of [
      [[1], "the handler must return an object or nothing, not an array"],
      [{ events: 1 }, "events must be an array, not number"],
      [{ reply: 1 }, "reply must be a function, not number"],
      [{ effects: {} }, "effects must be an array, not object"],
    ] as const
  ) {
    const list = listWith<unknown>({ handle: () => result as never });
    await failureOf(
      list.given().when(1),
      `The result of handle is invalid: ArgumentTypeError: Cannot handle message: ${reason}`,
    );
  }
  const misspelt = listWith<unknown>({ handle: () => ({ event: [1] }) as never });
  await failureOf(
    misspelt.given().when(1),
    "The result of handle is invalid: ArgumentTypeError: Cannot handle message: the handler " +
      'returned "event", with event sourcing it may return events, metadata, reply, effects, ' +
      "afterPersist",
  );
});

test("behavior test: reply and afterPersist", async () => {
  const calls: string[] = [];
  const replying = (answers: {
    reply?: (list: number[]) => Promise<number> | number;
    afterPersist?: () => Promise<void> | void;
  }) =>
    behaviorTest(eventSourced({
      initialState: () => [],
      handle: (_list: number[], event: number) => ({ events: [event], ...answers }),
      apply: (list: number[], event: number) => [...list, event],
    })).given(1).when(2);

  await replying({
    reply: (list) => Promise.resolve(list.length),
    afterPersist: () => void calls.push("afterPersist"),
  }).thenReply(2);
  assert.deepEqual(calls, ["afterPersist"]);
  // What was decided stands, only the answer is missing.
  const fails = () => Promise.reject(new RangeError("no answer"));
  await replying({ reply: fails }).thenEvents(2).thenRejects("no answer");
  await replying({ afterPersist: fails }).thenEvents(2).thenRejects(RangeError);
  await failureOf(
    replying({ reply: fails }).thenEvents(2),
    "The command is rejected: RangeError: no answer",
  );
  await failureOf(
    replying({ reply: (list) => list.push(3) }),
    "reply or afterPersist has changed the state: at [2] 3 is too much",
  );
});

test("behavior test: messages and states have to match their schemas", async () => {
  const isPositive = {
    "~standard": {
      version: 1,
      vendor: "test",
      validate: (value: unknown) =>
        typeof value === "number" && value > 0 ? { value } : { issues: [{ message: "not > 0" }] },
    },
  } as const;
  const sum = eventSourced({
    initialState: 1,
    handle: (_sum: number, add: number) => ({ events: [add] }),
    apply: (sum: number, add: number) => sum + add,
  });
  const schema = { name: "positive", version: 1, validator: isPositive };
  const { given } = behaviorTest(sum, { messageSchema: schema });
  await given(1).when(2).thenState(4);
  const error = await failureOf(
    given(1).when(-1),
    'Event [0] cannot be stored: PersistenceError: Cannot append to actor "test": the message ' +
      'does not match version 1 of "positive": not > 0',
  );
  assert.ok(error instanceof BehaviorTestError);
  await failureOf(
    behaviorTest(sum, { stateSchema: schema }).given(-5).when(1),
    "The state before the command cannot be stored: PersistenceError: Cannot save snapshot of " +
      'actor "test": the state does not match version 1 of "positive": not > 0',
  );
});
