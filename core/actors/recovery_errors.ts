/**
 * The errors of a recovery that cannot compute the state from what is stored.
 *
 * @module
 */

import { PersistenceError } from "../errors/persistence_error.ts";
import { messageOf } from "../util/text.ts";

/** What a replay started from. */
export interface ReplayStart {
  /** The sequence number of the snapshot, -1 if there was none. */
  readonly after: number;
  /** Newer snapshots that could not be read, the newest first. */
  readonly unreadableSnapshots: readonly {
    readonly sequenceNumber: number;
    readonly error: PersistenceError;
  }[];
}

/** The first entries that a replay needs are not there. A newer snapshot may include them. */
export class MissingEntries extends PersistenceError {
  /** The sequence number of the snapshot that the replay started from, -1 if there was none. */
  readonly after: number;

  /**
   * @param actorId The id of the actor.
   * @param start What the replay started from.
   * @param last The sequence number of the last missing entry.
   */
  constructor(actorId: string, { after, unreadableSnapshots }: ReplayStart, last: number) {
    const first = after + 1;
    const entries = first === last ? `entry ${first} is` : `entries ${first} to ${last} are`;
    const unreadable = unreadableSnapshots.map(({ sequenceNumber }) => sequenceNumber);
    const snapshots = unreadable.length > 0
      ? `the snapshots that include them cannot be read (${unreadable.join(", ")})`
      : "there is no snapshot that includes them";
    super(
      "RECOVERY_FAILED",
      `Cannot recover actor "${actorId}": ${entries} no longer in the journal, and ${snapshots}`,
      { actorId, sequenceNumber: first, cause: unreadableSnapshots[0]?.error },
    );
    this.after = after;
  }
}

/**
 * The error of an entry that is not where it must be: at the start of a replay it was truncated, later
 * it is a gap.
 *
 * @param actorId The id of the actor.
 * @param missing The sequence number of the entry.
 * @param next The sequence number of the entry that stands in its place.
 * @param start What the replay started from.
 * @returns `RECOVERY_FAILED` or `CORRUPT`.
 */
export function missingAt(
  actorId: string,
  missing: number,
  next: number,
  start: ReplayStart,
): PersistenceError {
  if (missing === start.after + 1) return new MissingEntries(actorId, start, next - 1);
  return new PersistenceError(
    "CORRUPT",
    `Cannot recover actor "${actorId}": entry ${missing} is missing: ${
      missing - 1
    } is followed by ${next}`,
    { actorId, sequenceNumber: missing },
  );
}

/**
 * The error of a snapshot that includes messages that the journal does not have.
 *
 * @param actorId The id of the actor.
 * @param snapshot The sequence number of the snapshot.
 * @param highest The highest sequence number of the journal.
 * @returns `RECOVERY_FAILED`.
 */
export function aheadOfJournal(
  actorId: string,
  snapshot: number,
  highest: number,
): PersistenceError {
  return new PersistenceError(
    "RECOVERY_FAILED",
    `Cannot recover actor "${actorId}": its snapshot at ${snapshot} is ahead of the journal, which ends at ${highest}`,
    { actorId, sequenceNumber: highest + 1 },
  );
}

/** An actor has no state to begin with. */
export class InitialStateError extends PersistenceError {}

/**
 * The error of an actor without a state to begin with.
 *
 * @param actorId The id of the actor.
 * @param problem What `initialState` has done, or must do.
 * @param cause What it threw.
 * @returns `RECOVERY_FAILED`, or the code of the cause.
 */
export function withoutInitialState(
  actorId: string,
  problem: string,
  cause?: unknown,
): InitialStateError {
  const code = cause instanceof PersistenceError ? cause.code : "RECOVERY_FAILED";
  return new InitialStateError(
    code,
    `Cannot recover actor "${actorId}": initialState ${problem}`,
    { actorId, cause },
  );
}

/**
 * The error of a recovery during which the actor was deleted or erased.
 *
 * @param actorId The id of the actor.
 * @param cause What the recovery failed with for that reason, if it did.
 * @returns `TRUNCATED`.
 */
export function replaced(actorId: string, cause?: unknown): PersistenceError {
  return new PersistenceError(
    "TRUNCATED",
    `Cannot recover actor "${actorId}": it was deleted or erased in the meantime`,
    { actorId, ...(cause !== undefined && { cause }) },
  );
}

/**
 * The error of an entry that the user's function has refused.
 *
 * @param actorId The id of the actor.
 * @param sequenceNumber The sequence number of the entry.
 * @param cause What the function threw.
 * @returns `RECOVERY_FAILED`.
 */
export function refused(actorId: string, sequenceNumber: number, cause: unknown): PersistenceError {
  const reason = messageOf(cause);
  return new PersistenceError(
    "RECOVERY_FAILED",
    `Cannot recover actor "${actorId}": entry ${sequenceNumber} cannot be applied: ${reason}`,
    { actorId, sequenceNumber, cause },
  );
}
