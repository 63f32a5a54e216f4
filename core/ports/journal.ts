/**
 * Journals: the messages of each actor, in order, kept until they are truncated.
 *
 * @module
 */

import type { AppendReceipt, JournalEntry, JournalPending, JournalSlice } from "./journal_entry.ts";
import type {
  AppendOptions,
  AppendReceiptOptions,
  FollowOptions,
  ReadOptions,
  ReadRangeOptions,
  ReplayOptions,
  TruncateOptions,
} from "./journal_options.ts";

export type {
  AppendReceipt,
  JournalEntry,
  JournalPending,
  JournalRange,
  JournalSlice,
} from "./journal_entry.ts";
export type { Metadata } from "./metadata.ts";

/**
 * The messages of each actor, in order. One journal object serves any number of actors, unless it
 * is bound to one; any number of journal objects of a provider may serve the same actor.
 *
 * **A resolved append is on disk.** Appends that arrive while a commit is in flight share the next
 * one, so a thousand concurrent callers share a flush.
 *
 * Every method rejects with {@linkcode ArgumentTypeError} or {@linkcode ArgumentRangeError}
 * (`INVALID_ARGUMENT`) if an actor id is not a non-empty, well-formed string of at most 512 bytes
 * of UTF-8, or is not the one that the journal is bound to; and with `CLOSED` after `close()`.
 *
 * @typeParam Message The type of the messages. The codec must be able to encode them. With a
 *   {@linkcode Schema} they are validated, too.
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
   * The appends of this journal object, over all its actors, that have neither resolved nor
   * rejected: those that wait for room, for their batch or for a commit, and those that are being
   * committed. Refused calls never count. It can also be read after `close()`.
   */
  readonly pending: JournalPending;

  /**
   * Appends a message. It is encoded before the call returns, so later changes to the object have
   * no effect. The calls for one actor take effect in the order in which they are made, whether or
   * not they are awaited, and through any journal object of the provider.
   *
   * @param actorId The id of the actor.
   * @param message The message, at most `maxMessageBytes` (default 16 MiB) when encoded.
   * @param options What is expected of the journal, metadata and a signal.
   * @returns The sequence number of the message, once it is durable.
   * @throws {ArgumentTypeError | ArgumentRangeError} `INVALID_ARGUMENT` if an argument is invalid.
   * @throws {PersistenceError} `UNENCODABLE`, `TOO_LARGE`, `CONFLICT` and `BACKPRESSURE`, with a
   *   schema also `VALIDATION_FAILED` and `UNKNOWN_SCHEMA`, each without effect on other appends;
   *   `STORAGE_FULL`, `STORAGE_FAILED`, `REOPEN_REQUIRED` and `CORRUPT` for this append and all
   *   later ones on this actor that are in flight; `CLOSED`, `READ_ONLY`.
   *
   * @example A message with metadata
   * ```ts
   * import { MemoryPersistenceProvider } from "@cajun/persistence/memory";
   *
   * await using provider = await MemoryPersistenceProvider.open();
   * const journal = provider.createMessageJournal<string>();
   * await journal.append("door-1", "opened", { metadata: { correlationId: "request-7" } });
   * const [entry] = await journal.readFrom("door-1", 0);
   * console.log(entry?.metadata); // { correlationId: "request-7" }
   * ```
   */
  append(actorId: string, message: Message, options?: AppendOptions): Promise<number>;

  /**
   * Appends a message, and gives a receipt.
   *
   * @param actorId The id of the actor.
   * @param message The message.
   * @param options What is expected of the journal, and a signal; `receipt` is true.
   * @returns The receipt, once the message is durable.
   * @throws {ArgumentTypeError | ArgumentRangeError} `INVALID_ARGUMENT` if an argument is invalid.
   * @throws {PersistenceError} As without a receipt: `UNENCODABLE`, `TOO_LARGE`, `CONFLICT`,
   *   `BACKPRESSURE`, `VALIDATION_FAILED`, `UNKNOWN_SCHEMA`, `STORAGE_FULL`, `STORAGE_FAILED`,
   *   `REOPEN_REQUIRED`, `CORRUPT`, `CLOSED`, `READ_ONLY`.
   *
   * @example When a message was appended
   * ```ts
   * import { MemoryPersistenceProvider } from "@cajun/persistence/memory";
   *
   * await using provider = await MemoryPersistenceProvider.open();
   * const journal = provider.createMessageJournal<string>();
   * const receipt = await journal.append("door-1", "opened", { receipt: true });
   * console.log(receipt.sequenceNumber); // 0
   * console.log(receipt.timestamp <= new Date()); // true
   * ```
   */
  append(
    actorId: string,
    message: Message,
    options: AppendReceiptOptions,
  ): Promise<AppendReceipt>;

  /**
   * Appends messages with consecutive sequence numbers, all or none, even if the process crashes.
   *
   * @param actorId The id of the actor.
   * @param messages The messages, together at most `maxPendingBytes` (default 64 MiB) when encoded.
   *   If there are none, nothing happens, and no expectation is checked.
   * @param options What is expected of the journal, metadata for each message, and a signal.
   * @returns The sequence numbers of the messages, once they are durable.
   * @throws {ArgumentTypeError | ArgumentRangeError} `INVALID_ARGUMENT` if an argument is invalid.
   * @throws {PersistenceError} The codes of {@linkcode MessageJournal.append}.
   */
  appendBatch(
    actorId: string,
    messages: readonly Message[],
    options?: AppendOptions,
  ): Promise<number[]>;

  /**
   * Appends messages with consecutive sequence numbers, all or none, and gives receipts.
   *
   * @param actorId The id of the actor.
   * @param messages The messages.
   * @param options What is expected of the journal, and a signal; `receipt` is true.
   * @returns A receipt for each message, once they are durable.
   * @throws {ArgumentTypeError | ArgumentRangeError} `INVALID_ARGUMENT` if an argument is invalid.
   * @throws {PersistenceError} The codes of {@linkcode MessageJournal.append}.
   */
  appendBatch(
    actorId: string,
    messages: readonly Message[],
    options: AppendReceiptOptions,
  ): Promise<AppendReceipt[]>;

  /**
   * Reads entries, and which sequence numbers the journal has, both from one state of it. For a long
   * journal, {@linkcode MessageJournal.replay} needs less memory.
   *
   * @param actorId The id of the actor. An unknown actor has no entries.
   * @param options The bounds, the limit and the direction. Without them, the whole journal is read.
   * @returns The entries that were committed when the call was made, without truncated ones, and the
   *   lowest and highest sequence numbers.
   * @throws {ArgumentTypeError | ArgumentRangeError} `INVALID_ARGUMENT` if an argument is invalid.
   * @throws {PersistenceError} The codes of {@linkcode MessageJournal.readFrom}.
   *
   * @example The last two entries
   * ```ts
   * import { MemoryPersistenceProvider } from "@cajun/persistence/memory";
   *
   * await using provider = await MemoryPersistenceProvider.open();
   * const journal = provider.createMessageJournal<string>();
   * await journal.appendBatch("door-1", ["opened", "closed", "opened"]);
   * const { entries, lowest, highest } = await journal.read("door-1", { limit: 2, reverse: true });
   * console.log(entries.map(({ sequenceNumber }) => sequenceNumber)); // [2, 1]
   * console.log(lowest, highest); // 0 2
   * ```
   */
  read(actorId: string, options?: ReadRangeOptions): Promise<JournalSlice<Message>>;

  /**
   * Reads entries into an array: a short form of {@linkcode MessageJournal.read}. For a long journal,
   * {@linkcode MessageJournal.replay} needs less memory.
   *
   * @param actorId The id of the actor. An unknown actor has no entries.
   * @param fromSequenceNumber The lowest sequence number, inclusive: a safe integer. Truncated
   *   entries are left out.
   * @param options The upper bound, the limit and the direction.
   * @returns The entries that were committed when the call was made, in ascending order, or in
   *   descending order with `reverse`.
   * @throws {ArgumentTypeError | ArgumentRangeError} `INVALID_ARGUMENT` if an argument is invalid.
   * @throws {PersistenceError} With actor and sequence number: `CORRUPT` at a gap, a duplicate or
   *   damage, and `UNKNOWN_SCHEMA`, `UPCAST_FAILED` or `VALIDATION_FAILED` if a message does not
   *   match the schema; `TRUNCATED` if entries were truncated while they were being read;
   *   `UNSUPPORTED_FORMAT`, `STORAGE_FAILED`, `CLOSED`.
   */
  readFrom(
    actorId: string,
    fromSequenceNumber: number,
    options?: ReadOptions,
  ): Promise<JournalEntry<Message>[]>;

  /**
   * Iterates over entries, which it reads in pages of bounded size. No transaction stays open
   * between two entries.
   *
   * @param actorId The id of the actor. An unknown actor has no entries.
   * @param fromSequenceNumber The lowest sequence number, inclusive: a safe integer. Truncated
   *   entries are left out.
   * @param options The upper bound, the limit, the direction and a signal.
   * @returns The entries that were committed when the iteration began, in ascending order, or in
   *   descending order with `reverse`. The iteration throws all errors, including those about
   *   arguments.
   * @throws {ArgumentTypeError | ArgumentRangeError} `INVALID_ARGUMENT` if an argument is invalid.
   * @throws {PersistenceError} The codes of {@linkcode MessageJournal.readFrom}.
   */
  replay(
    actorId: string,
    fromSequenceNumber: number,
    options?: ReplayOptions,
  ): AsyncIterable<JournalEntry<Message>>;

  /**
   * Iterates over entries, and then over those that are appended, by this process or another one:
   * without a gap, and without an end. While it waits, the process does not end by itself.
   *
   * @param actorId The id of the actor. An unknown one is waited for.
   * @param fromSequenceNumber The lowest sequence number, inclusive: a safe integer. It may be
   *   beyond the end of the journal.
   * @param options A signal, and how often to look for what other processes have appended.
   * @returns The entries in ascending order. The iteration throws all errors, including those about
   *   arguments.
   * @throws {ArgumentTypeError | ArgumentRangeError} `INVALID_ARGUMENT` if an argument is invalid.
   * @throws {PersistenceError} `TRUNCATED` if the next entry was truncated before it was read, or the
   *   actor deleted; `CLOSED` as soon as the journal or the provider is closed; the other codes of
   *   {@linkcode MessageJournal.readFrom}.
   * @throws {unknown} The signal's reason as soon as it aborts.
   *
   * @example What is there, and what comes
   * ```ts
   * import { MemoryPersistenceProvider } from "@cajun/persistence/memory";
   *
   * await using provider = await MemoryPersistenceProvider.open();
   * const journal = provider.createMessageJournal<string>();
   * await journal.append("door-1", "opened");
   * setTimeout(() => journal.append("door-1", "closed"), 10);
   * for await (const { sequenceNumber, message } of journal.follow("door-1", 0)) {
   *   console.log(sequenceNumber, message); // 0 opened, then 1 closed
   *   if (message === "closed") break;
   * }
   * ```
   */
  follow(
    actorId: string,
    fromSequenceNumber: number,
    options?: FollowOptions,
  ): AsyncIterable<JournalEntry<Message>>;

  /**
   * A stream that appends what is written to it. A chunk does not wait for the one before to be
   * durable, so many appends are in flight at once and share commits:
   * `source.pipeTo(journal.writable(id))` moves any number of messages with bounded memory.
   *
   * **Backpressure:** the stream is full while it has 4,096 messages or 1 MiB in flight, or as much
   * as `maxPendingMessages` and `maxPendingBytes` allow, if that is less. While it is not full, a
   * chunk counts towards `desiredSize` only until the journal has accepted it, which takes a few
   * microtasks; then `desiredSize` is 1 again, and `ready` and the chunk's `write()` resolve. The
   * chunk is accepted then, but not yet durable. While the stream is full, `desiredSize` is 0 or
   * less and `ready` is pending, until a commit has made room. The stream waits for room with
   * either backpressure strategy and never rejects with `BACKPRESSURE`. In a batched journal, a
   * full stream commits at once instead of waiting for its batch to fill.
   *
   * **`close()`** resolves when everything that was written is durable.
   *
   * **An error** leaves no gap: the journal has the messages up to some chunk, in order, and none
   * after it. The stream errors with the error of the first chunk that is not in the journal, and
   * from then on it has nothing in flight. If a chunk cannot be encoded, those before it are still
   * committed.
   *
   * **`abort(reason)`** withdraws what has not begun to be committed, and resolves when the rest
   * has settled. After that, the stream appends nothing.
   *
   * @param actorId The id of the actor.
   * @returns The stream. If the actor has several writers, their messages interleave.
   * @throws {ArgumentTypeError | ArgumentRangeError} `INVALID_ARGUMENT` if the actor id is invalid,
   *   or is not the one that the journal is bound to.
   * @throws {PersistenceError} `CLOSED`. The stream errors with the codes of
   *   {@linkcode MessageJournal.append}, and with `CLOSED` at the first chunk after the journal was
   *   closed.
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
   * The same as {@linkcode MessageJournal.replay}, as a stream. It holds at most one page, and
   * reads the next one only when an entry is requested and the page is used up.
   *
   * @param actorId The id of the actor. For an unknown actor the stream is empty.
   * @param fromSequenceNumber The lowest sequence number, inclusive: a safe integer. Truncated
   *   entries are left out.
   * @param options The upper bound, the limit, the direction, and a signal that errors the stream
   *   with its reason.
   * @returns The entries that were committed when the first one was requested, in the order of
   *   {@linkcode MessageJournal.replay}. `cancel()` ends the reading.
   * @throws {ArgumentTypeError | ArgumentRangeError} `INVALID_ARGUMENT` if an argument is invalid.
   * @throws {PersistenceError} `CLOSED`. The stream errors with the codes of
   *   {@linkcode MessageJournal.replay}.
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
   * Removes the entries below a sequence number, after all appends that were called before. First
   * the removal takes effect, atomically and durably; then the storage frees the space in bounded
   * steps. The highest sequence number does not change. If a crash interrupts the second part, the
   * next call for this actor completes it. Like appends, calls that arrive while a commit is in flight
   * share the next one.
   *
   * @param actorId The id of the actor. For an unknown actor nothing happens.
   * @param sequenceNumber The lowest sequence number that stays. If it is beyond the end of the
   *   journal, all entries are removed.
   * @param options Which journal is meant.
   * @returns Resolves when both parts are done.
   * @throws {ArgumentTypeError | ArgumentRangeError} `INVALID_ARGUMENT` if an argument is invalid.
   * @throws {PersistenceError} `STORAGE_FULL`, `STORAGE_FAILED`, `REOPEN_REQUIRED`, `CORRUPT`,
   *   `READ_ONLY`, `CLOSED`.
   */
  truncateBefore(
    actorId: string,
    sequenceNumber: number,
    options?: TruncateOptions,
  ): Promise<void>;

  /**
   * Lets an empty journal begin, or go on, at a sequence number: for imports, and for journals that
   * do not begin at 0. It takes its place after all appends that were called before. What is below
   * the number is not needed for recovery any more: it begins with the initial state, or with a
   * snapshot.
   *
   * @param actorId The id of the actor.
   * @param sequenceNumber The sequence number of the next append.
   * @returns Resolves when that is durable.
   * @throws {ArgumentTypeError | ArgumentRangeError} `INVALID_ARGUMENT` if an argument is invalid.
   * @throws {PersistenceError} `CONFLICT` if the journal has entries, or if its next sequence number
   *   is already a higher one; `STORAGE_FULL`, `STORAGE_FAILED`, `REOPEN_REQUIRED`, `CORRUPT`,
   *   `READ_ONLY`, `CLOSED`.
   *
   * @example A journal that begins at 1
   * ```ts
   * import { MemoryPersistenceProvider } from "@cajun/persistence/memory";
   *
   * await using provider = await MemoryPersistenceProvider.open();
   * const journal = provider.createMessageJournal<string>();
   * await journal.startAt("door-1", 1);
   * console.log(await journal.append("door-1", "opened")); // 1
   * ```
   */
  startAt(actorId: string, sequenceNumber: number): Promise<void>;

  /**
   * The highest sequence number that was ever given out. It never decreases, even if all entries are
   * truncated or the storage is reopened, unless the actor is deleted.
   *
   * @param actorId The id of the actor.
   * @returns The sequence number: before the first append, one less than the number that the journal
   *   begins at, so usually -1.
   * @throws {ArgumentTypeError | ArgumentRangeError} `INVALID_ARGUMENT` if the actor id is invalid.
   * @throws {PersistenceError} `CORRUPT`, `UNSUPPORTED_FORMAT`, `STORAGE_FAILED`, `CLOSED`.
   */
  getHighestSequenceNumber(actorId: string): Promise<number>;

  /** Refuses new calls and waits for the accepted ones. Other journals stay open. Idempotent. */
  close(): Promise<void>;
}
