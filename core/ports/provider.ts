/**
 * The options and statistics of a provider, and what work over all its actors needs of it.
 *
 * @module
 */

import type { CallChain } from "./actor_store.ts";
import type { CallContext } from "./call_context.ts";
import type { Clock } from "./clock.ts";
import type { Codec } from "./codec.ts";
import type { MessageJournal } from "./journal.ts";
import type { SnapshotStore } from "./snapshot_store.ts";
import type { StorageStats } from "./storage.ts";
import type { Telemetry } from "./telemetry.ts";
import type { OptionNames } from "../util/option_names.ts";

/**
 * What happens to an append that would exceed the limits on pending messages: it waits for room, or
 * it rejects with `BACKPRESSURE`.
 */
export type BackpressureStrategy = "wait" | "reject";

/** How much a provider has pending. */
export interface PendingCounts {
  /** The number of messages that wait to be committed or are being committed. */
  readonly messages: number;
  /** The total size of these messages when encoded, with their metadata, in bytes. */
  readonly bytes: number;
  /** The number of calls that wait for room. */
  readonly waitingForRoom: number;
}

/** What has happened since the provider was opened. */
export interface CommitCounts {
  /** The number of commits that succeeded. */
  commits: number;
  /** The number of commits that failed. */
  failedCommits: number;
  /** The number of messages that became durable. */
  committedMessages: number;
  /**
   * How often another process committed first, so that what was planned for an actor was planned
   * again.
   */
  conflicts: number;
  /** How often the log could not be collected. It is tried again with the next commit. */
  failedCollections: number;
  /** The error of the last such failure, or `undefined` if there was none. */
  lastCollectionError: unknown;
}

/** What a provider needs of the runtime that it is in. Adapters bring it. */
export interface Runtime {
  /** The clock. */
  readonly clock: Clock;
  /** The context of calls, if the runtime has one. */
  readonly callContext?: CallContext<CallChain>;
  /** Who else listens to the provider, beside {@linkcode ProviderOptions.telemetry}. */
  readonly telemetry?: Telemetry;
}

/** Options of a provider. */
export interface ProviderOptions {
  /**
   * Turns messages and states into bytes. Its name is stored with the data.
   *
   * @default {new MessagePackCodec()}
   */
  codec?: Codec;
  /**
   * The maximum size of an encoded message in bytes, with the name of its type and its metadata: an
   * integer from 1 to 2^30.
   *
   * @default {16 MiB}
   */
  maxMessageBytes?: number;
  /**
   * The maximum size of an encoded state in bytes, with the name of its type: an integer from 1 to
   * 2^30.
   *
   * @default {256 MiB}
   */
  maxSnapshotBytes?: number;
  /**
   * How many messages may be pending: an integer of at least 1. A larger batch is accepted if
   * nothing else is pending.
   *
   * @default {100_000}
   */
  maxPendingMessages?: number;
  /**
   * How many bytes of encoded messages may be pending: an integer from 1 to 2^30. It is also the
   * maximum size of a message or a batch.
   *
   * @default {64 MiB}
   */
  maxPendingBytes?: number;
  /**
   * How many bytes of the log may be hot, that is, in memory and not yet sorted into the journals of
   * their actors: an integer from 1 to 2^30. With few actors it is less: 4 MiB, or 4 KiB for each
   * actor in it. A provider reads the hot part when it is opened.
   *
   * @default {64 MiB}
   */
  maxHotBytes?: number;
  /**
   * What happens to an append that would exceed these limits: it waits for room, in call order
   * (`"wait"`), or it rejects with `BACKPRESSURE` (`"reject"`). A waiting append holds a copy of
   * its encoded message. So even with `"wait"` an append rejects with `BACKPRESSURE` if 10 times
   * `maxPendingMessages` messages or 10 times `maxPendingBytes` bytes, over all callers, already
   * wait for room. Await your appends, or write to `journal.writable()`, which is never refused and
   * slows down its source instead.
   *
   * @default {"wait"}
   */
  backpressure?: BackpressureStrategy;
  /**
   * The clock and the context of calls, for stateful actors. The providers of the adapters bring
   * those of their runtime; a test may bring a clock that it moves.
   *
   * @default {a clock by `Date.now` and `setTimeout`, and no context of calls}
   */
  runtime?: Partial<Runtime>;
  /**
   * Who listens to what happens, such as `OtelTelemetry` of `@cajun/persistence/otel`.
   *
   * @default {undefined}
   */
  telemetry?: Telemetry;
}

/** The names of {@linkcode ProviderOptions}. */
export const PROVIDER_OPTION_NAMES: OptionNames<ProviderOptions> = {
  codec: true,
  maxMessageBytes: true,
  maxSnapshotBytes: true,
  maxPendingMessages: true,
  maxPendingBytes: true,
  maxHotBytes: true,
  backpressure: true,
  runtime: true,
  telemetry: true,
};

/** The statistics of a provider at one moment. The counts start at 0 when it is opened. */
export interface ProviderStats extends Readonly<CommitCounts> {
  /** The statistics of its storage. */
  readonly storage: StorageStats;
  /** Its log. */
  readonly log: LogStats;
  /** What is pending. */
  readonly pending: PendingCounts;
  /** How often old snapshots could not be deleted. */
  readonly failedPrunes: number;
  /** The error of the last such failure, or `undefined` if there was none. */
  readonly lastPruneError: unknown;
  /** How often a listener of the telemetry has thrown. */
  readonly failedTelemetry: number;
  /** The error of the last such failure, or `undefined` if there was none. */
  readonly lastTelemetryError: unknown;
}

/** The log of a storage, as far as a provider knows it. */
export interface LogStats {
  /** The position of the newest record that it knows. Other processes may have gone on. */
  readonly position: number;
  /** How many bytes are hot: in memory, and not yet sorted into the journals of their actors. */
  readonly hotBytes: number;
  /** How many actors they belong to. */
  readonly hotActors: number;
}

/** Which actors are listed. */
export interface ListActorsOptions {
  /**
   * Their kind: see {@linkcode JournalOptions.kind}.
   *
   * @default {undefined} The actors without kind.
   */
  kind?: string;
  /**
   * What their ids begin with: a well-formed string of at most 512 bytes of UTF-8.
   *
   * @default {""} Any id.
   */
  prefix?: string;
  /**
   * Leaves out all actors before the one with this id.
   *
   * @default {undefined} No actor is left out.
   */
  from?: string;
  /**
   * Leaves out the actor with this id and all before it.
   *
   * @default {undefined} No actor is left out.
   */
  after?: string;
}

/** The names of {@linkcode ListActorsOptions}. */
export const LIST_ACTORS_OPTION_NAMES: OptionNames<ListActorsOptions> = {
  kind: true,
  prefix: true,
  from: true,
  after: true,
};

/** Options of {@linkcode PersistenceProvider.deleteActor} and `eraseActor`. */
export interface RemoveActorOptions {
  /**
   * The kind of the actor: see {@linkcode JournalOptions.kind}.
   *
   * @default {undefined} The actor has no kind.
   */
  kind?: string;
}

/** The names of {@linkcode RemoveActorOptions}. */
export const REMOVE_ACTOR_OPTION_NAMES: OptionNames<RemoveActorOptions> = { kind: true };

/** What is known of an actor that is listed. */
export interface ActorInfo {
  /** Its kind. Absent if it has none. */
  readonly kind?: string;
  /** Its id. */
  readonly actorId: string;
  /** The lowest sequence number that is retained; one more than the highest if no entry is. */
  readonly lowestSequenceNumber: number;
  /** The highest sequence number that was ever given out; -1 if the actor has no journal. */
  readonly highestSequenceNumber: number;
  /** The sequence number of its newest snapshot. Absent if it has none. */
  readonly newestSnapshot?: number;
}

/** The part of a provider that work over all actors needs, such as retention. */
export interface ActorStores {
  /**
   * The clock of its runtime, if it knows one: by that, work in the background does not keep the
   * process alive.
   */
  readonly clock?: Clock;
  /**
   * Lists the actors of a kind that have a journal, in the order of their ids in UTF-8.
   *
   * @param options Which actors are listed.
   * @returns The ids of the actors.
   * @throws {ArgumentTypeError | ArgumentRangeError} `INVALID_ARGUMENT` if an option is invalid.
   * @throws {PersistenceError} `CORRUPT`, `STORAGE_FAILED`, `CLOSED`.
   */
  actorIds(options?: ListActorsOptions): AsyncIterable<string>;
  /**
   * Creates a journal for any actor of a kind.
   *
   * @typeParam Message The type of the messages.
   * @param options The kind.
   * @returns The journal.
   * @throws {ArgumentTypeError | ArgumentRangeError} `INVALID_ARGUMENT` if the kind is invalid.
   * @throws {PersistenceError} `CLOSED`.
   */
  createMessageJournal<Message>(options?: { kind?: string }): MessageJournal<Message>;
  /**
   * Creates a snapshot store for any actor of a kind.
   *
   * @typeParam State The type of the states.
   * @param options The kind.
   * @returns The snapshot store.
   * @throws {ArgumentTypeError | ArgumentRangeError} `INVALID_ARGUMENT` if the kind is invalid.
   * @throws {PersistenceError} `CLOSED`.
   */
  createSnapshotStore<State>(options?: { kind?: string }): SnapshotStore<State>;
}
