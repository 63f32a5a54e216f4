/**
 * What waits to be committed for one actor: operations in call order, and the frames that their
 * messages already stand in. Sequence numbers are given out when a commit is planned, not before:
 * at that moment nothing of this actor is in flight, so a number once given needs no taking back.
 *
 * @module
 */

import type { BatchPolicy, WaitingBatch } from "./batch_policy.ts";
import type { ByteArena } from "./byte_arena.ts";
import { PersistenceError } from "./errors.ts";
import type { OpenFrame } from "./frame.ts";
import { type Head, headKey, putHead, type StoredHead } from "./head.ts";
import { numberedKey } from "./keys.ts";
import type { Settlements } from "./settlements.ts";
import type { Change, WriteGroup } from "./storage.ts";
import { Tail } from "./tail.ts";
import { framesBehind, framesWith, type PayloadRun, withItem } from "./waiting_frames.ts";

type Resolve = (sequenceNumber: number) => void;
type Reject = (error: unknown) => void;

/** How an operation ends. */
export interface Settlement {
  /** With an append: its first sequence number. With a truncation: the first retained one. */
  readonly resolve: Resolve;
  readonly reject: Reject;
}

/**
 * Messages that get consecutive sequence numbers, all or none: those of a batch, or of calls that
 * came one after the other and asked for nothing special. An object for each of a hundred thousand
 * such calls would cost more than encoding their messages.
 */
export interface AppendOperation extends Settlement {
  readonly type: "append";
  count: number;
  bytes: number;
  /** When the first call was made. */
  readonly timeMs: number;
  readonly expectedSequenceNumber: number | undefined;
  /** Counts calls: which of two came first. */
  readonly arrival: number;
  /** The journal that it came through. */
  readonly origin: AppendOrigin;
  /** Its number among the calls of that journal. */
  readonly call: number;
  /** The batch that it waits in, where a batched journal made it wait. */
  batch: WaitingBatch<ActorQueue> | undefined;
  /**
   * Whether it may still be cancelled. A cancelled one has been rejected already; its messages stay
   * in their frame until the next commit is planned, and count as pending until then.
   */
  phase: "waiting" | "committing" | "cancelled";
  /** Lets go of its signal, where it has one. */
  unwatch: (() => void) | undefined;
  /** The number that the plan of the commit gives its first message. */
  firstSequenceNumber: number;
  /** Whether calls with a message each may join it. */
  readonly isOpen: boolean;
  /** How those end that did: in arrays, which live longer at less cost than as many objects. */
  joined: { readonly resolve: Resolve[]; readonly reject: Reject[] } | undefined;
}

/** What the appends of one journal have in common. */
export interface AppendOrigin {
  /** Its calls under way. */
  readonly settlements: Settlements;
  /** Its messages that have not settled, and their encoded bytes. */
  readonly pending: { messages: number; bytes: number };
  /** Makes them wait for others. Without it they go out with the next commit. */
  readonly batchPolicy: BatchPolicy<ActorQueue> | undefined;
  /** Whether it bounds by itself how much it has under way: then it may always wait for room. */
  readonly isBounded: boolean;
}

/** Removes what is below a sequence number at its place in the call order. */
export interface TruncateOperation extends Settlement {
  readonly type: "truncate";
  readonly before: number;
  /** Counts calls: which of two came first. */
  readonly arrival: number;
}

/** Something that waits to be committed for an actor. */
export type Operation = AppendOperation | TruncateOperation;

/** What a commit does for one actor. */
export interface CommitPlan {
  readonly actor: ActorQueue;
  /** The operations that the group carries out. */
  readonly operations: readonly Operation[];
  /**
   * The appends that are not carried out: with the error where an expectation does not hold, without
   * one where they were cancelled.
   */
  readonly dropped: ReadonlyMap<AppendOperation, PersistenceError | undefined>;
  readonly frames: readonly OpenFrame[];
  /** The head when the group has been applied. */
  readonly head: Head;
  /** `undefined` where there is nothing to change. */
  readonly group: WriteGroup | undefined;
}

const NO_BYTES = new Uint8Array(0);

/** Stands for every empty list: of most actors, most of the time, nothing waits. */
const NOTHING: never[] = [];

/** What waits to be committed for one actor. */
export class ActorQueue {
  /** The actor. */
  readonly actorId: string;
  /** The actor's key. */
  readonly key: Uint8Array;
  /** How many operations wait for room in this queue. */
  waitingForRoom = 0;
  /** Whether the next commit takes what waits here. */
  due = false;
  /** Whether a commit in flight carries operations of this actor. */
  inFlight = false;

  readonly #headKey: Uint8Array;
  readonly #arena: ByteArena;
  /** The head as last seen, or `undefined` where it must be read. Another process may change it. */
  #head: Head | undefined;
  /** The last call that came before the head was read. */
  #headReadAfter = 0;
  /** The tail that belongs to the head; once a commit is planned, that which it will have. */
  #tail: Tail | undefined;
  #operations: Operation[] = NOTHING;
  #frames: OpenFrame[] = NOTHING;

  /**
   * @param actorId The actor.
   * @param key The actor's key.
   * @param arena Where its records are made.
   */
  constructor(actorId: string, key: Uint8Array, arena: ByteArena) {
    this.actorId = actorId;
    this.key = key;
    this.#arena = arena;
    this.#headKey = headKey(key);
  }

  /** Whether nothing waits and nothing is in flight. */
  get idle(): boolean {
    return this.#operations.length === 0 && this.waitingForRoom === 0 && !this.inFlight;
  }

  /** Whether something waits. */
  get hasOperations(): boolean {
    return this.#operations.length > 0;
  }

  /**
   * Adds messages behind everything that waits. They are copied.
   *
   * @param operation The append.
   * @param run Its messages.
   */
  addAppend(operation: AppendOperation, run: PayloadRun): void {
    this.#frames = framesBehind(this.#frames, run, operation.timeMs, this.#arena);
    this.#operations = withItem(this.#operations, operation);
  }

  /**
   * The append that waits last, if a call of the same journal may join it.
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
   * @param timeMs When the call was made.
   * @param settlement How the call ends.
   */
  extend(
    append: AppendOperation,
    run: PayloadRun,
    timeMs: number,
    { resolve, reject }: Settlement,
  ): void {
    this.#frames = framesBehind(this.#frames, run, timeMs, this.#arena);
    append.count++;
    append.bytes += run.payloadBytes;
    append.joined ??= { resolve: [], reject: [] };
    append.joined.resolve.push(resolve);
    append.joined.reject.push(reject);
  }

  /**
   * Adds a truncation behind everything that waits.
   *
   * @param operation The truncation.
   */
  addTruncation(operation: TruncateOperation): void {
    this.#operations = withItem(this.#operations, operation);
  }

  /**
   * Takes out everything that waits, because it cannot be committed any more.
   *
   * @returns The operations, in call order, cancelled ones too.
   */
  takeAll(): Operation[] {
    const operations = this.#operations;
    this.#operations = NOTHING;
    this.#frames = NOTHING;
    return operations;
  }

  /**
   * The head has been read.
   *
   * @param head The head.
   * @param arrival The last call that came before.
   */
  learnHead(head: StoredHead, arrival: number): void {
    this.#head = head;
    this.#headReadAfter = arrival;
    this.#tail = head.tailSequenceNumber === head.nextSequenceNumber
      ? undefined
      : Tail.read(this.actorId, numberedKey(this.key, head.nextSequenceNumber - 1), head.tail);
  }

  /** The head may be another one than it was. */
  forgetHead(): void {
    this.#head = undefined;
    this.#tail = undefined;
  }

  /**
   * A plan has been carried out.
   *
   * @param plan The plan.
   */
  finish(plan: CommitPlan): void {
    this.inFlight = false;
    this.#head = plan.head;
  }

  /**
   * Whether the head must be read before a commit can be planned: it is not known, or a call that
   * came after it was read speaks of a journal that goes further, or less far. Without a write that
   * is conditional on the head, nobody would notice that another process has changed it.
   */
  needsHead(): boolean {
    if (!this.#head) return true;
    let next = this.#head.nextSequenceNumber;
    for (const operation of this.#operations) {
      const contradictsHead = operation.type === "append"
        ? !isExpected(operation, next)
        : operation.before > next;
      if (contradictsHead && operation.arrival > this.#headReadAfter) return true;
      if (operation.type === "append" && !contradictsHead && operation.phase !== "cancelled") {
        next += operation.count;
      }
    }
    return false;
  }

  /**
   * Takes out everything that waits, as the next commit's work. If that does not take effect, the
   * head must be forgotten.
   *
   * @returns The plan, or `undefined` where the head is not known.
   */
  plan(): CommitPlan | undefined {
    const head = this.#head;
    if (!head) return undefined;
    let next = head.nextSequenceNumber;
    let first = head.firstSequenceNumber;
    const dropped: Map<AppendOperation, PersistenceError | undefined> = new Map();
    for (const operation of this.#operations) {
      if (operation.type === "truncate") {
        first = Math.max(first, Math.min(operation.before, next));
        continue;
      }
      const isCancelled = operation.phase === "cancelled";
      const error = isCancelled ? undefined : this.#refusal(operation, next);
      if (error || isCancelled) {
        dropped.set(operation, error);
        continue;
      }
      operation.phase = "committing";
      operation.firstSequenceNumber = next;
      next += operation.count;
    }
    const frames = dropped.size === 0 ? this.#frames : this.#framesWithout(dropped);
    const operations = dropped.size === 0
      ? this.#operations
      : this.#operations.filter((operation) => !isAmong(dropped, operation));
    this.#operations = NOTHING;
    this.#frames = NOTHING;
    if (next === head.nextSequenceNumber && first === head.firstSequenceNumber) {
      return { actor: this, operations, dropped, frames, head, group: undefined };
    }
    const changes: Change[] = [];
    const tailSequenceNumber = this.#placeFrames(frames, head, first === next, changes);
    const newHead = {
      version: (head.version ?? 0) + 1,
      nextSequenceNumber: next,
      firstSequenceNumber: first,
      tailSequenceNumber,
    };
    const tail = this.#tail?.seal(numberedKey(this.key, next - 1)) ?? NO_BYTES;
    changes.push(putHead(this.#headKey, newHead, tail, this.#arena));
    const group = {
      conditions: [{ space: "heads" as const, key: this.#headKey, version: head.version }],
      changes,
      makesRoom: frames.length === 0,
    };
    return { actor: this, operations, dropped, frames, head: newHead, group };
  }

  /**
   * Puts a plan's work back in front of what has come since, because another writer was faster.
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

  #refusal(operation: AppendOperation, next: number): PersistenceError | undefined {
    if (!isExpected(operation, next)) {
      const expected = operation.expectedSequenceNumber;
      return new PersistenceError(
        "CONFLICT",
        `Cannot append to actor "${this.actorId}": expected sequence number ${expected}, the next one is ${next}`,
        {
          actorId: this.actorId,
          actualSequenceNumber: next,
          ...(expected === undefined ? {} : { sequenceNumber: expected }),
        },
      );
    }
    if (!Number.isSafeInteger(next + operation.count)) {
      return new PersistenceError(
        "STORAGE_FULL",
        `Cannot append to actor "${this.actorId}": its sequence numbers are used up at ${next}`,
        { actorId: this.actorId, sequenceNumber: next },
      );
    }
    return undefined;
  }

  /** The frames anew: their entries are those of the operations, in the same order. */
  #framesWithout(dropped: ReadonlyMap<AppendOperation, unknown>): OpenFrame[] {
    const keeps: boolean[] = [];
    for (const operation of this.#operations) {
      if (operation.type === "truncate") continue;
      const isKept = !isAmong(dropped, operation);
      for (let left = operation.count; left > 0; left--) keeps.push(isKept);
    }
    return framesWith(this.#frames, keeps);
  }

  /**
   * Finds new frames their place: in the tail, where there is room, or as records of their own, and
   * then the tail before them becomes one, too. Where all has been truncated there is no tail, and
   * the records will be removed with the others.
   *
   * @returns The sequence number at which the tail begins now.
   */
  #placeFrames(
    frames: readonly OpenFrame[],
    head: Head,
    isTruncated: boolean,
    changes: Change[],
  ): number {
    const last = frames[frames.length - 1];
    let next = head.nextSequenceNumber;
    if (isTruncated) this.#tail = undefined;
    else if (!last || (frames.length === 1 && this.#tail?.add(last))) {
      return head.tailSequenceNumber;
    }
    if (this.#tail) {
      const key = numberedKey(this.key, next - 1);
      changes.push(putFrame(key, this.#tail.seal(key)));
    }
    this.#tail = !isTruncated && last && Tail.takes(last) ? Tail.of(last) : undefined;
    for (const frame of this.#tail ? frames.slice(0, -1) : frames) {
      next += frame.count;
      const key = numberedKey(this.key, next - 1);
      changes.push(putFrame(key, frame.seal(key)));
    }
    return next;
  }
}

function putFrame(key: Uint8Array, value: Uint8Array): Change {
  return { type: "put", space: "entries", key, value, version: 0 };
}

/**
 * Tells the callers of an append what its messages have become.
 *
 * @param append The append, which has been carried out.
 */
export function resolveAppend({ resolve, joined, firstSequenceNumber }: AppendOperation): void {
  resolve(firstSequenceNumber);
  let next = firstSequenceNumber;
  for (const resolveNext of joined?.resolve ?? NOTHING) resolveNext(++next);
}

/**
 * Tells the callers of an append why it has not been carried out.
 *
 * @param append The append.
 * @param error Why.
 */
export function rejectAppend({ reject, joined }: AppendOperation, error: unknown): void {
  reject(error);
  for (const rejectNext of joined?.reject ?? NOTHING) rejectNext(error);
}

function isExpected(operation: AppendOperation, next: number): boolean {
  return operation.expectedSequenceNumber === undefined ||
    operation.expectedSequenceNumber === next;
}

function isAmong(appends: ReadonlyMap<AppendOperation, unknown>, operation: Operation): boolean {
  return operation.type === "append" && appends.has(operation);
}
