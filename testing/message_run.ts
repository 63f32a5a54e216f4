/**
 * Runs a message as an actor with command sourcing does, and checks on the way what an actor relies
 * on.
 *
 * @module
 */

import type { CommandSourcing, HandlerAnswer, Outcome } from "../core/actors/behavior.ts";
import { stateAfter } from "../core/actors/command_strategy.ts";
import { settle, type Settled } from "../core/util/settled.ts";
import { isPromise, isUnwantedPromise, type MaybePromise } from "../core/util/promises.ts";
import type { Scenario } from "./behavior_test_error.ts";
import { answer, type CheckedOutcome, checkResult, restoreEffects } from "./outcome.ts";
import { nameOf, type ScratchStore } from "./scratch_store.ts";

/**
 * Handles a message.
 *
 * @param sourcing The behavior.
 * @param store Where nothing has been stored yet.
 * @param scenario Fails if the behavior does what an actor cannot bear.
 * @param given The messages before.
 * @param message The message.
 * @returns What came of it.
 */
export async function runMessage<State, Message, Reply, Effect>(
  sourcing: CommandSourcing<State, Message, Reply, Effect>,
  store: ScratchStore<Message, State>,
  scenario: Scenario,
  given: readonly Message[],
  message: Message,
): Promise<CheckedOutcome<State, Message, Reply, Effect>> {
  const { initialState, handle } = sourcing;
  const apply = (state: State, message: Message): MaybePromise<State> => {
    const result = handle(state, message);
    if (!isPromise(result)) return stateAfter(result, state);
    return Promise.resolve(result).then((result) => stateAfter(result, state));
  };
  const replay = () => store.replay({ initialState, apply }, "handle");

  checkGiven(sourcing, scenario, given);
  await store.checkInitialState(initialState);
  await store.append(given, "Given message");
  const state = await replay();
  await store.checkState(state, "The state before the message");
  const before = await replay();
  scenario.assertSame(state, before, "stored", "Handling the same messages twice gives two states");

  const nothing = {
    sourcing: "commands",
    before,
    events: [],
    metadata: undefined,
    effects: [],
    reply: undefined,
  } as const;
  const asked = askWhetherReadOnly(sourcing, scenario, message);
  if (asked.type === "error") return { ...nothing, state, rejection: asked };
  const isReadOnly = asked.value;
  const journaled = isReadOnly ? [] : await store.append([message], "Message");

  const handled = await settle(() => handle(state, message));
  // It may have changed a part of the state: an actor goes on with the one before.
  if (handled.type === "error") return { ...nothing, state: before, rejection: handled };
  checkResult(handled.value, "commands", scenario);
  // It has been checked, so it is what a handler may return.
  const result = handled.value as HandlerAnswer<Outcome<State, Reply, Effect>>;
  const effects = isReadOnly ? [] : restoreEffects(result?.effects ?? [], store);
  const after = isReadOnly ? state : stateAfter(result, state);

  await store.checkState(after, "The state after the message");
  const replayed = await replay();
  const differs = isReadOnly
    ? "handle has changed the state, although the message only reads"
    : "handle gives another state at first than in a replay of the journaled messages";
  scenario.assertSame(after, replayed, "stored", differs);

  const answered = await answer(result ?? {}, after);
  scenario.assertSame(after, replayed, "stored", "reply or afterPersist has changed the state");
  return {
    ...nothing,
    events: journaled,
    effects,
    state: after,
    reply: answered.type === "value" ? answered.value : undefined,
    rejection: answered.type === "error" ? answered : undefined,
  };
}

/** A message that only reads is never journaled, so a test that gives one is mistaken. */
function checkGiven<State, Message, Reply, Effect>(
  sourcing: CommandSourcing<State, Message, Reply, Effect>,
  scenario: Scenario,
  given: readonly Message[],
): void {
  for (const [index, message] of given.entries()) {
    const asked = askWhetherReadOnly(sourcing, scenario, message);
    const name = nameOf("Given message", index);
    if (asked.type === "error") scenario.failBecause(`isReadOnly fails for ${name}`, asked.error);
    if (asked.value) scenario.fail(`${name} only reads, so it is never journaled`);
  }
}

function askWhetherReadOnly<State, Message, Reply, Effect>(
  { isReadOnly }: CommandSourcing<State, Message, Reply, Effect>,
  scenario: Scenario,
  message: Message,
): Settled<boolean> {
  let answer: unknown;
  try {
    answer = isReadOnly?.(message) ?? false;
  } catch (error) {
    return { type: "error", error };
  }
  if (!isUnwantedPromise(answer)) return { type: "value", value: Boolean(answer) };
  return scenario.fail("isReadOnly must answer at once, not by a promise");
}
