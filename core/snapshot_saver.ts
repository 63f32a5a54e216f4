/**
 * Saves the states of an actor in the background, and truncates behind them.
 *
 * @module
 */

import type { ActorProblem } from "./actor_options.ts";
import type { MessageJournal } from "./journal.ts";
import { type RetentionPolicy, truncateBehindSnapshot } from "./retention.ts";
import { retry, type RetryPolicy } from "./retry.ts";
import type { SnapshotPolicy } from "./snapshot_policy.ts";
import type { SnapshotStore } from "./snapshots.ts";

/** What a saver needs of its actor. */
export interface SaverOwner {
  readonly actorId: string;
  readonly journal: MessageJournal<unknown>;
  readonly snapshots: SnapshotStore<unknown>;
  readonly retention: RetentionPolicy;
  readonly retry: RetryPolicy;
  readonly onProblem: (problem: ActorProblem) => void;
  /** A snapshot is durable. */
  saved(sequenceNumber: number): void;
}

/** A state that is to be saved. */
export interface Capture {
  /** The state, which may change once `save` has returned, but not before. */
  readonly state: unknown;
  /** The sequence number of the last entry that it includes. */
  readonly sequenceNumber: number;
}

/** Saves the states of an actor, one after the other. */
export class SnapshotSaver<State> {
  readonly #owner: SaverOwner;
  readonly #policy: SnapshotPolicy<State>;
  #saving: Promise<void> = Promise.resolve();
  #lastSaved = -1;
  /** How far the journal has been truncated. */
  #truncated = 0;

  /**
   * @param owner The actor.
   * @param policy When it saves.
   */
  constructor(owner: SaverOwner, policy: SnapshotPolicy<State>) {
    this.#owner = owner;
    this.#policy = policy;
  }

  /** The sequence number of the snapshot that the state was recovered from. */
  recoveredFrom(sequenceNumber: number): void {
    this.#lastSaved = sequenceNumber;
  }

  /** Resolves when nothing is being saved. */
  get idle(): Promise<void> {
    return this.#saving;
  }

  /**
   * Saves a state that is durable in the journal. It is encoded before the call returns.
   *
   * @param capture The state.
   * @returns When the snapshot is durable. Retention comes behind that.
   */
  save({ state, sequenceNumber }: Capture): Promise<void> {
    const { actorId, snapshots } = this.#owner;
    this.#policy.taken();
    const saved = snapshots.saveSnapshot(actorId, state, sequenceNumber);
    const done = saved.then(() => this.#retain(sequenceNumber)).then(
      () => this.#policy.saved(),
      (error) => this.#failed(error, sequenceNumber),
    );
    const before = this.#saving;
    this.#saving = done.then(() => before);
    return saved;
  }

  #failed(error: unknown, sequenceNumber: number): void {
    this.#policy.failed(sequenceNumber - this.#lastSaved);
    this.#owner.onProblem({ type: "snapshot", actorId: this.#owner.actorId, error });
  }

  async #retain(sequenceNumber: number): Promise<void> {
    this.#lastSaved = Math.max(this.#lastSaved, sequenceNumber);
    this.#owner.saved(sequenceNumber);
    const { actorId, retention } = this.#owner;
    if (retention.mode !== "onSnapshot") return;
    try {
      this.#truncated = await retry(
        () => truncateBehindSnapshot(this.#owner, actorId, retention, this.#truncated),
        this.#owner.retry,
      );
    } catch (error) {
      this.#owner.onProblem({ type: "retention", actorId, error });
    }
  }
}
