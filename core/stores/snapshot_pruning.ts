/**
 * Deletes snapshots: those that are no longer kept, and ranges of them, in bounded steps.
 *
 * @module
 */

import type { CommitQueue } from "../commit/commit_queue.ts";
import type { ActorAddress } from "../format/actor_address.ts";
import { entryKey, entryKeysEnd } from "../format/keys.ts";
import type { Storage, StorageChange, StoredEntry } from "../ports/storage.ts";
import { compareBytes } from "../util/bytes.ts";

/** One commit deletes at most this many, so that others need not wait long. */
const MAX_KEYS_PER_STEP = 512;

/** Deletes snapshots. */
export class SnapshotPruning {
  readonly #storage: Storage;
  readonly #queue: CommitQueue;
  readonly #keep: number;

  /**
   * @param storage The storage that they are in.
   * @param queue The queue that commits their deletion.
   * @param keep How many of each actor are kept: an integer of at least 1, or `Infinity`.
   */
  constructor(storage: Storage, queue: CommitQueue, keep: number) {
    this.#storage = storage;
    this.#queue = queue;
    this.#keep = keep;
  }

  /**
   * What need not be kept once a snapshot is saved.
   *
   * @param actor The actor.
   * @param key The key of that snapshot.
   * @returns Deletions that may go into its commit. None if it is not the newest one, or it cannot
   *   be known: {@linkcode SnapshotPruning.prune} finds out.
   */
  async outdatedBy(actor: ActorAddress, key: Uint8Array): Promise<readonly StorageChange[]> {
    if (this.#keep >= MAX_KEYS_PER_STEP) return [];
    let newest: StoredEntry[];
    try {
      newest = await this.#newest(actor, entryKeysEnd(actor.key), MAX_KEYS_PER_STEP);
    } catch {
      return [];
    }
    const order = newest[0] ? compareBytes(newest[0].key, key) : -1;
    if (order > 0) return [];
    return newest.slice(order === 0 ? this.#keep : this.#keep - 1).map(deletionOf);
  }

  /**
   * Deletes what is not kept.
   *
   * @param actor The actor.
   * @throws {PersistenceError} What the storage rejects with.
   */
  async prune(actor: ActorAddress): Promise<void> {
    if (this.#keep === Infinity) return;
    const oldestKept = await this.#oldestKept(actor);
    if (oldestKept) await this.deleteKeys(entryKey(actor.key, 0), oldestKept);
  }

  /**
   * Deletes the snapshots of a range.
   *
   * @param start The first key.
   * @param end The key after the last one.
   * @throws {PersistenceError} What the storage rejects with.
   */
  async deleteKeys(start: Uint8Array, end: Uint8Array): Promise<void> {
    for (;;) {
      const found = await this.#storage.scan("snapshots", {
        start,
        end,
        maxEntries: MAX_KEYS_PER_STEP,
        maxBytes: 1,
        keysOnly: true,
      });
      if (found.length === 0) return;
      await this.deleteAll(found);
    }
  }

  /**
   * Deletes some snapshots in one commit.
   *
   * @param entries The snapshots.
   * @throws {PersistenceError} What the storage rejects with.
   */
  async deleteAll(entries: readonly Pick<StoredEntry, "key">[]): Promise<void> {
    if (entries.length === 0) return;
    await this.#queue.write({ conditions: [], changes: entries.map(deletionOf) });
  }

  /** The key of the oldest snapshot that is kept, or `undefined` if fewer are stored. */
  async #oldestKept(actor: ActorAddress): Promise<Uint8Array | undefined> {
    let end = entryKeysEnd(actor.key);
    let oldest: Uint8Array | undefined;
    for (let remaining = this.#keep; remaining > 0;) {
      const newest = await this.#newest(actor, end, Math.min(remaining, MAX_KEYS_PER_STEP));
      oldest = newest[newest.length - 1]?.key;
      if (!oldest) return undefined;
      remaining -= newest.length;
      end = oldest;
    }
    return oldest;
  }

  /** The keys of the newest snapshots before a key, the newest first. */
  async #newest(actor: ActorAddress, end: Uint8Array, maxEntries: number): Promise<StoredEntry[]> {
    return await this.#storage.scan("snapshots", {
      start: entryKey(actor.key, 0),
      end,
      reverse: true,
      maxEntries,
      maxBytes: 1,
      keysOnly: true,
    });
  }
}

function deletionOf({ key }: Pick<StoredEntry, "key">): StorageChange {
  return { type: "delete", keyspace: "snapshots", key };
}
