/**
 * What appends expect of the journal.
 *
 * @module
 */

import { describeActor, detailsOf, type NamedActor } from "../errors/actor_name.ts";
import { PersistenceError } from "../errors/persistence_error.ts";
import type { JournalState } from "../format/head.ts";
import type { JournalIdentity } from "../ports/actor_store.ts";
import type { SequenceNumberExpectation } from "../ports/journal_options.ts";

import { isSameJournal } from "./journal_guard.ts";

/** What an append expects, if anything. */
export interface Expectation {
  readonly expectedSequenceNumber: SequenceNumberExpectation | undefined;
  /** The journal that it must be: otherwise the actor was deleted or erased meanwhile. */
  readonly expectedJournal: JournalIdentity | undefined;
}

/**
 * Whether a journal is what an append expects.
 *
 * @param expectation What it expects.
 * @param state The state of the journal before the commit.
 * @param next The sequence number that the append would get, after others in the same commit.
 * @param first The lowest sequence number that is retained by then.
 * @returns Whether it is.
 */
export function isExpected(
  { expectedSequenceNumber: expected, expectedJournal }: Expectation,
  state: JournalState,
  next: number,
  first: number,
): boolean {
  if (expectedJournal && !isSameJournal(expectedJournal, state)) return false;
  switch (expected) {
    case undefined:
      return true;
    case "exists":
      return next > state.originSequenceNumber;
    case "empty":
      return next === first;
    default:
      return expected === next;
  }
}

/**
 * The error of an append that expects something else.
 *
 * @param actor The actor.
 * @param expectation What the append expects.
 * @param state The state of the journal before the commit.
 * @param next The sequence number that it would have got.
 * @param first The lowest sequence number that is retained.
 * @returns `CONFLICT`.
 */
export function conflictError(
  actor: NamedActor,
  { expectedSequenceNumber: expected, expectedJournal }: Expectation,
  state: JournalState,
  next: number,
  first: number,
): PersistenceError {
  const wanted = expectedJournal && !isSameJournal(expectedJournal, state)
    ? "the journal that there was, but the actor was deleted or erased"
    : describe(expected, next, first);
  return new PersistenceError(
    "CONFLICT",
    `Cannot append to ${describeActor(actor)}: expected ${wanted}`,
    {
      ...detailsOf(actor),
      actualSequenceNumber: next,
      ...(typeof expected === "number" && { sequenceNumber: expected }),
    },
  );
}

function describe(
  expected: SequenceNumberExpectation | undefined,
  next: number,
  first: number,
): string {
  if (expected === "exists") return "a journal that has had entries, but it has had none";
  if (expected !== "empty") return `sequence number ${expected}, but the next one is ${next}`;
  const entries = next - first === 1 ? `entry ${first}` : `entries ${first} to ${next - 1}`;
  return `an empty journal, but it has ${entries}`;
}
