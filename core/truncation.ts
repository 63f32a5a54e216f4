/**
 * Truncation: first the head says where the journal begins, durably and at once; then the frames
 * below are removed in bounded steps. A crash in between leaves frames that nobody reads, and that
 * the next truncation removes.
 *
 * @module
 */

import type { CommitQueue } from "./commit_queue.ts";
import { failureOf } from "./failure.ts";
import { numberedKey } from "./keys.ts";
import { Settlements } from "./settlements.ts";
import type { Storage } from "./storage.ts";

/** How many frames one commit removes at the most, so that appends of others need not wait long. */
const MAX_FRAMES_PER_STEP = 512;

/** Truncates the journals of a storage. */
export class Truncation {
  /** The truncations under way. */
  readonly settlements: Settlements = new Settlements();

  readonly #storage: Storage;
  readonly #queue: CommitQueue;

  /**
   * @param storage What frames are found in.
   * @param queue What removes them.
   */
  constructor(storage: Storage, queue: CommitQueue) {
    this.#storage = storage;
    this.#queue = queue;
  }

  /**
   * Removes the entries of an actor below a sequence number.
   *
   * @param actorId The actor.
   * @param key The actor's key.
   * @param before The lowest sequence number that stays.
   */
  truncate(actorId: string, key: Uint8Array, before: number): Promise<void> {
    return this.settlements.watch(this.#truncate(actorId, key, before));
  }

  async #truncate(actorId: string, key: Uint8Array, before: number): Promise<void> {
    const first = await this.#queue.truncate(actorId, before);
    if (first === 0) return;
    try {
      await this.#removeFramesBelow(key, first);
    } catch (error) {
      throw failureOf("truncate", actorId, error);
    }
  }

  async #removeFramesBelow(key: Uint8Array, first: number): Promise<void> {
    for (;;) {
      const frames = await this.#storage.scan("entries", {
        start: numberedKey(key, 0),
        end: numberedKey(key, first),
        maxEntries: MAX_FRAMES_PER_STEP,
        maxBytes: 1,
        keysOnly: true,
      });
      if (frames.length === 0) return;
      await this.#queue.write({
        conditions: [],
        changes: frames.map((frame) => ({ type: "delete", space: "entries", key: frame.key })),
      });
      if (frames.length < MAX_FRAMES_PER_STEP) return;
    }
  }
}
