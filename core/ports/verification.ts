/**
 * What a verification of a store finds.
 *
 * @module
 */

import type { OptionNames } from "../util/option_names.ts";
import type { Keyspace } from "./storage.ts";

/** What a verification reads, and who watches it. */
export interface VerifyOptions {
  /**
   * Whether each message, state and effect is decoded, too. Without it their checksums are verified.
   *
   * @default {true}
   */
  decode?: boolean;
  /**
   * How many problems are reported one by one: an integer of at least 0. The rest is only counted.
   *
   * @default {1_000}
   */
  maxProblems?: number;
  /**
   * Ends the verification: it rejects with the signal's reason.
   *
   * @default {undefined}
   */
  signal?: AbortSignal;
  /**
   * Called now and then with how far it has come. It must not throw.
   *
   * @param progress How far it has come.
   * @default {undefined}
   */
  onProgress?: (progress: VerifyProgress) => void;
}

/** The names of {@linkcode VerifyOptions}. */
export const VERIFY_OPTION_NAMES: OptionNames<VerifyOptions> = {
  decode: true,
  maxProblems: true,
  signal: true,
  onProgress: true,
};

/** How far a verification has come. */
export interface VerifyProgress {
  /** What it does: it reads all records, then the journals of all actors. */
  readonly phase: "records" | "journals";
  /** How many records, or journals, it has read. */
  readonly done: number;
  /** How many there were about, when it began. */
  readonly total: number;
}

/** Something that is not as it must be. */
export interface VerifyProblem {
  /** The keyspace of the record that is damaged; `"journal"` if entries of a journal are missing. */
  readonly place: Keyspace | "journal";
  /** The kind of the actor that is concerned, if it has one, and is known. */
  readonly kind?: string;
  /** The id of the actor that is concerned, if it is known. */
  readonly actorId?: string;
  /** The sequence number that is concerned, if it is known. */
  readonly sequenceNumber?: number;
  /** The code of the error: `CORRUPT`, `UNSUPPORTED_FORMAT` or `RECOVERY_FAILED`. */
  readonly code: string;
  /** What is wrong, in words. */
  readonly message: string;
}

/** What is lost of an actor that is damaged. */
export interface DamagedActor {
  /** Its kind. Absent if it has none. */
  readonly kind?: string;
  /** Its id. */
  readonly actorId: string;
  /**
   * - `"nothing"`: all entries that its journal retains can be read, and its state can be recovered.
   *   What is damaged is not needed, such as one of several snapshots.
   * - `"history"`: its state can be recovered, from a snapshot. Entries before that are lost.
   * - `"state"`: its state can no longer be recovered.
   * - `"effects"`: of the above nothing, but effects of its outbox are lost.
   */
  readonly loses: "nothing" | "history" | "state" | "effects";
}

/** What a verification has found. */
export interface VerifyReport {
  /** Whether nothing is wrong. */
  readonly isSound: boolean;
  /** How many records it has read, by keyspace. */
  readonly records: Readonly<Record<Keyspace, number>>;
  /** How many bytes these records have. */
  readonly bytes: number;
  /** How many journals it has read. */
  readonly journals: number;
  /** How many entries they have. */
  readonly entries: number;
  /** How many of these have been erased, by dropping the key that they were encrypted with. */
  readonly erased: number;
  /** What is wrong, in the order in which it was found; at most `maxProblems`. */
  readonly problems: readonly VerifyProblem[];
  /** How much is wrong altogether. */
  readonly problemCount: number;
  /** The actors that are named in the problems, and what is lost of them. */
  readonly damagedActors: readonly DamagedActor[];
}
