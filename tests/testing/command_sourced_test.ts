import assert from "node:assert/strict";
import { commandSourced } from "../../mod.ts";
import { behaviorTest } from "../../testing/mod.ts";
import { test } from "../harness.ts";
import { failureOf } from "./behaviors.ts";

type Message = { type: "take"; seats: number } | { type: "free" };

interface Room {
  taken: number;
}

const room = commandSourced<Room, Message, number, { seats: number }>({
  initialState: () => ({ taken: 0 }),
  isReadOnly: ({ type }) => type === "free",
  async handle(room, message) {
    const reply = ({ taken }: Room) => 10 - taken;
    if (message.type === "free") return { reply };
    room.taken += message.seats;
    await undefined;
    if (room.taken > 10) throw new RangeError("It is full");
    return { effects: [{ seats: message.seats }], reply };
  },
});

const { given } = behaviorTest(room);
const take = (seats: number): Message => ({ type: "take", seats });

test("behavior test: what a command-sourced behavior does is what is expected", async () => {
  await given(take(3), take(2))
    .when(take(4))
    .thenEvents(take(4))
    .thenState({ taken: 9 })
    .thenReply(1)
    .thenEffects({ seats: 4 });
  await given(take(3)).when({ type: "free" }).thenNothing().thenEvents().thenReply(7);
  // It has changed the state before it threw: an actor goes on with the one before.
  await given(take(3)).when(take(8)).thenRejects(RangeError).thenState({ taken: 3 }).thenNothing();
  assert.deepEqual(await given().when(take(1)), {
    events: [take(1)],
    metadata: undefined,
    state: { taken: 1 },
    effects: [{ seats: 1 }],
    reply: 9,
    rejection: undefined,
  });
});

test("behavior test: expectations of a command-sourced behavior that are not met fail", async () => {
  const taken = () => given(take(3)).when(take(4));
  await failureOf(
    taken().thenState({ taken: 8 }),
    "Unexpected state: at .taken expected 8, found 7",
  );
  await failureOf(taken().thenReply(2), "Unexpected reply: expected 2, found 3");
  await failureOf(
    taken().thenEvents(),
    'Unexpected events: at [0] { type: "take", seats: 4 } is too much',
  );
  await failureOf(taken().thenEffects(), "Unexpected effects: at [0] { seats: 4 } is too much");
  await failureOf(taken().thenNothing(), "Unexpected effects: at [0] { seats: 4 } is too much");
  const sum = sumWith<number>((sum, add) => ({ state: { value: sum.value + add } }));
  await failureOf(
    sum.given(1).when(2).thenNothing(),
    "Unexpected state: at .value expected 1, found 3",
  );
  await failureOf(
    given(take(3)).when(take(8)),
    "The command is rejected: RangeError: It is full",
  );
});

/** A sum; what it does beside that is what is wrong with it. */
function sumWith<Added>(
  handle: (sum: { value: number }, add: Added) => unknown,
  isReadOnly?: (add: Added) => boolean,
): ReturnType<typeof behaviorTest<{ value: number }, Added, Added, void, unknown>> {
  return behaviorTest(commandSourced<{ value: number }, Added, void, unknown>({
    initialState: { value: 0 },
    handle: handle as () => Record<string, never>,
    ...isReadOnly && { isReadOnly },
  }));
}

test("behavior test: a handler that gives another state in a replay is found", async () => {
  let calls = 0;
  const counting = sumWith<number>(({ value }, add) => ({
    state: { value: value + add + calls++ },
  }));
  await failureOf(
    counting.given(1).when(1),
    "Handling the same messages twice gives two states: at .value expected 2, found 1",
  );
  calls = 0;
  await failureOf(
    counting.given().when(1),
    "handle gives another state at first than in a replay of the journaled messages: at .value " +
      "expected 2, found 1",
  );
});

test("behavior test: a handler that changes the state for a message that reads is found", async () => {
  const changing = sumWith<number>((sum, add) => void (sum.value += add), () => true);
  await failureOf(
    changing.given().when(2),
    "handle has changed the state, although the message only reads: at .value expected 0, found 2",
  );
});

test("behavior test: what a command-sourced behavior cannot have stored is found", async () => {
  class Money {}
  const keeping = sumWith<unknown>((sum, value) => ({ state: { ...sum, kept: value } }));
  const refused = "cannot be stored: PersistenceError: an instance of Money cannot be encoded";
  await failureOf(keeping.given().when(new Money()), `Message [0] ${refused}`);
  await failureOf(keeping.given(new Money()).when(1), `Given message [0] ${refused}`);
  const state = sumWith<number>(() => ({ state: { value: new Money() } }));
  const refusedPart = refused.replace("Money", "Money at .value");
  await failureOf(state.given().when(1), `The state after the message ${refusedPart}`);
  await failureOf(state.given(1).when(1), `The state before the message ${refusedPart}`);
  const effects = sumWith<number>(() => ({ effects: [new Money()] }));
  await failureOf(effects.given().when(1), `Effect [0] ${refused}`);
  const initial = commandSourced({
    initialState: new Money(),
    handle: (_state: Money, message: number) => ({ state: { message } }),
  });
  await failureOf(behaviorTest(initial).given(1).when(1), `initialState ${refused}`);
});

test("behavior test: a reply that changes the state of a command-sourced actor is found", async () => {
  const replying = commandSourced({
    initialState: { value: 0 },
    handle: (_sum: { value: number }, _add: number) => ({
      reply: (sum: { value: number }) => ++sum.value,
    }),
  });
  await failureOf(
    behaviorTest(replying).given().when(1),
    "reply or afterPersist has changed the state: at .value expected 0, found 1",
  );
});

test("behavior test: a command-sourced handler that returns what it may not is found", async () => {
  await failureOf(
    sumWith<number>(() => ({ events: [1] })).given().when(1),
    "The result of handle is invalid: ArgumentTypeError: Cannot handle message: the handler " +
      'returned "events", with command sourcing it may return state, reply, effects, afterPersist',
  );
});

test("behavior test: a given message must be one that an actor would have journaled", async () => {
  await failureOf(
    given({ type: "free" }).when(take(1)),
    "Given message [0] only reads, so it is never journaled",
  );
  await failureOf(
    given(take(1), take(10)).when(take(1)),
    "handle fails in a replay, for what was journaled as [1]: RangeError: It is full",
  );
});

test("behavior test: isReadOnly that throws refuses the message, by a promise it fails", async () => {
  const throwing = sumWith<number>(() => ({}), () => {
    throw new RangeError("no");
  });
  await throwing.given().when(1).thenRejects(RangeError).thenEvents();
  await failureOf(
    throwing.given(1).when(1),
    "isReadOnly fails for Given message [0]: RangeError: no",
  );
  const late = sumWith<number>(() => ({}), (() => Promise.resolve(true)) as never);
  await failureOf(late.given().when(1), "isReadOnly must answer at once, not by a promise");
});
