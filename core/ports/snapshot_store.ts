/**
 * Snapshots: the newest few states of each actor, each at a sequence number of its journal.
 *
 * @module
 */

import type { OptionNames } from "../util/option_names.ts";
import type { Schema, SchemaVersion } from "./schema.ts";

/** A saved state. */
export interface SnapshotEntry<State> {
  /** The id of the actor. */
  readonly actorId: string;
  /** The state as it was saved, or upcast if it was stored as an old version. */
  readonly state: State;
  /** The sequence number of the last message that the state includes. */
  readonly sequenceNumber: number;
  /** When `saveSnapshot` was called, by the clock of the machine that called it. */
  readonly timestamp: Date;
  /** The type and version that it was stored as. Absent if it was stored without a schema. */
  readonly schema?: SchemaVersion;
  /**
   * Whether the state was made unreadable, by dropping the key that it was encrypted with: then
   * `state` is `undefined`, whatever its type says. Absent otherwise.
   */
  readonly isErased?: true;
}

/** Which snapshots match. A snapshot must meet all criteria that are given. */
export interface SnapshotCriteria {
  /**
   * The highest sequence number, inclusive: an integer of at least 0.
   *
   * @default {undefined} Any sequence number.
   */
  maxSequenceNumber?: number;
  /**
   * The latest time at which the snapshot was saved, inclusive.
   *
   * @default {undefined} Any time.
   */
  maxTimestamp?: Date;
}

/** The names of {@linkcode SnapshotCriteria}. */
export const SNAPSHOT_CRITERIA_NAMES: OptionNames<SnapshotCriteria> = {
  maxSequenceNumber: true,
  maxTimestamp: true,
};

/** Which snapshots are deleted. A snapshot must meet all criteria that are given. */
export interface DeleteSnapshotsCriteria extends SnapshotCriteria {
  /**
   * Exactly this sequence number: an integer of at least 0.
   *
   * @default {undefined} Any sequence number.
   */
  sequenceNumber?: number;
}

/** The names of {@linkcode DeleteSnapshotsCriteria}. */
export const DELETE_SNAPSHOTS_CRITERIA_NAMES: OptionNames<DeleteSnapshotsCriteria> = {
  ...SNAPSHOT_CRITERIA_NAMES,
  sequenceNumber: true,
};

/**
 * Options of a snapshot store: the actors that it serves, how many snapshots it keeps, and the types
 * of its states.
 *
 * @typeParam State The type of the states.
 */
export interface SnapshotStoreOptions<State = unknown> {
  /**
   * The kind of the actors that the store serves: see {@linkcode JournalOptions.kind}.
   *
   * @default {undefined} The store serves actors without kind.
   */
  kind?: string;
  /**
   * Binds the store to one actor: calls for other actors are refused.
   *
   * @default {undefined} The store serves any actor.
   */
  actorId?: string;
  /**
   * How many snapshots are kept per actor, the newest ones: an integer from 1 to 2^31 - 1, or
   * `Infinity` for all.
   *
   * @default {3}
   */
  keep?: number;
  /**
   * The types of the states: their names and versions, which are stored with them, how they are
   * validated, and how states that older code has stored are read.
   *
   * @default {undefined} States are stored and read as they are.
   */
  schema?: Schema<State>;
}

/** The names of {@linkcode SnapshotStoreOptions}. */
export const SNAPSHOT_STORE_OPTION_NAMES: OptionNames<SnapshotStoreOptions> = {
  kind: true,
  actorId: true,
  keep: true,
  schema: true,
};

/**
 * The newest snapshots of each actor. One store object serves any number of actors, unless it is
 * bound to one.
 *
 * Every method rejects with {@linkcode ArgumentTypeError} or {@linkcode ArgumentRangeError}
 * (`INVALID_ARGUMENT`) if an actor id is not a non-empty, well-formed string of at most 512 bytes
 * of UTF-8, or is not the one that the store is bound to; and with `CLOSED` after `close()`.
 *
 * @typeParam State The type of the states. The codec must be able to encode them. With a
 *   {@linkcode Schema} they are validated, too.
 *
 * @example Save and load
 * ```ts
 * import { MemoryPersistenceProvider } from "@cajun/persistence/memory";
 *
 * await using provider = await MemoryPersistenceProvider.open();
 * const snapshots = provider.createSnapshotStore<{ balance: number }>();
 * await snapshots.saveSnapshot("account-1", { balance: 15 }, 1);
 * console.log((await snapshots.getLatestSnapshot("account-1"))?.state.balance); // 15
 * ```
 */
export interface SnapshotStore<State> extends AsyncDisposable {
  /**
   * Saves a state, then deletes the oldest snapshots of the actor beyond those that are kept. The
   * state is encoded before the call returns. If the deletion fails, the save has succeeded all the
   * same: the next save deletes what is left, and `stats()` of the provider counts the failure.
   *
   * @param actorId The id of the actor.
   * @param state The state, at most `maxSnapshotBytes` (default 256 MiB) when encoded.
   * @param sequenceNumber The sequence number of the last message that the state includes. A
   *   snapshot with the same sequence number is overwritten.
   * @returns Resolves when the snapshot is durable.
   * @throws {ArgumentTypeError | ArgumentRangeError} `INVALID_ARGUMENT` if an argument is invalid.
   * @throws {PersistenceError} `UNENCODABLE`, `TOO_LARGE`, `STORAGE_FULL`, `STORAGE_FAILED`,
   *   `REOPEN_REQUIRED`, `READ_ONLY`, `CLOSED`; with a schema also `VALIDATION_FAILED` and
   *   `UNKNOWN_SCHEMA`.
   */
  saveSnapshot(actorId: string, state: State, sequenceNumber: number): Promise<void>;

  /**
   * Loads the snapshot with the highest sequence number among those that match.
   *
   * @param actorId The id of the actor.
   * @param criteria Which snapshots match. Without it, all do.
   * @returns The snapshot, or `undefined` if none matches.
   * @throws {ArgumentTypeError | ArgumentRangeError} `INVALID_ARGUMENT` if an argument is invalid.
   * @throws {PersistenceError} With actor and sequence number: `CORRUPT` if the snapshot is
   *   damaged, and `UNKNOWN_SCHEMA`, `UPCAST_FAILED` or `VALIDATION_FAILED` if it does not match
   *   the schema. An older snapshot may still load, with `maxSequenceNumber`. `UNSUPPORTED_FORMAT`,
   *   `STORAGE_FAILED`, `CLOSED`.
   */
  getLatestSnapshot(
    actorId: string,
    criteria?: SnapshotCriteria,
  ): Promise<SnapshotEntry<State> | undefined>;

  /**
   * Lists the snapshots of an actor, without reading their states.
   *
   * @param actorId The id of the actor.
   * @returns The sequence numbers of the snapshots, the highest first.
   * @throws {ArgumentTypeError | ArgumentRangeError} `INVALID_ARGUMENT` if the actor id is invalid.
   * @throws {PersistenceError} `STORAGE_FAILED`, `CLOSED`.
   */
  listSnapshots(actorId: string): Promise<number[]>;

  /**
   * Deletes snapshots. Idempotent. Like appends, calls that arrive while a commit is in flight share
   * the next one.
   *
   * @param actorId The id of the actor.
   * @param criteria Which snapshots to delete. Without it, all of them.
   * @returns Resolves when the deletion is durable.
   * @throws {ArgumentTypeError | ArgumentRangeError} `INVALID_ARGUMENT` if an argument is invalid.
   * @throws {PersistenceError} `STORAGE_FAILED`, `REOPEN_REQUIRED`, `READ_ONLY`, `CLOSED`; with
   *   `maxTimestamp` also `CORRUPT` and `UNSUPPORTED_FORMAT` if the time of a snapshot cannot be
   *   read.
   */
  deleteSnapshots(actorId: string, criteria?: DeleteSnapshotsCriteria): Promise<void>;

  /** Refuses new calls and waits for the accepted ones. Other stores stay open. Idempotent. */
  close(): Promise<void>;
}
