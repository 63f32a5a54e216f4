/**
 * What differs between event sourcing and command sourcing.
 *
 * A message is **begun** in the order of the mailbox: with event sourcing its handler decides on
 * the state that includes the events of all messages before, durable or not, and the events are
 * applied; with command sourcing nothing is known yet. What it appends is encoded before any callback
 * of the user can change it. None of that waits for the disk, so what is begun while a commit is in
 * flight shares the next one.
 *
 * A message is **released** in the same order, when everything up to it is durable: then it is
 * answered, its effects are delivered, and with command sourcing it is handled. So nobody ever gets
 * an answer from a state that could still be lost, not even an error or the answer of a message that
 * only reads.
 *
 * @module
 */

import type { RecoveryProgress } from "./recovery.ts";
import type { MaybePromise } from "../util/promises.ts";
import { withoutInitialState } from "./recovery_errors.ts";
import { messageOf } from "../util/text.ts";
import type { Capture, InFlightTask, Refusal } from "./in_flight.ts";
import type { Letter, SnapshotRequest } from "./mailbox.ts";
import { type InitialState, makeInitialState, type Recovery } from "./recovery.ts";
import type { ActorStore, JournalIdentity } from "../ports/actor_store.ts";
import type { Settled } from "../util/settled.ts";

/** Who watches a recovery. */
export interface RecoveryWatch {
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: RecoveryProgress) => void;
}

/** A state that was recovered. */
export interface RecoveredState<State> {
  readonly recovery: Recovery<State>;
  /** The journal that it was recovered from. */
  readonly journal: JournalIdentity;
  /** The bytes of what was replayed, about. */
  readonly replayedBytes: number;
  /** What the handler threw for messages that were handled now for the first time. */
  readonly refusals: readonly unknown[];
}

/** A way of sourcing. Nothing in it throws but `recover` and `end`. */
export interface Strategy<State, Message, Reply> {
  /**
   * Recovers the state from what is stored. The actor is not changed.
   *
   * @param to The last sequence number that it shall include. Without it: the end of the journal.
   * @param watch Who watches it.
   */
  recover(to: number | undefined, watch: RecoveryWatch): Promise<RecoveredState<State>>;

  /** Whether handlers are called when their message is begun. */
  readonly decidesAtBegin: boolean;

  /**
   * Calls the handler that decides what a message appends, if there is one.
   *
   * @returns What came of it; `undefined` if nothing has to be called.
   */
  decide(letter: Letter<Message, Reply>): MaybePromise<Settled<unknown>> | undefined;

  /**
   * Begins a message.
   *
   * @param letter The message.
   * @param decision What `decide` gave.
   */
  begin(
    letter: Letter<Message, Reply>,
    decision: Settled<unknown> | undefined,
  ): InFlightTask<Message, Reply>;

  /**
   * The state, to be saved when all is durable that has been begun; `undefined` if it is taken later,
   * by {@linkcode Strategy.captureReleased}.
   *
   * @throws What encoding it throws.
   */
  captureBegun(): Capture | undefined;

  /**
   * The state, all of which is durable.
   *
   * @throws What encoding it throws.
   */
  captureReleased(): Capture;

  /**
   * Calls the handler of a message that is durable, if there is one.
   *
   * @returns What came of it; `undefined` if nothing has to be called.
   */
  handle(
    task: InFlightTask<Message, Reply>,
    letter: Letter<Message, Reply>,
  ): MaybePromise<Settled<unknown>> | undefined;

  /**
   * Releases a message that is durable, and answers it.
   *
   * @param task The message, as it was begun.
   * @param letter The message.
   * @param outcome What `handle` gave.
   * @returns What follows from what its handler threw, if it did so only now. It may take its time.
   */
  release(
    task: InFlightTask<Message, Reply>,
    letter: Letter<Message, Reply>,
    outcome: Settled<unknown> | undefined,
  ): MaybePromise<Refusal | undefined>;

  /**
   * Stores what a later recovery must know about the end.
   *
   * @throws {PersistenceError} What the storage rejects with.
   */
  end(): Promise<void>;
}

/**
 * Makes a function of an initial state that refuses what could never be saved: a mistake that would
 * show only much later.
 *
 * @param store Where the states are saved.
 * @param initialState The value, which has been checked, or the function that creates it.
 * @returns The value, or a function that throws what encoding the state throws.
 */
export function storableInitialState<State>(
  store: Pick<ActorStore<unknown, State>, "prepareState">,
  initialState: InitialState<State>,
): InitialState<State> {
  if (typeof initialState !== "function") return initialState;
  return (actorId) => {
    const state = makeInitialState(initialState, actorId);
    try {
      store.prepareState(actorId, state);
    } catch (cause) {
      throw withoutInitialState(actorId, `cannot be stored: ${messageOf(cause)}`, cause);
    }
    return state;
  };
}

/** A snapshot that has been begun. */
export type SnapshotTask<Message, Reply> = InFlightTask<Message, Reply> & {
  readonly task: SnapshotRequest;
};
