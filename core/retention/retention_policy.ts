/**
 * Retention: truncates the entries that are no longer needed to recover an actor. They come before a
 * snapshot that exists and can be read, and never after the oldest snapshot that is kept, nor after
 * the position of a consumer.
 *
 * The order makes it safe if the process crashes at any point: a snapshot is durable and has been
 * read back before anything is truncated, and truncation is one atomic step of the journal. Whatever
 * is interrupted, the journal reaches back to every snapshot that is kept.
 *
 * @module
 */

import { checkInteger, checkOptions, describeType } from "../errors/arguments.ts";
import { ArgumentRangeError, ArgumentTypeError } from "../errors/persistence_error.ts";
import type { ConsumerPositions } from "../ports/consumers.ts";
import type { MessageJournal } from "../ports/journal.ts";
import type { SnapshotStore } from "../ports/snapshot_store.ts";
import type { OptionNames } from "../util/option_names.ts";

const DEFAULT_RETAINED = 500;

/** What an actor truncates. In the background, {@linkcode RetentionSweep} does the same. */
export interface RetentionOptions {
  /**
   * When the actor truncates its journal: never (`"off"`), or each time that it has saved a snapshot
   * (`"onSnapshot"`). To keep it off the path of messages, or to truncate the journals of actors that
   * are not running, leave it off and use a {@linkcode RetentionSweep}.
   *
   * @default {"off"}
   */
  mode?: "off" | "onSnapshot";
  /**
   * How many entries stay that the newest snapshot includes, for those who read the journal: an
   * integer of at least 0.
   *
   * @default {500}
   */
  retainMessagesBeforeSnapshot?: number;
  /**
   * How many entries of the journal stay, the newest, instead of `retainMessagesBeforeSnapshot`: an
   * integer of at least 0. More stay if the oldest snapshot that is kept needs them.
   *
   * @default {undefined} `retainMessagesBeforeSnapshot` decides.
   */
  keepLast?: number;
  /**
   * The positions of the journal's consumers, such as a `ConsumerRegistry`. The entries that they
   * need stay.
   *
   * @default {undefined} There are no consumers.
   */
  consumers?: ConsumerPositions;
}

const RETENTION_OPTION_NAMES: OptionNames<RetentionOptions> = {
  mode: true,
  retainMessagesBeforeSnapshot: true,
  keepLast: true,
  consumers: true,
};

/** {@linkcode RetentionOptions} with their defaults. */
export interface RetentionPolicy {
  readonly mode: "off" | "onSnapshot";
  readonly retainMessagesBeforeSnapshot: number;
  readonly keepLast: number | undefined;
  readonly consumers: ConsumerPositions | undefined;
}

/**
 * Checks the options of retention.
 *
 * @param options The options.
 * @param operation The caller's operation, for the error message.
 * @param path The name of the option that holds them, for the error message, if there is one.
 * @returns The options with their defaults.
 * @throws {ArgumentTypeError | ArgumentRangeError} `INVALID_ARGUMENT` if one is invalid or unknown.
 */
export function checkRetention(
  options: RetentionOptions,
  operation: string,
  path?: string,
): RetentionPolicy {
  checkOptions(options, operation, RETENTION_OPTION_NAMES, path);
  const nameOf = (name: keyof RetentionOptions) => path ? `${path}.${name}` : name;
  const { mode = "off", retainMessagesBeforeSnapshot, keepLast, consumers } = options;
  if (mode !== "off" && mode !== "onSnapshot") {
    throw new ArgumentRangeError(
      `Cannot ${operation}: ${nameOf("mode")} must be "off" or "onSnapshot", not "${mode}"`,
    );
  }
  if (keepLast !== undefined && retainMessagesBeforeSnapshot !== undefined) {
    throw new ArgumentRangeError(
      `Cannot ${operation}: ${nameOf("keepLast")} replaces ${
        nameOf("retainMessagesBeforeSnapshot")
      }, pass only one of them`,
    );
  }
  if (consumers !== undefined && typeof consumers?.lowestNeeded !== "function") {
    throw new ArgumentTypeError(
      `Cannot ${operation}: ${nameOf("consumers")} must have a function lowestNeeded`,
    );
  }
  const checkCount = (count: number, name: keyof RetentionOptions) =>
    checkInteger(count, nameOf(name), 0, Number.MAX_SAFE_INTEGER, operation);
  return {
    mode,
    retainMessagesBeforeSnapshot: checkCount(
      retainMessagesBeforeSnapshot ?? DEFAULT_RETAINED,
      "retainMessagesBeforeSnapshot",
    ),
    keepLast: keepLast === undefined ? undefined : checkCount(keepLast, "keepLast"),
    consumers,
  };
}

/** The part of a provider that retention needs. */
export interface RetentionStores {
  /** The journal of the actor. */
  readonly journal: Pick<MessageJournal<unknown>, "read" | "truncateBefore">;
  /** Its snapshots. */
  readonly snapshots: Pick<SnapshotStore<unknown>, "getLatestSnapshot" | "listSnapshots">;
}

/** How far a journal has been truncated. */
export interface Truncated {
  /** Tells the journal from those that the actor has later, if it is deleted. */
  readonly incarnation: number;
  /** The lowest sequence number that was left. */
  readonly before: number;
}

/** Of a journal of which nothing has been truncated yet, or that is not known. */
export const NOT_TRUNCATED: Truncated = { incarnation: 0, before: 0 };

/**
 * Truncates the journal of an actor as far as the policy allows. The newest snapshot is read first:
 * if that fails, nothing is truncated. If the actor is deleted meanwhile, and begins anew, nothing is
 * either.
 *
 * @param stores The actor's journal and snapshots.
 * @param actorId The id of the actor.
 * @param policy What is truncated.
 * @param truncated What earlier calls have truncated, if that is known.
 * @returns What is truncated now: `truncated` itself if nothing could be.
 * @throws {PersistenceError} The codes of `getLatestSnapshot` and `truncateBefore`.
 */
export async function truncateBeforeSnapshot(
  { journal, snapshots }: RetentionStores,
  actorId: string,
  policy: RetentionPolicy,
  truncated: Truncated = NOT_TRUNCATED,
): Promise<Truncated> {
  // Before everything else is read: what is found then is not older than the journal.
  const { highest, incarnation } = await journal.read(actorId, { limit: 0 });
  const kept = await snapshots.listSnapshots(actorId);
  const [newest] = kept;
  const oldest = kept[kept.length - 1];
  if (newest === undefined || oldest === undefined) return truncated;
  const wanted = policy.keepLast === undefined
    ? newest + 1 - policy.retainMessagesBeforeSnapshot
    : highest + 1 - policy.keepLast;
  const needed = await lowestNeeded(policy, actorId);
  const before = Math.min(wanted, oldest + 1, needed);
  if (before <= (truncated.incarnation === incarnation ? truncated.before : 0)) return truncated;
  // Last, since it costs something: a snapshot that cannot be read replaces no entries.
  const readable = await snapshots.getLatestSnapshot(actorId);
  if (!readable || readable.sequenceNumber < newest) return truncated;
  await journal.truncateBefore(actorId, before, { incarnation });
  return { incarnation, before };
}

/** A position that is not one must not truncate what a consumer needs. */
async function lowestNeeded({ consumers }: RetentionPolicy, actorId: string): Promise<number> {
  const needed = await consumers?.lowestNeeded(actorId);
  if (needed === undefined) return Infinity;
  if (Number.isSafeInteger(needed)) return needed;
  throw new ArgumentTypeError(
    `Cannot truncate journal of actor "${actorId}": lowestNeeded must give an integer or undefined, not ${
      typeof needed === "number" ? needed : describeType(needed)
    }`,
  );
}
