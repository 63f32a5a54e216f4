/**
 * Runs a command as an actor with event sourcing does, and checks on the way what an actor relies on.
 *
 * @module
 */

import type { Decision, EventSourcing, HandlerAnswer } from "../core/actors/behavior.ts";
import { settle } from "../core/util/settled.ts";
import type { Metadata } from "../core/ports/journal.ts";
import { isUnwantedPromise } from "../core/util/promises.ts";
import type { Scenario } from "./behavior_test_error.ts";
import { answer, type CheckedOutcome, checkResult, restoreEffects } from "./outcome.ts";
import { nameOf, type ScratchStore } from "./scratch_store.ts";

/**
 * Handles a command.
 *
 * @param sourcing The behavior.
 * @param store Where nothing has been stored yet.
 * @param scenario Fails if the behavior does what an actor cannot bear.
 * @param given The events before.
 * @param command The command.
 * @returns What came of it.
 */
export async function runCommand<State, Command, Event, Reply, Effect>(
  sourcing: EventSourcing<State, Command, Event, Reply, Effect>,
  store: ScratchStore<Event, State>,
  scenario: Scenario,
  given: readonly Event[],
  command: Command,
): Promise<CheckedOutcome<State, Event, Reply, Effect>> {
  const { initialState, handle } = sourcing;
  const apply = (state: State, event: Event) => applyAtOnce(sourcing, state, event);
  const replay = () => store.replay({ initialState, apply }, "apply");

  await store.checkInitialState(initialState);
  await store.append(given, "Given event");
  const state = await replay();
  await store.checkState(state, "The state before the command");
  const before = await replay();
  scenario.assertSame(state, before, "stored", "Folding the same events twice gives two states");

  const decided = await settle(() => handle(state, command));
  const isChanged = "handle has changed the state, which only apply may";
  scenario.assertSame(state, before, "stored", isChanged);
  if (decided.type === "error") {
    const nothing = { events: [], metadata: undefined, effects: [], reply: undefined };
    return { ...nothing, sourcing: "events", before, state, rejection: decided };
  }
  checkResult(decided.value, "events", scenario);
  // It has been checked, so it is what a handler may return.
  const result = decided.value as HandlerAnswer<Decision<State, Event, Reply, Effect>>;
  const { events = [], effects = [], metadata, ...rest } = result ?? {};

  // What is journaled is encoded before apply sees it, and may change it.
  const journaled = await store.append(events, "Event");
  const restored = restoreEffects(effects, store);

  const after = applyAll(events, state, apply, scenario);
  await store.checkState(after, "The state after the command");
  const replayed = await replay();
  const differs = "apply gives another state at first than in a replay of the journaled events";
  scenario.assertSame(after, replayed, "stored", differs);

  const answered = await answer(rest, after);
  scenario.assertSame(after, replayed, "stored", "reply or afterPersist has changed the state");
  return {
    sourcing: "events",
    before,
    events: journaled,
    metadata: metadata && restoreMetadata(metadata, store, scenario),
    effects: restored,
    state: after,
    reply: answered.type === "value" ? answered.value : undefined,
    rejection: answered.type === "error" ? answered : undefined,
  };
}

function applyAll<State, Event>(
  events: readonly Event[],
  before: State,
  apply: (state: State, event: Event) => State,
  scenario: Scenario,
): State {
  let state = before;
  for (const [index, event] of events.entries()) {
    try {
      state = apply(state, event);
    } catch (error) {
      scenario.failBecause(`apply fails for ${nameOf("event", index)}`, error);
    }
  }
  return state;
}

function applyAtOnce<State, Event>(
  { apply }: Pick<EventSourcing<State, never, Event, unknown>, "apply">,
  before: State,
  event: Event,
): State {
  const state = apply(before, event);
  if (!isUnwantedPromise(state)) return state;
  throw new TypeError("it must answer at once, not by a promise");
}

function restoreMetadata(
  metadata: Metadata,
  store: Pick<ScratchStore<never, never>, "restore">,
  scenario: Scenario,
): Metadata {
  const prototype: unknown = typeof metadata === "object" && Object.getPrototypeOf(metadata);
  if (prototype === Object.prototype || prototype === null) {
    return store.restore(metadata, "Metadata");
  }
  return scenario.fail("Metadata must be a plain object", { actual: metadata });
}
