/**
 * What waits to be committed for one actor: operations in call order, and the frames that already
 * hold their messages. Sequence numbers are assigned when a commit is planned, not before: at that
 * moment nothing of this actor is in flight, so an assigned number never has to be taken back.
 *
 * @module
 */

import { describeActor, detailsOf } from "../errors/actor_name.ts";
import { PersistenceError } from "../errors/persistence_error.ts";
import type { ActorAddress } from "../format/actor_address.ts";
import type { EncodedRun } from "../format/encoded_run.ts";
import type { FrameBuilder } from "../format/frame.ts";
import type { JournalState } from "../format/head.ts";
import type { NewLogItem } from "../format/log_record.ts";
import type { LogActor } from "../log/log_actor.ts";
import type { JournalIdentity } from "../ports/actor_store.ts";
import type { SequenceNumberExpectation } from "../ports/journal_options.ts";
import type { StorageChange } from "../ports/storage.ts";
import type { ByteArena } from "../util/byte_arena.ts";
import type { CallTracker } from "../util/call_tracker.ts";
import type { BatchPolicy, WaitingBatch } from "./batch_policy.ts";
import { conflictError, isExpected } from "./expectation.ts";
import { itemsOf, putFrames } from "./log_items.ts";
import { appendToFrames, framesWith, withItem } from "./pending_frames.ts";

type Resolve = (sequenceNumber: number, position: number) => void;
type Reject = (error: unknown) => void;

/** Settles an append. */
export interface Completer {
  /** Called with the first sequence number, and the position of the log. */
  readonly resolve: Resolve;
  /** Called with the error. */
  readonly reject: Reject;
}

/**
 * Messages that get consecutive sequence numbers, all or none: those of a batch, or of consecutive
 * calls without options. An object for each of a hundred thousand such calls would cost more than
 * encoding their messages.
 */
export interface AppendOperation extends Completer {
  /** Tells appends from truncations. */
  readonly type: "append";
  /** How many messages it has. */
  count: number;
  /** How many bytes they have. */
  bytes: number;
  /** When the first call was made, in milliseconds since 1970. */
  readonly timeMs: number;
  /** What the caller expects of the journal, if anything. */
  readonly expectedSequenceNumber: SequenceNumberExpectation | undefined;
  /** The journal that it must be, if it matters. */
  readonly expectedJournal: JournalIdentity | undefined;
  /** Its number among the calls for its actor: see {@linkcode ActorQueue.arrivals}. */
  readonly arrival: number;
  /** The journal that it came through. */
  readonly origin: AppendOrigin;
  /** Its number among the calls of that journal. */
  readonly call: number;
  /** The batch that it waits in, if it came through a batched journal. */
  batch: WaitingBatch<ActorQueue> | undefined;
  /**
   * Whether it may still be cancelled. A cancelled append has already been rejected; its messages
   * stay in their frame until the next commit is planned, and count as pending until then.
   */
  phase: "waiting" | "committing" | "cancelled";
  /** Stops watching its signal, if it has one. */
  unwatch: (() => void) | undefined;
  /** The sequence number of its first message, once a commit is planned. */
  firstSequenceNumber: number;
  /** What is written with its messages, all or none. */
  readonly changes: readonly StorageChange[];
  /** Whether calls with one message each may join it. */
  readonly isOpen: boolean;
  /** Settles the calls that joined: arrays, which live longer at less cost than as many objects. */
  joined: { readonly resolve: Resolve[]; readonly reject: Reject[] } | undefined;
}

/** What the appends of one journal have in common. */
export interface AppendOrigin {
  /** The journal's calls under way. */
  readonly calls: CallTracker;
  /** The journal's messages that have not settled, and their encoded bytes. */
  readonly pending: { messages: number; bytes: number };
  /** Makes appends wait for others. Without it they are part of the next commit. */
  readonly batchPolicy: BatchPolicy<ActorQueue> | undefined;
  /** Whether the caller bounds what it has under way: then it may always wait for room. */
  readonly isBounded: boolean;
}

/** Removes what is below a sequence number, at its place in the call order. */
export interface TruncateOperation {
  /** Called with the state after it. */
  readonly resolve: (state: JournalState) => void;
  /** Called with the error. */
  readonly reject: Reject;
  /** Tells appends from truncations. */
  readonly type: "truncate";
  /** The lowest sequence number that stays. */
  readonly before: number;
  /** The only journal that is meant: of one that the actor has begun since, nothing is removed. */
  readonly incarnation: number | undefined;
  /** What is deleted with the entries. */
  readonly changes: readonly StorageChange[];
  /** Its number among the calls for its actor: see {@linkcode ActorQueue.arrivals}. */
  readonly arrival: number;
}

/** Something that waits to be committed for an actor. */
export type Operation = AppendOperation | TruncateOperation;

/** What a commit does for one actor. */
export interface CommitPlan {
  /** The actor's queue. */
  readonly actor: ActorQueue;
  /** What the log knows of the actor. */
  readonly journal: LogActor;
  /** The position of the log. */
  readonly position: number;
  /** The operations that the group carries out. */
  readonly operations: readonly Operation[];
  /**
   * The appends that are not carried out: with an error if their expectation does not hold, without
   * one if they were cancelled.
   */
  readonly dropped: ReadonlyMap<AppendOperation, PersistenceError | undefined>;
  /** The frames of the appends' messages. */
  readonly frames: readonly FrameBuilder[];
  /** The state of the journal after the commit. */
  readonly state: JournalState;
  /** What the log says of it. */
  readonly items: readonly NewLogItem[];
  /** Always false: a journal is deleted by a reset. */
  readonly deletes: false;
  /** What is written beside the record of the log. */
  readonly changes: readonly StorageChange[];
  /** Whether it must be carried out even if the storage is full. */
  readonly makesRoom: boolean;
}

/** Keeps an actor back while a task has it for itself, or waits to. */
export interface ActorHold {
  /** Called when an operation of the actor has ended: the task may be able to begin. */
  readonly progress: () => void;
}

/** Most plans carry out everything. */
const NONE_DROPPED: ReadonlyMap<AppendOperation, undefined> = new Map();

/** Stands for every empty list: of most actors, most of the time, nothing waits. */
const NOTHING: never[] = [];

/** What waits to be committed for one actor. */
export class ActorQueue {
  /** The actor. */
  readonly address: ActorAddress;
  /** What the log knows of the actor. */
  readonly journal: LogActor;
  /** Counts the calls for this actor, to know which of them were made before the log was followed. */
  arrivals = 0;
  /** The last call that was made before the log was followed for this actor. */
  followedAfter = 0;
  /** How many operations wait for room in this queue. */
  waitingForRoom = 0;
  /** Whether the next commit takes what waits here. */
  due = false;
  /** Whether a commit in flight carries operations of this actor. */
  inFlight = false;
  /** Whether its operations wait until a removal that another process has begun is finished. */
  isBlocked = false;
  /** Keeps back what is called, while a task has the actor for itself or waits to. */
  hold: ActorHold | undefined;

  readonly #arena: ByteArena;
  #operations: Operation[] = NOTHING;
  #frames: FrameBuilder[] = NOTHING;

  /**
   * @param address The actor.
   * @param journal What the log knows of it.
   * @param arena Where its frames are made.
   */
  constructor(address: ActorAddress, journal: LogActor, arena: ByteArena) {
    this.address = address;
    this.journal = journal;
    this.#arena = arena;
  }

  /** Whether nothing waits and nothing is in flight. */
  get idle(): boolean {
    return this.#operations.length === 0 && this.waitingForRoom === 0 && !this.inFlight &&
      !this.hold;
  }

  /** Whether operations wait. */
  get hasOperations(): boolean {
    return this.#operations.length > 0;
  }

  /**
   * Adds an append after everything that waits.
   *
   * @param operation The append.
   * @param run Its messages, which are copied.
   */
  addAppend(operation: AppendOperation, run: EncodedRun): void {
    this.#frames = appendToFrames(this.#frames, run, operation.timeMs, this.#arena);
    this.#operations = withItem(this.#operations, operation);
  }

  /**
   * The append that waits last, if another call of the same journal may join it.
   *
   * @param origin The journal.
   * @returns The append, or `undefined`.
   */
  openAppend(origin: AppendOrigin): AppendOperation | undefined {
    const last = this.#operations[this.#operations.length - 1];
    return last?.type === "append" && last.isOpen && last.origin === origin ? last : undefined;
  }

  /**
   * Adds a message to the append that waits last.
   *
   * @param append What {@linkcode ActorQueue.openAppend} returned.
   * @param run The message, which is copied.
   * @param timeMs When the call was made, in milliseconds since 1970.
   * @param completer Settles the call.
   */
  extend(
    append: AppendOperation,
    run: EncodedRun,
    timeMs: number,
    { resolve, reject }: Completer,
  ): void {
    this.#frames = appendToFrames(this.#frames, run, timeMs, this.#arena);
    append.count++;
    append.bytes += run.payloadBytes;
    append.joined ??= { resolve: [], reject: [] };
    append.joined.resolve.push(resolve);
    append.joined.reject.push(reject);
  }

  /**
   * Adds a truncation after everything that waits.
   *
   * @param operation The truncation.
   */
  addTruncation(operation: TruncateOperation): void {
    this.#operations = withItem(this.#operations, operation);
  }

  /**
   * Takes everything that waits, because it can no longer be committed.
   *
   * @returns The operations in call order, including cancelled ones.
   */
  takeAll(): Operation[] {
    const operations = this.#operations;
    this.#operations = NOTHING;
    this.#frames = NOTHING;
    return operations;
  }

  /**
   * Whether the log must be followed before a commit can be planned: the state of the journal is not
   * known, or it is empty and the actor may be being removed, or a call that was made after the log
   * was followed implies a journal that is longer or shorter, or has been truncated less. Nothing is
   * written for such a call, so no condition would reveal that another process has changed the
   * journal.
   */
  mustFollow(): boolean {
    const { state } = this.journal;
    if (!state || (this.journal.mayBeRemoved && isEmpty(state))) return true;
    let next = state.nextSequenceNumber;
    let first = state.firstSequenceNumber;
    for (const operation of this.#operations) {
      const contradictsState = operation.type === "append"
        ? !isExpected(operation, state, next, first)
        : operation.before > next || changesNothing(operation, state, first);
      if (contradictsState && operation.arrival > this.followedAfter) return true;
      if (operation.type === "truncate") {
        first = firstAfter(operation, state, next, first);
      } else if (!contradictsState && operation.phase !== "cancelled") {
        next += operation.count;
      }
    }
    return false;
  }

  /**
   * Takes everything that waits, as the work of the next commit.
   *
   * @param position The position of the log that its record gets.
   * @returns The plan, or `undefined` if the state of the journal is not known.
   */
  plan(position: number): CommitPlan | undefined {
    const { state } = this.journal;
    if (!state) return undefined;
    let next = state.nextSequenceNumber;
    let first = state.firstSequenceNumber;
    let dropped: Map<AppendOperation, PersistenceError | undefined> | undefined;
    for (const operation of this.#operations) {
      if (operation.type === "truncate") {
        first = firstAfter(operation, state, next, first);
        continue;
      }
      const isCancelled = operation.phase === "cancelled";
      const error = isCancelled ? undefined : this.#refusal(operation, state, next, first);
      if (error || isCancelled) {
        dropped ??= new Map();
        dropped.set(operation, error);
        continue;
      }
      operation.phase = "committing";
      operation.firstSequenceNumber = next;
      next += operation.count;
    }
    const frames = dropped ? this.#framesWithout(dropped) : this.#frames;
    const operations = dropped ? withoutDropped(this.#operations, dropped) : this.#operations;
    this.#operations = NOTHING;
    this.#frames = NOTHING;
    const changes = changesOf(operations, state);
    const isUnchanged = next === state.nextSequenceNumber && first === state.firstSequenceNumber;
    if (isUnchanged) {
      return {
        actor: this,
        journal: this.journal,
        position,
        operations,
        dropped: dropped ?? NONE_DROPPED,
        frames,
        state,
        items: NOTHING,
        deletes: false,
        changes,
        makesRoom: false,
      };
    }
    const newState = {
      nextSequenceNumber: next,
      firstSequenceNumber: first,
      originSequenceNumber: state.originSequenceNumber,
      incarnation: state.incarnation === 0 ? position : state.incarnation,
      resetPosition: state.resetPosition,
    };
    const makesRoom = frames.length === 0 && changes.every(({ type }) => type === "delete");
    const items = itemsOf(this.journal, state, newState, frames);
    const frameChanges = putFrames(this.journal.key, state, newState, frames);
    return {
      actor: this,
      journal: this.journal,
      position,
      operations,
      dropped: dropped ?? NONE_DROPPED,
      frames,
      state: newState,
      items,
      deletes: false,
      changes: frameChanges.length > 0 ? [...changes, ...frameChanges] : changes,
      makesRoom,
    };
  }

  /**
   * Puts the work of a plan back before everything that has come since: another writer was faster,
   * so the commit was not applied.
   *
   * @param plan The plan.
   */
  putBack(plan: CommitPlan): void {
    for (const operation of plan.operations) {
      if (operation.type === "append") operation.phase = "waiting";
    }
    this.#operations = [...plan.operations, ...this.#operations];
    this.#frames = [...plan.frames, ...this.#frames];
  }

  #refusal(
    operation: AppendOperation,
    state: JournalState,
    next: number,
    first: number,
  ): PersistenceError | undefined {
    if (!isExpected(operation, state, next, first)) {
      return conflictError(this.address, operation, state, next, first);
    }
    if (!Number.isSafeInteger(next + operation.count)) {
      return new PersistenceError(
        "STORAGE_FULL",
        `Cannot append to ${
          describeActor(this.address)
        }: its sequence numbers are used up at ${next}`,
        { ...detailsOf(this.address), sequenceNumber: next },
      );
    }
    return undefined;
  }

  /** Copies the frames without the entries of some appends. Frames hold entries in call order. */
  #framesWithout(dropped: ReadonlyMap<AppendOperation, unknown>): FrameBuilder[] {
    const keeps: boolean[] = [];
    for (const operation of this.#operations) {
      if (operation.type === "truncate") continue;
      const isKept = !isAmong(dropped, operation);
      for (let left = operation.count; left > 0; left--) keeps.push(isKept);
    }
    return framesWith(this.#frames, keeps);
  }
}

function isEmpty({ firstSequenceNumber, nextSequenceNumber }: JournalState): boolean {
  return firstSequenceNumber === nextSequenceNumber;
}

/** Whether a truncation means the journal that an actor has now. */
function isMeant({ incarnation }: TruncateOperation, state: JournalState): boolean {
  return incarnation === undefined || incarnation === state.incarnation;
}

/** Whether a truncation finds nothing to remove. In a journal that has begun anew it might. */
function changesNothing(operation: TruncateOperation, state: JournalState, first: number): boolean {
  return !isMeant(operation, state) || (operation.before > 0 && operation.before <= first);
}

/** The lowest sequence number that is retained after a truncation. */
function firstAfter(
  operation: TruncateOperation,
  state: JournalState,
  next: number,
  first: number,
): number {
  return isMeant(operation, state) ? Math.max(first, Math.min(operation.before, next)) : first;
}

/** What is written with the operations. Most of the time that is nothing. */
function changesOf(operations: readonly Operation[], state: JournalState): StorageChange[] {
  let changes: StorageChange[] = NOTHING;
  for (const operation of operations) {
    if (operation.changes.length === 0) continue;
    if (operation.type === "truncate" && !isMeant(operation, state)) continue;
    if (changes.length === 0) changes = [];
    for (const change of operation.changes) changes.push(change);
  }
  return changes;
}

function withoutDropped(
  operations: readonly Operation[],
  dropped: ReadonlyMap<AppendOperation, unknown>,
): Operation[] {
  return operations.filter((operation) => !isAmong(dropped, operation));
}

function isAmong(appends: ReadonlyMap<AppendOperation, unknown>, operation: Operation): boolean {
  return operation.type === "append" && appends.has(operation);
}
