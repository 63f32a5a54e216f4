/**
 * Recovery: the state of an actor is its newest readable snapshot and a replay of the entries after
 * it. Nothing is skipped and nothing is made up: if the state cannot be computed from what is stored,
 * recovery fails and says what is missing.
 *
 * @module
 */

import { checkActorId, checkInteger, checkOptions, checkSignal } from "../errors/arguments.ts";
import { ArgumentTypeError, PersistenceError } from "../errors/persistence_error.ts";
import type { JournalIdentity } from "../ports/actor_store.ts";
import type { JournalEntry, JournalRange, MessageJournal } from "../ports/journal.ts";
import type { SnapshotEntry, SnapshotStore } from "../ports/snapshot_store.ts";
import type { OptionNames } from "../util/option_names.ts";
import { isPromise, isUnwantedPromise, type MaybePromise, sleep } from "../util/promises.ts";
import { messageOf } from "../util/text.ts";
import {
  aheadOfJournal,
  InitialStateError,
  missingAt,
  MissingEntries,
  refused,
  replaced,
  type ReplayStart,
  withoutInitialState,
} from "./recovery_errors.ts";

/** The number of entries between two reports of progress. */
const PROGRESS_ENTRIES = 1_000;
/** How long a replay may keep other tasks from having a turn, in milliseconds. */
const MAX_TURN_MS = 20;
/**
 * How often recovery starts again because the journal was truncated in the meantime, after a newer
 * snapshot was saved. That snapshot is there by then, so a second time is a rare race.
 */
const MAX_ATTEMPTS = 5;

/**
 * The state of an actor before its first message: a value, which `structuredClone` copies for each
 * recovery, or a function that creates it.
 *
 * @typeParam State The state.
 */
export type InitialState<State> = State | ((actorId: string) => State);

/** The progress of a recovery. */
export interface RecoveryProgress {
  /** The id of the actor. */
  readonly actorId: string;
  /** The number of entries that have been replayed. */
  readonly replayed: number;
  /** The number of entries that will have been replayed at the end. */
  readonly total: number;
  /** The sequence number up to which the state has been recovered, -1 before the first entry. */
  readonly sequenceNumber: number;
}

/** A snapshot that could not be read, so that an older one was used. */
export interface UnreadableSnapshot {
  /** The sequence number of the snapshot. */
  readonly sequenceNumber: number;
  /** Why it could not be read. */
  readonly error: PersistenceError;
}

/**
 * Options of {@linkcode recover}.
 *
 * @typeParam State The state.
 * @typeParam Message The messages in the journal.
 */
export interface RecoveryOptions<State, Message> {
  /**
   * The journal with the actor's messages. If it was made to begin at another number than 0, or the
   * actor was erased, what comes before its origin is not needed.
   */
  journal: Pick<MessageJournal<Message>, "replay" | "read">;
  /**
   * The store with its snapshots.
   *
   * @default {undefined} The whole journal is replayed.
   */
  snapshots?: Pick<SnapshotStore<State>, "getLatestSnapshot">;
  /** The id of the actor. */
  actorId: string;
  /** The state before the first message. */
  initialState: InitialState<State>;
  /**
   * Applies a message to the state. It may change the state that it gets and return it. If it throws,
   * recovery fails with `RECOVERY_FAILED`.
   *
   * @param state The state before the message.
   * @param message The message.
   * @param entry The entry that holds the message.
   * @returns The state after the message.
   */
  apply: (state: State, message: Message, entry: JournalEntry<Message>) => MaybePromise<State>;
  /**
   * The sequence number of the last message that the state includes: an integer of at least -1.
   *
   * @default {undefined} The end of the journal.
   */
  to?: number;
  /**
   * Ends the recovery: it rejects with the signal's reason.
   *
   * @default {undefined}
   */
  signal?: AbortSignal;
  /**
   * Called before the first entry, after every 1,000 entries, and after the last one. It must not
   * throw.
   *
   * @param progress How far the recovery has come.
   * @default {undefined}
   */
  onProgress?: (progress: RecoveryProgress) => void;
}

const RECOVERY_OPTION_NAMES: OptionNames<RecoveryOptions<unknown, unknown>> = {
  journal: true,
  snapshots: true,
  actorId: true,
  initialState: true,
  apply: true,
  to: true,
  signal: true,
  onProgress: true,
};

/**
 * A recovered state.
 *
 * @typeParam State The state.
 */
export interface Recovery<State> {
  /** The state. */
  readonly state: State;
  /** The sequence number of the last message that it includes, or -1 if it includes none. */
  readonly sequenceNumber: number;
  /** The number of entries that were replayed, with those that were erased. */
  readonly replayed: number;
  /** The number of entries that were erased, so that they were not applied. */
  readonly erased: number;
  /** The snapshot that the replay started from, or `undefined` if there was none. */
  readonly snapshot: { readonly sequenceNumber: number; readonly timestamp: Date } | undefined;
  /** Newer snapshots that could not be read, the newest first. */
  readonly unreadableSnapshots: readonly UnreadableSnapshot[];
}

/**
 * Recovers the state of an actor: the newest snapshot that can be read, and a replay of the entries
 * after it. If a snapshot cannot be read, the result reports it, and the next older one is used, with
 * a longer replay.
 *
 * What was erased, by dropping the key that it was encrypted with, is passed over: entries are not
 * applied, and of snapshots the next older one is used. If what came before an erased snapshot has
 * been truncated, the state begins anew there, as if there had been no message before.
 *
 * Other tasks get a turn at least every 20 milliseconds, however long the journal is.
 *
 * @typeParam State The state.
 * @typeParam Message The messages in the journal.
 * @param options The actor, its journal and snapshots, and how messages are applied.
 * @returns The state, and how it was recovered.
 * @throws {ArgumentTypeError | ArgumentRangeError} `INVALID_ARGUMENT` if an option is invalid or
 *   unknown.
 * @throws {PersistenceError} With `actorId` and `sequenceNumber`: `RECOVERY_FAILED` if entries that
 *   are needed are no longer in the journal, or `apply` throws (`cause` is its error), and `CORRUPT`
 *   at a gap, a duplicate or damage; `UNSUPPORTED_FORMAT`, `STORAGE_FAILED`, `CLOSED`.
 * @throws {unknown} The signal's reason after an abort.
 *
 * @example The balance of an account
 * ```ts
 * import { recover } from "@cajun/persistence";
 * import { MemoryPersistenceProvider } from "@cajun/persistence/memory";
 *
 * await using provider = await MemoryPersistenceProvider.open();
 * const journal = provider.createMessageJournal<number>();
 * const snapshots = provider.createSnapshotStore<number>();
 * await journal.appendBatch("account-1", [10, 5, -3]);
 * await snapshots.saveSnapshot("account-1", 15, 1);
 *
 * const { state, replayed } = await recover({
 *   journal,
 *   snapshots,
 *   actorId: "account-1",
 *   initialState: 0,
 *   apply: (balance, amount) => balance + amount,
 * });
 * console.log(state, replayed); // 12 1
 * ```
 */
export async function recover<State, Message>(
  options: RecoveryOptions<State, Message>,
): Promise<Recovery<State>> {
  return (await recoverJournal(options)).recovery;
}

/** A recovered state, and the journal that it belongs to. */
export interface JournalRecovery<State> {
  readonly recovery: Recovery<State>;
  /** Which journal that is. */
  readonly journal: JournalIdentity;
}

/**
 * Recovers the state of an actor, for a caller that goes on writing to its journal. See {@linkcode recover}.
 *
 * @param options The actor, its journal and snapshots, and how messages are applied.
 * @returns The state, and the journal that it belongs to.
 * @throws As {@linkcode recover}.
 */
export async function recoverJournal<State, Message>(
  options: RecoveryOptions<State, Message>,
): Promise<JournalRecovery<State>> {
  check(options);
  for (let attempt = 1;; attempt++) {
    try {
      return await recoverOnce(options);
    } catch (error) {
      if (attempt === MAX_ATTEMPTS || !(await mayBeTruncation(options, error))) throw error;
    }
  }
}

/**
 * Creates the state before the first message.
 *
 * @param initialState The value, or the function that creates it.
 * @param actorId The id of the actor.
 * @returns A state for this actor alone.
 * @throws {ArgumentTypeError} `INVALID_ARGUMENT` if it is a value that cannot be cloned.
 * @throws {PersistenceError} `RECOVERY_FAILED` if the function throws, or returns a promise.
 */
export function makeInitialState<State>(
  initialState: InitialState<State>,
  actorId: string,
): State {
  if (isFactory(initialState)) return callFactory(initialState, actorId);
  try {
    return structuredClone(initialState);
  } catch {
    throw new ArgumentTypeError(
      `Cannot recover actor "${actorId}": initialState cannot be cloned, pass a function that creates it`,
    );
  }
}

function callFactory<State>(factory: (actorId: string) => State, actorId: string): State {
  let state: State;
  try {
    state = factory(actorId);
  } catch (cause) {
    if (cause instanceof InitialStateError) throw cause;
    throw withoutInitialState(actorId, `has thrown: ${messageOf(cause)}`, cause);
  }
  if (!isUnwantedPromise(state)) return state;
  throw withoutInitialState(actorId, "must answer at once, not by a promise");
}

/** States are stored, and functions cannot be, so a function is always one that creates the state. */
function isFactory<State>(
  initialState: InitialState<State>,
): initialState is (actorId: string) => State {
  return typeof initialState === "function";
}

/** What a replay starts from. */
interface Base<State> extends ReplayStart {
  readonly snapshot: SnapshotEntry<State> | undefined;
  /** The sequence number of a newer snapshot that was erased, if there is one. */
  readonly erasedAt: number | undefined;
}

async function recoverOnce<State, Message>(
  options: RecoveryOptions<State, Message>,
): Promise<JournalRecovery<State>> {
  const { actorId, journal } = options;
  const before = await journal.read(actorId, { limit: 0 });
  try {
    const recovery = await recoverFrom(options, before);
    const { snapshot, replayed } = recovery;
    if ((snapshot || replayed > 0) && await isReplaced(options, before)) throw replaced(actorId);
    return { recovery, journal: identityOf(before) };
  } catch (error) {
    const isSuspect = error instanceof PersistenceError &&
      (error.code === "CORRUPT" || error.code === "RECOVERY_FAILED");
    if (isSuspect && await isReplaced(options, before)) throw replaced(actorId, error);
    throw error;
  }
}

async function recoverFrom<State, Message>(
  options: RecoveryOptions<State, Message>,
  before: JournalRange,
): Promise<Recovery<State>> {
  const { actorId, journal, signal } = options;
  const found = await loadSnapshot(options);
  signal?.throwIfAborted();
  // The snapshot may be newer than what was read before.
  const isNewer = Math.max(found.after, found.erasedAt ?? -1) > before.highest;
  const range = isNewer ? await journal.read(actorId, { limit: 0 }) : before;
  const base = startOf(found, range);
  const { after } = base;
  const { highest, origin } = range;
  const last = Math.min(highest, options.to ?? highest);
  if (after > highest) throw aheadOfJournal(actorId, after, highest);
  // What came before the origin is not known, so neither is a state of that time.
  if (after < last && last < origin - 1) throw missingAt(actorId, after + 1, last + 1, base);
  const initial = base.snapshot
    ? base.snapshot.state
    : makeInitialState(options.initialState, actorId);
  const needed = { first: Math.max(after + 1, origin), last };
  const total = Math.max(0, last - needed.first + 1);
  const sequenceNumber = Math.max(after, last);
  if (total === 0) report(options, { replayed: 0, total, sequenceNumber });
  const { state, erased } = total > 0
    ? await replay(options, initial, base, needed)
    : { state: initial, erased: 0 };
  return {
    state,
    sequenceNumber,
    replayed: total,
    erased,
    snapshot: base.snapshot &&
      { sequenceNumber: after, timestamp: base.snapshot.timestamp },
    unreadableSnapshots: base.unreadableSnapshots,
  };
}

/**
 * Where a replay starts. An erased snapshot is passed over, like one that cannot be read. Only if what
 * comes before it is no longer in the journal, everything up to it counts as erased.
 */
function startOf<State>(found: Base<State>, { lowest, origin }: JournalRange): Base<State> {
  const { after, erasedAt } = found;
  const isComplete = lowest <= Math.max(after + 1, origin);
  if (erasedAt === undefined || isComplete) return found;
  return { ...found, snapshot: undefined, after: erasedAt };
}

function identityOf({ incarnation, origin }: JournalRange): JournalIdentity {
  return { incarnation, origin };
}

/** Whether the actor was deleted or erased since: what belongs to two journals must not be mixed. */
async function isReplaced<State, Message>(
  { actorId, journal }: RecoveryOptions<State, Message>,
  before: JournalRange,
): Promise<boolean> {
  const { incarnation, origin } = await journal.read(actorId, { limit: 0 });
  return incarnation !== before.incarnation || origin !== before.origin;
}

/** The newest snapshot that can be read. */
async function loadSnapshot<State, Message>(
  { actorId, snapshots, to, signal }: RecoveryOptions<State, Message>,
): Promise<Base<State>> {
  const unreadableSnapshots: UnreadableSnapshot[] = [];
  let erasedAt: number | undefined;
  let maxSequenceNumber = to ?? Number.MAX_SAFE_INTEGER;
  while (snapshots && maxSequenceNumber >= 0) {
    signal?.throwIfAborted();
    try {
      const snapshot = await snapshots.getLatestSnapshot(actorId, { maxSequenceNumber });
      if (!snapshot?.isErased) {
        const after = snapshot?.sequenceNumber ?? -1;
        return { snapshot, after, unreadableSnapshots, erasedAt };
      }
      erasedAt ??= snapshot.sequenceNumber;
      maxSequenceNumber = snapshot.sequenceNumber - 1;
    } catch (error) {
      const sequenceNumber = unreadableAt(error, maxSequenceNumber);
      if (!(error instanceof PersistenceError) || sequenceNumber === undefined) throw error;
      unreadableSnapshots.push({ sequenceNumber, error });
      maxSequenceNumber = sequenceNumber - 1;
    }
  }
  return { snapshot: undefined, after: -1, unreadableSnapshots, erasedAt };
}

/**
 * Which snapshot an error is about. One that names none, such as that of a storage that cannot be
 * read at all, says nothing about older ones.
 */
function unreadableAt(error: unknown, maxSequenceNumber: number): number | undefined {
  if (!(error instanceof PersistenceError) || error.sequenceNumber === undefined) return undefined;
  return error.sequenceNumber <= maxSequenceNumber ? error.sequenceNumber : undefined;
}

async function replay<State, Message>(
  options: RecoveryOptions<State, Message>,
  initial: State,
  base: Base<State>,
  { first, last }: { readonly first: number; readonly last: number },
): Promise<{ readonly state: State; readonly erased: number }> {
  const { actorId, journal, apply, signal } = options;
  const start = { ...base, after: first - 1 };
  const total = last - first + 1;
  report(options, { replayed: 0, total, sequenceNumber: first - 1 });
  let state = initial;
  let erased = 0;
  let next = first;
  let turnEndsAtMs = performance.now() + MAX_TURN_MS;
  const entries = journal.replay(actorId, next, { to: last, ...(signal && { signal }) });
  for await (const entry of entries) {
    if (entry.sequenceNumber !== next) throw missingAt(actorId, next, entry.sequenceNumber, start);
    if (entry.isErased) erased++;
    else {
      try {
        const applied = apply(state, entry.message, entry);
        state = isPromise(applied) ? await applied : applied;
      } catch (cause) {
        throw refused(actorId, next, cause);
      }
    }
    next++;
    const replayed = next - first;
    if (replayed % PROGRESS_ENTRIES > 0) continue;
    if (next <= last) report(options, { replayed, total, sequenceNumber: next - 1 });
    if (performance.now() < turnEndsAtMs) continue;
    // Without it a replay of what is in memory would never let timers and signals have a turn.
    await sleep(0);
    turnEndsAtMs = performance.now() + MAX_TURN_MS;
  }
  if (next <= last) throw missingAt(actorId, next, last + 1, start);
  report(options, { replayed: total, total, sequenceNumber: last });
  return { state, erased };
}

function report(
  { actorId, onProgress }: Pick<RecoveryOptions<never, never>, "actorId" | "onProgress">,
  progress: Omit<RecoveryProgress, "actorId">,
): void {
  onProgress?.({ actorId, ...progress });
}

/**
 * Whether an attempt failed because another process, or a retention sweep, saved a snapshot and
 * truncated the journal after this attempt had looked for one, or deleted the actor.
 */
async function mayBeTruncation<State, Message>(
  options: RecoveryOptions<State, Message>,
  error: unknown,
): Promise<boolean> {
  if (error instanceof MissingEntries) {
    return (await loadSnapshot(options)).after > error.after;
  }
  return error instanceof PersistenceError && error.code === "TRUNCATED";
}

function check<State, Message>(options: RecoveryOptions<State, Message>): void {
  checkOptions(options, "recover", RECOVERY_OPTION_NAMES);
  checkActorId(options.actorId, "recover");
  const operation = `recover actor "${options.actorId}"`;
  for (const name of ["replay", "read"] as const) {
    if (typeof options.journal?.[name] === "function") continue;
    throw new ArgumentTypeError(`Cannot ${operation}: journal must be a MessageJournal`);
  }
  if (options.snapshots && typeof options.snapshots.getLatestSnapshot !== "function") {
    throw new ArgumentTypeError(`Cannot ${operation}: snapshots must be a SnapshotStore`);
  }
  if (typeof options.apply !== "function") {
    throw new ArgumentTypeError(
      `Cannot ${operation}: apply must be a function, not ${typeof options.apply}`,
    );
  }
  if (options.to !== undefined) {
    checkInteger(options.to, "to", -1, Number.MAX_SAFE_INTEGER, operation);
  }
  checkSignal(options.signal, operation);
}
