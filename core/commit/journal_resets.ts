/**
 * Commits resets of journals: all that wait as one record of the log.
 *
 * @module
 */

import { asPersistenceError } from "../errors/storage_failure.ts";
import type { ActorAddress } from "../format/actor_address.ts";
import { type JournalState, NO_JOURNAL } from "../format/head.ts";
import { LOG_VERSION } from "../format/log_keys.ts";
import { encodeLogRecord, LOG_ITEM, type NewLogItem } from "../format/log_record.ts";
import type { Log } from "../log/log.ts";
import { type LogActor, stateAfter } from "../log/log_actor.ts";
import type { CommitCounts } from "../ports/provider.ts";
import type { Storage, StorageChange, StorageCondition, WriteGroup } from "../ports/storage.ts";
import { OWN_MEMORY } from "../util/byte_arena.ts";
import type { CommitEvents } from "./commit_events.ts";
import type { Completions } from "./completions.ts";

/** Makes a journal empty. Nothing else of this process may be under way for its actor. */
export interface JournalReset {
  /** The actor. */
  readonly address: ActorAddress;
  /** What the journal must be before; `undefined` if that does not matter. */
  readonly expected: JournalState | undefined;
  /** The sequence number of the next entry. */
  readonly nextSequenceNumber: number;
  /** Whether the journal is deleted, so that the next entry begins another one. */
  readonly deletes: boolean;
  /** What else must hold. */
  readonly conditions: readonly StorageCondition[];
  /** What is written with it. */
  readonly changes: readonly StorageChange[];
  /** Whether it must be carried out even if the storage is full. */
  readonly makesRoom: boolean;
}

/** A reset, and what settles its call. */
export interface QueuedReset extends JournalReset {
  /** Called with whether the journal was as expected and the conditions held. */
  readonly resolve: (applied: boolean) => void;
  /** Called with the error. */
  readonly reject: (error: unknown) => void;
}

/** What resets are committed with. */
export interface ResetServices {
  /** The storage. */
  readonly storage: Storage;
  /** The log of the storage. */
  readonly log: Log;
  /** Counts commits and failures. */
  readonly counts: CommitCounts;
  /** Tells of commits. */
  readonly events: CommitEvents;
  /** Knows how many calls have not settled. */
  readonly completions: Pick<Completions, "settled">;
}

/** A reset, and the actor that the log holds on to meanwhile. */
interface HeldReset {
  readonly reset: QueuedReset;
  readonly actor: LogActor;
}

/** The resets of a commit queue. */
export class JournalResets {
  readonly #services: ResetServices;
  #waiting: QueuedReset[] = [];

  /**
   * @param services What they are committed with.
   */
  constructor(services: ResetServices) {
    this.#services = services;
  }

  /** Whether some wait. */
  get hasWork(): boolean {
    return this.#waiting.length > 0;
  }

  /**
   * Lets a reset wait for the next commit.
   *
   * @param reset The reset.
   */
  add(reset: QueuedReset): void {
    this.#waiting.push(reset);
  }

  /**
   * Rejects all that wait.
   *
   * @param error Why.
   */
  fail(error: unknown): void {
    for (const reset of this.#waiting.splice(0)) this.#reject(reset, error);
  }

  /**
   * Commits all that wait. Must not be called while a commit is in flight.
   *
   * @param onFailure Called with each failure, after the calls that it concerns were rejected.
   */
  async commit(onFailure: (error: unknown) => void): Promise<void> {
    const resets = this.#waiting.splice(0);
    if (await this.#commitTogether(resets, onFailure)) return;
    // Only those that cannot be carried out may fail.
    for (const reset of resets) await this.#commitTogether([reset], onFailure);
  }

  /** Returns false, and has settled none, if they must be tried one by one. */
  async #commitTogether(
    resets: readonly QueuedReset[],
    onFailure: (error: unknown) => void,
  ): Promise<boolean> {
    const { log } = this.#services;
    const held = resets.map((reset) => ({ reset, actor: log.attach(reset.address) }));
    try {
      await log.follow();
      for (const one of held) await this.#load(one);
      // All at once: the journal of one may change while that of another is read.
      const isExpected = held.every(isAsExpected);
      const isApplied = isExpected && await this.#write(held);
      if (!isApplied && resets.length > 1) return false;
      for (const reset of resets) this.#resolve(reset, isApplied);
    } catch (error) {
      if (resets.length > 1 && !isFatal(error)) return false;
      this.#services.counts.failedCommits++;
      for (const reset of resets) this.#reject(reset, error);
      onFailure(error);
    } finally {
      for (const { actor } of held) log.hot.detach(actor);
    }
    return true;
  }

  async #load({ reset, actor }: HeldReset): Promise<void> {
    // Of one of which nothing is expected, the head may be damaged.
    if (reset.expected) await this.#services.log.load(reset.address, actor);
  }

  /** Returns whether the log was as it is known, and all conditions held. */
  async #write(held: readonly HeldReset[]): Promise<boolean> {
    const { log, counts } = this.#services;
    const position = log.nextPosition;
    const key = log.nextKey;
    const items = held.map(itemOf);
    const applied = held.map(({ reset: { deletes }, actor: journal }, index) => {
      const own = items.slice(index, index + 1);
      const [item] = own;
      const state = item && stateAfter(journal.state ?? NO_JOURNAL, item, position);
      return { journal, state: state ?? NO_JOURNAL, items: own, deletes };
    });
    const value = encodeLogRecord(key, log.epoch, items, OWN_MEMORY);
    const resets = held.map(({ reset }) => reset);
    const isApplied = await this.#commit(held.length, {
      conditions: [...log.conditions, ...resets.flatMap(({ conditions }) => conditions)],
      changes: [
        { type: "put", keyspace: "log", key, value, version: LOG_VERSION.record },
        ...resets.flatMap(({ changes }) => changes),
      ],
      makesRoom: resets.every(({ makesRoom }) => makesRoom),
    });
    if (!isApplied) return false;
    counts.commits++;
    log.append(position, value, applied);
    return true;
  }

  async #commit(count: number, group: WriteGroup): Promise<boolean> {
    const { storage, events } = this.#services;
    const load = events.loadOf([], count);
    const startedAtMs = performance.now();
    try {
      const [isApplied = false] = await storage.commit([group]);
      events.ended(load, performance.now() - startedAtMs, isApplied ? "committed" : "conflict");
      return isApplied;
    } catch (error) {
      events.failed(load, performance.now() - startedAtMs, error);
      throw error;
    }
  }

  #resolve(reset: QueuedReset, isApplied: boolean): void {
    reset.resolve(isApplied);
    this.#services.completions.settled();
  }

  #reject(reset: QueuedReset, error: unknown): void {
    reset.reject(asPersistenceError(error));
    this.#services.completions.settled();
  }
}

/** Whether nobody knows what was committed, or nothing can be committed any more. */
function isFatal(error: unknown): boolean {
  const { code } = asPersistenceError(error);
  return code === "REOPEN_REQUIRED" || code === "CLOSED";
}

function isAsExpected({ reset: { expected }, actor: { state } }: HeldReset): boolean {
  return expected === undefined || (state !== undefined && isSame(expected, state));
}

function isSame(one: JournalState, other: JournalState): boolean {
  return one.nextSequenceNumber === other.nextSequenceNumber &&
    one.firstSequenceNumber === other.firstSequenceNumber &&
    one.originSequenceNumber === other.originSequenceNumber &&
    one.incarnation === other.incarnation && one.resetPosition === other.resetPosition;
}

function itemOf({ reset: { nextSequenceNumber, deletes }, actor }: HeldReset): NewLogItem {
  return {
    actor,
    type: LOG_ITEM.reset,
    sequenceNumber: nextSequenceNumber,
    count: 0,
    frame: undefined,
    deletes,
  };
}
