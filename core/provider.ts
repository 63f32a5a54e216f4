/**
 * The provider: opens journals and snapshot stores on one storage.
 *
 * @module
 */

import { listActorIds } from "./actor_ids.ts";
import type { AdmissionLimits, BackpressureStrategy, PendingCounts } from "./admission.ts";
import { checkInteger, checkOptions } from "./arguments.ts";
import type { Codec } from "./codec.ts";
import { type CommitCounts, CommitQueue } from "./commit_queue.ts";
import { ArgumentRangeError, ArgumentTypeError, PersistenceError } from "./errors.ts";
import { FollowerRegistry, type FollowerServices } from "./followers.ts";
import type {
  BatchedJournalOptions,
  BatchedMessageJournal,
  JournalOptions,
  MessageJournal,
} from "./journal.ts";
import { JournalReader } from "./journal_reader.ts";
import { MessageEncoder } from "./message_encoder.ts";
import { MessagePackCodec } from "./msgpack_codec.ts";
import { MESSAGE, type PayloadKind, type Payloads, PlainPayloads, STATE } from "./payloads.ts";
import { BatchingJournal, type JournalServices, QueuedJournal } from "./queued_journal.ts";
import { QueuedSnapshotStore, type SnapshotServices } from "./queued_snapshots.ts";
import type { Schema } from "./schema.ts";
import { SchemaPayloads } from "./schema_payloads.ts";
import { Settlements } from "./settlements.ts";
import type { SnapshotStore, SnapshotStoreOptions } from "./snapshots.ts";
import type { Storage, StorageStats, StorageSupports } from "./storage.ts";
import { claimStorage } from "./store_info.ts";
import { Truncation } from "./truncation.ts";

const MIB = 2 ** 20;
const DEFAULT_MAX_MESSAGE_BYTES = 16 * MIB;
const DEFAULT_MAX_SNAPSHOT_BYTES = 256 * MIB;
const DEFAULT_MAX_PENDING_MESSAGES = 100_000;
const DEFAULT_MAX_PENDING_BYTES = 64 * MIB;
/** What a writable stream has under way: enough that commits are large while the next is filled. */
const STREAM_MESSAGES = 4_096;
const STREAM_BYTES = MIB;
/** LMDB and JavaScript engines alike have their limits at 2 GiB; stay well below. */
const MAX_VALUE_BYTES = 2 ** 30;
const CODEC_NAME = /^[a-z0-9._+-]{1,64}$/;
const HEALTH_KEY: Uint8Array = new TextEncoder().encode("health");

/** How a provider works. */
export interface ProviderOptions {
  /**
   * Turns messages and states into bytes. Its name is stored with the data. Default:
   * {@linkcode MessagePackCodec}.
   */
  codec?: Codec;
  /** The most bytes of an encoded message: 1 to 2^30. Default: 16 MiB. */
  maxMessageBytes?: number;
  /** The most bytes of an encoded state: 1 to 2^30. Default: 256 MiB. */
  maxSnapshotBytes?: number;
  /**
   * How many messages may wait to be committed, at least 1; a larger batch is accepted when nothing
   * else waits. Default: 100,000.
   */
  maxPendingMessages?: number;
  /**
   * How many bytes of encoded messages may wait to be committed, from 1 to 2^30. It is also the most
   * that a message or a batch may have. Default: 64 MiB.
   */
  maxPendingBytes?: number;
  /**
   * What happens to an append that would exceed these limits: it waits for room in call order
   * (`"wait"`), or it rejects with `BACKPRESSURE` (`"reject"`). An append that waits holds a copy of
   * its encoded message, so with `"wait"`, too, it rejects with `BACKPRESSURE` where 10 times
   * `maxPendingMessages` messages or 10 times `maxPendingBytes` bytes already wait for room, over all
   * callers. Await your appends, or write to `journal.writable()`, which is never refused: it holds
   * back its source instead. Default: `"wait"`.
   */
  backpressure?: BackpressureStrategy;
}

/** Figures about a provider at one moment. The counts begin at 0 when it is opened. */
export interface ProviderStats extends Readonly<CommitCounts> {
  /** Figures about its storage. */
  readonly storage: StorageStats;
  /** What waits to be committed. */
  readonly pending: PendingCounts;
  /** How often snapshots that are no longer kept could not be deleted. */
  readonly failedPrunes: number;
  /** The error of the last such failure. */
  readonly lastPruneError: unknown;
}

/**
 * Opens journals and snapshot stores on one storage. Engines bring a provider of their own, such as
 * `LmdbPersistenceProvider`; {@linkcode PersistenceProvider.openOn} opens one on any
 * {@linkcode Storage}.
 *
 * @example A provider on any storage
 * ```ts
 * import { PersistenceProvider } from "@cajun/persistence";
 * import { MemoryStorage } from "@cajun/persistence/memory";
 *
 * await using provider = await PersistenceProvider.openOn(await MemoryStorage.open());
 * const journal = provider.createMessageJournal<string>("door-1");
 * console.log(await journal.append("door-1", "opened")); // 0
 * ```
 */
export class PersistenceProvider implements AsyncDisposable {
  readonly #storage: Storage;
  readonly #codec: Codec;
  readonly #limits: ProviderLimits;
  readonly #queue: CommitQueue;
  readonly #journals: JournalServices;
  readonly #snapshots: SnapshotServices;
  readonly #followers: FollowerServices;
  #failedPrunes = 0;
  #lastPruneError: unknown;
  #probes = 0;
  #closing: Promise<void> | undefined;

  /**
   * For subclasses; everybody else calls {@linkcode PersistenceProvider.openOn}.
   *
   * @param prepared What {@linkcode PersistenceProvider.prepare} returned.
   */
  protected constructor(prepared: PreparedProvider) {
    const { storage, codec, limits } = prepared;
    const assertOpen = (operation: string) => this.#assertOpen(operation);
    this.#storage = storage;
    this.#codec = codec;
    this.#limits = limits;
    this.#queue = new CommitQueue(storage, limits);
    this.#journals = {
      queue: this.#queue,
      ...this.#encoding(new PlainPayloads(codec, MESSAGE)),
      truncation: new Truncation(storage, this.#queue),
      streamWindow: {
        messages: Math.min(limits.maxPendingMessages, STREAM_MESSAGES),
        bytes: Math.min(limits.maxPendingBytes, STREAM_BYTES),
      },
      assertOpen,
    };
    this.#snapshots = {
      storage,
      queue: this.#queue,
      payloads: new PlainPayloads(codec, STATE),
      maxSnapshotBytes: limits.maxSnapshotBytes,
      settlements: new Settlements(),
      onPruneFailure: (error) => {
        this.#failedPrunes++;
        this.#lastPruneError = error;
      },
      assertOpen,
    };
    this.#followers = { storage, queue: this.#queue, assertOpen, waiting: new Map() };
  }

  /**
   * Opens a provider on a storage, which then belongs to it: `close()` closes the storage. Where
   * this fails, the storage is closed, too.
   *
   * @param storage The storage.
   * @param options How the provider works.
   * @returns The provider.
   * @throws {ArgumentTypeError | ArgumentRangeError} `INVALID_ARGUMENT` where an option is bad.
   * @throws {PersistenceError} `CODEC_MISMATCH` where the storage was written with another codec;
   *   `UNSUPPORTED_FORMAT` where by a newer version; `CORRUPT` where it is damaged.
   */
  static async openOn(
    storage: Storage,
    options: ProviderOptions = {},
  ): Promise<PersistenceProvider> {
    return new PersistenceProvider(await PersistenceProvider.prepare(storage, options));
  }

  /**
   * For subclasses: checks the options and the storage.
   *
   * @param storage The storage. Where this fails, it is closed.
   * @param options How the provider works.
   * @returns What the constructor takes.
   * @throws As {@linkcode PersistenceProvider.openOn}.
   */
  protected static async prepare(
    storage: Storage,
    options: ProviderOptions,
  ): Promise<PreparedProvider> {
    try {
      checkOptions(options, "open provider");
      const codec = checkCodec(options.codec ?? new MessagePackCodec());
      const limits = checkLimits(options);
      await claimStorage(storage, codec);
      return { storage, codec, limits };
    } catch (error) {
      await storage.close();
      throw error;
    }
  }

  /** The name of the storage engine, such as `"lmdb"`. */
  get name(): string {
    return this.#storage.name;
  }

  /** What the storage can do. */
  get supports(): StorageSupports {
    return this.#storage.supports;
  }

  /**
   * Creates a journal whose appends go out as soon as possible, grouped with all that arrive
   * meanwhile.
   *
   * @typeParam Message What is stored in it.
   * @param options Binding to one actor, for which its id alone will do, and schema.
   * @returns The journal.
   * @throws {ArgumentTypeError | ArgumentRangeError} `INVALID_ARGUMENT` where the actor id or the
   *   schema is bad.
   * @throws {PersistenceError} `CLOSED`.
   */
  createMessageJournal<Message>(
    options: string | JournalOptions<Message> = {},
  ): MessageJournal<Message> {
    this.#assertOpen("create journal");
    if (typeof options === "string") return new QueuedJournal<Message>(this.#journals, options);
    checkOptions(options, "create journal");
    return new QueuedJournal<Message>(this.#journalsWith(options.schema), options.actorId);
  }

  /**
   * Creates a journal whose appends wait for others, up to a number, a size and a delay.
   *
   * @typeParam Message What is stored in it.
   * @param options Binding to one actor, schema, number of messages (default 100), bytes (default
   *   1 MiB) and delay (default 100 ms), or `adaptive`.
   * @returns The journal.
   * @throws {ArgumentTypeError | ArgumentRangeError} `INVALID_ARGUMENT` where an option is bad.
   * @throws {PersistenceError} `CLOSED`.
   */
  createBatchedMessageJournal<Message>(
    options: BatchedJournalOptions<Message> = {},
  ): BatchedMessageJournal<Message> {
    this.#assertOpen("create journal");
    checkOptions(options, "create journal");
    return new BatchingJournal<Message>(this.#journalsWith(options.schema), options);
  }

  /**
   * Creates a snapshot store.
   *
   * @typeParam State What is stored in it.
   * @param options Binding to one actor, schema, and how many snapshots are kept (default 3).
   * @returns The snapshot store.
   * @throws {ArgumentTypeError | ArgumentRangeError} `INVALID_ARGUMENT` where an option is bad.
   * @throws {PersistenceError} `CLOSED`.
   */
  createSnapshotStore<State>(options: SnapshotStoreOptions<State> = {}): SnapshotStore<State> {
    this.#assertOpen("create snapshot store");
    checkOptions(options, "create snapshot store");
    const payloads = this.#payloadsOf(STATE, options.schema) ?? this.#snapshots.payloads;
    return new QueuedSnapshotStore<State>({ ...this.#snapshots, payloads }, options);
  }

  /**
   * Creates a registry of those who follow journals, for retention to leave what they need.
   *
   * @returns The registry. All of a provider hold the same.
   * @throws {PersistenceError} `CLOSED`.
   */
  createFollowerRegistry(): FollowerRegistry {
    this.#assertOpen("create follower registry");
    return new FollowerRegistry(this.#followers);
  }

  /**
   * Lists the actors that have a journal, in the order of their ids in UTF-8, in pages of bounded
   * size. An actor that is added meanwhile may be left out.
   *
   * @param after The actor behind which the list begins. Default: the first one.
   * @returns Their ids. All errors are thrown by the iteration.
   * @throws {ArgumentTypeError | ArgumentRangeError} `INVALID_ARGUMENT` where `after` is no actor id.
   * @throws {PersistenceError} `CORRUPT`, `STORAGE_FAILED`, `CLOSED`.
   *
   * @example All actors
   * ```ts
   * import { MemoryPersistenceProvider } from "@cajun/persistence/memory";
   *
   * await using provider = await MemoryPersistenceProvider.open();
   * const journal = provider.createMessageJournal<string>();
   * await Promise.all([journal.append("door-2", "opened"), journal.append("door-1", "opened")]);
   * for await (const actorId of provider.actorIds()) console.log(actorId); // door-1, then door-2
   * ```
   */
  async *actorIds(after?: string): AsyncGenerator<string, void, undefined> {
    this.#assertOpen("list actors");
    for await (const actorId of listActorIds(this.#storage, after)) {
      yield actorId;
      this.#assertOpen("list actors");
    }
  }

  /**
   * Whether the storage works: writes a probe, durably, and reads it back. On a storage that is open
   * read-only it only reads.
   *
   * @returns False where that fails, or the provider is closed. It never rejects.
   */
  async isHealthy(): Promise<boolean> {
    try {
      this.#assertOpen("check health");
      return await this.#probe();
    } catch (error) {
      if (!(error instanceof PersistenceError) || error.code !== "READ_ONLY") return false;
      return await this.#isReadable();
    }
  }

  /**
   * Figures about this provider and its storage.
   *
   * @returns The figures at this moment.
   * @throws {PersistenceError} `CLOSED`, `STORAGE_FAILED`.
   */
  async stats(): Promise<ProviderStats> {
    this.#assertOpen("read statistics");
    return {
      ...this.#queue.counts,
      storage: await this.#storage.stats(),
      pending: this.#queue.pending,
      failedPrunes: this.#failedPrunes,
      lastPruneError: this.#lastPruneError,
    };
  }

  /**
   * Lets everything that waits go out, and waits until it is on disk, also where the storage was
   * opened with a weaker durability. What could not be committed is told by its own promise.
   *
   * @throws {PersistenceError} `STORAGE_FAILED`, `REOPEN_REQUIRED`, `CLOSED`.
   */
  async sync(): Promise<void> {
    this.#assertOpen("sync");
    await this.#queue.drain();
    await this.#storage.sync();
  }

  /**
   * Refuses new calls, waits for what was accepted, and closes the storage. Every journal and
   * snapshot store of the provider is closed with it. Idempotent.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  /** Closes the provider. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #journalsWith<Message>(schema: Schema<Message> | undefined): JournalServices {
    const payloads = this.#payloadsOf(MESSAGE, schema);
    return payloads ? { ...this.#journals, ...this.#encoding(payloads) } : this.#journals;
  }

  #payloadsOf<Value>(kind: PayloadKind, schema: Schema<Value> | undefined): Payloads | undefined {
    return schema === undefined ? undefined : new SchemaPayloads(this.#codec, kind, schema);
  }

  #encoding(payloads: Payloads): Pick<JournalServices, "reader" | "encoder"> {
    return {
      reader: new JournalReader(this.#storage, payloads),
      encoder: new MessageEncoder(payloads, {
        maxMessageBytes: this.#limits.maxMessageBytes,
        maxBatchBytes: this.#limits.maxPendingBytes,
      }),
    };
  }

  async #close(): Promise<void> {
    await this.#queue.drain();
    await this.#journals.truncation.settlements.settled();
    await this.#snapshots.settlements.settled();
    await this.#storage.close();
  }

  async #probe(): Promise<boolean> {
    const value = new TextEncoder().encode(`${Date.now()} ${++this.#probes}`);
    await this.#queue.write({
      conditions: [],
      changes: [{ type: "put", space: "meta", key: HEALTH_KEY, value, version: 0 }],
    });
    // Another process may have probed meanwhile, so its bytes are as good as ours.
    const stored = await this.#storage.get("meta", HEALTH_KEY);
    return stored !== undefined && stored.value.length > 0;
  }

  async #isReadable(): Promise<boolean> {
    try {
      await this.#storage.get("meta", HEALTH_KEY);
      return true;
    } catch {
      // What is asked is whether it can be read; that it cannot is the answer.
      return false;
    }
  }

  #assertOpen(operation: string): void {
    if (this.#closing) {
      throw new PersistenceError("CLOSED", `Cannot ${operation}: the provider is closed`);
    }
  }
}

/** Limits of a provider. */
interface ProviderLimits extends AdmissionLimits {
  readonly maxMessageBytes: number;
  readonly maxSnapshotBytes: number;
}

/** A storage that has been checked, and how a provider on it works. For subclasses. */
export interface PreparedProvider {
  /** The storage. */
  readonly storage: Storage;
  /** The codec. */
  readonly codec: Codec;
  /** The limits, with all defaults filled in. */
  readonly limits: ProviderLimits;
}

function checkCodec(codec: Codec): Codec {
  if (typeof codec?.encode !== "function" || typeof codec.decode !== "function") {
    throw new ArgumentTypeError("Cannot open provider: codec must have encode and decode");
  }
  if (typeof codec.name !== "string" || !CODEC_NAME.test(codec.name)) {
    throw new ArgumentRangeError(
      `Cannot open provider: the codec's name "${codec.name}" does not fit ${CODEC_NAME}`,
    );
  }
  return codec;
}

function checkLimits(options: ProviderOptions): ProviderLimits {
  const check = (value: number, name: string, maximum: number) =>
    checkInteger(value, name, 1, maximum, "open provider");
  const { backpressure = "wait" } = options;
  if (backpressure !== "wait" && backpressure !== "reject") {
    throw new ArgumentRangeError(
      `Cannot open provider: backpressure must be "wait" or "reject", not "${backpressure}"`,
    );
  }
  return {
    backpressure,
    maxMessageBytes: check(
      options.maxMessageBytes ?? DEFAULT_MAX_MESSAGE_BYTES,
      "maxMessageBytes",
      MAX_VALUE_BYTES,
    ),
    maxSnapshotBytes: check(
      options.maxSnapshotBytes ?? DEFAULT_MAX_SNAPSHOT_BYTES,
      "maxSnapshotBytes",
      MAX_VALUE_BYTES,
    ),
    maxPendingMessages: check(
      options.maxPendingMessages ?? DEFAULT_MAX_PENDING_MESSAGES,
      "maxPendingMessages",
      Number.MAX_SAFE_INTEGER,
    ),
    maxPendingBytes: check(
      options.maxPendingBytes ?? DEFAULT_MAX_PENDING_BYTES,
      "maxPendingBytes",
      MAX_VALUE_BYTES,
    ),
  };
}
