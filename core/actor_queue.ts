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
import { FRAME_TARGET_BYTES, OpenFrame } from "./frame.ts";
import { type Head, headKey, putHead } from "./head.ts";
import { numberedKey } from "./keys.ts";
import type { Settlements } from "./settlements.ts";
import type { Change, WriteGroup } from "./storage.ts";

/** One encoded message, or several that stand as entries of a frame already. */
export interface PayloadRun {
  readonly bytes: Uint8Array;
  /** How many bytes the messages have. */
  readonly payloadBytes: number;
  /** The offset behind each entry, or `undefined` where the bytes are a single message. */
  readonly ends: readonly number[] | undefined;
  /** Whether each message begins with the tag of its schema: see `schema_tag.ts`. */
  readonly isTagged: boolean;
}

/** How an operation ends. */
export interface Settlement {
  /** With an append: its first sequence number. With a truncation: the first retained one. */
  readonly resolve: (sequenceNumber: number) => void;
  readonly reject: (error: unknown) => void;
}

/** Messages that get consecutive sequence numbers, all or none. */
export interface AppendOperation extends Settlement {
  readonly type: "append";
  readonly count: number;
  readonly bytes: number;
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

/** Stands for every empty list: of most actors, most of the time, nothing waits. */
const NOTHING: never[] = [];

/** What waits to be committed for one actor. */
export class ActorQueue {
  /** The actor. */
  readonly actorId: string;
  /** The actor's key. */
  readonly key: Uint8Array;
  /** The head as last seen, or `undefined` where it must be read. Another process may change it. */
  head: Head | undefined;
  /** The last call that came before the head was read. */
  headReadAfter = 0;
  /** How many operations wait for room in this queue. */
  waitingForRoom = 0;
  /** Whether the next commit takes what waits here. */
  due = false;
  /** Whether a commit in flight carries operations of this actor. */
  inFlight = false;

  readonly #headKey: Uint8Array;
  readonly #arena: ByteArena;
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
  addAppend(operation: AppendOperation, { bytes, ends, isTagged }: PayloadRun): void {
    if (ends) this.#addEntries(bytes, ends, operation.timeMs, isTagged);
    else this.#addEntry(bytes, operation.timeMs, isTagged);
    this.#operations = withItem(this.#operations, operation);
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
   * Whether the head must be read before a commit can be planned: it is not known, or a call that
   * came after it was read speaks of a journal that goes further, or less far. Without a write that
   * is conditional on the head, nobody would notice that another process has changed it.
   */
  needsHead(): boolean {
    if (!this.head) return true;
    let next = this.head.nextSequenceNumber;
    for (const operation of this.#operations) {
      const contradictsHead = operation.type === "append"
        ? !isExpected(operation, next)
        : operation.before > next;
      if (contradictsHead && operation.arrival > this.headReadAfter) return true;
      if (operation.type === "append" && !contradictsHead && operation.phase !== "cancelled") {
        next += operation.count;
      }
    }
    return false;
  }

  /**
   * Takes out everything that waits, as the next commit's work.
   *
   * @param head The head as last seen.
   * @returns The plan.
   */
  plan(head: Head): CommitPlan {
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
    const newHead = {
      version: (head.version ?? 0) + 1,
      nextSequenceNumber: next,
      firstSequenceNumber: first,
    };
    const group = {
      conditions: [{ space: "heads" as const, key: this.#headKey, version: head.version }],
      changes: [
        ...this.#frameChanges(frames, head.nextSequenceNumber),
        putHead(this.#headKey, newHead, this.#arena),
      ],
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

  /** Adds entries to the last frame, and to new ones where that is full. */
  #addEntries(
    bytes: Uint8Array,
    ends: readonly number[],
    timeMs: number,
    isTagged: boolean,
  ): void {
    let start = 0;
    for (let index = 0; index < ends.length;) {
      const frame = this.#lastFrame(isTagged);
      const count = frame?.countAccepted(ends, index, timeMs) ?? 0;
      if (!frame || count === 0) {
        const first = (ends[index] ?? start) - start;
        const expectedBytes = Math.max(first, Math.min(bytes.length - start, FRAME_TARGET_BYTES));
        this.#addFrame(expectedBytes, timeMs, isTagged);
        continue;
      }
      index += count;
      const end = ends[index - 1] ?? start;
      frame.appendRun(bytes, start, end, count);
      start = end;
    }
  }

  /** Adds an entry to the last frame, or to a new one where that is full. */
  #addEntry(payload: Uint8Array, timeMs: number, isTagged: boolean): void {
    const last = this.#lastFrame(isTagged);
    const frame = last?.accepts(payload.length, timeMs)
      ? last
      // Where one frame has been filled, the next one will be, too.
      : this.#addFrame(Math.max(payload.length, last ? FRAME_TARGET_BYTES : 0), timeMs, isTagged);
    frame.append(payload, 0, payload.length, timeMs);
  }

  /** The frame that entries may join: all of a frame have tags, or none has one. */
  #lastFrame(isTagged: boolean): OpenFrame | undefined {
    const last = this.#frames[this.#frames.length - 1];
    return last?.isTagged === isTagged ? last : undefined;
  }

  #addFrame(expectedBytes: number, timeMs: number, isTagged: boolean): OpenFrame {
    const frame = new OpenFrame(timeMs, expectedBytes, this.#arena, isTagged);
    this.#frames = withItem(this.#frames, frame);
    return frame;
  }

  /** The frames anew: their entries are those of the operations, in the same order. */
  #framesWithout(dropped: ReadonlyMap<AppendOperation, unknown>): OpenFrame[] {
    const keeps: boolean[] = [];
    for (const operation of this.#operations) {
      if (operation.type === "truncate") continue;
      const isKept = !isAmong(dropped, operation);
      for (let left = operation.count; left > 0; left--) keeps.push(isKept);
    }
    let first = 0;
    const frames = this.#frames.map((frame) => {
      const offset = first;
      first += frame.count;
      return frame.filter((index) => keeps[offset + index] === true);
    });
    return frames.filter((frame) => frame.count > 0);
  }

  #frameChanges(frames: readonly OpenFrame[], firstSequenceNumber: number): Change[] {
    let next = firstSequenceNumber;
    return frames.map((frame) => {
      next += frame.count;
      const key = numberedKey(this.key, next - 1);
      return { type: "put", space: "entries", key, value: frame.seal(key), version: 0 };
    });
  }
}

function isExpected(operation: AppendOperation, next: number): boolean {
  return operation.expectedSequenceNumber === undefined ||
    operation.expectedSequenceNumber === next;
}

function isAmong(appends: ReadonlyMap<AppendOperation, unknown>, operation: Operation): boolean {
  return operation.type === "append" && appends.has(operation);
}

/** Adds to a list. Most have one item, for which a literal takes a tenth of what `push` reserves. */
function withItem<Item>(list: Item[], item: Item): Item[] {
  if (list.length === 0) return [item];
  list.push(item);
  return list;
}
