/**
 * The state of an actor, as it follows from what is stored: the user's state, the effects that are
 * not confirmed, and which messages were refused.
 *
 * @module
 */

import {
  type ActorEntry,
  type EffectPlace,
  isActorEntry,
  type PendingEffect,
  unwrapActorEntry,
  wrapActorEntry,
} from "./actor_entry.ts";
import type { Behavior, Outcome } from "./behavior.ts";
import { PersistenceError } from "./errors.ts";
import type { JournalEntry, MessageJournal } from "./journal.ts";
import {
  isPromise,
  makeInitialState,
  recover,
  type Recovery,
  type RecoveryProgress,
} from "./recovery.ts";
import { estimateBytes } from "./size_estimate.ts";
import type { SnapshotCriteria, SnapshotEntry, SnapshotStore } from "./snapshots.ts";
import type { MaybePromise } from "./storage.ts";

/** Where an actor is recovered from, and how. */
export interface ActorSource<State, Message, Stored, Reply, Effect> {
  readonly actorId: string;
  readonly journal: MessageJournal<Stored>;
  readonly snapshots: SnapshotStore<State> | undefined;
  readonly behavior: Behavior<State, Message, Stored, Reply, Effect>;
  /** Whether the sizes of replayed entries matter. */
  readonly countsBytes: boolean;
}

/** Who watches a recovery. */
export interface RecoveryWatch {
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: RecoveryProgress) => void;
}

/** What follows from what is stored up to some sequence number. */
interface Fold<State> {
  state: State;
  /** Effects that are not confirmed, by `sequenceNumber/index`. */
  readonly pending: Map<string, PendingEffect>;
}

/** A message that its handler has refused by an exception. */
export interface RefusedMessage {
  readonly sequenceNumber: number;
  /** What the handler threw. */
  readonly error: unknown;
}

/** How the state was recovered. */
export interface ActorRecovery extends Omit<Recovery<unknown>, "state"> {
  /** Messages that were handled for the first time, and were refused. */
  readonly refused: readonly RefusedMessage[];
  /** The bytes of what was replayed, about. */
  readonly replayedBytes: number;
}

/** The state of an actor. */
export class ActorState<State, Message, Stored, Reply, Effect> {
  /** The user's state. */
  state!: State;

  readonly #source: ActorSource<State, Message, Stored, Reply, Effect>;
  /** Effects that are not confirmed, by `sequenceNumber/index`, in the order of decisions. */
  #pending = new Map<string, PendingEffect>();
  /** Messages that their handler refused by an exception. */
  readonly #refused = new Set<number>();
  /** Up to here all messages are known to have been handled. */
  #handled = -1;
  /** Up to here that can be told from what is stored. */
  #noted = -1;

  /** @param source Where it is recovered from, and how. */
  constructor(source: ActorSource<State, Message, Stored, Reply, Effect>) {
    this.#source = source;
  }

  /** Effects that are not confirmed, in the order of decisions. */
  get pending(): PendingEffect[] {
    return [...this.#pending.values()];
  }

  /**
   * Takes the state from what is stored.
   *
   * @param to The last sequence number that it shall include. Default: the end of the journal.
   * @param watch Who watches it.
   * @returns How it was recovered.
   * @throws {PersistenceError} As {@linkcode recover}.
   */
  async recover(to?: number, watch: RecoveryWatch = {}): Promise<ActorRecovery> {
    const refused: RefusedMessage[] = [];
    for (let isLearned = false;; isLearned = true) {
      try {
        return { ...await this.#recover(to, watch), refused };
      } catch (error) {
        const refusal = this.#source.behavior.type === "commands" && refusalOf(error);
        if (!refusal) throw error;
        // What is known of a message may stand far behind it.
        if (!isLearned) await this.#learn();
        else if (refusal.sequenceNumber <= this.#handled) throw error;
        else {
          // It was journaled and never handled: the process ended before. So that happens now. The
          // handler may have spoilt the state, so it is recovered once more.
          this.#refused.add(refusal.sequenceNumber);
          refused.push(refusal);
        }
      }
    }
  }

  /**
   * Folds an event.
   *
   * @param event The event.
   */
  apply(event: Stored): void {
    const { behavior } = this.#source;
    if (behavior.type === "events") this.state = behavior.events.apply(this.state, event);
  }

  /** Effects have been decided, with the entry at this sequence number. */
  addEffects(sequenceNumber: number, effects: readonly unknown[]): PendingEffect[] {
    return addEffects(this.#pending, sequenceNumber, effects);
  }

  /** Effects have been confirmed. */
  confirm(places: readonly EffectPlace[]): void {
    confirm(this.#pending, places);
  }

  /** Whether something has been handled of which that cannot be told from what is stored. */
  get isUnnoted(): boolean {
    return this.#handled > this.#noted;
  }

  /** It can be told from what is stored that all up to here has been handled. */
  noted(sequenceNumber: number): void {
    this.#handled = Math.max(this.#handled, sequenceNumber);
    this.#noted = Math.max(this.#noted, sequenceNumber);
  }

  /** A message has been handled, and so have all before. */
  handled(sequenceNumber: number): void {
    this.#handled = sequenceNumber;
  }

  /** The handler of a message has thrown, and that has been stored. */
  refuse(sequenceNumber: number): void {
    this.#refused.add(sequenceNumber);
    this.noted(sequenceNumber);
  }

  /** A snapshot includes everything up to here: what was refused before need not be known. */
  saved(sequenceNumber: number): void {
    this.noted(sequenceNumber);
    for (const refused of this.#refused) {
      if (refused <= sequenceNumber) this.#refused.delete(refused);
    }
  }

  /** What a snapshot of it holds. It shares memory with the state. */
  toStore(): unknown {
    const { pending } = this;
    return wrapActorEntry({ content: this.state, ...(pending.length > 0 && { pending }) });
  }

  async #recover(
    to: number | undefined,
    watch: RecoveryWatch,
  ): Promise<Omit<ActorRecovery, "refused">> {
    const { actorId, journal, snapshots, behavior } = this.#source;
    const { initialState } = behavior.type === "events" ? behavior.events : behavior.commands;
    let replayedBytes = 0;
    let first: number | undefined;
    const { state: fold, ...recovery } = await recover<Fold<State>, unknown>({
      actorId,
      journal,
      initialState: () => ({ state: makeInitialState(initialState, actorId), pending: new Map() }),
      apply: (fold, stored, entry) => {
        first ??= entry.sequenceNumber;
        if (this.#source.countsBytes) replayedBytes += estimateBytes(stored);
        return this.#replay(fold, entry, first);
      },
      ...(snapshots && { snapshots: { getLatestSnapshot: (id, c) => loadFold(snapshots, id, c) } }),
      ...(to !== undefined && { to }),
      ...watch,
    });
    this.state = fold.state;
    this.#pending = fold.pending;
    this.#handled = recovery.sequenceNumber;
    this.#noted = Math.max(this.#noted, recovery.snapshot?.sequenceNumber ?? -1);
    return { ...recovery, replayedBytes };
  }

  #replay(
    fold: Fold<State>,
    { message: stored, sequenceNumber }: JournalEntry<unknown>,
    first: number,
  ): MaybePromise<Fold<State>> {
    if (!isActorEntry(stored)) return this.#replayContent(fold, stored, sequenceNumber);
    const entry = unwrapActorEntry(stored);
    this.#note(entry, sequenceNumber);
    if (entry.confirmed) confirm(fold.pending, entry.confirmed);
    if (entry.refused) this.#assertNotApplied(entry.refused, first);
    if (entry.effects) addEffects(fold.pending, sequenceNumber, entry.effects);
    return "content" in entry ? this.#replayContent(fold, entry.content, sequenceNumber) : fold;
  }

  #replayContent(
    fold: Fold<State>,
    content: unknown,
    sequenceNumber: number,
  ): MaybePromise<Fold<State>> {
    const { behavior } = this.#source;
    if (behavior.type === "events") {
      // What was stored is what the user declared it to be.
      fold.state = behavior.events.apply(fold.state, content as Stored);
      return fold;
    }
    if (this.#refused.has(sequenceNumber)) return fold;
    const outcome = behavior.commands.handle(fold.state, content as Message);
    const take = (outcome: Outcome<State, Reply, Effect> | undefined | void) => {
      if (outcome?.effects) addEffects(fold.pending, sequenceNumber, outcome.effects);
      fold.state = stateBehind(outcome, fold.state);
      return fold;
    };
    return isPromise(outcome) ? outcome.then(take) : take(outcome);
  }

  /** Messages that were refused must not be applied; that they were is only known now. */
  #assertNotApplied(refused: readonly number[], first: number): void {
    for (const sequenceNumber of refused) {
      if (sequenceNumber < first || this.#refused.has(sequenceNumber)) continue;
      throw new PersistenceError(
        "RECOVERY_FAILED",
        `its handler accepts the message at ${sequenceNumber}, which it refused before`,
        { actorId: this.#source.actorId, sequenceNumber },
      );
    }
  }

  /** Takes from an entry of the actor's own up to where messages have been handled. */
  #note(entry: ActorEntry, sequenceNumber: number): void {
    const { refused, handled = -1, confirmed } = entry;
    const places = confirmed?.map(([sequenceNumber]) => sequenceNumber) ?? [];
    this.#noted = Math.max(this.#noted, handled, ...refused ?? [], ...places);
    // It needs no handling itself.
    const isOwn = !("content" in entry);
    if (isOwn && this.#noted === sequenceNumber - 1) this.#noted = sequenceNumber;
  }

  /** Reads from the whole journal which messages were handled, and which of them were refused. */
  async #learn(): Promise<void> {
    const { actorId, journal } = this.#source;
    const entries: AsyncIterable<JournalEntry<unknown>> = journal.replay(actorId, 0);
    for await (const { message: stored, sequenceNumber } of entries) {
      if (!isActorEntry(stored)) continue;
      const entry = unwrapActorEntry(stored);
      this.#note(entry, sequenceNumber);
      for (const refused of entry.refused ?? []) this.#refused.add(refused);
    }
    this.#handled = Math.max(this.#handled, this.#noted);
  }
}

/**
 * The state behind a message.
 *
 * @param outcome What the handler gave.
 * @param state The state before.
 * @returns The state that it gave, if it gave one.
 */
export function stateBehind<State>(
  outcome: Outcome<State, unknown, unknown> | undefined | void,
  state: State,
): State {
  return outcome && "state" in outcome ? outcome.state : state;
}

/** The message that could not be applied, if that is why a recovery has failed. */
function refusalOf(error: unknown): RefusedMessage | undefined {
  if (!(error instanceof PersistenceError) || error.code !== "RECOVERY_FAILED") return undefined;
  const { sequenceNumber, cause } = error;
  if (sequenceNumber === undefined || cause === undefined) return undefined;
  return { sequenceNumber, error: cause };
}

async function loadFold<State>(
  snapshots: SnapshotStore<State>,
  actorId: string,
  criteria: SnapshotCriteria | undefined,
): Promise<SnapshotEntry<Fold<State>> | undefined> {
  const snapshot = await snapshots.getLatestSnapshot(actorId, criteria);
  if (!snapshot) return undefined;
  const { content, pending = [] } = unwrapActorEntry(snapshot.state);
  const fold = {
    // What was stored is what the user declared it to be.
    state: content as State,
    pending: new Map(pending.map((effect) => [`${effect[0]}/${effect[1]}`, effect])),
  };
  return { ...snapshot, state: fold };
}

function addEffects(
  pending: Map<string, PendingEffect>,
  sequenceNumber: number,
  effects: readonly unknown[],
): PendingEffect[] {
  const added = effects.map((effect, index): PendingEffect => [sequenceNumber, index, effect]);
  for (const effect of added) pending.set(`${effect[0]}/${effect[1]}`, effect);
  return added;
}

function confirm(pending: Map<string, PendingEffect>, places: readonly EffectPlace[]): void {
  for (const [sequenceNumber, index] of places) pending.delete(`${sequenceNumber}/${index}`);
}
