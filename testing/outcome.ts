/**
 * What came of a message.
 *
 * @module
 */

import { checkHandlerResult, type HandlerResult } from "../core/actors/behavior.ts";
import { settle, type Settled } from "../core/util/settled.ts";
import type { Sourcing } from "../core/ports/actor_store.ts";
import type { Metadata } from "../core/ports/journal.ts";
import { isPromise } from "../core/util/promises.ts";
import type { Scenario } from "./behavior_test_error.ts";
import { nameOf, type ScratchStore } from "./scratch_store.ts";

/** What came of a message. */
export interface CommandOutcome<State, Stored, Reply, Effect> {
  /**
   * The events that were journaled. With command sourcing: the message, unless it only reads or was
   * refused.
   */
  readonly events: readonly Stored[];
  /** The metadata that stands beside the events, if there is any. */
  readonly metadata: Metadata | undefined;
  /** The state after the message. */
  readonly state: State;
  /** What is handed to the outbox. */
  readonly effects: readonly Effect[];
  /** The answer; `undefined` if there is none. */
  readonly reply: Reply | undefined;
  /** The error that the asker gets instead of an answer, if there is one. */
  readonly rejection: { readonly error: unknown } | undefined;
}

/** What came of a message, for the checks. */
export interface CheckedOutcome<State, Stored, Reply, Effect>
  extends CommandOutcome<State, Stored, Reply, Effect> {
  /** What is journaled. */
  readonly sourcing: Sourcing;
  /** The state before the message. */
  readonly before: State;
}

/**
 * Checks what a handler returned.
 *
 * @param result What it returned.
 * @param sourcing What is journaled.
 * @param scenario Fails if it is not what a handler may return.
 */
export function checkResult(result: unknown, sourcing: Sourcing, scenario: Scenario): void {
  try {
    checkHandlerResult(result, sourcing, true);
  } catch (error) {
    scenario.failBecause("The result of handle is invalid", error);
  }
}

/**
 * Checks that effects can be stored.
 *
 * @param effects The effects.
 * @param store Where they are stored.
 * @returns The effects as they come back.
 */
export function restoreEffects<Effect>(
  effects: readonly Effect[],
  store: Pick<ScratchStore<never, never>, "restore">,
): readonly Effect[] {
  return effects.map((effect, index) => store.restore(effect, nameOf("Effect", index)));
}

/**
 * Answers as an actor does: the reply is made of the state, and what comes after the message is
 * durable is called before the asker gets it.
 *
 * @param result What the handler returned.
 * @param state The state after the message.
 * @returns The answer, or the error that the asker gets.
 */
export async function answer<State, Reply>(
  { reply, afterPersist }: HandlerResult<State, Reply, unknown>,
  state: State,
): Promise<Settled<Reply | undefined>> {
  const replied = settle(() => reply?.(state));
  if (!isPromise(replied) && replied.type === "error") return replied;
  const called = await settle(() => afterPersist?.());
  return called.type === "error" ? called : await replied;
}
