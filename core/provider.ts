/**
 * The provider: creates journals and snapshot stores on one storage.
 *
 * @module
 */

import { MessagePackCodec } from "./codec/msgpack_codec.ts";
import { CommitQueue } from "./commit/commit_queue.ts";
import { checkOptionalKind, checkOptions } from "./errors/arguments.ts";
import { ArgumentTypeError, PersistenceError } from "./errors/persistence_error.ts";
import { failureOf } from "./errors/storage_failure.ts";
import { addressOf } from "./format/actor_address.ts";
import type { RemovalMode } from "./format/removal_mark.ts";
import type { BatchedMessageJournal } from "./ports/batched_journal.ts";
import type { Codec } from "./ports/codec.ts";
import {
  CONSUMER_REGISTRY_OPTION_NAMES,
  type ConsumerRegistry,
  type ConsumerRegistryOptions,
} from "./ports/consumers.ts";
import { HEALTH_OPTION_NAMES, type HealthOptions, type ProviderHealth } from "./ports/health.ts";
import type { MessageJournal } from "./ports/journal.ts";
import {
  BATCHED_JOURNAL_OPTION_NAMES,
  type BatchedJournalOptions,
  JOURNAL_OPTION_NAMES,
  type JournalOptions,
} from "./ports/journal_options.ts";
import {
  type ActorInfo,
  type ListActorsOptions,
  PROVIDER_OPTION_NAMES,
  type ProviderOptions,
  type ProviderStats,
  REMOVE_ACTOR_OPTION_NAMES,
  type RemoveActorOptions,
  type Runtime,
} from "./ports/provider.ts";
import type { Schema } from "./ports/schema.ts";
import type { VerifyOptions, VerifyReport } from "./ports/verification.ts";
import {
  SNAPSHOT_STORE_OPTION_NAMES,
  type SnapshotStore,
  type SnapshotStoreOptions,
} from "./ports/snapshot_store.ts";
import type { Storage, StorageSupports } from "./ports/storage.ts";
import { Verification } from "./operations/verification.ts";
import { checkVerifyOptions } from "./operations/verify_options.ts";
import { JournalReader } from "./read/journal_reader.ts";
import { listActorIds, listActors } from "./read/list_actors.ts";
import type { WholeReadServices } from "./read/removal.ts";
import {
  MESSAGE,
  type PayloadNouns,
  type Payloads,
  PlainPayloads,
  STATE,
} from "./schema/payloads.ts";
import { SchemaPayloads } from "./schema/schema_payloads.ts";
import { BatchingJournal } from "./stores/batching_journal.ts";
import { type ConsumerServices, QueuedConsumerRegistry } from "./stores/consumer_registry.ts";
import { checkHealthOptions, closedHealth, HealthCheck } from "./stores/health_check.ts";
import { MessageEncoder } from "./stores/message_encoder.ts";
import {
  checkSettings,
  closingOnFailure,
  prepareProvider,
  type ProviderLimits,
  type ProviderParts,
  type ProviderSettings,
} from "./stores/provider_parts.ts";
import type { JournalServices } from "./stores/journal_services.ts";
import { QueuedJournal } from "./stores/queued_journal.ts";
import { QueuedSnapshotStore, type SnapshotServices } from "./stores/queued_snapshot_store.ts";
import { Truncation } from "./stores/truncation.ts";
import { CallOrder } from "./util/call_order.ts";
import { CallTracker } from "./util/call_tracker.ts";
import {
  ACTOR_STORE_OPTION_NAMES,
  type ActorStore,
  type ActorStoreOptions,
  type ActorStoreProvider,
  type CallChain,
} from "./ports/actor_store.ts";
import type { CallContext } from "./ports/call_context.ts";
import type { Clock } from "./ports/clock.ts";
import type { TelemetrySink } from "./ports/telemetry.ts";
import { makeActorStore } from "./stores/make_actor_store.ts";
import { TelemetryHub } from "./telemetry/telemetry_hub.ts";
import { systemClock } from "./util/system_clock.ts";

/** What a writable stream has in flight: enough that commits are large while the next one fills. */
const STREAM_MESSAGES = 4_096;
const STREAM_BYTES = 2 ** 20;

/**
 * Creates journals and snapshot stores on one storage. The adapters have providers of their own, such
 * as `LmdbPersistenceProvider`; {@linkcode PersistenceProvider.openOn} opens one on any
 * {@linkcode Storage}.
 *
 * @example A provider on any storage
 * ```ts
 * import { PersistenceProvider } from "@cajun/persistence";
 * import { MemoryStorage } from "@cajun/persistence/memory";
 *
 * await using provider = await PersistenceProvider.openOn(await MemoryStorage.open());
 * const journal = provider.createMessageJournal<string>();
 * console.log(await journal.append("door-1", "opened")); // 0
 * ```
 */
export class PersistenceProvider implements AsyncDisposable, ActorStoreProvider {
  /** The clock of its runtime. */
  readonly clock: Clock;
  /** The context of calls of its runtime, if that has one. */
  readonly callContext: CallContext<CallChain> | undefined;
  readonly #telemetry: TelemetryHub;
  readonly #storage: Storage;
  readonly #codec: Codec;
  readonly #limits: ProviderLimits;
  readonly #queue: CommitQueue;
  readonly #journals: JournalServices;
  readonly #snapshots: SnapshotServices;
  readonly #consumers: ConsumerServices;
  readonly #health: HealthCheck;
  #failedPrunes = 0;
  #lastPruneError: unknown;
  readonly #closed = new AbortController();
  #closing: Promise<void> | undefined;

  /**
   * For the adapters of this package. Everyone else calls {@linkcode PersistenceProvider.openOn}.
   *
   * @param parts What the provider is made of.
   */
  protected constructor(parts: ProviderParts) {
    if (parts?.storage === undefined) throw notOpened(new.target.name);
    const { storage, settings, log } = parts;
    const { codec, limits, runtime, listeners } = settings;
    this.clock = runtime.clock;
    this.callContext = runtime.callContext;
    this.#telemetry = new TelemetryHub(listeners);
    const assertOpen = (operation: string) => this.#assertOpen(operation);
    this.#storage = storage;
    this.#codec = codec;
    this.#limits = limits;
    this.#queue = new CommitQueue(storage, log, limits, runtime.clock, this.#telemetry);
    this.#journals = {
      queue: this.#queue,
      ...this.#encoding(new PlainPayloads(codec, MESSAGE)),
      truncation: new Truncation(storage, this.#queue),
      streamWindow: {
        messages: Math.min(limits.maxPendingMessages, STREAM_MESSAGES),
        bytes: Math.min(limits.maxPendingBytes, STREAM_BYTES),
      },
      telemetry: this.#telemetry,
      clock: this.clock,
      closing: this.#closed.signal,
      assertOpen,
    };
    this.#snapshots = {
      storage,
      queue: this.#queue,
      payloads: new PlainPayloads(codec, STATE),
      maxSnapshotBytes: limits.maxSnapshotBytes,
      saves: new CallOrder(),
      calls: new CallTracker(),
      telemetry: this.#telemetry,
      onPruneFailure: (error) => {
        this.#failedPrunes++;
        this.#lastPruneError = error;
      },
      assertOpen,
    };
    this.#health = new HealthCheck({
      storage,
      queue: this.#queue,
      clock: this.clock,
      maxHotBytes: limits.maxHotBytes,
      stats: () => this.#stats(),
    });
    this.#consumers = { storage, queue: this.#queue, assertOpen, waiting: new Map() };
  }

  /**
   * Opens a provider on a storage, which then belongs to it: `close()` closes the storage. If this
   * fails, the storage is closed, too.
   *
   * @param storage The storage.
   * @param options The codec and the limits of the provider.
   * @returns The provider.
   * @throws {ArgumentTypeError | ArgumentRangeError} `INVALID_ARGUMENT` if an option is invalid or
   *   unknown.
   * @throws {PersistenceError} `CODEC_MISMATCH` if the storage was written with another codec;
   *   `UNSUPPORTED_FORMAT` if it was written by a newer version; `CORRUPT` if it is damaged;
   *   `STORAGE_FAILED`.
   */
  static async openOn(
    storage: Storage,
    options: ProviderOptions = {},
  ): Promise<PersistenceProvider> {
    const settings = await closingOnFailure(storage, () => {
      checkOptions(options, "open provider", PROVIDER_OPTION_NAMES);
      return checkProviderOptions(options);
    });
    return new PersistenceProvider(await prepareProvider(storage, settings));
  }

  /** The name of the storage engine, such as `"lmdb"`. */
  get name(): string {
    return this.#storage.name;
  }

  /** What its actors report to. */
  get telemetry(): TelemetrySink {
    return this.#telemetry;
  }

  /** What the storage engine can do. */
  get supports(): StorageSupports {
    return this.#storage.supports;
  }

  /**
   * Creates a journal whose appends are committed as soon as possible, grouped with all that arrive
   * in the meantime.
   *
   * @typeParam Message The type of the messages.
   * @param options The kind of its actors, the actor that it is bound to, if any, and the schema.
   * @returns The journal.
   * @throws {ArgumentTypeError | ArgumentRangeError} `INVALID_ARGUMENT` if an option is invalid or
   *   unknown.
   * @throws {PersistenceError} `CLOSED`.
   *
   * @example A journal that is bound to one actor
   * ```ts
   * import { MemoryPersistenceProvider } from "@cajun/persistence/memory";
   *
   * await using provider = await MemoryPersistenceProvider.open();
   * const journal = provider.createMessageJournal<string>({ actorId: "door-1" });
   * console.log(await journal.append("door-1", "opened")); // 0
   * ```
   */
  createMessageJournal<Message>(options: JournalOptions<Message> = {}): MessageJournal<Message> {
    this.#assertOpen("create journal");
    checkOptions(options, "create journal", JOURNAL_OPTION_NAMES);
    return new QueuedJournal<Message>(this.#journalsWith(options.schema), options);
  }

  /**
   * Creates a journal whose appends wait for a batch.
   *
   * @typeParam Message The type of the messages.
   * @param options The kind of its actors, the actor that it is bound to, if any, the schema, and
   *   after how many messages (default 100), bytes (default 1 MiB) or milliseconds (default 100) a
   *   batch is committed.
   * @returns The journal.
   * @throws {ArgumentTypeError | ArgumentRangeError} `INVALID_ARGUMENT` if an option is invalid or
   *   unknown.
   * @throws {PersistenceError} `CLOSED`.
   */
  createBatchedMessageJournal<Message>(
    options: BatchedJournalOptions<Message> = {},
  ): BatchedMessageJournal<Message> {
    this.#assertOpen("create journal");
    checkOptions(options, "create journal", BATCHED_JOURNAL_OPTION_NAMES);
    return new BatchingJournal<Message>(this.#journalsWith(options.schema), options);
  }

  /**
   * Creates a snapshot store.
   *
   * @typeParam State The type of the states.
   * @param options The kind of its actors, the actor that it is bound to, if any, the schema, and how
   *   many snapshots of each actor it keeps (default 3).
   * @returns The snapshot store.
   * @throws {ArgumentTypeError | ArgumentRangeError} `INVALID_ARGUMENT` if an option is invalid or
   *   unknown.
   * @throws {PersistenceError} `CLOSED`.
   */
  createSnapshotStore<State>(options: SnapshotStoreOptions<State> = {}): SnapshotStore<State> {
    this.#assertOpen("create snapshot store");
    checkOptions(options, "create snapshot store", SNAPSHOT_STORE_OPTION_NAMES);
    const payloads = this.#payloadsOf(STATE, options.schema) ?? this.#snapshots.payloads;
    return new QueuedSnapshotStore<State>({ ...this.#snapshots, payloads }, options);
  }

  /**
   * Creates the stores of a kind of stateful actors. `StatefulActors` and `StatefulActor` do it by
   * themselves.
   *
   * @typeParam Stored The type of what is journaled.
   * @typeParam State The type of the states.
   * @param options The kind, its schemas, and how many snapshots are kept.
   * @returns The stores.
   * @throws {ArgumentTypeError | ArgumentRangeError} `INVALID_ARGUMENT` if an option is invalid or
   *   unknown.
   * @throws {PersistenceError} `CLOSED`.
   */
  createActorStore<Stored, State>(
    options: ActorStoreOptions<Stored, State>,
  ): ActorStore<Stored, State> {
    this.#assertOpen("create actor store");
    checkOptions(options, "create actor store", ACTOR_STORE_OPTION_NAMES);
    const { kind, messageSchema, stateSchema, keepSnapshots } = options;
    const payloads = this.#payloadsOf(STATE, stateSchema) ?? this.#snapshots.payloads;
    return makeActorStore<Stored, State>({
      storage: this.#storage,
      codec: this.#codec,
      kind,
      journals: this.#journalsWith(messageSchema),
      snapshots: { ...this.#snapshots, payloads },
      keepSnapshots,
      maxRunBytes: this.#limits.maxPendingBytes,
    });
  }

  /**
   * Creates a registry of the consumers of journals, whose entries retention leaves alone.
   *
   * @param options The kind of the actors whose journals are read.
   * @returns The registry. All registries of a provider for one kind hold the same consumers.
   * @throws {ArgumentTypeError | ArgumentRangeError} `INVALID_ARGUMENT` if an option is invalid or
   *   unknown.
   * @throws {PersistenceError} `CLOSED`.
   */
  createConsumerRegistry(options: ConsumerRegistryOptions = {}): ConsumerRegistry {
    this.#assertOpen("create consumer registry");
    checkOptions(options, "create consumer registry", CONSUMER_REGISTRY_OPTION_NAMES);
    return new QueuedConsumerRegistry(this.#consumers, options);
  }

  /**
   * Lists the actors of a kind that have a journal, in the order of their ids in UTF-8, in pages of
   * bounded size. An actor that is added in the meantime may be left out.
   *
   * @param options The kind of the actors (default: those without kind), what their ids begin with,
   *   and the id with which, or after which, the list begins.
   * @returns The ids of the actors. The iteration throws all errors.
   * @throws {ArgumentTypeError | ArgumentRangeError} `INVALID_ARGUMENT` if an option is invalid or
   *   unknown.
   * @throws {PersistenceError} `CORRUPT`, `STORAGE_FAILED`, `CLOSED`.
   *
   * @example The actors of a kind whose ids begin with "eu": first eu-1, then eu-2
   * ```ts
   * import { MemoryPersistenceProvider } from "@cajun/persistence/memory";
   *
   * await using provider = await MemoryPersistenceProvider.open();
   * const carts = provider.createMessageJournal<string>({ kind: "cart" });
   * for (const id of ["us-1", "eu-2", "eu-1"]) await carts.append(id, "opened");
   * for await (const id of provider.actorIds({ kind: "cart", prefix: "eu" })) console.log(id);
   * ```
   */
  async *actorIds(options: ListActorsOptions = {}): AsyncGenerator<string, void, undefined> {
    this.#assertOpen("list actors");
    for await (const actorId of listActorIds(this.#whole, options)) {
      yield actorId;
      this.#assertOpen("list actors");
    }
  }

  /**
   * Lists the actors of a kind that have a journal or a snapshot, in the order of their ids in UTF-8,
   * in pages of bounded size. What it says of an actor is from about the moment at which it is listed;
   * one that is added in the meantime may be left out.
   *
   * @param options The kind of the actors (default: those without kind), what their ids begin with,
   *   and the id with which, or after which, the list begins.
   * @returns Kind and id of each actor, the lowest and highest sequence number of its journal, and the
   *   sequence number of its newest snapshot. The iteration throws all errors.
   * @throws {ArgumentTypeError | ArgumentRangeError} `INVALID_ARGUMENT` if an option is invalid or
   *   unknown.
   * @throws {PersistenceError} `CORRUPT`, with `actorId` if the head of a journal is damaged;
   *   `UNSUPPORTED_FORMAT`, `STORAGE_FAILED`, `CLOSED`.
   *
   * @example How far actors have come
   * ```ts
   * import { MemoryPersistenceProvider } from "@cajun/persistence/memory";
   *
   * await using provider = await MemoryPersistenceProvider.open();
   * const journal = provider.createMessageJournal<string>();
   * await journal.appendBatch("door-1", ["opened", "closed"]);
   * await provider.createSnapshotStore<string>().saveSnapshot("door-1", "closed", 1);
   * for await (const { actorId, highestSequenceNumber, newestSnapshot } of provider.actors()) {
   *   console.log(actorId, highestSequenceNumber, newestSnapshot); // door-1 1 1
   * }
   * ```
   */
  async *actors(options: ListActorsOptions = {}): AsyncGenerator<ActorInfo, void, undefined> {
    this.#assertOpen("list actors");
    for await (const info of listActors(this.#whole, options)) {
      yield info;
      this.#assertOpen("list actors");
    }
  }

  /**
   * Deletes everything of an actor: journal, snapshots, undelivered effects and dead letters, what it
   * remembers of messages that were handled, and the positions of consumers. Afterwards the id is as
   * if it had never been used: a new journal begins at 0.
   *
   * From the first of its commits on, the actor is empty for everyone. If the process crashes before
   * the last one, the next call of this, or write to the actor, finishes the deletion. A full
   * storage does it all the same. Appends that were called before are deleted with the rest; those
   * that are called later, or by another process, begin the new journal. Readers that are in the midst
   * of the journal get `TRUNCATED`, never messages of both.
   *
   * Stop the actor first: one that goes on may still write what it decided before. An actor that is
   * damaged can be deleted, unless its keys are.
   *
   * **What is left:** entries that have not been collected stand in the log until it is collected,
   * where nobody can read them any more; the actor's id stays in the record of the order in which
   * entries were committed. The storage marks the space of everything else as free, and uses it again
   * by and by. Until then the bytes stand in its files; in backups, for as long as these are kept.
   *
   * @param actorId The id of the actor. For an unknown actor nothing happens.
   * @param options The kind of the actor.
   * @returns Resolves when that is durable and nothing is left. Idempotent.
   * @throws {ArgumentTypeError | ArgumentRangeError} `INVALID_ARGUMENT` if an argument is invalid or
   *   unknown.
   * @throws {PersistenceError} `CORRUPT` if a damaged key may be that of the journal;
   *   `UNSUPPORTED_FORMAT`, `STORAGE_FAILED`, `REOPEN_REQUIRED`, `READ_ONLY`, `CLOSED`.
   *
   * @example An actor that begins anew
   * ```ts
   * import { MemoryPersistenceProvider } from "@cajun/persistence/memory";
   *
   * await using provider = await MemoryPersistenceProvider.open();
   * const journal = provider.createMessageJournal<string>({ kind: "cart" });
   * await journal.appendBatch("42", ["opened", "paid"]);
   * await provider.deleteActor("42", { kind: "cart" });
   * console.log(await journal.getHighestSequenceNumber("42")); // -1
   * console.log(await journal.append("42", "opened")); // 0
   * ```
   */
  async deleteActor(actorId: string, options: RemoveActorOptions = {}): Promise<void> {
    await this.#remove(actorId, options, "delete");
  }

  /**
   * Erases everything of an actor, as {@linkcode PersistenceProvider.deleteActor} does, but its
   * numbering goes on: the next append gets the number that it would have got. So what others have
   * stored with sequence numbers of the actor, such as ids of delivered effects, never comes to mean
   * something else. What stays is the actor's id and that number; and, until the log has been
   * collected, what stands there, as after a deletion.
   *
   * Recovery then begins with the initial state, as if there had been no message.
   *
   * @param actorId The id of the actor. For an unknown actor nothing happens.
   * @param options The kind of the actor.
   * @returns Resolves when that is durable and nothing else is left. Idempotent.
   * @throws {ArgumentTypeError | ArgumentRangeError} `INVALID_ARGUMENT` if an argument is invalid or
   *   unknown.
   * @throws {PersistenceError} `CORRUPT` if the head of the journal is damaged, so that it cannot be
   *   known where the numbering goes on: `deleteActor` still works. Otherwise as `deleteActor`.
   *
   * @example An actor whose numbering goes on
   * ```ts
   * import { MemoryPersistenceProvider } from "@cajun/persistence/memory";
   *
   * await using provider = await MemoryPersistenceProvider.open();
   * const journal = provider.createMessageJournal<string>();
   * await journal.appendBatch("42", ["opened", "paid"]);
   * await provider.eraseActor("42");
   * console.log((await journal.readFrom("42", 0)).length); // 0
   * console.log(await journal.append("42", "opened")); // 2
   * ```
   */
  async eraseActor(actorId: string, options: RemoveActorOptions = {}): Promise<void> {
    await this.#remove(actorId, options, "erase");
  }

  /**
   * Whether the storage works: writes a probe, durably, and reads it back. If the storage is open
   * read-only, it only reads.
   *
   * @returns False if that fails or the provider is closed. It never rejects.
   */
  async isHealthy(): Promise<boolean> {
    return !this.#closing && await this.#health.works();
  }

  /**
   * How the provider is: writes a probe, durably, reads it back, and looks at the statistics. If the
   * storage is open read-only, it only reads.
   *
   * @param options What is too much.
   * @returns Whether it is healthy, why it is not, and the figures. It rejects for an invalid option
   *   only.
   * @throws {ArgumentTypeError | ArgumentRangeError} `INVALID_ARGUMENT` if an option is invalid or
   *   unknown.
   *
   * @example What a load balancer asks
   * ```ts
   * import { MemoryPersistenceProvider } from "@cajun/persistence/memory";
   *
   * await using provider = await MemoryPersistenceProvider.open();
   * const { status, reasons } = await provider.health({ timeoutMs: 1_000 });
   * console.log(status, reasons.map(({ message }) => message)); // healthy []
   * const answer = new Response(status, { status: status === "unhealthy" ? 503 : 200 });
   * console.log(answer.status); // 200
   * ```
   */
  async health(options: HealthOptions = {}): Promise<ProviderHealth> {
    checkOptions(options, "check health", HEALTH_OPTION_NAMES);
    const limits = checkHealthOptions(options);
    return this.#closing ? closedHealth() : await this.#health.run(limits);
  }

  /**
   * Reads the whole store and verifies it, while others go on: every checksum, that each journal has
   * all its entries, that heads, frames and log agree, and that messages, states and effects can be
   * decoded. Nothing is changed. The structure of LMDB's file is verified by
   * `LmdbEnvironmentManager.verify()`.
   *
   * @param options What is read, a signal, and who watches.
   * @returns What was found. Damage is no error of the call.
   * @throws {ArgumentTypeError | ArgumentRangeError} `INVALID_ARGUMENT` if an option is invalid or
   *   unknown.
   * @throws {PersistenceError} `STORAGE_FAILED`, `CLOSED`.
   * @throws {unknown} The signal's reason after an abort.
   *
   * @example A store without damage
   * ```ts
   * import { MemoryPersistenceProvider } from "@cajun/persistence/memory";
   *
   * await using provider = await MemoryPersistenceProvider.open();
   * await provider.createMessageJournal<string>().append("door-1", "opened");
   * const { isSound, entries, problems } = await provider.verify();
   * console.log(isSound, entries, problems.length); // true 1 0
   * ```
   */
  async verify(options: VerifyOptions = {}): Promise<VerifyReport> {
    this.#assertOpen("verify");
    const checked = checkVerifyOptions(options);
    const services = {
      storage: this.#storage,
      heads: this.#queue.log,
      codec: this.#codec,
      assertOpen: () => this.#assertOpen("verify"),
    };
    return await new Verification(services, checked).run();
  }

  /**
   * The statistics of this provider and its storage.
   *
   * @returns The statistics at this moment.
   * @throws {PersistenceError} `CLOSED`, `STORAGE_FAILED`, `REOPEN_REQUIRED`.
   */
  async stats(): Promise<ProviderStats> {
    this.#assertOpen("read statistics");
    return await this.#stats();
  }

  async #stats(): Promise<ProviderStats> {
    const { log, counts, pending } = this.#queue;
    return {
      ...counts,
      storage: await this.#storage.stats(),
      log: {
        position: log.nextPosition - 1,
        hotBytes: log.hot.bytes,
        hotActors: log.hot.hotActors,
      },
      pending,
      failedPrunes: this.#failedPrunes,
      lastPruneError: this.#lastPruneError,
      failedTelemetry: this.#telemetry.failures,
      lastTelemetryError: this.#telemetry.lastFailure,
    };
  }

  /**
   * The position of the newest commit that has changed a journal, by any process: see `position`
   * in `AppendReceipt`.
   *
   * @returns The position, 0 if there has been none.
   * @throws {PersistenceError} `STORAGE_FAILED`, `CLOSED`.
   *
   * @example Who comes later has the higher position
   * ```ts
   * import { MemoryPersistenceProvider } from "@cajun/persistence/memory";
   *
   * await using provider = await MemoryPersistenceProvider.open();
   * const journal = provider.createMessageJournal<string>();
   * const { position } = await journal.append("door-1", "opened", { receipt: true });
   * await journal.append("door-2", "opened");
   * console.log(await provider.position() > position); // true
   * ```
   */
  async position(): Promise<number> {
    this.#assertOpen("read position");
    await this.#queue.log.follow();
    return this.#queue.log.nextPosition - 1;
  }

  /**
   * Commits everything that is pending and waits until it is on disk, even if the storage was opened
   * with a weaker durability. An append that cannot be committed rejects its own promise.
   *
   * @throws {PersistenceError} `STORAGE_FAILED`, `REOPEN_REQUIRED`, `CLOSED`.
   */
  async sync(): Promise<void> {
    this.#assertOpen("sync");
    await this.#queue.drain();
    await this.#storage.sync();
  }

  /**
   * Refuses new calls, waits for the accepted ones, and closes the storage. Every journal and snapshot
   * store of the provider is closed with it. Idempotent.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    this.#closed.abort();
    return this.#closing;
  }

  /** Closes the provider. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  get #whole(): WholeReadServices {
    return { storage: this.#storage, heads: this.#queue.log };
  }

  #journalsWith<Message>(schema: Schema<Message> | undefined): JournalServices {
    const payloads = this.#payloadsOf(MESSAGE, schema);
    return payloads ? { ...this.#journals, ...this.#encoding(payloads) } : this.#journals;
  }

  #payloadsOf<Value>(nouns: PayloadNouns, schema: Schema<Value> | undefined): Payloads | undefined {
    return schema === undefined ? undefined : new SchemaPayloads(this.#codec, nouns, schema);
  }

  #encoding(payloads: Payloads): Pick<JournalServices, "reader" | "encoder"> {
    return {
      reader: new JournalReader(this.#storage, this.#queue.log, payloads, this.#telemetry),
      encoder: new MessageEncoder(payloads, {
        maxMessageBytes: this.#limits.maxMessageBytes,
        maxBatchBytes: this.#limits.maxPendingBytes,
      }),
    };
  }

  async #remove(actorId: string, options: RemoveActorOptions, mode: RemovalMode): Promise<void> {
    const operation = `${mode} actor`;
    this.#assertOpen(operation);
    checkOptions(options, operation, REMOVE_ACTOR_OPTION_NAMES);
    const kind = checkOptionalKind(options.kind, operation);
    const actor = addressOf(kind, actorId, operation);
    try {
      await this.#queue.remove(actor, mode);
    } catch (error) {
      throw failureOf(mode, actor, error);
    }
  }

  async #close(): Promise<void> {
    await this.#queue.drain();
    await this.#journals.truncation.calls.settled();
    await this.#snapshots.calls.settled();
    await this.#queue.close();
    await this.#storage.close();
  }

  #assertOpen(operation: string): void {
    if (this.#closing) {
      throw new PersistenceError("CLOSED", `Cannot ${operation}: the provider is closed`);
    }
  }
}

function notOpened(name: string): ArgumentTypeError {
  const open = name === "PersistenceProvider" ? "openOn(storage)" : "open({ … })";
  return new ArgumentTypeError(`Cannot make provider: call await ${name}.${open} instead`);
}

/**
 * Checks the values of a provider's options, for adapters. An adapter checks the names itself, since
 * it has more options.
 *
 * @param options The options.
 * @param runtime The clock and the context of calls of the adapter's runtime.
 * @returns The options with their defaults.
 * @throws {ArgumentTypeError | ArgumentRangeError} `INVALID_ARGUMENT` if one is invalid.
 */
export function checkProviderOptions(
  options: ProviderOptions,
  runtime: Runtime = { clock: systemClock },
): ProviderSettings {
  return checkSettings(options, new MessagePackCodec(), runtime);
}

// For adapters, which import nothing of `stores/`.
export { prepareProvider };
