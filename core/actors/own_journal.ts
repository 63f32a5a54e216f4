/**
 * The journal that an actor was recovered from, and goes on writing to.
 *
 * @module
 */

import type { JournalIdentity } from "../ports/actor_store.ts";

/** Identifies the journal also when the actor's own first entry has begun it. */
export class OwnJournal implements JournalIdentity {
  /** See {@linkcode JournalIdentity.origin}. */
  readonly origin: number;

  #incarnation: number;

  /**
   * @param identity The journal that the actor was recovered from.
   */
  constructor({ incarnation, origin }: JournalIdentity) {
    this.#incarnation = incarnation;
    this.origin = origin;
  }

  /** See {@linkcode JournalIdentity.incarnation}. */
  get incarnation(): number {
    return this.#incarnation;
  }

  /**
   * The actor has appended to it.
   *
   * @param position The position of the commit.
   */
  appendedAt(position: number): void {
    if (this.#incarnation === 0) this.#incarnation = position;
  }
}
