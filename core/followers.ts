/**
 * How far those have come who follow journals, such as projections and replicas. What they have not
 * read yet is not truncated, even where they are not running. The positions of an actor's followers
 * are one record:
 *
 * | offset | bytes | content |
 * |---|---|---|
 * | 0 | 5 | the record's envelope, see `record.ts` |
 * | 5 | | JSON in UTF-8: pairs of a follower and the lowest sequence number that it needs |
 *
 * It stands in the space "meta", under a byte 01 followed by the actor's key.
 *
 * @module
 */

import { checkSequenceNumber } from "./arguments.ts";
import type { CommitQueue } from "./commit_queue.ts";
import { ArgumentRangeError, ArgumentTypeError, PersistenceError } from "./errors.ts";
import { failureOf } from "./failure.ts";
import { actorKey } from "./keys.ts";
import { RECORD_HEADER_BYTES, sealRecord, verifyRecord } from "./record.ts";
import type { FollowerPositions } from "./retention.ts";
import type { Storage, StoredEntry } from "./storage.ts";

const FOLLOWERS_VERSION = 1;
const KEY_PREFIX = 0x01;
const MAX_NAME_LENGTH = 256;
/** So many positions are written as one small record; who has more followers needs a broker. */
const MAX_FOLLOWERS = 1_000;

type Positions = Map<string, number>;

/** A change of the positions of an actor's followers, and whoever waits for it. */
interface PositionChange {
  /** May throw, and has changed nothing then. */
  readonly apply: (positions: Positions) => void;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** What the registries of one provider share. */
export interface FollowerServices {
  readonly storage: Storage;
  readonly queue: CommitQueue;
  /** Throws `CLOSED` once the provider is being closed. */
  readonly assertOpen: (operation: string) => void;
  /** Changes that wait while the record of their actor is being written: the next one has all. */
  readonly waiting: Map<string, PositionChange[]>;
}

/**
 * Remembers, durably, how far those have come who follow journals, so that retention leaves what
 * they still need. A follower registers before it reads, and moves its position when it has
 * processed what it has read.
 *
 * @example A projection that is behind
 * ```ts
 * import { MemoryPersistenceProvider } from "@cajun/persistence/memory";
 *
 * await using provider = await MemoryPersistenceProvider.open();
 * const followers = provider.createFollowerRegistry();
 * await followers.register("account-1", "reports", 120);
 * console.log(await followers.lowestNeeded("account-1")); // 120
 * ```
 */
export class FollowerRegistry implements FollowerPositions {
  readonly #services: FollowerServices;

  /** @param services What the registries of one provider share. */
  constructor(services: FollowerServices) {
    this.#services = services;
  }

  /**
   * Registers a follower of an actor, or moves its position. It does not bring back what has been
   * truncated already.
   *
   * @param actorId The actor.
   * @param follower A name of 1 to 256 code units, unique among the followers of the actor.
   * @param sequenceNumber The lowest sequence number that the follower still needs.
   * @returns When that is durable.
   * @throws {ArgumentTypeError | ArgumentRangeError} `INVALID_ARGUMENT` where an argument is bad.
   * @throws {PersistenceError} `TOO_LARGE` where the actor has 1,000 followers already;
   *   `STORAGE_FULL`, `STORAGE_FAILED`, `REOPEN_REQUIRED`, `READ_ONLY`, `CORRUPT`, `CLOSED`.
   */
  async register(actorId: string, follower: string, sequenceNumber: number): Promise<void> {
    const operation = `register follower of actor "${actorId}"`;
    checkName(follower, operation);
    checkSequenceNumber(sequenceNumber, "sequenceNumber", operation);
    await this.#change(actorId, operation, (positions) => {
      if (positions.has(follower) || positions.size < MAX_FOLLOWERS) {
        return void positions.set(follower, sequenceNumber);
      }
      throw new PersistenceError(
        "TOO_LARGE",
        `Cannot ${operation}: it has ${MAX_FOLLOWERS} followers already`,
        { actorId },
      );
    });
  }

  /**
   * Removes a follower: it no longer keeps anything from being truncated. Idempotent.
   *
   * @param actorId The actor.
   * @param follower Its name.
   * @returns When that is durable.
   * @throws As {@linkcode FollowerRegistry.register}.
   */
  async unregister(actorId: string, follower: string): Promise<void> {
    const operation = `unregister follower of actor "${actorId}"`;
    checkName(follower, operation);
    await this.#change(actorId, operation, (positions) => void positions.delete(follower));
  }

  /**
   * The followers of an actor.
   *
   * @param actorId The actor.
   * @returns The lowest sequence number that each of them needs, by name.
   * @throws {PersistenceError} `CORRUPT`, `UNSUPPORTED_FORMAT`, `STORAGE_FAILED`, `CLOSED`.
   */
  async positions(actorId: string): Promise<ReadonlyMap<string, number>> {
    const key = this.#key(actorId, "read followers");
    return decode(actorId, key, await this.#services.storage.get("meta", key));
  }

  /** See {@linkcode FollowerPositions.lowestNeeded}. */
  async lowestNeeded(actorId: string): Promise<number | undefined> {
    let lowest: number | undefined;
    for (const needed of (await this.positions(actorId)).values()) {
      if (lowest === undefined || needed < lowest) lowest = needed;
    }
    return lowest;
  }

  #key(actorId: string, operation: string): Uint8Array {
    this.#services.assertOpen(operation);
    const actor = actorKey(actorId, operation);
    const key = new Uint8Array(1 + actor.length);
    key[0] = KEY_PREFIX;
    key.set(actor, 1);
    return key;
  }

  async #change(
    actorId: string,
    operation: string,
    apply: (positions: Positions) => void,
  ): Promise<void> {
    const key = this.#key(actorId, operation);
    const { waiting } = this.#services;
    const others = waiting.get(actorId);
    const isFirst = others === undefined;
    const changes = others ?? [];
    waiting.set(actorId, changes);
    const done = new Promise<void>((resolve, reject) => changes.push({ apply, resolve, reject }));
    if (isFirst) void this.#writeAll(actorId, key, changes);
    await done;
  }

  /** Writes until no change of the actor waits any more. */
  async #writeAll(actorId: string, key: Uint8Array, changes: PositionChange[]): Promise<void> {
    while (changes.length > 0) {
      const taken = changes.splice(0);
      try {
        await this.#write(actorId, key, taken);
        for (const { resolve } of taken) resolve();
      } catch (error) {
        const failure = failureOf("write followers of", actorId, error);
        for (const { reject } of taken) reject(failure);
      }
    }
    this.#services.waiting.delete(actorId);
  }

  /** Writes the record anew as often as another process was faster. */
  async #write(
    actorId: string,
    key: Uint8Array,
    changes: readonly PositionChange[],
  ): Promise<void> {
    const { storage, queue } = this.#services;
    for (let applied = false; !applied;) {
      const stored = await storage.get("meta", key);
      const positions = decode(actorId, key, stored);
      for (const { apply, reject } of changes) {
        try {
          apply(positions);
        } catch (error) {
          reject(error);
        }
      }
      const value = encode(key, positions);
      const version = stored?.version;
      applied = await queue.write({
        conditions: [{ space: "meta", key, version }],
        changes: [{ type: "put", space: "meta", key, value, version: (version ?? -1) + 1 }],
      });
    }
  }
}

function encode(key: Uint8Array, positions: Positions): Uint8Array {
  const text = new TextEncoder().encode(JSON.stringify([...positions]));
  const record = new Uint8Array(RECORD_HEADER_BYTES + text.length);
  record.set(text, RECORD_HEADER_BYTES);
  sealRecord(key, record, FOLLOWERS_VERSION);
  return record;
}

function decode(actorId: string, key: Uint8Array, stored: StoredEntry | undefined): Positions {
  if (!stored) return new Map();
  const subject = `followers of actor "${actorId}"`;
  verifyRecord(key, stored.value, FOLLOWERS_VERSION, subject, { actorId });
  try {
    const text = new TextDecoder().decode(stored.value.subarray(RECORD_HEADER_BYTES));
    const positions: [string, number][] = JSON.parse(text);
    return new Map(positions);
  } catch (cause) {
    throw new PersistenceError("CORRUPT", `Cannot read ${subject}: malformed`, { cause, actorId });
  }
}

function checkName(follower: string, operation: string): void {
  if (typeof follower !== "string") {
    throw new ArgumentTypeError(
      `Cannot ${operation}: the follower must be a string, not ${typeof follower}`,
    );
  }
  if (follower.length === 0 || follower.length > MAX_NAME_LENGTH) {
    throw new ArgumentRangeError(
      `Cannot ${operation}: the follower must have 1 to ${MAX_NAME_LENGTH} code units, not ${follower.length}`,
    );
  }
}
