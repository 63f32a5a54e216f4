/**
 * Backpressure: how much may wait to be committed, and what happens to an append beyond that. What
 * waits for room is let in strictly in call order.
 *
 * @module
 */

import type { ActorQueue, AppendOperation, Operation } from "./actor_queue.ts";
import { ByteArena } from "./byte_arena.ts";
import { PersistenceError } from "./errors.ts";
import type { PayloadRun } from "./waiting_frames.ts";

/** As many times the limits of what waits to be committed may wait for room. */
const WAITING_FACTOR = 10;
/** A shorter line is not worth the closing of its gaps. */
const MIN_LINE = 64;

/** What happens to an append that finds no room: it waits, or it is rejected. */
export type BackpressureStrategy = "wait" | "reject";

/** How much may wait to be committed. */
export interface AdmissionLimits {
  /** Messages: an integer of at least 1. A larger batch is let in when nothing else waits. */
  readonly maxPendingMessages: number;
  /** Bytes of encoded messages: an integer of at least 1. */
  readonly maxPendingBytes: number;
  readonly backpressure: BackpressureStrategy;
}

/** How much waits. */
export interface PendingCounts {
  /** Messages that wait to be committed or are being committed. */
  readonly messages: number;
  /** Their encoded bytes. */
  readonly bytes: number;
  /** Calls that wait for room. */
  readonly waitingForRoom: number;
}

/** An operation that waits for room. */
export interface Entrant {
  readonly actor: ActorQueue;
  readonly operation: Operation;
  /** Its messages, in memory of their own. A truncation has none. */
  readonly run: PayloadRun | undefined;
}

/** One that stands in the line. */
interface Waiting extends Entrant {
  /** Its index in the line. */
  place: number;
}

/** Those of one actor, in call order. */
type WaitingOfActor = Map<Operation, Waiting>;

/** Counts what waits, and holds back what exceeds the limits. */
export class Admission {
  readonly #limits: AdmissionLimits;
  readonly #join: (entrant: Entrant) => void;
  /**
   * In call order; what is let in or withdrawn leaves a hole. (A `Set` would not do: engines walk
   * over what was deleted at its front each time that its first element is asked for.)
   */
  #line: (Waiting | undefined)[] = [];
  /** Where the line begins. */
  #first = 0;
  /** How many stand in it. */
  #waiting = 0;
  readonly #arena = new ByteArena();
  readonly #byActor = new Map<ActorQueue, WaitingOfActor>();
  #messages = 0;
  #bytes = 0;
  #waitingMessages = 0;
  #waitingBytes = 0;

  /**
   * @param limits How much may wait.
   * @param join Called with what has waited for room and is let in now.
   */
  constructor(limits: AdmissionLimits, join: (entrant: Entrant) => void) {
    this.#limits = limits;
    this.#join = join;
  }

  /** Whether something waits for room. Then batches must not wait for more to come. */
  get crowded(): boolean {
    return this.#waiting > 0;
  }

  /** How much waits. */
  get pending(): PendingCounts {
    return { messages: this.#messages, bytes: this.#bytes, waitingForRoom: this.#waiting };
  }

  /**
   * Lets an operation in, if there is room and nobody waits before it.
   *
   * @param operation The operation.
   * @returns Whether it is in.
   */
  enter(operation: Operation): boolean {
    if (this.crowded || !this.#hasRoomFor(operation)) return false;
    this.#count(operation);
    return true;
  }

  /**
   * Lets another message in, behind those of an operation that is in, if there is room and nobody
   * waits.
   *
   * @param bytes How many bytes it has. They will leave with the operation.
   * @returns Whether it is in.
   */
  enterInto(bytes: number): boolean {
    const { maxPendingMessages, maxPendingBytes } = this.#limits;
    if (this.crowded) return false;
    if (this.#messages + 1 > maxPendingMessages || this.#bytes + bytes > maxPendingBytes) {
      return false;
    }
    this.#messages++;
    this.#bytes += bytes;
    return true;
  }

  /**
   * Makes an operation wait for room.
   *
   * @param entrant The operation.
   * @returns The error to reject it with, where it may not wait either.
   */
  wait(entrant: Entrant): PersistenceError | undefined {
    const { operation, actor, run } = entrant;
    if (operation.type === "append" && !this.#mayWait(operation)) return this.#refusal(actor);
    this.#add({ ...entrant, run: run && this.#copy(run) });
    return undefined;
  }

  /**
   * An operation that was let in has come to an end. What fits now is let in.
   *
   * @param operation The operation.
   */
  leave(operation: Operation): void {
    if (operation.type === "append") {
      this.#messages -= operation.count;
      this.#bytes -= operation.bytes;
    }
    while (this.#first < this.#line.length) {
      const entrant = this.#line[this.#first];
      if (entrant) {
        if (!this.#hasRoomFor(entrant.operation)) return;
        this.#remove(entrant);
        this.#count(entrant.operation);
        this.#join(entrant);
      }
      this.#first++;
    }
    this.#line = [];
    this.#first = 0;
  }

  /**
   * Takes out an operation, if it waits for room.
   *
   * @param actor Its actor.
   * @param operation The operation.
   */
  withdraw(actor: ActorQueue, operation: Operation): void {
    const entrant = this.#byActor.get(actor)?.get(operation);
    if (entrant) this.#remove(entrant);
  }

  /**
   * Takes out everything of an actor that waits for room.
   *
   * @param actor The actor.
   * @returns The operations, in call order.
   */
  withdrawAll(actor: ActorQueue): Operation[] {
    const waiting = this.#byActor.get(actor);
    if (!waiting) return [];
    const operations = [...waiting.keys()];
    for (const entrant of waiting.values()) this.#remove(entrant);
    return operations;
  }

  #copy(run: PayloadRun): PayloadRun {
    const bytes = this.#arena.allocate(run.bytes.length);
    bytes.set(run.bytes);
    return { ...run, bytes };
  }

  #hasRoomFor(operation: Operation): boolean {
    if (operation.type !== "append" || this.#messages === 0) return true;
    return this.#messages + operation.count <= this.#limits.maxPendingMessages &&
      this.#bytes + operation.bytes <= this.#limits.maxPendingBytes;
  }

  #mayWait({ origin, count, bytes }: AppendOperation): boolean {
    if (origin.isBounded) return true;
    const { backpressure, maxPendingMessages, maxPendingBytes } = this.#limits;
    if (backpressure === "reject") return false;
    // A batch that is larger than that by itself may wait alone, as it may be let in alone.
    if (this.#waitingMessages === 0) return true;
    return this.#waitingMessages + count <= WAITING_FACTOR * maxPendingMessages &&
      this.#waitingBytes + bytes <= WAITING_FACTOR * maxPendingBytes;
  }

  #refusal({ actorId }: ActorQueue): PersistenceError {
    const messages = this.#messages + this.#waitingMessages;
    const bytes = this.#bytes + this.#waitingBytes;
    return new PersistenceError(
      "BACKPRESSURE",
      `Cannot append to actor "${actorId}": ${messages} messages with ${bytes} bytes are already waiting to be committed`,
      { actorId },
    );
  }

  #count(operation: Operation): void {
    if (operation.type !== "append") return;
    this.#messages += operation.count;
    this.#bytes += operation.bytes;
  }

  #add(entrant: Entrant): void {
    const { actor, operation } = entrant;
    if (this.#line.length >= 2 * this.#waiting + MIN_LINE) this.#closeGaps();
    const waiting = { ...entrant, place: this.#line.length };
    this.#line.push(waiting);
    this.#waiting++;
    const ofActor: WaitingOfActor = this.#byActor.get(actor) ?? new Map();
    this.#byActor.set(actor, ofActor.set(operation, waiting));
    actor.waitingForRoom++;
    if (operation.type !== "append") return;
    this.#waitingMessages += operation.count;
    this.#waitingBytes += operation.bytes;
  }

  #remove({ actor, operation, place }: Waiting): void {
    this.#line[place] = undefined;
    this.#waiting--;
    const ofActor = this.#byActor.get(actor);
    ofActor?.delete(operation);
    if (ofActor?.size === 0) this.#byActor.delete(actor);
    actor.waitingForRoom--;
    if (operation.type !== "append") return;
    this.#waitingMessages -= operation.count;
    this.#waitingBytes -= operation.bytes;
  }

  /** More than half of the line is gaps, so it was paid for by those that left them. */
  #closeGaps(): void {
    const line: Waiting[] = [];
    for (const waiting of this.#line) {
      if (!waiting) continue;
      waiting.place = line.length;
      line.push(waiting);
    }
    this.#line = line;
    this.#first = 0;
  }
}
