/**
 * Removal of actors. First, in one commit, the log says that the journal is empty, and a mark says
 * that everything else counts for nothing. Then what is left is removed in bounded steps, and the mark
 * with the last one. A crash in between leaves the mark: the next call, or write to the actor,
 * finishes the removal.
 *
 * Each step is conditional on the mark, so one that is late removes nothing of an actor that has begun
 * anew. Two processes may remove the same actor at once.
 *
 * @module
 */

import { PersistenceError } from "../errors/persistence_error.ts";
import type { ActorAddress } from "../format/actor_address.ts";
import { recordsOf } from "../format/actor_records.ts";
import { headKey, type JournalState } from "../format/head.ts";
import {
  decodeRemovalMark,
  notBeingRemoved,
  putRemovalMark,
  removalKey,
  type RemovalMode,
} from "../format/removal_mark.ts";
import type { Storage, StorageChange, StoredEntry, WriteGroup } from "../ports/storage.ts";
import type { Log } from "../log/log.ts";
import { assertNoDamagedNeighbor } from "../read/missing_key.ts";
import type { JournalReset } from "./journal_resets.ts";

/** One commit removes at most this many keys, so that other actors' appends need not wait long. */
const MAX_KEYS_PER_STEP = 512;

/** What actors are removed with. */
export interface RemovalServices {
  /** The storage. */
  readonly storage: Storage;
  /** The log of the storage. */
  readonly log: Log;
  /** Commits a group, and tells whether its conditions held. */
  readonly write: (group: WriteGroup) => Promise<boolean>;
  /** Resets a journal, and tells whether it was as expected and the conditions held. */
  readonly reset: (reset: JournalReset) => Promise<boolean>;
}

/** Removes actors. Nothing else of this process may be under way for an actor meanwhile. */
export class ActorRemoval {
  readonly #services: RemovalServices;

  /**
   * @param services What they are removed with.
   */
  constructor(services: RemovalServices) {
    this.#services = services;
  }

  /**
   * Removes everything of an actor.
   *
   * @param actor The actor.
   * @param mode Whether it begins anew afterwards, or its numbering goes on.
   * @returns When nothing is left.
   * @throws {PersistenceError} `CORRUPT` if it cannot be known what belongs to the actor, or where its
   *   numbering goes on; `UNSUPPORTED_FORMAT`; what the storage throws.
   */
  async remove(actor: ActorAddress, mode: RemovalMode): Promise<void> {
    for (;;) {
      const state = mode === "erase"
        ? await this.#services.log.storedStateOf(actor)
        : await this.#anyState(actor);
      const mark = await this.#mark(actor);
      if (!mark && await this.#isNothingLeft(actor, state, mode)) return;
      // Without numbers there is no numbering that could go on.
      const wanted = state && state.nextSequenceNumber > 0 ? mode : "delete";
      const isBegun = mark && modeOf(actor, mark) === wanted;
      // Otherwise another writer was faster.
      if (isBegun || await this.#services.reset(beginning(actor, state, wanted, mark))) {
        return await this.finish(actor);
      }
    }
  }

  /**
   * Finishes the removal of an actor, if one has begun.
   *
   * @param actor The actor.
   * @returns When nothing is left, or no removal has begun.
   * @throws {PersistenceError} `CORRUPT` if its mark is damaged; what the storage throws.
   */
  async finish(actor: ActorAddress): Promise<void> {
    for (;;) {
      const mark = await this.#mark(actor);
      if (!mark) return;
      decodeRemovalMark(actor, mark);
      const changes = await this.#deletionsOf(actor, MAX_KEYS_PER_STEP);
      const isLast = changes.length < MAX_KEYS_PER_STEP;
      if (isLast) changes.push({ type: "delete", keyspace: "meta", key: mark.key });
      const condition = { keyspace: "meta", key: mark.key, version: mark.version } as const;
      const isDone = await this.#services.write({ conditions: [condition], changes });
      if (isLast && isDone) return;
    }
  }

  /** The state of a journal that is to be deleted; `undefined` if it is damaged. */
  async #anyState(actor: ActorAddress): Promise<JournalState | undefined> {
    const { storage, log } = this.#services;
    const key = headKey(actor.key);
    if (!await storage.get("heads", key)) {
      // A damaged key may be that of the head, and would stay.
      const place = { start: key, end: key };
      await assertNoDamagedNeighbor(storage, "heads", place, actor, "journal");
    }
    try {
      return await log.storedStateOf(actor);
    } catch (error) {
      if (!(error instanceof PersistenceError) || error.code !== "CORRUPT" || log.broken) {
        throw error;
      }
      // What is damaged can be deleted all the same.
      return undefined;
    }
  }

  async #mark({ key }: ActorAddress): Promise<StoredEntry | undefined> {
    return await this.#services.storage.get("meta", removalKey(key));
  }

  async #isNothingLeft(
    actor: ActorAddress,
    state: JournalState | undefined,
    mode: RemovalMode,
  ): Promise<boolean> {
    if (!state) return false;
    const isJournalDone = state.incarnation === 0 || (mode === "erase" &&
      state.nextSequenceNumber > 0 && state.originSequenceNumber === state.nextSequenceNumber);
    return isJournalDone && (await this.#deletionsOf(actor, 1)).length === 0;
  }

  /** The deletion of what is left of an actor, up to so many keys. */
  async #deletionsOf(actor: ActorAddress, maxKeys: number): Promise<StorageChange[]> {
    const deletions: StorageChange[] = [];
    for (const { keyspace, start, end } of recordsOf(actor)) {
      const left = maxKeys - deletions.length;
      if (left === 0) break;
      const page = { start, end, maxEntries: left, maxBytes: 1, keysOnly: true };
      for (const { key } of await this.#services.storage.scan(keyspace, page)) {
        deletions.push({ type: "delete", keyspace, key });
      }
    }
    return deletions;
  }
}

/** What a mark says; `undefined` if it is damaged, so that it is written again. */
function modeOf(actor: ActorAddress, mark: StoredEntry): RemovalMode | undefined {
  try {
    return decodeRemovalMark(actor, mark);
  } catch (error) {
    if (!(error instanceof PersistenceError) || error.code !== "CORRUPT") throw error;
    return undefined;
  }
}

/** The first step. It must be carried out even if the storage is full: it makes room in the end. */
function beginning(
  actor: ActorAddress,
  state: JournalState | undefined,
  mode: RemovalMode,
  mark: StoredEntry | undefined,
): JournalReset {
  const deletes = mode === "delete";
  return {
    address: actor,
    expected: state,
    nextSequenceNumber: deletes ? 0 : state?.nextSequenceNumber ?? 0,
    deletes,
    conditions: [
      mark ? { keyspace: "meta", key: mark.key, version: mark.version } : notBeingRemoved(actor),
    ],
    changes: [putRemovalMark(actor, mode)],
    makesRoom: true,
  };
}
