/**
 * Lets small commits of several processes follow each other without being planned anew.
 *
 * A commit is planned for the next position of the log. If another process is faster, the plan would
 * have to be made again, and the writer would lose its place in the line. So once that has happened,
 * a commit is tried at several positions, all in one transaction: at the next one, and if others have
 * written records there, right after them. That is only right if these records have no item of the
 * same actors. Actors are spread over stripes, and each record that is tried in this way renews the
 * stripes of its actors. So a commit may follow records of others if each of them has renewed its
 * stripes, and those of its own actors are as they were before the log was last followed.
 *
 * @module
 */

import { LOG_VERSION, logKey, putStripe, stripeKey, stripeOf } from "../format/log_keys.ts";
import { encodeLogRecord, LOG_ITEM, type NewLogItem } from "../format/log_record.ts";
import type { Log } from "../log/log.ts";
import type { LogActor } from "../log/log_actor.ts";
import type { Storage, StorageChange, StorageCondition, WriteGroup } from "../ports/storage.ts";
import type { ByteMemory } from "../util/byte_arena.ts";
import type { CommitPlan } from "./actor_queue.ts";

/** At so many positions a commit is tried at first, and at the most. Each takes a few microseconds. */
const MIN_TRIES = 3;
const MAX_TRIES = 8;
/** More actors would meet those of others too often. */
const MAX_ACTORS = 8;
/** Of entries and what is written with them: all tries together are to be small beside a flush. */
const MAX_BYTES = 2_048;
/** So many commits are made in this way after the last one that met another process. */
const COMMITS = 256;

/** A commit that can be tried at several positions. */
export interface StripedCommit {
  /** A group for each position, of which at most one is applied. The first is for the next one. */
  readonly groups: readonly WriteGroup[];
  /** The record in the first group. */
  readonly record: Uint8Array;
}

/** Knows the stripes of the actors of one process. */
export class Stripes {
  readonly #storage: Storage;
  readonly #log: Log;
  /** The versions that stripes had at the latest when the log was last followed. */
  readonly #versions = new Map<number, number | undefined>();
  #commitsLeft = 0;
  #tries = MIN_TRIES;

  /**
   * @param storage The storage.
   * @param log The log.
   */
  constructor(storage: Storage, log: Log) {
    this.#storage = storage;
    this.#log = log;
  }

  /** Others were faster, at all positions that were tried. */
  overtaken(): void {
    if (this.#commitsLeft > 0) this.#tries = Math.min(this.#tries + 1, MAX_TRIES);
    this.#commitsLeft = COMMITS;
    this.forget();
  }

  /** Forgets what was read: the log could not be followed after it. */
  forget(): void {
    this.#versions.clear();
  }

  /**
   * Reads the stripes of actors that are not known. Then the log must be followed.
   *
   * @param actors The actors of the next commit.
   * @returns Whether any was read.
   * @throws {PersistenceError} `STORAGE_FAILED`, `CLOSED`.
   */
  async look(actors: readonly { readonly journal: LogActor }[]): Promise<boolean> {
    if (this.#commitsLeft === 0 || actors.length > MAX_ACTORS) return false;
    let hasLooked = false;
    for (const { journal: { checksum } } of actors) {
      const stripe = stripeOf(checksum);
      if (this.#versions.has(stripe)) continue;
      const stored = await this.#storage.get("meta", stripeKey(this.#log.number, stripe));
      this.#versions.set(stripe, stored?.version);
      hasLooked = true;
    }
    return hasLooked;
  }

  /**
   * Makes a commit that can be tried at several positions.
   *
   * @param plans Its plans.
   * @param items Their items.
   * @param memory Where records are made.
   * @returns The commit, or `undefined` if it must not, or need not be made in this way.
   */
  commitOf(
    plans: readonly CommitPlan[],
    items: readonly NewLogItem[],
    memory: ByteMemory,
  ): StripedCommit | undefined {
    const isSmall = items.length > 0 && items.length <= MAX_ACTORS;
    if (this.#commitsLeft === 0 || !isSmall || !plans.every(isMovable)) return undefined;
    const changes = plans.flatMap((plan) => plan.changes);
    if (bytesOf(items, changes) > MAX_BYTES) return undefined;
    const stripes = new Set(items.map(({ actor: { checksum } }) => stripeOf(checksum)));
    for (const stripe of stripes) if (!this.#versions.has(stripe)) return undefined;
    const { number, epoch, nextPosition } = this.#log;
    const record = encodeLogRecord(this.#log.nextKey, epoch, items, memory);
    const groups: WriteGroup[] = [];
    const before: StorageCondition[] = [];
    for (let position = nextPosition; groups.length < this.#tries; position++) {
      const key = logKey(number, position);
      const value = position === nextPosition ? record : encodeLogRecord(key, epoch, items, memory);
      groups.push({
        conditions: [
          { keyspace: "log", key, version: undefined },
          this.#log.conditionOnCollected,
          ...position === nextPosition ? [] : [...before, ...this.#conditionsOn(stripes)],
        ],
        changes: [
          { type: "put", keyspace: "log", key, value, version: LOG_VERSION.striped },
          ...changes,
          ...this.#renewals(stripes, position),
        ],
      });
      before.push({ keyspace: "log", key, version: LOG_VERSION.striped });
    }
    return { groups, record };
  }

  /**
   * A commit was applied.
   *
   * @param items Its items.
   * @param position The position of its record.
   * @param place Which of its groups was applied; `undefined` if there was only one.
   */
  applied(items: readonly NewLogItem[], position: number, place: number | undefined): void {
    if (this.#commitsLeft === 0) return;
    this.#commitsLeft = place ? COMMITS : this.#commitsLeft - 1;
    if (this.#commitsLeft === 0) {
      this.#tries = MIN_TRIES;
      return this.forget();
    }
    if (place === undefined) return;
    for (const { actor: { checksum } } of items) this.#versions.set(stripeOf(checksum), position);
  }

  #conditionsOn(stripes: Iterable<number>): StorageCondition[] {
    return [...stripes].map((stripe) => ({
      keyspace: "meta",
      key: stripeKey(this.#log.number, stripe),
      version: this.#versions.get(stripe),
    }));
  }

  #renewals(stripes: Iterable<number>, position: number): StorageChange[] {
    return [...stripes].map((stripe) => putStripe(stripeKey(this.#log.number, stripe), position));
  }
}

/** Whether a plan is the same at another position: it only adds entries to a journal that exists. */
function isMovable({ items, state, position }: CommitPlan): boolean {
  return state.incarnation !== position && items.length > 0 &&
    items.every(({ type }) => type === LOG_ITEM.entries);
}

function bytesOf(items: readonly NewLogItem[], changes: readonly StorageChange[]): number {
  let bytes = 0;
  for (const { frame } of items) bytes += frame?.entriesLength ?? 0;
  for (const change of changes) if (change.type === "put") bytes += change.value.length;
  return bytes;
}
