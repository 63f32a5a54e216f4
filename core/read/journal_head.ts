/**
 * What a read of a journal begins with: which entries there are, and where each of them stands.
 *
 * @module
 */

import type { ActorAddress } from "../format/actor_address.ts";
import type { StoredFrame } from "../format/frame.ts";
import type { JournalState } from "../format/head.ts";
import type { KeyRange } from "../format/keys.ts";

/** Consecutive entries that stand in one place. */
export interface EntryRun {
  /** The sequence number of the first one. */
  readonly first: number;
  /** The sequence number of the last one. */
  readonly last: number;
  /**
   * Reads them, if they stand in one frame that is in memory. Otherwise they stand in frames of the
   * keyspace "entries".
   *
   * @throws {PersistenceError} `CORRUPT`, `UNSUPPORTED_FORMAT`.
   */
  readonly frame: (() => StoredFrame) | undefined;
}

/** The state of a journal, and where its entries stand. */
export interface JournalHead extends JournalState {
  /** All retained entries, in ascending order, without gaps. */
  readonly runs: readonly EntryRun[];
}

/** Knows the journals of a storage. */
export interface JournalHeads {
  /**
   * Reads the newest state of a journal, of any process, and where its entries stand.
   *
   * @param actor The actor.
   * @returns The head.
   * @throws {PersistenceError} `CORRUPT`, `UNSUPPORTED_FORMAT`, `STORAGE_FAILED`.
   */
  read(actor: ActorAddress): Promise<JournalHead>;

  /**
   * Reads the newest state of a journal, of any process.
   *
   * @param actor The actor.
   * @returns The state.
   * @throws {PersistenceError} `CORRUPT`, `UNSUPPORTED_FORMAT`, `STORAGE_FAILED`.
   */
  stateOf(actor: ActorAddress): Promise<JournalState>;

  /**
   * The actors whose journals have changed since their heads were written.
   *
   * @param range The range of the keys of the actors that are looked for.
   * @returns The actors, in the order of their keys.
   * @throws {PersistenceError} `CORRUPT`, `UNSUPPORTED_FORMAT`, `STORAGE_FAILED`.
   */
  hotActors(range: KeyRange): Promise<ActorAddress[]>;
}
