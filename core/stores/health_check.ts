/**
 * Whether a storage works.
 *
 * @module
 */

import type { CommitQueue } from "../commit/commit_queue.ts";
import { PersistenceError } from "../errors/persistence_error.ts";
import type { Storage } from "../ports/storage.ts";

const HEALTH_KEY: Uint8Array = new TextEncoder().encode("health");

/** Checks a storage by a probe: the record `health` in the keyspace "meta". */
export class HealthCheck {
  readonly #storage: Storage;
  readonly #queue: CommitQueue;
  #probes = 0;

  /**
   * @param storage The storage that the probe is read from.
   * @param queue The queue that commits it.
   */
  constructor(storage: Storage, queue: CommitQueue) {
    this.#storage = storage;
    this.#queue = queue;
  }

  /**
   * Writes a probe, durably, and reads it back. If the storage is open read-only, it only reads.
   *
   * @returns Whether that works. It never rejects.
   */
  async run(): Promise<boolean> {
    try {
      return await this.#probe();
    } catch (error) {
      if (!(error instanceof PersistenceError) || error.code !== "READ_ONLY") return false;
      return await this.#isReadable();
    }
  }

  async #probe(): Promise<boolean> {
    const value = new TextEncoder().encode(`${Date.now()} ${++this.#probes}`);
    await this.#queue.write({
      conditions: [],
      changes: [{ type: "put", keyspace: "meta", key: HEALTH_KEY, value, version: 0 }],
    });
    // Another process may have probed in the meantime: its bytes are as good as ours.
    const stored = await this.#storage.get("meta", HEALTH_KEY);
    return stored !== undefined && stored.value.length > 0;
  }

  async #isReadable(): Promise<boolean> {
    try {
      await this.#storage.get("meta", HEALTH_KEY);
      // An engine may notice here that its files are gone, which reading does not show.
      await this.#storage.stats();
      return true;
    } catch {
      // The question is whether it can be read; that it cannot is the answer.
      return false;
    }
  }
}
