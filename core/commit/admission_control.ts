/**
 * Backpressure: bounds how much may wait to be committed. An operation that exceeds the bounds waits
 * for room, or is refused. Waiters are admitted strictly in call order.
 *
 * @module
 */

import { describeActor, detailsOf } from "../errors/actor_name.ts";
import { PersistenceError } from "../errors/persistence_error.ts";
import type { EncodedRun } from "../format/encoded_run.ts";
import type { BackpressureStrategy, PendingCounts } from "../ports/provider.ts";
import { ByteArena } from "../util/byte_arena.ts";
import { Fifo } from "../util/fifo.ts";
import type { ActorQueue, AppendOperation, Operation } from "./actor_queue.ts";

/** This many times the limits may wait for room. */
const WAITING_FACTOR = 10;
/** A shorter line is not worth closing its gaps. */
const MIN_LINE = 64;

/** How much may wait to be committed. */
export interface AdmissionLimits {
  /** Messages: an integer of at least 1. A larger batch is admitted when nothing else waits. */
  readonly maxPendingMessages: number;
  /** Bytes of encoded messages: an integer of at least 1. */
  readonly maxPendingBytes: number;
  /** Whether an append that finds no room waits or is rejected. */
  readonly backpressure: BackpressureStrategy;
}

/** An operation that waits for room. */
export interface Waiter {
  /** The queue that it joins when it is admitted. */
  readonly actor: ActorQueue;
  /** The operation. */
  readonly operation: Operation;
  /** Its messages, in memory of their own once it waits. A truncation has none. */
  readonly run: EncodedRun | undefined;
}

/** A place in the line. It stays there, empty, after its waiter was withdrawn. */
interface Place {
  waiter: Waiter | undefined;
}

/** The places of one actor's operations, in call order. */
type PlacesOfActor = Map<Operation, Place>;

/** Counts what waits to be committed, and holds back what exceeds the limits. */
export class AdmissionControl {
  readonly #limits: AdmissionLimits;
  readonly #join: (waiter: Waiter) => void;
  /** In call order. An empty place leaves it at the front, or when gaps are closed. */
  readonly #line = new Fifo<Place>();
  /** How many places have a waiter. */
  #waiting = 0;
  readonly #arena = new ByteArena();
  readonly #byActor = new Map<ActorQueue, PlacesOfActor>();
  #messages = 0;
  #bytes = 0;
  #waitingMessages = 0;
  #waitingBytes = 0;

  /**
   * @param limits How much may wait.
   * @param join Called with each waiter that is admitted. It is counted by then, and has left the
   *   line.
   */
  constructor(limits: AdmissionLimits, join: (waiter: Waiter) => void) {
    this.#limits = limits;
    this.#join = join;
  }

  /** Whether an operation waits for room. Then batches must not wait for more to come. */
  get hasWaiters(): boolean {
    return this.#waiting > 0;
  }

  /** How much waits. */
  get pending(): PendingCounts {
    return { messages: this.#messages, bytes: this.#bytes, waitingForRoom: this.#waiting };
  }

  /**
   * Admits an operation, if there is room and nothing waits for it already.
   *
   * @param operation The operation.
   * @returns Whether it was admitted.
   */
  tryAdmit(operation: Operation): boolean {
    if (this.hasWaiters || !this.#hasRoomFor(operation)) return false;
    this.#count(operation);
    return true;
  }

  /**
   * Admits another message into an admitted operation, if there is room and nothing waits for it
   * already.
   *
   * @param bytes How many bytes the message has. They are released with the operation.
   * @returns Whether it was admitted.
   */
  tryExtend(bytes: number): boolean {
    const { maxPendingMessages, maxPendingBytes } = this.#limits;
    if (this.hasWaiters) return false;
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
   * @param waiter The operation. Its messages are copied.
   * @returns `undefined`, or `BACKPRESSURE` to reject it with, if it may not wait either.
   */
  enqueue(waiter: Waiter): PersistenceError | undefined {
    const { operation, actor, run } = waiter;
    if (operation.type === "append" && !this.#mayWait(operation)) return this.#refusal(actor);
    this.#add({ ...waiter, run: run && this.#copy(run) });
    return undefined;
  }

  /**
   * Frees the room of an admitted operation, which has ended, and admits the waiters that fit now.
   *
   * @param operation The operation.
   */
  release(operation: Operation): void {
    if (operation.type === "append") {
      this.#messages -= operation.count;
      this.#bytes -= operation.bytes;
    }
    for (let place = this.#line.first; place; place = this.#line.first) {
      const { waiter } = place;
      if (waiter && !this.#hasRoomFor(waiter.operation)) return;
      this.#line.shift();
      if (!waiter) continue;
      this.#vacate(place);
      this.#count(waiter.operation);
      this.#join(waiter);
    }
  }

  /**
   * The operation of an actor that was called first of those that wait for room.
   *
   * @param actor The actor.
   * @returns The operation, or `undefined` if none waits.
   */
  oldestWaiting(actor: ActorQueue): Operation | undefined {
    const [oldest] = this.#byActor.get(actor)?.keys() ?? [];
    return oldest;
  }

  /**
   * Withdraws an operation, if it waits for room.
   *
   * @param actor Its actor.
   * @param operation The operation.
   */
  withdraw(actor: ActorQueue, operation: Operation): void {
    const place = this.#byActor.get(actor)?.get(operation);
    if (place) this.#vacate(place);
  }

  /**
   * Withdraws all operations of an actor that wait for room.
   *
   * @param actor The actor.
   * @returns The operations, in call order.
   */
  withdrawAll(actor: ActorQueue): Operation[] {
    const places = this.#byActor.get(actor);
    if (!places) return [];
    const operations = [...places.keys()];
    for (const place of places.values()) this.#vacate(place);
    return operations;
  }

  #copy(run: EncodedRun): EncodedRun {
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
    // A batch that exceeds the limits by itself may wait alone, as it may be admitted alone.
    if (this.#waitingMessages === 0) return true;
    return this.#waitingMessages + count <= WAITING_FACTOR * maxPendingMessages &&
      this.#waitingBytes + bytes <= WAITING_FACTOR * maxPendingBytes;
  }

  #refusal({ address }: ActorQueue): PersistenceError {
    const messages = this.#messages + this.#waitingMessages;
    const bytes = this.#bytes + this.#waitingBytes;
    return new PersistenceError(
      "BACKPRESSURE",
      `Cannot append to ${
        describeActor(address)
      }: ${messages} messages with ${bytes} bytes are already waiting to be committed`,
      detailsOf(address),
    );
  }

  #count(operation: Operation): void {
    if (operation.type !== "append") return;
    this.#messages += operation.count;
    this.#bytes += operation.bytes;
  }

  #add(waiter: Waiter): void {
    const { actor, operation } = waiter;
    // At least half of the places are empty, so as many withdrawals have paid for closing the gaps.
    if (this.#line.length >= 2 * this.#waiting + MIN_LINE) {
      this.#line.retain((place) => place.waiter !== undefined);
    }
    const place = { waiter };
    this.#line.push(place);
    this.#waiting++;
    const ofActor: PlacesOfActor = this.#byActor.get(actor) ?? new Map();
    this.#byActor.set(actor, ofActor.set(operation, place));
    actor.waitingForRoom++;
    if (operation.type !== "append") return;
    this.#waitingMessages += operation.count;
    this.#waitingBytes += operation.bytes;
  }

  /** Empties a place: what it held can be freed, even if the place stays in the line. */
  #vacate(place: Place): void {
    const { waiter } = place;
    if (!waiter) return;
    const { actor, operation } = waiter;
    place.waiter = undefined;
    this.#waiting--;
    const ofActor = this.#byActor.get(actor);
    ofActor?.delete(operation);
    if (ofActor?.size === 0) this.#byActor.delete(actor);
    actor.waitingForRoom--;
    if (operation.type !== "append") return;
    this.#waitingMessages -= operation.count;
    this.#waitingBytes -= operation.bytes;
  }
}
