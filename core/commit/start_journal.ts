/**
 * Lets an empty journal begin, or go on, at a sequence number.
 *
 * @module
 */

import { describeActor, detailsOf } from "../errors/actor_name.ts";
import { PersistenceError } from "../errors/persistence_error.ts";
import type { ActorAddress } from "../format/actor_address.ts";
import { notBeingRemoved } from "../format/removal_mark.ts";
import type { JournalHeads } from "../read/journal_head.ts";
import type { JournalReset } from "./journal_resets.ts";

/** What a journal is started with. */
export interface StartServices {
  /** The log. */
  readonly log: JournalHeads;
  /** Resets a journal, and tells whether it was as expected and the conditions held. */
  readonly reset: (reset: JournalReset) => Promise<boolean>;
  /** Finishes the removal of an actor, if one has begun. */
  readonly finishRemoval: (actor: ActorAddress) => Promise<void>;
}

/**
 * Lets an empty journal begin, or go on, at a sequence number. It must run while nothing of this
 * process is being committed for the actor.
 *
 * @param services What the journal is started with.
 * @param actor The actor.
 * @param sequenceNumber The sequence number of the next append.
 * @returns When that is durable.
 * @throws {PersistenceError} `CONFLICT` if the journal has entries, or has come further; what reading
 *   the journal, `reset` and `finishRemoval` throw.
 */
export async function startJournal(
  { log, reset, finishRemoval }: StartServices,
  actor: ActorAddress,
  sequenceNumber: number,
): Promise<void> {
  for (;;) {
    await finishRemoval(actor);
    const state = await log.stateOf(actor);
    const { nextSequenceNumber: next, firstSequenceNumber: first } = state;
    if (first < next) {
      throw conflict(actor, sequenceNumber, next, `it has entries ${first} to ${next - 1}`);
    }
    if (sequenceNumber < next) {
      throw conflict(actor, sequenceNumber, next, `its next sequence number is already ${next}`);
    }
    if (sequenceNumber === next && sequenceNumber === state.originSequenceNumber) return;
    const isDone = await reset({
      address: actor,
      expected: state,
      nextSequenceNumber: sequenceNumber,
      deletes: false,
      conditions: [notBeingRemoved(actor)],
      changes: [],
      makesRoom: false,
    });
    // Otherwise another writer was faster.
    if (isDone) return;
  }
}

function conflict(
  actor: ActorAddress,
  sequenceNumber: number,
  next: number,
  reason: string,
): PersistenceError {
  return new PersistenceError(
    "CONFLICT",
    `Cannot start journal of ${describeActor(actor)} at ${sequenceNumber}: ${reason}`,
    { ...detailsOf(actor), sequenceNumber, actualSequenceNumber: next },
  );
}
