/**
 * The options of journals and of their methods, with the names that are known.
 *
 * @module
 */

import type { OptionNames } from "../util/option_names.ts";
import type { Metadata } from "./metadata.ts";
import type { Schema } from "./schema.ts";

/**
 * What an append expects of the journal:
 *
 * - a number: the (first) message gets this sequence number, an integer of at least 0;
 * - `"exists"`: the journal has had at least one entry, though all may have been truncated since;
 * - `"empty"`: the journal has no entry now, though it may have had some.
 *
 * What was erased, or deleted, does not count.
 */
export type SequenceNumberExpectation = number | "exists" | "empty";

/** Options of {@linkcode MessageJournal.append} and {@linkcode MessageJournal.appendBatch}. */
export interface AppendOptions {
  /**
   * What the append expects of the journal. If it is otherwise, the append rejects with `CONFLICT`,
   * whose `actualSequenceNumber` is the one that the message would have got.
   *
   * @default {undefined} Nothing.
   */
  expectedSequenceNumber?: SequenceNumberExpectation;
  /**
   * What stands beside the message, or beside each message of a batch, and comes back as the
   * `metadata` of its entry: a plain object whose values the codec can encode, at most 16 KiB when
   * encoded. It is encoded before the call returns, so later changes to the object have no effect.
   *
   * @default {undefined} The entry has no metadata.
   */
  metadata?: Metadata;
  /**
   * Withdraws an append whose commit has not begun: it rejects with the signal's reason, and the
   * message is certainly not in the journal. Once the commit has begun, an abort has no effect.
   *
   * @default {undefined}
   */
  signal?: AbortSignal;
  /**
   * Whether the call resolves to receipts instead of sequence numbers: see
   * {@linkcode AppendReceiptOptions}.
   *
   * @default {false}
   */
  receipt?: false;
}

/** Options of appends that resolve to receipts. */
export interface AppendReceiptOptions extends Omit<AppendOptions, "receipt"> {
  /** The call resolves to an {@linkcode AppendReceipt} for each message. */
  receipt: true;
}

/** The names of {@linkcode AppendOptions}. */
export const APPEND_OPTION_NAMES: OptionNames<AppendOptions> = {
  expectedSequenceNumber: true,
  metadata: true,
  receipt: true,
  signal: true,
};

/**
 * Options of {@linkcode MessageJournal.readFrom}.
 *
 * The bounds of a read are safe integers, also negative ones. A bound selects what is on its side of
 * it, and a read is empty if nothing is on the right side of both: `from: -5` begins where the
 * journal begins, and with `to: -1`, or with `to` below `from`, nothing is read. What is no safe
 * integer, such as `NaN` or `0.5`, is refused with `INVALID_ARGUMENT`.
 */
export interface ReadOptions {
  /**
   * The highest sequence number to read, inclusive: a safe integer.
   *
   * @default {Number.MAX_SAFE_INTEGER} The end of the journal.
   */
  to?: number;
  /**
   * The maximum number of entries: an integer of at least 0.
   *
   * @default {Number.MAX_SAFE_INTEGER} All entries.
   */
  limit?: number;
  /**
   * Whether to read from the highest sequence number down: the entries come in descending order, and
   * a `limit` selects the last ones instead of the first ones. Only those are read, however long the
   * journal is.
   *
   * @default {false}
   */
  reverse?: boolean;
}

/** The names of {@linkcode ReadOptions}. */
export const READ_OPTION_NAMES: OptionNames<ReadOptions> = {
  to: true,
  limit: true,
  reverse: true,
};

/** Options of {@linkcode MessageJournal.read}. */
export interface ReadRangeOptions extends ReadOptions {
  /**
   * The lowest sequence number to read, inclusive: a safe integer.
   *
   * @default {0} The beginning of the journal.
   */
  from?: number;
}

/** The names of {@linkcode ReadRangeOptions}. */
export const READ_RANGE_OPTION_NAMES: OptionNames<ReadRangeOptions> = {
  ...READ_OPTION_NAMES,
  from: true,
};

/** Options of {@linkcode MessageJournal.replay} and {@linkcode MessageJournal.readable}. */
export interface ReplayOptions extends ReadOptions {
  /**
   * Ends the replay: the iteration throws the signal's reason.
   *
   * @default {undefined}
   */
  signal?: AbortSignal;
}

/** The names of {@linkcode ReplayOptions}. */
export const REPLAY_OPTION_NAMES: OptionNames<ReplayOptions> = {
  ...READ_OPTION_NAMES,
  signal: true,
};

/** Options of {@linkcode MessageJournal.truncateBefore}. */
export interface TruncateOptions {
  /**
   * The incarnation of the journal that is meant: see {@linkcode JournalRange.incarnation}. If the
   * actor has been deleted since, and has begun anew, nothing is removed.
   *
   * @default {undefined} Whatever journal the actor has then.
   */
  incarnation?: number;
}

/** The names of {@linkcode TruncateOptions}. */
export const TRUNCATE_OPTION_NAMES: OptionNames<TruncateOptions> = { incarnation: true };

/** Options of {@linkcode MessageJournal.follow}. */
export interface FollowOptions {
  /**
   * Ends the iteration: it throws the signal's reason.
   *
   * @default {undefined}
   */
  signal?: AbortSignal;
  /**
   * After how many milliseconds to look for what other processes have appended: an integer from 1 to
   * 2^31 - 1. Each time that there is nothing, it takes twice as long, up to a second. What this
   * process appends is noticed at once.
   *
   * @default {100}
   */
  pollMs?: number;
}

/** The names of {@linkcode FollowOptions}. */
export const FOLLOW_OPTION_NAMES: OptionNames<FollowOptions> = { signal: true, pollMs: true };

/**
 * Options of a journal: the actors that it serves and the types of its messages.
 *
 * @typeParam Message The type of the messages.
 */
export interface JournalOptions<Message = unknown> {
  /**
   * The kind of the actors that the journal serves, such as `"cart"`: a well-formed string of 1 to
   * 128 bytes of UTF-8. An actor is a kind and an id. Actors of different kinds share nothing, even
   * if they have the same id, and neither do actors with and without kind.
   *
   * @default {undefined} The journal serves actors without kind.
   */
  kind?: string;
  /**
   * Binds the journal to one actor: calls for other actors are refused.
   *
   * @default {undefined} The journal serves any actor.
   */
  actorId?: string;
  /**
   * The types of the messages: their names and versions, which are stored with them, how they are
   * validated, and how messages that older code has stored are read.
   *
   * @default {undefined} Messages are stored and read as they are.
   */
  schema?: Schema<Message>;
}

/** The names of {@linkcode JournalOptions}. */
export const JOURNAL_OPTION_NAMES: OptionNames<JournalOptions> = {
  kind: true,
  actorId: true,
  schema: true,
};

/**
 * Options of a batched journal: those of any journal, and how it batches.
 *
 * @typeParam Message The type of the messages.
 */
export interface BatchedJournalOptions<Message = unknown> extends JournalOptions<Message> {
  /**
   * See {@linkcode BatchedMessageJournal.maxBatchSize}.
   *
   * @default {100} With `adaptive`, 2^31 - 1.
   */
  maxBatchSize?: number;
  /**
   * See {@linkcode BatchedMessageJournal.maxBatchBytes}.
   *
   * @default {1 MiB}
   */
  maxBatchBytes?: number;
  /**
   * See {@linkcode BatchedMessageJournal.maxBatchDelayMs}.
   *
   * @default {100}
   */
  maxBatchDelayMs?: number;
  /**
   * See {@linkcode BatchedMessageJournal.adaptive}.
   *
   * @default {false}
   */
  adaptive?: boolean;
}

/** The names of {@linkcode BatchedJournalOptions}. */
export const BATCHED_JOURNAL_OPTION_NAMES: OptionNames<BatchedJournalOptions> = {
  ...JOURNAL_OPTION_NAMES,
  maxBatchSize: true,
  maxBatchBytes: true,
  maxBatchDelayMs: true,
  adaptive: true,
};
