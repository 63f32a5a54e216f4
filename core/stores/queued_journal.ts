/**
 * The journals of a provider, on its commit queue.
 *
 * @module
 */

import type { ActorQueue, AppendOrigin, Completer } from "../commit/actor_queue.ts";
import type { BatchPolicy } from "../commit/batch_policy.ts";
import { describeActor } from "../errors/actor_name.ts";
import {
  checkOptionalKind,
  checkOptions,
  checkSequenceNumber,
  checkSignal,
} from "../errors/arguments.ts";
import {
  ArgumentRangeError,
  ArgumentTypeError,
  PersistenceError,
} from "../errors/persistence_error.ts";
import { failureOf } from "../errors/storage_failure.ts";
import { type ActorAddress, addressOf } from "../format/actor_address.ts";
import type { EncodedRun } from "../format/encoded_run.ts";
import type {
  AppendReceipt,
  JournalEntry,
  JournalPending,
  JournalSlice,
  MessageJournal,
} from "../ports/journal.ts";
import {
  type AppendOptions,
  type AppendReceiptOptions,
  type FollowOptions,
  type JournalOptions,
  READ_OPTION_NAMES,
  READ_RANGE_OPTION_NAMES,
  type ReadOptions,
  type ReadRangeOptions,
  REPLAY_OPTION_NAMES,
  type ReplayOptions,
  type TruncateOptions,
} from "../ports/journal_options.ts";
import type { TelemetrySpan, TraceContext } from "../ports/telemetry.ts";
import { EntryIterator } from "../read/entry_iterator.ts";
import { EntrySource } from "../read/entry_source.ts";
import { JournalFollower } from "../read/journal_follower.ts";
import type { EntryPage } from "../read/entry_page.ts";
import type { ReadBounds } from "../read/journal_reader.ts";
import { checkBounds, checkFollow } from "./read_bounds.ts";
import { endingWith } from "../telemetry/telemetry_hub.ts";
import { withContext } from "../telemetry/trace_context.ts";
import { checkTruncateOptions } from "./truncation.ts";
import { CallTracker } from "../util/call_tracker.ts";
import { Deferred } from "../util/promises.ts";
import { checkAppendOptions } from "./append_options.ts";
import { AppendSink } from "./append_sink.ts";
import type { JournalServices } from "./journal_services.ts";

const NO_OPTIONS: AppendOptions = {};

/**
 * A journal on the commit queue of its provider.
 *
 * @typeParam Message What is stored in it.
 */
export class QueuedJournal<Message> implements MessageJournal<Message> {
  /** Its calls under way. */
  protected readonly calls: CallTracker = new CallTracker();
  readonly #services: JournalServices;
  readonly #kind: string;
  readonly #boundTo: ActorAddress | undefined;
  readonly #origin: AppendOrigin;
  readonly #closed = new AbortController();
  #closing: Promise<void> | undefined;

  /**
   * @param services What the journals of one provider share.
   * @param options The kind of the actors that it serves, and the only one if it is bound.
   * @param batchPolicy Makes its appends wait for others. Without it they are part of the next
   *   commit.
   * @throws {ArgumentTypeError | ArgumentRangeError} `INVALID_ARGUMENT` if kind or actor id are bad.
   */
  constructor(
    services: JournalServices,
    { kind, actorId }: Pick<JournalOptions, "kind" | "actorId">,
    batchPolicy?: BatchPolicy<ActorQueue>,
  ) {
    const operation = "create journal";
    this.#services = services;
    this.#kind = checkOptionalKind(kind, operation);
    this.#boundTo = actorId === undefined ? undefined : addressOf(this.#kind, actorId, operation);
    this.#origin = {
      calls: this.calls,
      pending: { messages: 0, bytes: 0 },
      batchPolicy,
      isBounded: false,
    };
  }

  /** See {@linkcode MessageJournal.pending}. */
  get pending(): JournalPending {
    return { ...this.#origin.pending };
  }

  append(actorId: string, message: Message, options?: AppendOptions): Promise<number>;
  append(
    actorId: string,
    message: Message,
    options: AppendReceiptOptions,
  ): Promise<AppendReceipt>;
  /** See {@linkcode MessageJournal.append}. */
  append(
    actorId: string,
    message: Message,
    options: AppendOptions | AppendReceiptOptions = NO_OPTIONS,
  ): Promise<number | AppendReceipt> {
    try {
      const actor = this.#checkAppend(actorId, options);
      const { telemetry, encoder } = this.#services;
      const span = telemetry.startSpan({ name: "append", kind: this.#kind, actorId });
      if (span) return endingWith(span, this.#appendIn(span, actor, message, options));
      return this.#append(actor, encoder.encode(actor, message, options.metadata), options);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** Appends a message, with the place of a span in its trace. It is encoded before this returns. */
  async #appendIn(
    { context }: TelemetrySpan,
    actor: ActorAddress,
    message: Message,
    options: AppendOptions | AppendReceiptOptions,
  ): Promise<number | AppendReceipt> {
    const metadata = withContext(options.metadata, context);
    const run = this.#services.encoder.encode(actor, message, metadata);
    return await this.#append(actor, run, options);
  }

  #append(
    actor: ActorAddress,
    run: EncodedRun,
    options: AppendOptions | AppendReceiptOptions,
  ): Promise<number | AppendReceipt> {
    if (options.receipt) return this.#appendForReceipt(actor, run, options);
    return this.#services.queue.append(actor, run, options, this.#origin);
  }

  appendBatch(
    actorId: string,
    messages: readonly Message[],
    options?: AppendOptions,
  ): Promise<number[]>;
  appendBatch(
    actorId: string,
    messages: readonly Message[],
    options: AppendReceiptOptions,
  ): Promise<AppendReceipt[]>;
  /** See {@linkcode MessageJournal.appendBatch}. */
  async appendBatch(
    actorId: string,
    messages: readonly Message[],
    options: AppendOptions | AppendReceiptOptions = NO_OPTIONS,
  ): Promise<number[] | AppendReceipt[]> {
    const actor = this.#checkAppend(actorId, options);
    if (!Array.isArray(messages)) {
      throw new ArgumentTypeError(
        `Cannot append to ${
          describeActor(actor)
        }: messages must be an array, not ${typeof messages}`,
      );
    }
    if (messages.length === 0) return [];
    const span = this.#services.telemetry.startSpan({ name: "append", kind: this.#kind, actorId });
    const appended = this.#appendAll(actor, messages, options, span?.context);
    return await (span ? endingWith(span, appended) : appended);
  }

  async #appendAll(
    actor: ActorAddress,
    messages: readonly Message[],
    options: AppendOptions | AppendReceiptOptions,
    context: TraceContext | undefined,
  ): Promise<number[] | AppendReceipt[]> {
    const metadata = withContext(options.metadata, context);
    const run = this.#services.encoder.encodeBatch(actor, messages, metadata);
    const count = run.ends.length;
    if (options.receipt) {
      const { sequenceNumber, timestamp, position } = await this.#appendForReceipt(
        actor,
        run,
        options,
      );
      return consecutive(sequenceNumber, count)
        .map((sequenceNumber) => ({ sequenceNumber, timestamp: new Date(timestamp), position }));
    }
    return consecutive(
      await this.#services.queue.append(actor, run, options, this.#origin),
      count,
    );
  }

  /** See {@linkcode MessageJournal.read}. */
  async read(actorId: string, options: ReadRangeOptions = {}): Promise<JournalSlice<Message>> {
    const actor = this.#check(actorId, "read");
    const operation = `read ${describeActor(actor)}`;
    checkOptions(options, operation, READ_RANGE_OPTION_NAMES);
    const { from = 0 } = options;
    return await this.#read(actor, checkBounds(from, "from", options, operation));
  }

  /** See {@linkcode MessageJournal.readFrom}. */
  async readFrom(
    actorId: string,
    fromSequenceNumber: number,
    options: ReadOptions = {},
  ): Promise<JournalEntry<Message>[]> {
    const actor = this.#check(actorId, "read");
    const operation = `read ${describeActor(actor)}`;
    checkOptions(options, operation, READ_OPTION_NAMES);
    const bounds = checkBounds(fromSequenceNumber, "fromSequenceNumber", options, operation);
    return (await this.#read(actor, bounds)).entries;
  }

  /** See {@linkcode MessageJournal.replay}. */
  replay(
    actorId: string,
    fromSequenceNumber: number,
    options: ReplayOptions = {},
  ): AsyncIterable<JournalEntry<Message>> {
    return new EntryIterator(
      () => this.#openPages(actorId, fromSequenceNumber, options),
      options?.signal,
    );
  }

  /** See {@linkcode MessageJournal.follow}. */
  follow(
    actorId: string,
    fromSequenceNumber: number,
    options: FollowOptions = {},
  ): AsyncIterable<JournalEntry<Message>> {
    let follower: JournalFollower<Message> | undefined;
    return new EntryIterator(
      () => {
        follower = this.#makeFollower(actorId, fromSequenceNumber, options);
        return follower.pages();
      },
      options?.signal,
      () => follower?.end(),
    );
  }

  /** See {@linkcode MessageJournal.writable}. */
  writable(actorId: string): WritableStream<Message> {
    const actor = this.#check(actorId, "write");
    const origin = { ...this.#origin, isBounded: true };
    const { encoder, queue, streamWindow } = this.#services;
    const target = {
      encode: (message: Message) => {
        this.assertOpen("append");
        return encoder.encode(actor, message);
      },
      append: (run: EncodedRun, signal: AbortSignal | undefined, completer: Completer) =>
        queue.startAppend(actor, run, signal ? { signal } : NO_OPTIONS, origin, completer),
      release: () => origin.batchPolicy?.release(),
    };
    return new WritableStream(new AppendSink<Message>(target, streamWindow));
  }

  /** See {@linkcode MessageJournal.readable}. */
  readable(
    actorId: string,
    fromSequenceNumber: number,
    options: ReplayOptions = {},
  ): ReadableStream<JournalEntry<Message>> {
    const pages = this.#openPages(actorId, fromSequenceNumber, options);
    const entries = new EntryIterator(() => pages, options.signal);
    return new ReadableStream(new EntrySource(entries, options.signal), { highWaterMark: 0 });
  }

  /** See {@linkcode MessageJournal.truncateBefore}. */
  async truncateBefore(
    actorId: string,
    sequenceNumber: number,
    options: TruncateOptions = {},
  ): Promise<void> {
    const actor = this.#check(actorId, "truncate");
    const operation = `truncate ${describeActor(actor)}`;
    checkSequenceNumber(sequenceNumber, "sequenceNumber", operation);
    checkTruncateOptions(options, operation);
    const done = this.#services.truncation.truncate(actor, sequenceNumber, { ...options });
    await this.calls.watch(done);
  }

  /** See {@linkcode MessageJournal.startAt}. */
  async startAt(actorId: string, sequenceNumber: number): Promise<void> {
    const actor = this.#check(actorId, "start journal");
    checkSequenceNumber(
      sequenceNumber,
      "sequenceNumber",
      `start journal of ${describeActor(actor)}`,
    );
    try {
      await this.calls.watch(this.#services.queue.startAt(actor, sequenceNumber));
    } catch (error) {
      throw failureOf("start journal of", actor, error);
    }
  }

  /** See {@linkcode MessageJournal.getHighestSequenceNumber}. */
  async getHighestSequenceNumber(actorId: string): Promise<number> {
    const actor = this.#check(actorId, "read");
    return (await this.#services.reader.range(actor)).highest;
  }

  /** See {@linkcode MessageJournal.close}. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    this.#closed.abort();
    return this.#closing;
  }

  /** Closes the journal. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #makeFollower(
    actorId: string,
    fromSequenceNumber: number,
    options: FollowOptions,
  ): JournalFollower<Message> {
    const actor = this.#check(actorId, "follow");
    const operation = `follow ${describeActor(actor)}`;
    const { from, pollMs } = checkFollow(fromSequenceNumber, options, operation);
    const { signal } = options;
    const { reader, clock, queue, closing } = this.#services;
    return new JournalFollower(
      {
        reader,
        clock,
        watch: (wake) => queue.watchers.watch(actor, wake),
        signals: [closing, this.#closed.signal, ...(signal ? [signal] : [])],
        assertGoingOn: () => {
          signal?.throwIfAborted();
          this.assertOpen("follow");
        },
      },
      { actor, from, pollMs },
    );
  }

  /** Returns the receipt of the first message. All of a batch have the same time. */
  async #appendForReceipt(
    actor: ActorAddress,
    run: EncodedRun,
    options: AppendReceiptOptions,
  ): Promise<AppendReceipt> {
    const appended = new Deferred<Pick<AppendReceipt, "sequenceNumber" | "position">>();
    const completer = {
      resolve: (sequenceNumber: number, position: number) =>
        appended.resolve({ sequenceNumber, position }),
      reject: appended.reject,
    };
    const { queue } = this.#services;
    const timeMs = queue.startAppend(actor, run, options, this.#origin, completer);
    return { ...await appended.promise, timestamp: new Date(timeMs) };
  }

  async #read(actor: ActorAddress, bounds: ReadBounds): Promise<JournalSlice<Message>> {
    const entries: JournalEntry<Message>[] = [];
    const pages = this.#services.reader.pages<Message>(actor, bounds);
    for (;;) {
      const { done, value } = await pages.next();
      if (done) return { entries, ...value };
      for (let entry = value.next(); entry; entry = value.next()) entries.push(entry);
    }
  }

  #openPages(
    actorId: string,
    fromSequenceNumber: number,
    options: ReplayOptions,
  ): AsyncGenerator<EntryPage<Message>> {
    const actor = this.#check(actorId, "replay");
    const operation = `replay ${describeActor(actor)}`;
    checkOptions(options, operation, REPLAY_OPTION_NAMES);
    const bounds = checkBounds(fromSequenceNumber, "fromSequenceNumber", options, operation);
    checkSignal(options.signal, operation);
    options.signal?.throwIfAborted();
    return this.#pages(actor, bounds);
  }

  async *#pages(actor: ActorAddress, bounds: ReadBounds): AsyncGenerator<EntryPage<Message>> {
    for await (const page of this.#services.reader.pages<Message>(actor, bounds)) {
      yield page;
      // The next page needs the storage, which may be closed by the time it is asked for.
      this.assertOpen("replay");
    }
  }

  async #close(): Promise<void> {
    this.#origin.batchPolicy?.release();
    await this.calls.settled();
  }

  #check(actorId: string, operation: string): ActorAddress {
    this.assertOpen(operation);
    const actor = addressOf(this.#kind, actorId, operation);
    this.#checkBinding(actorId, operation);
    return actor;
  }

  /** Runs for each append, so it must be quick: actors that the queue knows have an address. */
  #checkAppend(actorId: string, options: AppendOptions | AppendReceiptOptions): ActorAddress {
    this.assertOpen("append");
    const actor = this.#services.queue.knownAddress(this.#kind, actorId) ??
      addressOf(this.#kind, actorId, "append");
    this.#checkBinding(actorId, "append");
    if (options !== NO_OPTIONS) checkAppendOptions(actor, options);
    return actor;
  }

  #checkBinding(actorId: string, operation: string): void {
    if (!this.#boundTo || actorId === this.#boundTo.actorId) return;
    throw new ArgumentRangeError(
      `Cannot ${operation}: the journal is bound to ${
        describeActor(this.#boundTo)
      }, not "${actorId}"`,
    );
  }

  /**
   * Refuses calls once the journal or its provider is being closed.
   *
   * @param operation What was called, for the error message: `append`.
   * @throws {PersistenceError} `CLOSED`.
   */
  protected assertOpen(operation: string): void {
    this.#services.assertOpen(operation);
    if (this.#closing) {
      throw new PersistenceError("CLOSED", `Cannot ${operation}: the journal is closed`);
    }
  }
}

function consecutive(first: number, count: number): number[] {
  const numbers: number[] = [];
  for (let number = first; number < first + count; number++) numbers.push(number);
  return numbers;
}
