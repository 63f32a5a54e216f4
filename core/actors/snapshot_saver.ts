/**
 * Saves the states of an actor in the background, and truncates the journal after that.
 *
 * @module
 */

import { PersistenceError } from "../errors/persistence_error.ts";
import { retry, type RetryPolicy } from "../errors/retry.ts";
import type { ActorStore, JournalIdentity, PreparedState } from "../ports/actor_store.ts";
import type { Clock } from "../ports/clock.ts";
import {
  NOT_TRUNCATED,
  type RetentionPolicy,
  truncateBeforeSnapshot,
} from "../retention/retention_policy.ts";
import type { SnapshotPolicy } from "./snapshot_policy.ts";

/** How long to wait for the positions of consumers, in milliseconds. */
const POSITIONS_TIMEOUT_MS = 30_000;
/** A position that keeps everything. */
const KEEP_ALL = 0;

/** What a saver needs of its actor. */
export interface SaverOwner {
  readonly actorId: string;
  readonly store: ActorStore<unknown, unknown>;
  readonly retention: RetentionPolicy;
  readonly retry: RetryPolicy;
  readonly clock: Clock;
  /** Called with what goes wrong. */
  report(type: "snapshot" | "retention", error: unknown): void;
}

/** Saves the states of an actor. */
export class SnapshotSaver<State> {
  readonly #owner: SaverOwner;
  readonly #policy: SnapshotPolicy<State>;
  #saving: Promise<void> = Promise.resolve();
  #retaining: Promise<void> | undefined;
  /** Whether another snapshot was saved since the truncation began. */
  #mustRetainAgain = false;
  /** Ends the waiting for the positions of consumers. */
  #endWaiting: (() => void) | undefined;
  #isStopped = false;
  #lastSaved = -1;
  #journal: JournalIdentity | undefined;
  /** How far the journal has been truncated. */
  #truncated = NOT_TRUNCATED;

  /**
   * @param owner The actor.
   * @param policy When it saves.
   */
  constructor(owner: SaverOwner, policy: SnapshotPolicy<State>) {
    this.#owner = owner;
    this.#policy = policy;
  }

  /** Whether nothing is being saved or truncated. */
  get isIdle(): boolean {
    return !this.#policy.isSaving && !this.#retaining;
  }

  /** Waits for what is being saved or truncated, but not for consumers. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#endWaiting?.();
    await this.#saving;
    await this.#retaining;
  }

  /**
   * The actor was recovered.
   *
   * @param sequenceNumber That of the snapshot which it was recovered from, -1 if there was none.
   * @param journal Its journal.
   */
  recoveredFrom(sequenceNumber: number, journal: JournalIdentity): void {
    this.#journal = journal;
    this.#lastSaved = sequenceNumber;
  }

  /**
   * Saves a state that is durable in the journal.
   *
   * @param state The state.
   * @param sequenceNumber The sequence number of the last entry that it includes.
   * @returns When the snapshot is durable. Retention comes after that. A rejection has been reported.
   */
  save(state: PreparedState, sequenceNumber: number): Promise<void> {
    const { actorId, store } = this.#owner;
    const saved = store.saveState(actorId, state, sequenceNumber, this.#journal);
    const done = saved.then(
      () => {
        this.#lastSaved = Math.max(this.#lastSaved, sequenceNumber);
        this.#policy.saved();
        this.#retain();
      },
      (error) => this.failed(error, sequenceNumber),
    );
    const before = this.#saving;
    this.#saving = done.then(() => before);
    return saved;
  }

  /**
   * A state could not be saved.
   *
   * @param error Why.
   * @param sequenceNumber The sequence number of the last entry that it includes.
   */
  failed(error: unknown, sequenceNumber: number): void {
    this.#policy.failed(sequenceNumber - this.#lastSaved);
    this.#owner.report("snapshot", error);
  }

  /** Truncates the journal, once after all snapshots that are saved in the meantime. */
  #retain(): void {
    if (this.#owner.retention.mode !== "onSnapshot") return;
    this.#mustRetainAgain = true;
    this.#retaining ??= this.#retainAll();
  }

  async #retainAll(): Promise<void> {
    while (this.#mustRetainAgain) {
      this.#mustRetainAgain = false;
      await this.#truncate();
    }
    // At once, and not when the promise resolves: a snapshot that is saved until then would be left.
    this.#retaining = undefined;
  }

  async #truncate(): Promise<void> {
    const { actorId, store, retention, retry: policy, report } = this.#owner;
    const { consumers } = retention;
    const bounded: RetentionPolicy = consumers
      ? { ...retention, consumers: { lowestNeeded: () => this.#lowestNeeded(consumers) } }
      : retention;
    try {
      this.#truncated = await retry(
        () => truncateBeforeSnapshot(store, actorId, bounded, this.#truncated),
        policy,
      );
    } catch (error) {
      report("retention", error);
    }
  }

  /** Consumers are the user's: they may never answer. */
  async #lowestNeeded(
    consumers: NonNullable<RetentionPolicy["consumers"]>,
  ): Promise<number | undefined> {
    const { actorId, clock } = this.#owner;
    if (this.#isStopped) return KEEP_ALL;
    let end = () => {};
    const ended = new Promise<number>((resolve, reject) => {
      const timer = clock.setTimer(
        () => reject(tooSlow(actorId)),
        POSITIONS_TIMEOUT_MS,
        false,
      );
      end = () => timer.cancel();
      this.#endWaiting = () => resolve(KEEP_ALL);
    });
    try {
      return await Promise.race([consumers.lowestNeeded(actorId), ended]);
    } finally {
      end();
      this.#endWaiting = undefined;
    }
  }
}

function tooSlow(actorId: string): PersistenceError {
  return new PersistenceError(
    "TIMEOUT",
    `Cannot truncate journal of actor "${actorId}": lowestNeeded took longer than ${POSITIONS_TIMEOUT_MS} ms`,
    { actorId },
  );
}
