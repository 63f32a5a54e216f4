/**
 * Journals: the messages of each actor, in order, for ever or until they are truncated.
 *
 * @module
 */

/** A message in an actor's journal. */
export interface JournalEntry<Message> {
  /** The actor. */
  readonly actorId: string;
  /** The message's place in the actor's journal: 0, 1, 2, … */
  readonly sequenceNumber: number;
  /** The message, as it was when it was appended. */
  readonly message: Message;
  /** When `append` was called, by the clock of the machine that called it. */
  readonly timestamp: Date;
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
 * @typeParam Message What the user stores. It is not validated; it must be encodable.
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
   * Appends a message. It is encoded before the call returns: what happens to the object afterwards
   * changes nothing. Calls for one actor take effect in the order in which they are made, awaited or
   * not, through whichever journal object of the provider.
   *
   * @param actorId The actor.
   * @param message The message, at most `maxMessageBytes` (default 16 MiB) when encoded.
   * @param options Expectation and signal.
   * @returns The message's sequence number, once it is durable.
   * @throws {PersistenceError} `UNENCODABLE`, `TOO_LARGE`, `CONFLICT` and `BACKPRESSURE`, each
   *   without effect on other appends; `STORAGE_FULL`, `STORAGE_FAILED`, `REOPEN_REQUIRED` and
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
   *   damage; `TRUNCATED` where entries were truncated while they were being read;
   *   `UNSUPPORTED_FORMAT`, `STORAGE_FAILED`, `CLOSED`.
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
 * A journal whose appends wait for others: they go out when enough messages wait, or the first has
 * waited long enough, or {@linkcode BatchedMessageJournal.flush} is called, whichever comes first.
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
   * The longest time that a message waits before it goes out, in milliseconds: an integer from 0 to
   * 2^31 - 1, default 100. It may be set at any time and holds at once.
   */
  maxBatchDelayMs: number;

  /**
   * Lets everything that waits go out now.
   *
   * @returns When every append that was called on this journal before is durable.
   * @throws {PersistenceError} The first error that one of them rejects with.
   */
  flush(): Promise<void>;
}

/** How a batched journal batches. */
export interface BatchedJournalOptions {
  /** Binds the journal to one actor: calls for others are refused. Default: any actor. */
  actorId?: string;
  /** See {@linkcode BatchedMessageJournal.maxBatchSize}. Default: 100. */
  maxBatchSize?: number;
  /** See {@linkcode BatchedMessageJournal.maxBatchDelayMs}. Default: 100. */
  maxBatchDelayMs?: number;
}
