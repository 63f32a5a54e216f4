/**
 * The actors that a commit queue knows: those with something to do, and the last few idle ones, whose
 * heads need not be read again for their next append.
 *
 * @module
 */

import { ActorQueue } from "./actor_queue.ts";
import { ByteArena } from "./byte_arena.ts";
import { actorKey } from "./keys.ts";

const MAX_IDLE_ACTORS = 10_000;

/** The actors that a commit queue knows. */
export class ActorRegistry {
  readonly #actors = new Map<string, ActorQueue>();
  readonly #arena = new ByteArena();

  /**
   * The queue of an actor.
   *
   * @param actorId The actor.
   * @returns Its queue.
   * @throws {ArgumentTypeError | ArgumentRangeError} `INVALID_ARGUMENT` where the actor id is bad.
   */
  get(actorId: string): ActorQueue {
    const known = this.#actors.get(actorId);
    if (known) return known;
    const actor = new ActorQueue(actorId, actorKey(actorId, "access journal"), this.#arena);
    if (this.#actors.size >= MAX_IDLE_ACTORS) this.#forgetOldest();
    this.#actors.set(actorId, actor);
    return actor;
  }

  /**
   * Whether an actor is known, so that its id need not be checked again.
   *
   * @param actorId The actor.
   */
  has(actorId: string): boolean {
    return this.#actors.has(actorId);
  }

  /** All actors that are known. */
  all(): Iterable<ActorQueue> {
    return this.#actors.values();
  }

  /** Forgets the actor that was added first, or gives it another round where it is busy. */
  #forgetOldest(): void {
    for (const [actorId, actor] of this.#actors) {
      this.#actors.delete(actorId);
      if (!actor.idle) this.#actors.set(actorId, actor);
      return;
    }
  }
}
