/**
 * What an actor has begun and not yet released.
 *
 * @module
 */

import type { PreparedEntries, PreparedState } from "../ports/actor_store.ts";
import type { OpenEffect } from "../ports/outbox_store.ts";
import type { MaybePromise } from "../util/promises.ts";
import type { Task } from "./mailbox.ts";
import type { SupervisionDirective } from "./options.ts";

/** What the handler of a message threw, and what follows from it. */
export interface Refusal {
  readonly error: unknown;
  readonly directive: SupervisionDirective;
}

/** A state that is saved when all that it includes is durable. */
export interface Capture {
  /** The state, encoded. */
  readonly state: PreparedState;
  /** The sequence number of the last entry that it includes. */
  readonly sequenceNumber: number;
}

/** A task that has been begun and is not released. */
export interface InFlightTask<Message, Reply> {
  readonly task: Task<Message, Reply>;
  /** What it appends, encoded; `undefined` if nothing. */
  readonly entries: PreparedEntries | undefined;
  /** With command sourcing: a copy of the message, as it is appended. */
  readonly message: Message | undefined;
  /** The sequence number of the last entry up to it. It is final when it is durable. */
  last: number;
  status: "appending" | "durable" | "failed";
  /** What its handler threw when it was begun. */
  refusal: Refusal | undefined;
  /** The answer, if it is known already. */
  reply: MaybePromise<Reply> | undefined;
  /** Called when it is durable. */
  afterPersist: (() => MaybePromise<void>) | undefined;
  /** The state after it, if that is to be saved. */
  capture: Capture | undefined;
  /** Its effects, as they stand in the outbox. */
  effects: readonly OpenEffect[];
}

/**
 * A task that begins.
 *
 * @param task The task.
 * @param last The sequence number of the last entry up to it.
 * @param entries What it appends, if anything.
 * @param message A copy of the message, if that is what it appends.
 * @returns The task, as it stands before it is submitted.
 */
export function inFlightTask<Message, Reply>(
  task: Task<Message, Reply>,
  last: number,
  entries?: PreparedEntries,
  message?: Message,
): InFlightTask<Message, Reply> {
  return {
    task,
    entries,
    message,
    last,
    status: entries ? "appending" : "durable",
    refusal: undefined,
    reply: undefined,
    afterPersist: undefined,
    capture: undefined,
    effects: [],
  };
}
