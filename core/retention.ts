/**
 * Retention: what is no longer needed to recover an actor is truncated, behind a snapshot that is
 * there and can be read, and never further than the oldest snapshot that is kept, or than somebody
 * who follows the journal has come.
 *
 * The order makes it safe under a crash at any point: a snapshot is durable and has been read back
 * before anything is truncated, and truncation is one atomic step of the journal. Whatever is
 * interrupted, the journal reaches back to every snapshot that is kept.
 *
 * @module
 */

import { checkInteger, checkOptions } from "./arguments.ts";
import { ArgumentRangeError, ArgumentTypeError } from "./errors.ts";
import type { MessageJournal } from "./journal.ts";
import type { SnapshotStore } from "./snapshots.ts";
import type { MaybePromise } from "./storage.ts";

const DEFAULT_RETAINED = 500;

/** Somebody who knows how far those have come who follow journals. */
export interface FollowerPositions {
  /**
   * The lowest sequence number of an actor's journal that a follower still needs.
   *
   * @param actorId The actor.
   * @returns The sequence number, or `undefined` where nobody needs anything.
   */
  lowestNeeded(actorId: string): MaybePromise<number | undefined>;
}

/** What is truncated. */
export interface RetentionOptions {
  /**
   * When:
   *
   * - `"off"`, the default: never.
   * - `"onSnapshot"`: each time that a snapshot was saved.
   * - `"background"`: not by the actor, but by a {@linkcode RetentionSweep}.
   */
  mode?: "off" | "onSnapshot" | "background";
  /**
   * How many entries stay that the newest snapshot includes, for those who read the journal: an
   * integer of at least 0. Default: 500.
   */
  retainMessagesBehindSnapshot?: number;
  /**
   * Instead of that: how many entries of the journal stay, the newest: an integer of at least 0. More
   * stay where the oldest snapshot that is kept needs them.
   */
  keepLast?: number;
  /** Whoever follows the journal. What they need stays. */
  followers?: FollowerPositions;
}

/** {@linkcode RetentionOptions} that have been checked. */
export interface RetentionPolicy {
  readonly mode: "off" | "onSnapshot" | "background";
  readonly retainMessagesBehindSnapshot: number;
  readonly keepLast: number | undefined;
  readonly followers: FollowerPositions | undefined;
}

/**
 * Checks what is to be truncated.
 *
 * @param options What the caller passed.
 * @param operation What the caller is about to do, for the error's message.
 * @returns The options with their defaults.
 * @throws {ArgumentTypeError | ArgumentRangeError} `INVALID_ARGUMENT` where one is bad.
 */
export function checkRetention(options: RetentionOptions, operation: string): RetentionPolicy {
  checkOptions(options, operation);
  const { mode = "off", retainMessagesBehindSnapshot, keepLast, followers } = options;
  if (mode !== "off" && mode !== "onSnapshot" && mode !== "background") {
    throw new ArgumentRangeError(
      `Cannot ${operation}: mode must be "off", "onSnapshot" or "background", not "${mode}"`,
    );
  }
  if (keepLast !== undefined && retainMessagesBehindSnapshot !== undefined) {
    throw new ArgumentRangeError(
      `Cannot ${operation}: keepLast takes the place of retainMessagesBehindSnapshot, state only one`,
    );
  }
  if (keepLast !== undefined) {
    checkInteger(keepLast, "keepLast", 0, Number.MAX_SAFE_INTEGER, operation);
  }
  if (followers !== undefined && typeof followers?.lowestNeeded !== "function") {
    throw new ArgumentTypeError(`Cannot ${operation}: followers must have lowestNeeded`);
  }
  return {
    mode,
    retainMessagesBehindSnapshot: checkInteger(
      retainMessagesBehindSnapshot ?? DEFAULT_RETAINED,
      "retainMessagesBehindSnapshot",
      0,
      Number.MAX_SAFE_INTEGER,
      operation,
    ),
    keepLast,
    followers,
  };
}

/** What retention needs of a provider. */
export interface RetentionStores {
  readonly journal: Pick<MessageJournal<unknown>, "getHighestSequenceNumber" | "truncateBefore">;
  readonly snapshots: Pick<SnapshotStore<unknown>, "getLatestSnapshot" | "listSnapshots">;
}

/**
 * Truncates the journal of an actor as far as the policy allows. The newest snapshot is read first:
 * where that fails nothing is truncated.
 *
 * @param stores Where the actor's entries and snapshots are.
 * @param actorId The actor.
 * @param policy What is truncated.
 * @param truncated The lowest sequence number that may be left already, if that is known.
 * @returns The lowest sequence number that may be left now, 0 where nothing could be truncated.
 * @throws {PersistenceError} What reading the snapshot or truncating throws.
 */
export async function truncateBehindSnapshot(
  { journal, snapshots }: RetentionStores,
  actorId: string,
  policy: RetentionPolicy,
  truncated = 0,
): Promise<number> {
  const kept = await snapshots.listSnapshots(actorId);
  const [newest] = kept;
  const oldest = kept[kept.length - 1];
  if (newest === undefined || oldest === undefined) return truncated;
  const wanted = policy.keepLast === undefined
    ? newest + 1 - policy.retainMessagesBehindSnapshot
    : await journal.getHighestSequenceNumber(actorId) + 1 - policy.keepLast;
  const needed = await policy.followers?.lowestNeeded(actorId) ?? Infinity;
  const before = Math.min(wanted, oldest + 1, needed);
  if (before <= truncated) return truncated;
  // Only now, since it costs something: what cannot be read is no reason to remove anything.
  const readable = await snapshots.getLatestSnapshot(actorId);
  if (!readable || readable.sequenceNumber < newest) return truncated;
  await journal.truncateBefore(actorId, before);
  return before;
}
