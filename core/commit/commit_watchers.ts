/**
 * Who wants to know of commits, such as readers that follow a journal.
 *
 * @module
 */

import type { ActorAddress } from "../format/actor_address.ts";

type Watcher = () => void;

/** Wakes those who wait for commits of an actor. Nothing is kept of actors that nobody waits for. */
export class CommitWatchers {
  /** By kind and id. */
  readonly #kinds = new Map<string, Map<string, Set<Watcher>>>();

  /**
   * Calls back after each commit of this process that changes the journal of an actor.
   *
   * @param actor The actor.
   * @param watcher What is called. It must not throw, and each call needs a function of its own.
   * @returns A function that stops watching.
   */
  watch({ kind, actorId }: ActorAddress, watcher: Watcher): () => void {
    const ofKind: Map<string, Set<Watcher>> = this.#kinds.get(kind) ?? new Map();
    const watchers: Set<Watcher> = ofKind.get(actorId) ?? new Set();
    this.#kinds.set(kind, ofKind.set(actorId, watchers.add(watcher)));
    return () => {
      watchers.delete(watcher);
      if (watchers.size > 0 || ofKind.get(actorId) !== watchers) return;
      ofKind.delete(actorId);
      if (ofKind.size === 0 && this.#kinds.get(kind) === ofKind) this.#kinds.delete(kind);
    };
  }

  /**
   * The journal of an actor has changed.
   *
   * @param actor The actor.
   */
  notify({ kind, actorId }: ActorAddress): void {
    if (this.#kinds.size === 0) return;
    const watchers = this.#kinds.get(kind)?.get(actorId);
    if (!watchers) return;
    for (const watcher of [...watchers]) watcher();
  }
}
