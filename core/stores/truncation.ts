/**
 * Truncation: first the head says where the journal begins, durably and at once; then the frames
 * below, and the marks of messages that were refused, are removed in bounded steps. A crash in between
 * leaves some that are never needed, and that the next truncation removes.
 *
 * @module
 */

import type { CommitQueue } from "../commit/commit_queue.ts";
import { checkOptions, checkSequenceNumber } from "../errors/arguments.ts";
import { failureOf } from "../errors/storage_failure.ts";
import type { ActorAddress } from "../format/actor_address.ts";
import { refusedKey } from "../format/actor_marks.ts";
import type { JournalState } from "../format/head.ts";
import { entryKey } from "../format/keys.ts";
import { TRUNCATE_OPTION_NAMES, type TruncateOptions } from "../ports/journal_options.ts";
import type { Storage } from "../ports/storage.ts";
import { CallTracker } from "../util/call_tracker.ts";

/** One commit removes at most this many keys, so that other actors' appends need not wait long. */
const MAX_KEYS_PER_STEP = 512;

/**
 * Checks the options of a truncation.
 *
 * @param options The options.
 * @param operation What was called, for the error message.
 * @throws {ArgumentTypeError | ArgumentRangeError} `INVALID_ARGUMENT` if one is invalid or unknown.
 */
export function checkTruncateOptions(options: TruncateOptions, operation: string): void {
  checkOptions(options, operation, TRUNCATE_OPTION_NAMES);
  const { incarnation } = options;
  if (incarnation !== undefined) checkSequenceNumber(incarnation, "incarnation", operation);
}

/** Truncates the journals of a storage. */
export class Truncation {
  /** The truncations under way. */
  readonly calls: CallTracker = new CallTracker();

  readonly #storage: Storage;
  readonly #queue: CommitQueue;

  /**
   * @param storage The storage that frames are found in.
   * @param queue The queue that commits their removal.
   */
  constructor(storage: Storage, queue: CommitQueue) {
    this.#storage = storage;
    this.#queue = queue;
  }

  /**
   * Removes the entries of an actor below a sequence number.
   *
   * @param actor The actor.
   * @param before The lowest sequence number that stays.
   * @param options Which journal is meant.
   * @returns When the removal is durable, and what belongs to the entries is gone.
   * @throws {PersistenceError} What the storage rejects with.
   */
  truncate(actor: ActorAddress, before: number, options: TruncateOptions = {}): Promise<void> {
    return this.calls.watch(this.#truncate(actor, before, options));
  }

  async #truncate(
    actor: ActorAddress,
    before: number,
    { incarnation }: TruncateOptions,
  ): Promise<void> {
    const state = await this.#queue.truncate(actor, before, { incarnation });
    if (state.firstSequenceNumber === 0) return;
    try {
      await this.#removeFrames(actor, state);
      await this.#removeMarks(actor, state);
    } catch (error) {
      throw failureOf("truncate", actor, error);
    }
  }

  /** Removes the frames that a journal does not need any more. */
  async #removeFrames(
    actor: ActorAddress,
    { firstSequenceNumber, incarnation }: JournalState,
  ): Promise<void> {
    for (;;) {
      const frames = await this.#storage.scan("entries", {
        start: entryKey(actor.key, 0),
        end: entryKey(actor.key, firstSequenceNumber),
        maxEntries: MAX_KEYS_PER_STEP,
        maxBytes: 1,
        keysOnly: true,
      });
      const [lowest] = frames;
      if (!lowest) return;
      // If the actor has been deleted, these may be frames of a journal that has begun anew.
      const isApplied = await this.#queue.write({
        conditions: [{ keyspace: "entries", key: lowest.key, version: incarnation }],
        changes: frames.map(({ key }) => ({ type: "delete", keyspace: "entries", key })),
      });
      if (isApplied && frames.length < MAX_KEYS_PER_STEP) return;
      // Otherwise it is another truncation that was faster.
      const isSame = async () => (await this.#queue.log.stateOf(actor)).incarnation === incarnation;
      if (!isApplied && !await isSame()) return;
    }
  }
  /** Removes what actors remember of messages that are gone. */
  async #removeMarks(
    actor: ActorAddress,
    { firstSequenceNumber, incarnation }: JournalState,
  ): Promise<void> {
    for (;;) {
      const marks = await this.#storage.scan("meta", {
        start: refusedKey(entryKey(actor.key, 0)),
        end: refusedKey(entryKey(actor.key, firstSequenceNumber)),
        maxEntries: MAX_KEYS_PER_STEP,
        maxBytes: 1,
        keysOnly: true,
      });
      if (marks.length === 0) return;
      // If the actor has been deleted, these may be marks of a journal that has begun anew.
      const { incarnation: current } = await this.#queue.truncate(actor, firstSequenceNumber, {
        incarnation,
        changes: marks.map(({ key }) => ({ type: "delete", keyspace: "meta", key })),
      });
      if (current !== incarnation || marks.length < MAX_KEYS_PER_STEP) return;
    }
  }
}
