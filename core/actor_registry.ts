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
/**
 * How many are looked at for each one that is added: more than one, so that what had to be kept
 * because it was busy is made up for, and few, so that adding one takes no time.
 */
const LOOKS_PER_ACTOR = 4;

/** The actors that a commit queue knows. */
export class ActorRegistry {
  readonly #actors = new Map<string, ActorQueue>();
  readonly #arena = new ByteArena();
  /**
   * Stands before the oldest one, as those before were removed. A new one each time would walk over
   * what was deleted at the front.
   */
  #oldest = this.#actors.entries();

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
    this.#forgetOldest();
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

  /** Forgets actors that were added first, and gives those that are busy another round. */
  #forgetOldest(): void {
    for (let looks = LOOKS_PER_ACTOR; looks > 0 && this.#actors.size >= MAX_IDLE_ACTORS; looks--) {
      const { done, value } = this.#oldest.next();
      if (done) {
        this.#oldest = this.#actors.entries();
        continue;
      }
      const [actorId, actor] = value;
      this.#actors.delete(actorId);
      if (!actor.idle) this.#actors.set(actorId, actor);
    }
  }
}
