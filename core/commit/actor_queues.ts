/**
 * The actors that a commit queue knows: those with something to do, and the latest idle ones, whose
 * journals stay known for their next append.
 *
 * @module
 */

import type { ActorAddress } from "../format/actor_address.ts";
import type { Log } from "../log/log.ts";
import { ByteArena } from "../util/byte_arena.ts";
import { ActorQueue } from "./actor_queue.ts";

const MAX_IDLE_ACTORS = 10_000;
/**
 * How many actors are looked at for each one that is added: more than one, to catch up on those that
 * were kept because they were busy, and few, so that adding one takes no time.
 */
const LOOKS_PER_ACTOR = 4;

/** The actors that a commit queue knows. */
export class ActorQueues {
  /** By kind and id: two look-ups take less time than making one key of both. */
  readonly #kinds = new Map<string, Map<string, ActorQueue>>();
  /** The last one that was found: an append asks for its address, then for its queue. */
  #latest: ActorQueue | undefined;
  readonly #all = new Set<ActorQueue>();
  readonly #arena = new ByteArena();
  readonly #log: Log;
  /**
   * Stands before the oldest actor, as those before it were removed. A new iterator each time would
   * walk over everything that was deleted at the front.
   */
  #oldest = this.#all.values();

  /**
   * @param log The log, which keeps the journals of these actors known.
   */
  constructor(log: Log) {
    this.#log = log;
  }

  /**
   * The queue of an actor.
   *
   * @param address The actor.
   * @returns Its queue.
   */
  get(address: ActorAddress): ActorQueue {
    if (this.#latest?.address === address) return this.#latest;
    return this.find(address.kind, address.actorId) ?? this.#add(address);
  }

  /**
   * The queue of an actor that is known.
   *
   * @param kind The kind of the actor, empty if it has none.
   * @param actorId Its id.
   * @returns Its queue, or `undefined` if it is not known.
   */
  find(kind: string, actorId: string): ActorQueue | undefined {
    return this.#latest = this.#kinds.get(kind)?.get(actorId);
  }

  /** All known actors. */
  all(): Iterable<ActorQueue> {
    return this.#all;
  }

  #add(address: ActorAddress): ActorQueue {
    const actor = new ActorQueue(address, this.#log.attach(address), this.#arena);
    this.#forgetOldest();
    const { kind, actorId } = address;
    const ofKind: Map<string, ActorQueue> = this.#kinds.get(kind) ?? new Map();
    this.#kinds.set(kind, ofKind.set(actorId, actor));
    this.#all.add(actor);
    return actor;
  }

  /** Forgets the actors that were added first, and gives busy ones another round. */
  #forgetOldest(): void {
    for (let looks = LOOKS_PER_ACTOR; looks > 0 && this.#all.size >= MAX_IDLE_ACTORS; looks--) {
      const { done, value: actor } = this.#oldest.next();
      if (done) {
        this.#oldest = this.#all.values();
        continue;
      }
      this.#all.delete(actor);
      if (actor.idle) this.#forget(actor);
      else this.#all.add(actor);
    }
  }

  #forget(actor: ActorQueue): void {
    const { address: { kind, actorId }, journal } = actor;
    if (this.#latest === actor) this.#latest = undefined;
    this.#log.hot.detach(journal);
    const ofKind = this.#kinds.get(kind);
    ofKind?.delete(actorId);
    if (ofKind?.size === 0) this.#kinds.delete(kind);
  }
}
