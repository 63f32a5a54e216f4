import assert from "node:assert/strict";
import fc from "fast-check";
import { type Behavior, commandSourced, eventSourced, StatefulActor } from "../../mod.ts";
import { behaviorTest, TestDatabase } from "../../testing/mod.ts";
import { test } from "../harness.ts";

/** A command that says what its handler does. */
interface Command {
  readonly adds: readonly number[];
  readonly effects: readonly string[];
  readonly reads: boolean;
  readonly isAsync: boolean;
  readonly handleFails: boolean;
  readonly reply: "none" | "value" | "promise" | "throws" | "rejects";
  readonly afterPersist: "none" | "works" | "throws" | "rejects";
}

interface State {
  readonly values: readonly number[];
}

interface Seen {
  readonly events: readonly unknown[];
  readonly state: State;
  readonly effects: readonly string[];
  readonly reply: unknown;
  readonly error: string | undefined;
}

/** What reads the state: it changes nothing. */
const READ: Command = {
  adds: [],
  effects: [],
  reads: true,
  isAsync: false,
  handleFails: false,
  reply: "value",
  afterPersist: "none",
};

const commands: fc.Arbitrary<Command> = fc.record({
  adds: fc.array(fc.nat(9), { maxLength: 3 }),
  effects: fc.array(fc.string({ maxLength: 3 }), { maxLength: 2 }),
  reads: fc.boolean(),
  isAsync: fc.boolean(),
  handleFails: fc.integer({ min: 0, max: 4 }).map((number) => number === 0),
  reply: fc.constantFrom("none", "value", "promise", "throws", "rejects"),
  afterPersist: fc.constantFrom("none", "works", "throws", "rejects"),
});

/** @param called Called with the name of each callback that may be called only once. */
function answersOf({ reply, afterPersist }: Command, called: (name: string) => void): {
  reply?: (state: State) => Promise<State> | State;
  afterPersist?: () => Promise<void> | void;
} {
  const replies = {
    none: undefined,
    value: (state: State) => state,
    promise: (state: State) => Promise.resolve(state),
    throws() {
      throw new RangeError("reply throws");
    },
    rejects: () => Promise.reject(new RangeError("reply rejects")),
  };
  const callbacks = {
    none: undefined,
    works: () => called("afterPersist"),
    throws() {
      called("afterPersist");
      throw new RangeError("afterPersist throws");
    },
    rejects() {
      called("afterPersist");
      return Promise.reject(new RangeError("afterPersist rejects"));
    },
  };
  return {
    ...replies[reply] && { reply: replies[reply] },
    ...callbacks[afterPersist] && { afterPersist: callbacks[afterPersist] },
  };
}

function events(called: (name: string) => void): Behavior<State, Command, number, unknown, string> {
  return eventSourced<State, Command, number, unknown, string>({
    initialState: { values: [] },
    handle(_state, command) {
      const decide = () => {
        if (command.handleFails) throw new RangeError("handle throws");
        const { adds, effects } = command;
        return { events: adds, effects, ...answersOf(command, called) };
      };
      return command.isAsync ? Promise.resolve().then(decide) : decide();
    },
    apply: ({ values }, event) => ({ values: [...values, event] }),
  });
}

function messages(
  called: (name: string) => void,
): Behavior<State, Command, Command, unknown, string> {
  return commandSourced<State, Command, unknown, string>({
    initialState: { values: [] },
    isReadOnly: ({ reads }) => reads,
    handle({ values }, command) {
      const handle = () => {
        if (command.handleFails) throw new RangeError("handle throws");
        const { adds, effects } = command;
        const state = command.reads ? {} : { state: { values: [...values, ...adds] } };
        return { ...state, effects, ...answersOf(command, called) };
      };
      return command.isAsync ? Promise.resolve().then(handle) : handle();
    },
  });
}

/** What an actor does whose journal holds what was given. */
async function seenOfActor<Stored>(
  behavior: Behavior<State, Command, Stored, unknown, string>,
  given: readonly Stored[],
  command: Command,
): Promise<Seen> {
  await using provider = await new TestDatabase().open();
  const actorId = "42";
  const journal = provider.createMessageJournal<Stored>({ kind: "list" });
  if (given.length > 0) await journal.appendBatch(actorId, given);
  const effects: string[] = [];
  await using actor = StatefulActor.start({
    provider,
    kind: "list",
    actorId,
    behavior,
    outbox: { deliver: (effect: string) => void effects.push(effect) },
  });
  await actor.recovered;
  await actor.outbox.drained();
  effects.length = 0;
  let reply: unknown;
  let error: string | undefined;
  try {
    reply = await actor.ask(command);
  } catch (caught) {
    error = String(caught);
  }
  await actor.outbox.drained();
  const state = await actor.ask(READ) as State;
  const entries = await journal.readFrom(actorId, given.length);
  return { events: entries.map(({ message }) => message), state, effects, reply, error };
}

/** What the test kit says. */
async function seenOfKit<Stored>(
  behavior: Behavior<State, Command, Stored, unknown, string>,
  given: readonly Stored[],
  command: Command,
): Promise<Seen> {
  const run = behaviorTest(behavior).given(...given).when(command);
  const mayFail = command.handleFails || [command.reply, command.afterPersist]
    .some((callback) => callback === "throws" || callback === "rejects");
  const { events, state, effects, reply, rejection } = await (
    mayFail ? run.thenRejects(RangeError) : run
  );
  const error = rejection && String(rejection.error);
  return { events, state, effects, reply, error };
}

/** @returns The names of callbacks that were called. */
function collect(): { names: string[]; called: (name: string) => void } {
  const names: string[] = [];
  return { names, called: (name) => void names.push(name) };
}

test("behavior test: an event-sourced behavior does what an actor does with it", async () => {
  const property = fc.asyncProperty(fc.array(fc.nat(9)), commands, async (given, command) => {
    const [kit, actor] = [collect(), collect()];
    const expected = await seenOfActor(events(actor.called), given, command);
    assert.deepEqual(await seenOfKit(events(kit.called), given, command), expected);
    assert.deepEqual(kit.names, actor.names);
  });
  await fc.assert(property);
});

test("behavior test: a command-sourced behavior does what an actor does with it", async () => {
  const harmless = commands.map((command): Command => ({
    ...command,
    reads: false,
    handleFails: false,
  }));
  const property = fc.asyncProperty(fc.array(harmless), commands, async (given, command) => {
    const [kit, actor] = [collect(), collect()];
    const expected = await seenOfActor(messages(actor.called), given, command);
    const seen = await seenOfKit(messages(kit.called), given, command);
    // A refused message is in the journal, and it is remembered that it has no effect.
    const isRefused = command.handleFails && !command.reads;
    if (isRefused) assert.deepEqual(seen.events, []);
    assert.deepEqual({ ...seen, ...isRefused && { events: [{ ...command }] } }, expected);
    assert.deepEqual(kit.names, actor.names);
  });
  await fc.assert(property);
});
