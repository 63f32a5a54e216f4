/**
 * The actors of a kind that are in memory: brought there by their first message, dismissed when they
 * have been idle for a while, or when there are too many.
 *
 * @module
 */

import { checkActorId } from "../errors/arguments.ts";
import { PersistenceError } from "../errors/persistence_error.ts";
import type { Timer } from "../ports/clock.ts";
import { ActorHandle } from "./actor_handle.ts";
import type { Host } from "./actor_host.ts";
import { Turns } from "./turns.ts";

/** So many are recovered at once: enough to keep a disk busy, and few enough to bound memory. */
export const CONCURRENT_RECOVERIES = 64;
/** So many times within its time an actor's idleness is looked at. */
const CHECKS_PER_PASSIVATION = 4;
/** So many that were used least recently are looked at when there are too many. */
const MAX_LOOKED_AT = 64;

/** How long actors stay in memory, and how many. */
export interface ActiveLimits {
  /** How long one stays without a message, in milliseconds, or Infinity. */
  readonly passivateAfterMs: number;
  /** How many there may be before idle ones leave early. */
  readonly maxActive: number;
}

/** An actor in memory. */
interface Active<State, Message, Reply> {
  readonly actor: ActorHandle<State, Message, Reply>;
  usedAtMs: number;
}

/** The actors of a kind that are in memory. */
export class ActiveActors<State, Message, Reply> {
  readonly #host: Host<State, Message, Reply>;
  readonly #limits: ActiveLimits;
  /** Those in memory; the least recently used first. */
  readonly #active = new Map<string, Active<State, Message, Reply>>();
  /** When those have left that are leaving memory: a successor waits for that. */
  readonly #leaving = new Map<string, Promise<void>>();
  /** Those that have not terminated, though they may have left. */
  readonly #alive = new Set<ActorHandle<State, Message, Reply>>();
  readonly #turns = new Turns(CONCURRENT_RECOVERIES);
  #timer: Timer | undefined;
  #isStopped = false;

  /**
   * @param host What the actors share.
   * @param limits How long they stay, and how many.
   */
  constructor(host: Host<State, Message, Reply>, limits: ActiveLimits) {
    this.#host = host;
    this.#limits = limits;
  }

  /** How many are in memory. */
  get size(): number {
    return this.#active.size;
  }

  /**
   * The actor, in memory, as the one that was used last.
   *
   * @param actorId The actor.
   * @param operation What the caller is about to do, for the error's message: `ask actor`.
   * @returns The actor, which may still recover.
   * @throws {ArgumentTypeError | ArgumentRangeError} `INVALID_ARGUMENT` if the id is bad.
   * @throws {PersistenceError} `CLOSED` after a stop.
   */
  use(actorId: string, operation: string): ActorHandle<State, Message, Reply> {
    if (this.#isStopped) {
      throw new PersistenceError(
        "CLOSED",
        `Cannot ${operation} "${actorId}" of kind "${this.#host.kind}": the actors have been stopped`,
        { kind: this.#host.kind, actorId },
      );
    }
    const known = this.#active.get(actorId);
    if (known && known.actor.status !== "stopped") {
      known.usedAtMs = this.#host.clock.monotonic();
      this.#active.delete(actorId);
      this.#active.set(actorId, known);
      return known.actor;
    }
    checkActorId(actorId, operation);
    return this.#activate(actorId);
  }

  /**
   * Lets an actor leave memory.
   *
   * @param actorId The actor.
   * @returns Resolves when it has left; `undefined` if it is not in memory.
   */
  dismiss(actorId: string): Promise<void> | undefined {
    const active = this.#active.get(actorId);
    if (active) this.#dismiss(actorId, active);
    return this.#leaving.get(actorId);
  }

  /** Lets all leave, and refuses new ones. Resolves when all have terminated. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#timer?.cancel();
    for (const [actorId, active] of this.#active) this.#dismiss(actorId, active);
    while (this.#alive.size > 0) {
      await Promise.all([...this.#alive].map(({ terminated }) => terminated));
    }
  }

  /** Stops all at once: what they have not answered is rejected. */
  abandon(error: unknown): void {
    for (const actor of this.#alive) actor.abandon(error);
  }

  #activate(actorId: string): ActorHandle<State, Message, Reply> {
    const predecessor = this.#leaving.get(actorId);
    const loop = this.#host.makeLoop(
      actorId,
      async () => {
        // Before the turn: who waits for another actor must not take the place of one that can go on.
        await predecessor;
        return await this.#turns.next();
      },
      {},
    );
    const actor = new ActorHandle(this.#host, loop);
    const active = { actor, usedAtMs: this.#host.clock.monotonic() };
    this.#active.set(actorId, active);
    this.#alive.add(actor);
    // Only if it stops by itself is it still here.
    void actor.hasLeft.then(() => {
      if (this.#active.get(actorId) === active) this.#active.delete(actorId);
    });
    void actor.terminated.then(() => this.#alive.delete(actor));
    if (this.#active.size > this.#limits.maxActive) this.#makeRoom();
    this.#startTimer();
    return actor;
  }

  /** Lets those leave that are idle, from the one on that was used least recently. */
  #makeRoom(): void {
    let excess = this.#active.size - this.#limits.maxActive;
    let looked = 0;
    for (const [actorId, active] of this.#active) {
      // If nearly all are busy, not every newcomer looks at all of them.
      if (excess === 0 || ++looked > MAX_LOOKED_AT) return;
      if (!active.actor.isIdle) continue;
      excess--;
      this.#dismiss(actorId, active);
    }
  }

  #dismiss(actorId: string, { actor }: Active<State, Message, Reply>): void {
    this.#active.delete(actorId);
    if (actor.status === "stopped") return;
    actor.requestStop();
    // One that waits for its predecessor may stop before that has left.
    const left: Promise<void> = Promise.all([this.#leaving.get(actorId), actor.hasLeft]).then(
      () => {
        if (this.#leaving.get(actorId) === left) this.#leaving.delete(actorId);
      },
    );
    this.#leaving.set(actorId, left);
  }

  #startTimer(): void {
    const { passivateAfterMs } = this.#limits;
    if (this.#timer !== undefined || passivateAfterMs === Infinity) return;
    this.#timer = this.#host.clock.setTimer(
      () => {
        this.#timer = undefined;
        this.#passivateIdle(this.#host.clock.monotonic() - passivateAfterMs);
        if (this.#active.size > 0 && !this.#isStopped) this.#startTimer();
      },
      Math.max(1, passivateAfterMs / CHECKS_PER_PASSIVATION),
      false,
    );
  }

  #passivateIdle(usedBeforeMs: number): void {
    for (const [actorId, active] of this.#active) {
      if (active.usedAtMs > usedBeforeMs) return;
      if (active.actor.isIdle) this.#dismiss(actorId, active);
    }
  }
}
