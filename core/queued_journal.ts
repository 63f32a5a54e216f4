/**
 * The journals of a provider, on its commit queue.
 *
 * @module
 */

import type { ActorQueue, AppendOrigin, Settlement } from "./actor_queue.ts";
import { checkInteger, checkOptions, checkSequenceNumber, checkSignal } from "./arguments.ts";
import { type BatchLimits, BatchPolicy } from "./batch_policy.ts";
import type { CommitQueue } from "./commit_queue.ts";
import { ArgumentRangeError, ArgumentTypeError, PersistenceError } from "./errors.ts";
import type {
  AppendOptions,
  BatchedJournalOptions,
  BatchedMessageJournal,
  JournalEntry,
  JournalPending,
  MessageJournal,
  ReadOptions,
  ReplayOptions,
} from "./journal.ts";
import type { EntryPage, JournalReader, ReadBounds } from "./journal_reader.ts";
import { AppendSink, EntrySource, type StreamWindow } from "./journal_streams.ts";
import { actorKey } from "./keys.ts";
import type { MessageEncoder } from "./message_encoder.ts";
import { Replay } from "./replay.ts";
import { Settlements } from "./settlements.ts";
import type { Truncation } from "./truncation.ts";
import type { PayloadRun } from "./waiting_frames.ts";

/** What journals of one provider share. */
export interface JournalServices {
  readonly queue: CommitQueue;
  readonly reader: JournalReader;
  readonly encoder: MessageEncoder;
  readonly truncation: Truncation;
  /** How much each writable stream may have under way. */
  readonly streamWindow: StreamWindow;
  /** Throws `CLOSED` once the provider is being closed. */
  readonly assertOpen: (operation: string) => void;
}

const DEFAULT_BATCH_SIZE = 100;
const DEFAULT_BATCH_DELAY_MS = 100;
const DEFAULT_BATCH_BYTES = 2 ** 20;
const MAX_INT32 = 2 ** 31 - 1;
const NO_OPTIONS: AppendOptions = {};

/** A journal on the commit queue of its provider. */
export class QueuedJournal<Message> implements MessageJournal<Message> {
  protected readonly settlements: Settlements = new Settlements();
  readonly #services: JournalServices;
  readonly #boundTo: string | undefined;
  readonly #origin: AppendOrigin;
  #closing: Promise<void> | undefined;

  /**
   * @param services What journals of one provider share.
   * @param boundTo The only actor that it serves, if so.
   * @param batchPolicy What makes its appends wait for others, if so.
   */
  constructor(
    services: JournalServices,
    boundTo: string | undefined,
    batchPolicy?: BatchPolicy<ActorQueue>,
  ) {
    if (boundTo !== undefined) actorKey(boundTo, "create journal");
    this.#services = services;
    this.#boundTo = boundTo;
    this.#origin = {
      settlements: this.settlements,
      pending: { messages: 0, bytes: 0 },
      batchPolicy,
      isBounded: false,
    };
  }

  /** See {@linkcode MessageJournal.pending}. */
  get pending(): JournalPending {
    return { ...this.#origin.pending };
  }

  /** See {@linkcode MessageJournal.append}. */
  append(actorId: string, message: Message, options: AppendOptions = NO_OPTIONS): Promise<number> {
    try {
      this.#checkAppend(actorId, options);
      const run = this.#services.encoder.encode(actorId, message);
      return this.#services.queue.append(actorId, run, options, this.#origin);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** See {@linkcode MessageJournal.appendBatch}. */
  async appendBatch(
    actorId: string,
    messages: readonly Message[],
    options: AppendOptions = NO_OPTIONS,
  ): Promise<number[]> {
    this.#checkAppend(actorId, options);
    if (!Array.isArray(messages)) {
      throw new ArgumentTypeError(
        `Cannot append to actor "${actorId}": messages must be an array, not ${typeof messages}`,
      );
    }
    if (messages.length === 0) return [];
    const run = this.#services.encoder.encodeBatch(actorId, messages);
    const first = await this.#services.queue.append(actorId, run, options, this.#origin);
    return consecutive(first, run.ends.length);
  }

  /** See {@linkcode MessageJournal.readFrom}. */
  async readFrom(
    actorId: string,
    fromSequenceNumber: number,
    options: ReadOptions = {},
  ): Promise<JournalEntry<Message>[]> {
    const key = this.#check(actorId, "read");
    const bounds = checkBounds(actorId, fromSequenceNumber, options);
    const entries: JournalEntry<Message>[] = [];
    for await (const page of this.#services.reader.pages<Message>(actorId, key, bounds)) {
      for (let entry = page.next(); entry; entry = page.next()) entries.push(entry);
    }
    return entries;
  }

  /** See {@linkcode MessageJournal.replay}. */
  replay(
    actorId: string,
    fromSequenceNumber: number,
    options: ReplayOptions = {},
  ): AsyncIterable<JournalEntry<Message>> {
    return new Replay(() => this.#openPages(actorId, fromSequenceNumber, options), options?.signal);
  }

  /** See {@linkcode MessageJournal.writable}. */
  writable(actorId: string): WritableStream<Message> {
    this.#check(actorId, "write");
    const origin = { ...this.#origin, isBounded: true };
    const { encoder, queue, streamWindow } = this.#services;
    const target = {
      encode: (message: Message) => {
        this.assertOpen("append");
        return encoder.encode(actorId, message);
      },
      append: (run: PayloadRun, signal: AbortSignal | undefined, settlement: Settlement) =>
        queue.startAppend(actorId, run, signal ? { signal } : NO_OPTIONS, origin, settlement),
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
    const source = new EntrySource(pages, options.signal);
    return new ReadableStream(source, { highWaterMark: 0 });
  }

  /** See {@linkcode MessageJournal.truncateBefore}. */
  async truncateBefore(actorId: string, sequenceNumber: number): Promise<void> {
    const key = this.#check(actorId, "truncate");
    checkSequenceNumber(sequenceNumber, "sequenceNumber", `truncate actor "${actorId}"`);
    const done = this.#services.truncation.truncate(actorId, key, sequenceNumber);
    await this.settlements.watch(done);
  }

  /** See {@linkcode MessageJournal.getHighestSequenceNumber}. */
  async getHighestSequenceNumber(actorId: string): Promise<number> {
    const key = this.#check(actorId, "read");
    return await this.#services.reader.highestSequenceNumber(actorId, key);
  }

  /** See {@linkcode MessageJournal.close}. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  /** Closes the journal. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #openPages(
    actorId: string,
    fromSequenceNumber: number,
    options: ReplayOptions,
  ): AsyncGenerator<EntryPage<Message>> {
    const key = this.#check(actorId, "replay");
    const bounds = checkBounds(actorId, fromSequenceNumber, options);
    checkSignal(options.signal, `replay actor "${actorId}"`);
    options.signal?.throwIfAborted();
    return this.#pages(actorId, key, bounds);
  }

  async *#pages(
    actorId: string,
    key: Uint8Array,
    bounds: ReadBounds,
  ): AsyncGenerator<EntryPage<Message>> {
    for await (const page of this.#services.reader.pages<Message>(actorId, key, bounds)) {
      yield page;
      // The next page needs the storage, which may be gone by the time it is asked for.
      this.#check(actorId, "replay");
    }
  }

  async #close(): Promise<void> {
    this.#origin.batchPolicy?.release();
    await this.settlements.settled();
  }

  #check(actorId: string, operation: string): Uint8Array {
    this.assertOpen(operation);
    const key = actorKey(actorId, operation);
    this.#checkBinding(actorId, operation);
    return key;
  }

  /** For each append, so it is quick where all is well: the queue knows the actors that it has met. */
  #checkAppend(actorId: string, options: AppendOptions): void {
    this.assertOpen("append");
    if (!this.#services.queue.knows(actorId)) actorKey(actorId, "append");
    this.#checkBinding(actorId, "append");
    if (options === NO_OPTIONS) return;
    const operation = `append to actor "${actorId}"`;
    checkOptions(options, operation);
    const { expectedSequenceNumber, signal } = options;
    if (expectedSequenceNumber !== undefined) {
      checkSequenceNumber(expectedSequenceNumber, "expectedSequenceNumber", operation);
    }
    checkSignal(signal, operation);
    signal?.throwIfAborted();
  }

  #checkBinding(actorId: string, operation: string): void {
    if (this.#boundTo === undefined || actorId === this.#boundTo) return;
    throw new ArgumentRangeError(
      `Cannot ${operation}: the journal is bound to actor "${this.#boundTo}", not "${actorId}"`,
    );
  }

  /** Refuses calls once the journal is being closed. */
  protected assertOpen(operation: string): void {
    this.#services.assertOpen(operation);
    if (this.#closing) {
      throw new PersistenceError("CLOSED", `Cannot ${operation}: the journal is closed`);
    }
  }
}

/** A journal whose appends wait for others. */
export class BatchingJournal<Message> extends QueuedJournal<Message>
  implements BatchedMessageJournal<Message> {
  readonly #policy: BatchPolicy<ActorQueue>;

  /**
   * @param services What journals of one provider share.
   * @param options Binding and batch policy.
   */
  constructor(services: JournalServices, options: Omit<BatchedJournalOptions, "schema"> = {}) {
    const policy = new BatchPolicy<ActorQueue>(
      checkBatchLimits(options),
      services.queue.commitTime,
      (actors) => services.queue.release(actors),
    );
    super(services, options.actorId, policy);
    this.#policy = policy;
  }

  /** See {@linkcode BatchedMessageJournal.maxBatchSize}. */
  get maxBatchSize(): number {
    return this.#policy.limits.maxSize;
  }

  set maxBatchSize(messages: number) {
    this.#policy.change({ maxSize: checkBatchSize(messages) });
  }

  /** See {@linkcode BatchedMessageJournal.maxBatchBytes}. */
  get maxBatchBytes(): number {
    return this.#policy.limits.maxBytes;
  }

  set maxBatchBytes(bytes: number) {
    this.#policy.change({ maxBytes: checkBatchBytes(bytes) });
  }

  /** See {@linkcode BatchedMessageJournal.maxBatchDelayMs}. */
  get maxBatchDelayMs(): number {
    return this.#policy.limits.maxDelayMs;
  }

  set maxBatchDelayMs(milliseconds: number) {
    this.#policy.change({ maxDelayMs: checkBatchDelay(milliseconds) });
  }

  /** See {@linkcode BatchedMessageJournal.adaptive}. */
  get adaptive(): boolean {
    return this.#policy.limits.adaptive;
  }

  set adaptive(adaptive: boolean) {
    this.#policy.change({ adaptive: checkAdaptive(adaptive) });
  }

  /** See {@linkcode BatchedMessageJournal.flush}. */
  async flush(): Promise<void> {
    this.assertOpen("flush");
    this.#policy.release();
    await this.settlements.succeeded();
  }
}

function consecutive(first: number, count: number): number[] {
  const numbers: number[] = [];
  for (let number = first; number < first + count; number++) numbers.push(number);
  return numbers;
}

function checkBounds(actorId: string, from: number, options: ReadOptions): ReadBounds {
  const operation = `read actor "${actorId}"`;
  checkOptions(options, operation);
  checkSequenceNumber(from, "fromSequenceNumber", operation);
  const { to = Number.MAX_SAFE_INTEGER, limit = Number.MAX_SAFE_INTEGER } = options;
  checkSequenceNumber(to, "to", operation);
  checkInteger(limit, "limit", 0, Number.MAX_SAFE_INTEGER, operation);
  return { from, to, limit };
}

function checkBatchLimits(options: BatchedJournalOptions): BatchLimits {
  const adaptive = checkAdaptive(options.adaptive ?? false);
  const defaultSize = adaptive ? MAX_INT32 : DEFAULT_BATCH_SIZE;
  return {
    maxSize: checkBatchSize(options.maxBatchSize ?? defaultSize),
    maxBytes: checkBatchBytes(options.maxBatchBytes ?? DEFAULT_BATCH_BYTES),
    maxDelayMs: checkBatchDelay(options.maxBatchDelayMs ?? DEFAULT_BATCH_DELAY_MS),
    adaptive,
  };
}

function checkBatchSize(messages: number): number {
  return checkInteger(messages, "maxBatchSize", 1, MAX_INT32, "set batch policy");
}

function checkBatchBytes(bytes: number): number {
  return checkInteger(bytes, "maxBatchBytes", 1, MAX_INT32, "set batch policy");
}

function checkBatchDelay(milliseconds: number): number {
  return checkInteger(milliseconds, "maxBatchDelayMs", 0, MAX_INT32, "set batch policy");
}

function checkAdaptive(adaptive: boolean): boolean {
  if (typeof adaptive === "boolean") return adaptive;
  throw new ArgumentTypeError(
    `Cannot set batch policy: adaptive must be a boolean, not ${typeof adaptive}`,
  );
}
