/**
 * What stateful actors need of a provider: the journal, the snapshots and the outbox of one kind of
 * actors, and what an actor stores beside them. Messages, states and effects are encoded when they
 * are handed over, before user code can change them, and stored later.
 *
 * @module
 */

import type { OptionNames } from "../util/option_names.ts";
import type { CallContext } from "./call_context.ts";
import type { Clock } from "./clock.ts";
import type { MessageJournal, Metadata } from "./journal.ts";
import type { OpenEffect, OutboxStore } from "./outbox_store.ts";
import type { Schema } from "./schema.ts";
import type { SnapshotStore } from "./snapshot_store.ts";
import type { TelemetrySink } from "./telemetry.ts";

/** What is journaled: what a command leads to, or the message itself. */
export type Sourcing = "events" | "commands";

/** What an actor store is for. */
export interface ActorStoreOptions<Stored, State> {
  /** The kind of its actors: a well-formed string of 1 to 128 bytes of UTF-8. */
  kind: string;
  /**
   * What the journaled messages are.
   *
   * @default {undefined} They are stored as they are.
   */
  messageSchema?: Schema<Stored>;
  /**
   * What the states are.
   *
   * @default {undefined} They are stored as they are.
   */
  stateSchema?: Schema<State>;
  /**
   * How many snapshots are kept per actor: see {@linkcode SnapshotStoreOptions.keep}.
   *
   * @default {3}
   */
  keepSnapshots?: number;
}

/** The names of {@linkcode ActorStoreOptions}. */
export const ACTOR_STORE_OPTION_NAMES: OptionNames<ActorStoreOptions<unknown, unknown>> = {
  kind: true,
  messageSchema: true,
  stateSchema: true,
  keepSnapshots: true,
};

/** Entries of one actor that have been encoded, and are stored together or not at all. */
export interface PreparedEntries {
  /** How many entries they are: 0 if there are only effects. */
  readonly count: number;
  /** Their encoded bytes, with those of the effects. */
  readonly bytes: number;
  /** The effects that were decided with them. */
  readonly effects: readonly PreparedEffect[];
}

/** An effect that has been encoded. */
export interface PreparedEffect {
  /** Its encoded bytes. */
  readonly bytes: Uint8Array;
}

/** A state that has been encoded. */
export interface PreparedState {
  /** Its encoded bytes. */
  readonly bytes: Uint8Array;
}

/** What an actor with command sourcing remembers of messages that were handled. */
export interface HandledMarks {
  /** Up to this sequence number all messages are known to have been handled, -1 if none is. */
  readonly handled: number;
  /** The sequence numbers of messages that their handler refused by an exception. */
  readonly refused: readonly number[];
}

/** Which journal of an actor is meant: deleted or erased, it is another one. */
export interface JournalIdentity {
  /** Its incarnation: see `JournalRange.incarnation`. 0 if it has had no entries yet. */
  readonly incarnation: number;
  /** The number that it began at: see `JournalRange.origin`. */
  readonly origin: number;
}

/** What an append of an actor has stored. */
export interface AppendedRuns {
  /** The effects, as they stand in the outbox. */
  readonly effects: readonly OpenEffect[];
  /** The position of the commit in the log: the incarnation of a journal that it has begun. */
  readonly position: number;
}

/** The stores of one kind of actors. */
export interface ActorStore<Stored, State> extends AsyncDisposable {
  /** The kind. */
  readonly kind: string;
  /** The journal: the users' messages, nothing else. */
  readonly journal: MessageJournal<Stored>;
  /** The snapshots: the users' states, nothing else. */
  readonly snapshots: SnapshotStore<State>;
  /** The effects that have not been delivered. */
  readonly outbox: OutboxStore;
  /** How many bytes of entries may be appended at once, unless it is the first alone. */
  readonly maxRunBytes: number;

  /**
   * Makes sure that the kind is journaled in one way only, for good.
   *
   * @param sourcing What is journaled.
   * @returns When it is certain.
   * @throws {PersistenceError} `SOURCING_MISMATCH` if the kind was written in the other way.
   */
  claimSourcing(sourcing: Sourcing): Promise<void>;

  /**
   * Encodes entries and the effects that were decided with them, at once.
   *
   * @param actorId The actor.
   * @param messages The entries.
   * @param beside Metadata for each of them, and the effects.
   * @returns What {@linkcode ActorStore.append} takes.
   * @throws {PersistenceError} `UNENCODABLE`, `TOO_LARGE`; with a schema `VALIDATION_FAILED` and
   *   `UNKNOWN_SCHEMA`. {@linkcode ArgumentTypeError} if the metadata is not a plain object.
   */
  prepareEntries(
    actorId: string,
    messages: readonly Stored[],
    beside: { readonly metadata?: Metadata; readonly effects?: readonly unknown[] },
  ): PreparedEntries;

  /**
   * Appends entries, and stores their effects with them, all or none. The effects of a run of entries
   * get the sequence number of its last entry, or, if it has none, of the last entry before it.
   *
   * @param actorId The actor.
   * @param runs What was prepared, in order. At least one.
   * @param expectedSequenceNumber The sequence number that the first entry must get.
   * @param journal The journal that it must be. Without it, the actor may have been deleted or erased
   *   since it was recovered.
   * @returns Once all is durable: the effects, as they stand in the outbox, and the position.
   * @throws {PersistenceError} `CONFLICT` if another writer was faster, or the actor was deleted or
   *   erased; otherwise as {@linkcode MessageJournal.append}.
   */
  append(
    actorId: string,
    runs: readonly PreparedEntries[],
    expectedSequenceNumber: number,
    journal?: JournalIdentity,
  ): Promise<AppendedRuns>;

  /**
   * Encodes a state, at once.
   *
   * @param actorId The actor.
   * @param state The state.
   * @returns What {@linkcode ActorStore.saveState} takes.
   * @throws {PersistenceError} `UNENCODABLE`, `TOO_LARGE`; with a schema `VALIDATION_FAILED` and
   *   `UNKNOWN_SCHEMA`.
   */
  prepareState(actorId: string, state: State): PreparedState;

  /**
   * Saves a state that was prepared.
   *
   * @param actorId The actor.
   * @param state The state.
   * @param sequenceNumber The sequence number of the last message that it includes.
   * @param journal The journal that it must be, as with {@linkcode ActorStore.append}.
   * @returns When the snapshot is durable.
   * @throws {PersistenceError} `CONFLICT` if the actor was deleted or erased since; otherwise as
   *   {@linkcode SnapshotStore.saveSnapshot}.
   */
  saveState(
    actorId: string,
    state: PreparedState,
    sequenceNumber: number,
    journal?: JournalIdentity,
  ): Promise<void>;

  /**
   * Reads what is remembered of messages that were handled.
   *
   * @param actorId The actor.
   * @returns The marks. Refusals are forgotten with their messages, when these are truncated.
   * @throws {PersistenceError} `CORRUPT`, `UNSUPPORTED_FORMAT`, `STORAGE_FAILED`, `CLOSED`.
   */
  readMarks(actorId: string): Promise<HandledMarks>;

  /**
   * Remembers that messages were handled, and stores the effects that this led to, in one commit.
   *
   * @param actorId The actor.
   * @param marks Up to where messages have been handled; which of them were refused, beside those
   *   that are remembered already; effects by the sequence number of their message.
   * @param journal The journal that it must be, as with {@linkcode ActorStore.append}.
   * @returns The effects, as they stand in the outbox, once all is durable. If the actor was deleted or
   *   erased since, its messages are gone: nothing is stored, and there are no effects.
   * @throws {PersistenceError} `STORAGE_FULL`, `STORAGE_FAILED`, `REOPEN_REQUIRED`, `READ_ONLY`,
   *   `CLOSED`.
   */
  writeMarks(
    actorId: string,
    marks: {
      readonly handled: number;
      readonly refused?: readonly number[];
      readonly effects?: ReadonlyMap<number, readonly PreparedEffect[]>;
    },
    journal?: JournalIdentity,
  ): Promise<readonly OpenEffect[]>;

  /** Waits for what was accepted, then refuses every call. Idempotent. */
  close(): Promise<void>;
}

/** A callback that a call belongs to, and by whom it was caused: the innermost first. */
export interface CallChain {
  /**
   * What the callback is: a handler, for which the messages after it wait; an answer, for which only
   * the asker waits; or what comes after a message is durable, for which a stop waits.
   */
  role: "handler" | "reply" | "afterPersist" | "deliver";
  /** The actor, as errors name it. */
  readonly name: string;
  /** The actor's kind. */
  readonly kind: string;
  /** The actor. */
  readonly actorId: string;
  /** The object that the actor belongs to: actors of other objects are other actors. */
  readonly owner: unknown;
  /** The callback that sent the message, if one did. */
  readonly caller: CallChain | undefined;
  /** Whether the caller waits for the answer: it asked. One that told may wait, or not. */
  readonly isAsked: boolean;
  /** Whether it has returned, and its promise has settled: nothing waits in it any more. */
  isOver: boolean;
}

/** The part of a provider that stateful actors need. */
export interface ActorStoreProvider {
  /** The clock of its runtime. */
  readonly clock: Clock;
  /** The context of calls of its runtime. Without one, actors that wait for themselves time out. */
  readonly callContext: CallContext<CallChain> | undefined;
  /** Where actors tell what happens; without one, nowhere. */
  readonly telemetry?: TelemetrySink;
  /**
   * Creates the stores of a kind of actors.
   *
   * @param options The kind, its schemas, and how many snapshots are kept.
   * @returns The stores.
   * @throws {ArgumentTypeError | ArgumentRangeError} `INVALID_ARGUMENT` if an option is bad.
   * @throws {PersistenceError} `CLOSED`.
   */
  createActorStore<Stored, State>(
    options: ActorStoreOptions<Stored, State>,
  ): ActorStore<Stored, State>;
}
