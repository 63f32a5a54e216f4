/**
 * What a write depends on that is not an append, such as that of a snapshot: the journal that it
 * belongs to. If the actor was deleted or erased since, nothing of before may be stored again.
 *
 * @module
 */

import type { JournalState } from "../format/head.ts";
import type { JournalIdentity } from "../ports/actor_store.ts";

/** What must hold of a journal. */
export interface JournalGuard {
  /** Which journal it must be. */
  readonly journal: JournalIdentity;
  /** The number of an entry that it must have had. It may have been truncated. */
  readonly sequenceNumber: number;
}

/**
 * Whether a journal is the one that is meant.
 *
 * @param identity The one that is meant. Before its first entry it has no incarnation.
 * @param state The state of the journal that there is.
 * @returns Whether it is the same one, and was not erased since.
 */
export function isSameJournal(
  { incarnation, origin }: JournalIdentity,
  state: JournalState,
): boolean {
  return origin === state.originSequenceNumber &&
    (incarnation === 0 || incarnation === state.incarnation);
}

/**
 * Whether a journal is as a write needs it.
 *
 * @param guard What must hold.
 * @param state The state of the journal.
 * @returns Whether it holds.
 */
export function isGuardKept(
  { journal, sequenceNumber }: JournalGuard,
  state: JournalState,
): boolean {
  return isSameJournal(journal, state) && state.nextSequenceNumber > sequenceNumber;
}
