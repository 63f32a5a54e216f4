/**
 * What journals give: entries, receipts, and which sequence numbers they have.
 *
 * @module
 */

import type { Metadata } from "./metadata.ts";
import type { SchemaVersion } from "./schema.ts";

/** A message in an actor's journal. */
export interface JournalEntry<Message> {
  /** The id of the actor. */
  readonly actorId: string;
  /** The position of the message in the actor's journal: 0, 1, 2, … */
  readonly sequenceNumber: number;
  /** The message as it was appended, or upcast if it was stored as an old version. */
  readonly message: Message;
  /** When `append` was called, by the clock of the machine that called it. */
  readonly timestamp: Date;
  /** The type and version that it was stored as. Absent if it was stored without a schema. */
  readonly schema?: SchemaVersion;
  /** The metadata that it was appended with. Absent if there was none. */
  readonly metadata?: Metadata;
  /**
   * Whether the message was made unreadable, by dropping the key that it was encrypted with: then
   * `message` is `undefined`, whatever its type says, and there is no metadata. Absent otherwise.
   */
  readonly isErased?: true;
}

/** What is known of a message that has become durable. */
export interface AppendReceipt {
  /** The sequence number of the message. */
  readonly sequenceNumber: number;
  /** When `append` was called: the timestamp of the entry. */
  readonly timestamp: Date;
  /**
   * The position of its commit in the order of all commits of the store: an integer of at least 1.
   * Messages that were committed together share one. If an append was acknowledged before another one
   * was called, for whatever actor and by whatever process, its position is the lower one.
   */
  readonly position: number;
}

/** Which sequence numbers an actor's journal has, all from one state of it. */
export interface JournalRange {
  /** The lowest one that is retained; one more than `highest` if no entry is. */
  readonly lowest: number;
  /**
   * The highest one that was ever given out. Before the first append it is one less than the number
   * that the journal begins at: -1, unless another one was chosen.
   */
  readonly highest: number;
  /**
   * The number that the journal began at: 0, unless another one was chosen, or the actor was erased.
   * If it is also the lowest one, the journal has every entry that there ever was.
   */
  readonly origin: number;
  /**
   * Tells this journal from those that the actor had before it was deleted: a positive integer, or 0
   * if the actor has no journal. What was read of a journal with another one is of no use any more.
   */
  readonly incarnation: number;
}

/**
 * Entries of an actor's journal, and which sequence numbers the journal had when they were read.
 *
 * @typeParam Message The type of the messages.
 */
export interface JournalSlice<Message> extends JournalRange {
  /** The entries. */
  readonly entries: JournalEntry<Message>[];
}

/** The appends of one journal object that have not settled. */
export interface JournalPending {
  /** The number of messages, including those of batches. */
  readonly messages: number;
  /** The total size of these messages when encoded, with their metadata, in bytes. */
  readonly bytes: number;
}
