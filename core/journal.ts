/**
 * Journals: the messages of each actor, in order, for ever or until they are truncated.
 *
 * @module
 */

import type { Schema, SchemaVersion } from "./schema.ts";

/** A message in an actor's journal. */
export interface JournalEntry<Message> {
  /** The actor. */
  readonly actorId: string;
  /** The message's place in the actor's journal: 0, 1, 2, … */
  readonly sequenceNumber: number;
  /** The message, as it was when it was appended; where it was of an old version, upcast. */
  readonly message: Message;
  /** When `append` was called, by the clock of the machine that called it. */
  readonly timestamp: Date;
  /** What the message was stored as. Left out where it was stored without a schema. */
  readonly schema?: SchemaVersion;
}

/** How messages are appended. */
export interface AppendOptions {
  /**
   * The sequence number that the (first) message must get. Where another message has it already, or
   * the journal does not reach that far, the append rejects with `CONFLICT`. Default: any.
   */
  expectedSequenceNumber?: number;
  /**
   * Takes back an append whose commit has not begun: it rejects with the signal's reason, and the
   * message is certainly not in the journal. Once the commit has begun, an abort has no effect.
   */
  signal?: AbortSignal;
}

/** Appends of one journal object that were called and have not settled. */
export interface JournalPending {
  /** Messages, with those of batches. */
  readonly messages: number;
  /** Their encoded bytes. */
  readonly bytes: number;
}

/** Which entries are read. */
export interface ReadOptions {
  /** The highest sequence number, inclusive. Default: the end of the journal. */
  to?: number;
  /** At most this many entries: an integer of at least 0. Default: all. */
  limit?: number;
}

/** Which entries are replayed. */
export interface ReplayOptions extends ReadOptions {
  /** Ends the replay: the iteration throws the signal's reason. */
  signal?: AbortSignal;
}

/**
 * The messages of each actor, in order. One journal object serves any number of actors, unless it is
 * bound to one; any number of journal objects of a provider may serve the same actor.
 *
 * **A resolved append is on disk.** Appends that arrive while a commit is in flight go out together
 * with the next one, so a thousand concurrent callers share a flush.
 *
 * Every method rejects with {@linkcode ArgumentTypeError} or {@linkcode ArgumentRangeError}
 * (`INVALID_ARGUMENT`) where an actor id is not a non-empty, well-formed string of at most 512 bytes
 * of UTF-8, or is not the one that the journal is bound to; and with `CLOSED` after `close()`.
 *
 * @typeParam Message What the user stores. It must be encodable; with a {@linkcode Schema} it is
 *   validated, too.
 *
 * @example Append and replay
 * ```ts
 * import { MemoryPersistenceProvider } from "@cajun/persistence/memory";
 *
 * await using provider = await MemoryPersistenceProvider.open();
 * const journal = provider.createMessageJournal<{ deposit: number }>();
 * await journal.append("account-1", { deposit: 10 });
 * await journal.append("account-1", { deposit: 5 });
 *
 * let balance = 0;
 * for await (const entry of journal.replay("account-1", 0)) balance += entry.message.deposit;
 * console.log(balance); // 15
 * ```
 */
export interface MessageJournal<Message> extends AsyncDisposable {
  /**
   * What was appended through this journal object, over all its actors, and has neither resolved nor
   * rejected: what waits for room, for others of its batch, for the commit, or is being committed.
   * Refused calls never count. It can be read after `close()`, too.
   */
  readonly pending: JournalPending;

  /**
   * Appends a message. It is encoded before the call returns: what happens to the object afterwards
   * changes nothing. Calls for one actor take effect in the order in which they are made, awaited or
   * not, through whichever journal object of the provider.
   *
   * @param actorId The actor.
   * @param message The message, at most `maxMessageBytes` (default 16 MiB) when encoded.
   * @param options Expectation and signal.
   * @returns The message's sequence number, once it is durable.
   * @throws {PersistenceError} `UNENCODABLE`, `TOO_LARGE`, `CONFLICT` and `BACKPRESSURE`, with a
   *   schema also `VALIDATION_FAILED` and `UNKNOWN_SCHEMA`, each without effect on other appends;
   *   `STORAGE_FULL`, `STORAGE_FAILED`, `REOPEN_REQUIRED` and
   *   `CORRUPT` for this append and all behind it on this actor; `CLOSED`, `READ_ONLY`.
   */
  append(actorId: string, message: Message, options?: AppendOptions): Promise<number>;

  /**
   * Appends messages with consecutive sequence numbers, all or none, even through a crash.
   *
   * @param actorId The actor.
   * @param messages The messages, together at most `maxPendingBytes` (default 64 MiB) when encoded.
   *   None: nothing happens, and the expectation is not checked.
   * @param options Expectation (for the first message) and signal.
   * @returns Their sequence numbers, once they are durable.
   * @throws {PersistenceError} As {@linkcode MessageJournal.append}.
   */
  appendBatch(
    actorId: string,
    messages: readonly Message[],
    options?: AppendOptions,
  ): Promise<number[]>;

  /**
   * Reads entries into an array. For a long journal {@linkcode MessageJournal.replay} needs less
   * memory.
   *
   * @param actorId The actor. Where it is unknown, there are no entries.
   * @param fromSequenceNumber The lowest sequence number, inclusive. What has been truncated is left
   *   out.
   * @param options Upper bound and limit.
   * @returns The entries in ascending order, of those that were committed when the call was made.
   * @throws {PersistenceError} `CORRUPT` with actor and sequence number at a hole, a duplicate or
   *   damage; likewise `UNKNOWN_SCHEMA`, `UPCAST_FAILED` and `VALIDATION_FAILED` where a message
   *   does not become one of the schema; `TRUNCATED` where entries were truncated while they were
   *   being read; `UNSUPPORTED_FORMAT`, `STORAGE_FAILED`, `CLOSED`.
   */
  readFrom(
    actorId: string,
    fromSequenceNumber: number,
    options?: ReadOptions,
  ): Promise<JournalEntry<Message>[]>;

  /**
   * Reads entries one after the other, in pages of bounded size under the hood. No transaction stays
   * open while the consumer thinks.
   *
   * @param actorId The actor. Where it is unknown, there are no entries.
   * @param fromSequenceNumber The lowest sequence number, inclusive. What has been truncated is left
   *   out.
   * @param options Upper bound, limit and signal.
   * @returns The entries in ascending order, of those that were committed when the iteration began.
   *   All errors, also those about arguments, are thrown by the iteration.
   * @throws {PersistenceError} As {@linkcode MessageJournal.readFrom}.
   */
  replay(
    actorId: string,
    fromSequenceNumber: number,
    options?: ReplayOptions,
  ): AsyncIterable<JournalEntry<Message>>;

  /**
   * A stream that appends what is written to it, as by an `append` that is not awaited for each
   * chunk: many are under way at once and share commits. So `source.pipeTo(journal.writable(id))`
   * moves any number of messages with bounded memory.
   *
   * **Full** is a stream that has 4,096 messages or 1 MiB under way, or as much as
   * `maxPendingMessages` and `maxPendingBytes` let in, if that is less. While it is not, a chunk
   * counts for `desiredSize` only until the journal has taken it, a few microtasks; so `desiredSize`
   * becomes 1 again and `ready` resolves, as does the chunk's `write()`. That chunk is accepted, not
   * yet durable. While the stream is full, `desiredSize` is 0 or less and `ready` waits, until a
   * commit has made room. The stream waits for room with either backpressure strategy, never
   * rejects with `BACKPRESSURE`, and in a batched journal does not wait for more while it is full.
   *
   * **`close()`** resolves when everything that was written is durable.
   *
   * **An error** leaves no gap: the messages up to some chunk are in the journal, in order, and none
   * behind it. The stream errors with that of the first chunk that is not in the journal, and once
   * it has, nothing of it is under way any more. A chunk that cannot be encoded lets those before it
   * be committed.
   *
   * **`abort(reason)`** takes back what has not begun to be committed, and resolves when the rest
   * has settled. After it nothing more comes from this stream.
   *
   * @param actorId The actor.
   * @returns The stream. It may be one of several writers of the actor, whose messages then mix.
   * @throws {ArgumentTypeError | ArgumentRangeError} `INVALID_ARGUMENT` where the actor id is bad, or
   *   not the one that the journal is bound to.
   * @throws {PersistenceError} `CLOSED`. The stream errors with what an append rejects with; with
   *   `CLOSED` at the first chunk after `close()` of the journal.
   *
   * @example Pipe into a journal
   * ```ts
   * import { MemoryPersistenceProvider } from "@cajun/persistence/memory";
   *
   * await using provider = await MemoryPersistenceProvider.open();
   * const journal = provider.createMessageJournal<number>();
   * const source = new ReadableStream<number>({
   *   start(controller) {
   *     for (let reading = 0; reading < 1_000; reading++) controller.enqueue(reading);
   *     controller.close();
   *   },
   * });
   * await source.pipeTo(journal.writable("sensor-7"));
   * console.log(await journal.getHighestSequenceNumber("sensor-7")); // 999
   * ```
   */
  writable(actorId: string): WritableStream<Message>;

  /**
   * The same as {@linkcode MessageJournal.replay}, as a stream. It reads a page when an entry is asked
   * for and it has none left, and holds no more than one.
   *
   * @param actorId The actor. Where it is unknown, the stream is empty.
   * @param fromSequenceNumber The lowest sequence number, inclusive. What has been truncated is left
   *   out.
   * @param options Upper bound, limit and signal, which errors the stream with its reason.
   * @returns The entries in ascending order, of those that were committed when the first one was
   *   asked for. `cancel()` ends the reading.
   * @throws {ArgumentTypeError | ArgumentRangeError} `INVALID_ARGUMENT`.
   * @throws {PersistenceError} `CLOSED`. The stream errors as the iteration of
   *   {@linkcode MessageJournal.replay} does.
   *
   * @example The first three entries of a journal
   * ```ts
   * import { MemoryPersistenceProvider } from "@cajun/persistence/memory";
   *
   * await using provider = await MemoryPersistenceProvider.open();
   * const journal = provider.createMessageJournal<string>();
   * await journal.appendBatch("door-1", ["opened", "closed", "opened", "closed"]);
   * const reader = journal.readable("door-1", 0, { limit: 3 }).getReader();
   * for (let next = await reader.read(); !next.done; next = await reader.read()) {
   *   console.log(next.value.sequenceNumber, next.value.message);
   * }
   * ```
   */
  readable(
    actorId: string,
    fromSequenceNumber: number,
    options?: ReplayOptions,
  ): ReadableStream<JournalEntry<Message>>;

  /**
   * Removes the entries below a sequence number, behind all appends that were called before. The
   * removal takes effect at once, as a whole and durably; then space is given back in bounded steps.
   * The highest sequence number stays what it is. Where a crash interrupts the second part, the next
   * call for this actor completes it.
   *
   * @param actorId The actor. Where it is unknown, nothing happens.
   * @param sequenceNumber The lowest sequence number that stays. Beyond the end: all are removed.
   * @returns When all of it is done.
   * @throws {PersistenceError} `STORAGE_FULL`, `STORAGE_FAILED`, `REOPEN_REQUIRED`, `CORRUPT`,
   *   `READ_ONLY`, `CLOSED`.
   */
  truncateBefore(actorId: string, sequenceNumber: number): Promise<void>;

  /**
   * The highest sequence number that has been given out and committed. It never decreases: it
   * survives truncation of everything, close and reopen.
   *
   * @param actorId The actor.
   * @returns The sequence number, or -1 where the actor has no journal.
   * @throws {PersistenceError} `CORRUPT`, `UNSUPPORTED_FORMAT`, `STORAGE_FAILED`, `CLOSED`.
   */
  getHighestSequenceNumber(actorId: string): Promise<number>;

  /** Waits for what was accepted, then refuses every call. Other journals go on. Idempotent. */
  close(): Promise<void>;
}

/**
 * A journal whose appends wait for others: they go out when enough messages wait, in number or in
 * bytes, or the first has waited long enough, or {@linkcode BatchedMessageJournal.flush} is called, whichever comes first.
 *
 * It saves flushes where many callers append now and then, at the price of latency: a promise
 * resolves only after the batch has gone out. A plain journal, which groups what arrives during a
 * flush, is faster for callers that await their appends.
 *
 * @typeParam Message What the user stores.
 *
 * @example Batches of ten, at the latest after 20 milliseconds
 * ```ts
 * import { MemoryPersistenceProvider } from "@cajun/persistence/memory";
 *
 * await using provider = await MemoryPersistenceProvider.open();
 * const journal = provider.createBatchedMessageJournal<number>({
 *   maxBatchSize: 10,
 *   maxBatchDelayMs: 20,
 * });
 * const appended = [1, 2, 3].map((reading) => journal.append("sensor-7", reading));
 * await journal.flush();
 * console.log(await Promise.all(appended)); // [0, 1, 2]
 * ```
 */
export interface BatchedMessageJournal<Message> extends MessageJournal<Message> {
  /**
   * As soon as this many messages wait in this journal, over all its actors, they go out: an integer
   * from 1 to 2^31 - 1, default 100. It may be set at any time and holds at once.
   */
  maxBatchSize: number;

  /**
   * As soon as the messages that wait in this journal have this many bytes, encoded and together,
   * they go out: an integer from 1 to 2^31 - 1, default 1 MiB. That is 32 full frames, as
   * they are stored: with more of them a flush costs little per byte already, and memory is better
   * given back. It may be set at any time and holds at once.
   */
  maxBatchBytes: number;

  /**
   * The longest time that a message waits before it goes out, in milliseconds: an integer from 0 to
   * 2^31 - 1, default 100. It may be set at any time and holds at once.
   */
  maxBatchDelayMs: number;

  /**
   * Whether the journal finds out by itself how large a batch should be and how long it should wait.
   * Default: false. It may be set at any time and holds at once.
   *
   * By Little's law, the number of messages that arrive during a time is their rate times that time.
   * So a batch is as large as what arrives during one commit, and no message waits for others longer
   * than one commit takes; both are moving averages of what was observed. A lone caller that appends
   * now and then does not wait at all, a burst makes batches grow. Where commits take less than a
   * millisecond nothing waits: they group what arrives meanwhile anyway.
   *
   * `maxBatchSize`, `maxBatchBytes` and `maxBatchDelayMs` remain upper bounds.
   */
  adaptive: boolean;

  /**
   * Lets everything that waits go out now.
   *
   * @returns When every append that was called on this journal before is durable.
   * @throws {PersistenceError} The first error that one of them rejects with.
   */
  flush(): Promise<void>;
}

/**
 * What a journal is for.
 *
 * @typeParam Message What is stored in it.
 */
export interface JournalOptions<Message = unknown> {
  /** Binds the journal to one actor: calls for others are refused. Default: any actor. */
  actorId?: string;
  /**
   * What the messages are: their names and versions, which are stored with them, how they are
   * validated, and how those that older code has stored are read. Default: they are stored and read
   * as they are.
   */
  schema?: Schema<Message>;
}

/**
 * What a batched journal is for, and how it batches.
 *
 * @typeParam Message What is stored in it.
 */
export interface BatchedJournalOptions<Message = unknown> extends JournalOptions<Message> {
  /**
   * See {@linkcode BatchedMessageJournal.maxBatchSize}. Default: 100; with `adaptive` 2^31 - 1, that
   * is none.
   */
  maxBatchSize?: number;
  /** See {@linkcode BatchedMessageJournal.maxBatchBytes}. Default: 1 MiB. */
  maxBatchBytes?: number;
  /** See {@linkcode BatchedMessageJournal.maxBatchDelayMs}. Default: 100. */
  maxBatchDelayMs?: number;
  /** See {@linkcode BatchedMessageJournal.adaptive}. Default: false. */
  adaptive?: boolean;
}
