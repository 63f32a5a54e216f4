/**
 * Backpressure: how much may wait to be committed, and what happens to an append beyond that. What
 * waits for room is let in strictly in call order.
 *
 * @module
 */

import type { ActorQueue, Operation, PayloadRun } from "./actor_queue.ts";
import { PersistenceError } from "./errors.ts";

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

/** Counts what waits, and holds back what exceeds the limits. */
export class Admission {
  readonly #limits: AdmissionLimits;
  readonly #join: (entrant: Entrant) => void;
  readonly #waiting = new Set<Entrant>();
  #messages = 0;
  #bytes = 0;

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
    return this.#waiting.size > 0;
  }

  /** How much waits. */
  get pending(): PendingCounts {
    return { messages: this.#messages, bytes: this.#bytes, waitingForRoom: this.#waiting.size };
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
   * Makes an operation wait for room.
   *
   * @param entrant The operation.
   * @returns The error to reject it with, where it may not wait either.
   */
  wait(entrant: Entrant): PersistenceError | undefined {
    const { operation, actor, run } = entrant;
    if (operation.type === "append" && this.#limits.backpressure === "reject") {
      return new PersistenceError(
        "BACKPRESSURE",
        `Cannot append to actor "${actor.actorId}": ${this.#messages} messages with ${this.#bytes} bytes are already waiting to be committed`,
        { actorId: actor.actorId },
      );
    }
    actor.waitingForRoom++;
    const copy = run && { bytes: new Uint8Array(run.bytes), ends: run.ends };
    this.#waiting.add({ ...entrant, run: copy });
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
    if (!this.crowded) return;
    for (const entrant of this.#waiting) {
      if (!this.#hasRoomFor(entrant.operation)) break;
      this.#stopWaiting(entrant);
      this.#count(entrant.operation);
      this.#join(entrant);
    }
  }

  /**
   * Takes out what waits for room.
   *
   * @param isMeant Which of it.
   * @returns The operations, in call order.
   */
  removeWaiting(isMeant: (entrant: Entrant) => boolean): Operation[] {
    if (!this.crowded) return [];
    const removed = [...this.#waiting].filter(isMeant);
    for (const entrant of removed) this.#stopWaiting(entrant);
    return removed.map((entrant) => entrant.operation);
  }

  #hasRoomFor(operation: Operation): boolean {
    if (operation.type !== "append" || this.#messages === 0) return true;
    return this.#messages + operation.count <= this.#limits.maxPendingMessages &&
      this.#bytes + operation.bytes <= this.#limits.maxPendingBytes;
  }

  #count(operation: Operation): void {
    if (operation.type !== "append") return;
    this.#messages += operation.count;
    this.#bytes += operation.bytes;
  }

  #stopWaiting(entrant: Entrant): void {
    this.#waiting.delete(entrant);
    entrant.actor.waitingForRoom--;
  }
}
