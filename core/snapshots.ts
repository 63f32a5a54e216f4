/**
 * Snapshots: the states of each actor at some sequence numbers, the newest few of them.
 *
 * @module
 */

import type { Schema, SchemaVersion } from "./schema.ts";

/** A saved state. */
export interface SnapshotEntry<State> {
  /** The actor. */
  readonly actorId: string;
  /** The state, as it was when it was saved; where it was of an old version, upcast. */
  readonly state: State;
  /** The sequence number of the last message that the state includes. */
  readonly sequenceNumber: number;
  /** When `saveSnapshot` was called, by the clock of the machine that called it. */
  readonly timestamp: Date;
  /** What the state was stored as. Left out where it was stored without a schema. */
  readonly schema?: SchemaVersion;
}

/** Which snapshot is meant. What is left out does not matter. */
export interface SnapshotCriteria {
  /** The highest sequence number, inclusive. */
  maxSequenceNumber?: number;
  /** The latest time of saving, inclusive. */
  maxTimestamp?: Date;
}

/** Which snapshots are deleted. All that is stated must fit. */
export interface DeleteSnapshotsCriteria extends SnapshotCriteria {
  /** Exactly this sequence number. */
  sequenceNumber?: number;
}

/**
 * What a snapshot store is for, and how many snapshots it keeps.
 *
 * @typeParam State What is stored in it.
 */
export interface SnapshotStoreOptions<State = unknown> {
  /** Binds the store to one actor: calls for others are refused. Default: any actor. */
  actorId?: string;
  /** How many snapshots are kept per actor, the newest: an integer of at least 1. Default: 3. */
  keep?: number;
  /**
   * What the states are: their name and version, which are stored with them, how they are validated,
   * and how those that older code has stored are read. Default: they are stored and read as they are.
   */
  schema?: Schema<State>;
}

/**
 * The newest snapshots of each actor. One store object serves any number of actors, unless it is
 * bound to one.
 *
 * Every method rejects with {@linkcode ArgumentTypeError} or {@linkcode ArgumentRangeError}
 * (`INVALID_ARGUMENT`) where an actor id is not a non-empty, well-formed string of at most 512 bytes
 * of UTF-8, or is not the one that the store is bound to; and with `CLOSED` after `close()`.
 *
 * @typeParam State What the user stores. It must be encodable; with a {@linkcode Schema} it is
 *   validated, too.
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
   * state is encoded before the call returns. Where the deletion fails the save has succeeded all
   * the same; the next save deletes what is left, and `stats()` of the provider counts the failure.
   *
   * @param actorId The actor.
   * @param state The state, at most `maxSnapshotBytes` (default 256 MiB) when encoded.
   * @param sequenceNumber The sequence number of the last message that the state includes. A
   *   snapshot that was saved with the same one is overwritten.
   * @returns When the snapshot is durable.
   * @throws {PersistenceError} `UNENCODABLE`, `TOO_LARGE`, `STORAGE_FULL`, `STORAGE_FAILED`,
   *   `REOPEN_REQUIRED`, `READ_ONLY`, `CLOSED`; with a schema also `VALIDATION_FAILED` and
   *   `UNKNOWN_SCHEMA`.
   */
  saveSnapshot(actorId: string, state: State, sequenceNumber: number): Promise<void>;

  /**
   * Loads the snapshot with the highest sequence number among those that match.
   *
   * @param actorId The actor.
   * @param criteria Which snapshots match. Default: all.
   * @returns The snapshot, or `undefined` where none matches.
   * @throws {PersistenceError} `CORRUPT` with actor and sequence number where it is damaged, and
   *   `UNKNOWN_SCHEMA`, `UPCAST_FAILED` or `VALIDATION_FAILED` where it does not become one of the
   *   schema: an older one may be had with `maxSequenceNumber`. `UNSUPPORTED_FORMAT`, `STORAGE_FAILED`,
   *   `CLOSED`.
   */
  getLatestSnapshot(
    actorId: string,
    criteria?: SnapshotCriteria,
  ): Promise<SnapshotEntry<State> | undefined>;

  /**
   * Lists the snapshots of an actor, without reading their states.
   *
   * @param actorId The actor.
   * @returns Their sequence numbers, the newest first.
   * @throws {PersistenceError} `STORAGE_FAILED`, `CLOSED`.
   */
  listSnapshots(actorId: string): Promise<number[]>;

  /**
   * Deletes snapshots. Idempotent.
   *
   * @param actorId The actor.
   * @param criteria Which ones. Default: all.
   * @returns When they are durably gone.
   * @throws {PersistenceError} `STORAGE_FAILED`, `REOPEN_REQUIRED`, `READ_ONLY`, `CLOSED`; with
   *   `maxTimestamp` also `CORRUPT` where the time of one that is damaged cannot be told.
   */
  deleteSnapshots(actorId: string, criteria?: DeleteSnapshotsCriteria): Promise<void>;

  /** Waits for what was accepted, then refuses every call. Idempotent. */
  close(): Promise<void>;
}
