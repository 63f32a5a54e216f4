/**
 * Recovery: the state of an actor is its newest good snapshot and a replay of the journal behind it.
 * Nothing is skipped, and nothing is made up: where what is stored does not give the state, recovery
 * fails and says what is missing.
 *
 * @module
 */

import { checkInteger, checkOptions, checkSignal } from "./arguments.ts";
import { ArgumentTypeError, PersistenceError } from "./errors.ts";
import type { JournalEntry, MessageJournal } from "./journal.ts";
import { actorKey } from "./keys.ts";
import type { SnapshotEntry, SnapshotStore } from "./snapshots.ts";
import type { MaybePromise } from "./storage.ts";

/** How many entries lie between two reports of progress. */
const PROGRESS_ENTRIES = 1_000;
/** For so long, in milliseconds, a replay may keep others from having their turn. */
const MAX_TURN_MS = 20;
/**
 * How often recovery begins anew because the journal was truncated behind a newer snapshot
 * meanwhile. Each time that snapshot is there already, so more than one is a rare race.
 */
const MAX_ATTEMPTS = 5;

/**
 * The state of an actor before its first message: a value, which is cloned by `structuredClone` for
 * each recovery, or a function that makes it.
 */
export type InitialState<State> = State | ((actorId: string) => State);

/** How far a recovery has come. */
export interface RecoveryProgress {
  /** The actor. */
  readonly actorId: string;
  /** How many entries have been replayed. */
  readonly replayed: number;
  /** How many are to be replayed. */
  readonly total: number;
  /** The sequence number up to which the state has been recovered, -1 before the first entry. */
  readonly sequenceNumber: number;
}

/** A snapshot that could not be read, so that an older one was used. */
export interface UnreadableSnapshot {
  /** Its sequence number. */
  readonly sequenceNumber: number;
  /** Why it could not be read. */
  readonly error: PersistenceError;
}

/** What is recovered, and from where. */
export interface RecoveryOptions<State, Message> {
  /** The journal that holds the actor's messages. */
  journal: Pick<MessageJournal<Message>, "replay" | "getHighestSequenceNumber">;
  /** The store that holds its snapshots. Default: none, everything is replayed. */
  snapshots?: Pick<SnapshotStore<State>, "getLatestSnapshot">;
  /** The actor. */
  actorId: string;
  /** The state before the first message. */
  initialState: InitialState<State>;
  /**
   * Gives the state behind a message. It may change the state that it is given and return it. Where
   * it throws, recovery stops with `RECOVERY_FAILED`.
   */
  apply: (state: State, message: Message, entry: JournalEntry<Message>) => MaybePromise<State>;
  /** The last sequence number that the state shall include. Default: the end of the journal. */
  to?: number;
  /** Ends the recovery: it rejects with the signal's reason. */
  signal?: AbortSignal;
  /** Called before the first entry, behind every 1,000, and behind the last. It must not throw. */
  onProgress?: (progress: RecoveryProgress) => void;
}

/** A recovered state. */
export interface Recovery<State> {
  /** The state. */
  readonly state: State;
  /** The sequence number of the last message that it includes, -1 where there is none. */
  readonly sequenceNumber: number;
  /** How many entries were replayed. */
  readonly replayed: number;
  /** The snapshot that the replay began with, or `undefined` where it began at the beginning. */
  readonly snapshot: { readonly sequenceNumber: number; readonly timestamp: Date } | undefined;
  /** Newer snapshots that could not be read, the newest first. */
  readonly unreadableSnapshots: readonly UnreadableSnapshot[];
}

/**
 * Recovers the state of an actor: the newest snapshot that can be read, and a replay of what the
 * journal holds behind it. A snapshot that cannot be read is reported in the result, and the next
 * older one is used, with the longer replay.
 *
 * Other work has its turn at least every 20 milliseconds, however long the journal is.
 *
 * @typeParam State The state.
 * @typeParam Message What the journal holds.
 * @param options What is recovered, and from where.
 * @returns The state, and how it was recovered.
 * @throws {ArgumentTypeError | ArgumentRangeError} `INVALID_ARGUMENT` where an option is bad.
 * @throws {PersistenceError} `RECOVERY_FAILED` where entries that are needed are no longer in the
 *   journal, or `apply` refuses one (`cause` is what it threw); `CORRUPT` at a hole, a duplicate or
 *   damage, each with `actorId` and `sequenceNumber`; `UNSUPPORTED_FORMAT`, `STORAGE_FAILED`,
 *   `CLOSED`. The signal's reason after an abort.
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
 * Makes the state before the first message.
 *
 * @param initialState The value, or the function that makes it.
 * @param actorId The actor.
 * @returns A state of its own for this actor.
 * @throws {ArgumentTypeError} `INVALID_ARGUMENT` where it is a value that cannot be cloned.
 */
export function makeInitialState<State>(
  initialState: InitialState<State>,
  actorId: string,
): State {
  if (isFactory(initialState)) return initialState(actorId);
  try {
    return structuredClone(initialState);
  } catch {
    throw new ArgumentTypeError(
      `Cannot recover actor "${actorId}": initialState cannot be cloned, give a function that makes it`,
    );
  }
}

/** States are stored, and functions cannot be, so a function is always one that makes the state. */
function isFactory<State>(
  initialState: InitialState<State>,
): initialState is (actorId: string) => State {
  return typeof initialState === "function";
}

/** What was missing in the journal, so that the caller can look for a newer snapshot. */
class MissingEntries extends PersistenceError {
  /** The snapshot that the replay began with, -1 where there was none. */
  readonly behind: number;

  constructor(actorId: string, behind: number, upTo: number, base: Base<unknown>) {
    const from = behind + 1;
    const entries = from === upTo
      ? `the entry at ${from} is`
      : `the entries ${from} to ${upTo} are`;
    const unreadable = base.unreadableSnapshots.map(({ sequenceNumber }) => sequenceNumber);
    const snapshots = unreadable.length > 0
      ? `the snapshots that include them cannot be read (${unreadable.join(", ")})`
      : "there is no snapshot that includes them";
    super(
      "RECOVERY_FAILED",
      `Cannot recover actor "${actorId}": ${entries} no longer in the journal, and ${snapshots}`,
      { actorId, sequenceNumber: from, cause: base.unreadableSnapshots[0]?.error },
    );
    this.behind = behind;
  }
}

/** What a replay begins with. */
interface Base<State> {
  readonly snapshot: SnapshotEntry<State> | undefined;
  readonly unreadableSnapshots: readonly UnreadableSnapshot[];
}

async function recoverOnce<State, Message>(
  options: RecoveryOptions<State, Message>,
): Promise<Recovery<State>> {
  const { actorId, journal, signal } = options;
  const base = await loadSnapshot(options);
  signal?.throwIfAborted();
  const highest = await journal.getHighestSequenceNumber(actorId);
  const behind = base.snapshot?.sequenceNumber ?? -1;
  const last = Math.min(highest, options.to ?? highest);
  if (behind > highest) throw aheadOfJournal(actorId, behind, highest);
  const state = base.snapshot
    ? base.snapshot.state
    : makeInitialState(options.initialState, actorId);
  const recovered = behind < last ? await replay(options, state, base, last) : state;
  if (behind >= last) report(options, { replayed: 0, total: 0, sequenceNumber: behind });
  return {
    state: recovered,
    sequenceNumber: Math.max(behind, last),
    replayed: Math.max(0, last - behind),
    snapshot: base.snapshot &&
      { sequenceNumber: behind, timestamp: base.snapshot.timestamp },
    unreadableSnapshots: base.unreadableSnapshots,
  };
}

/** The newest snapshot that can be read. */
async function loadSnapshot<State, Message>(
  { actorId, snapshots, to, signal }: RecoveryOptions<State, Message>,
): Promise<Base<State>> {
  const unreadableSnapshots: UnreadableSnapshot[] = [];
  let maxSequenceNumber = to ?? Number.MAX_SAFE_INTEGER;
  while (snapshots && maxSequenceNumber >= 0) {
    signal?.throwIfAborted();
    try {
      const snapshot = await snapshots.getLatestSnapshot(actorId, { maxSequenceNumber });
      return { snapshot, unreadableSnapshots };
    } catch (error) {
      const sequenceNumber = unreadableAt(error, maxSequenceNumber);
      if (!(error instanceof PersistenceError) || sequenceNumber === undefined) throw error;
      unreadableSnapshots.push({ sequenceNumber, error });
      maxSequenceNumber = sequenceNumber - 1;
    }
  }
  return { snapshot: undefined, unreadableSnapshots };
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
  last: number,
): Promise<State> {
  const { actorId, journal, apply, signal } = options;
  const behind = base.snapshot?.sequenceNumber ?? -1;
  const total = last - behind;
  report(options, { replayed: 0, total, sequenceNumber: behind });
  let state = initial;
  let next = behind + 1;
  let turnEndsAtMs = performance.now() + MAX_TURN_MS;
  const entries = journal.replay(actorId, next, { to: last, ...(signal && { signal }) });
  for await (const entry of entries) {
    if (entry.sequenceNumber !== next) throw missingAt(actorId, next, entry.sequenceNumber, base);
    try {
      const applied = apply(state, entry.message, entry);
      state = isPromise(applied) ? await applied : applied;
    } catch (cause) {
      throw refused(actorId, next, cause);
    }
    next++;
    if ((next - behind - 1) % PROGRESS_ENTRIES > 0) continue;
    if (next <= last) {
      report(options, { replayed: next - behind - 1, total, sequenceNumber: next - 1 });
    }
    if (performance.now() < turnEndsAtMs) continue;
    await nextTurn();
    turnEndsAtMs = performance.now() + MAX_TURN_MS;
  }
  if (next <= last) throw missingAt(actorId, next, last + 1, base);
  report(options, { replayed: total, total, sequenceNumber: last });
  return state;
}

/**
 * Whether a value is a promise.
 *
 * @param value What a function returned that may be asynchronous.
 */
export function isPromise<Value>(value: MaybePromise<Value>): value is Promise<Value> {
  return typeof value === "object" && value !== null && "then" in value &&
    typeof value.then === "function";
}

function report(
  { actorId, onProgress }: Pick<RecoveryOptions<never, never>, "actorId" | "onProgress">,
  progress: Omit<RecoveryProgress, "actorId">,
): void {
  onProgress?.({ actorId, ...progress });
}

/** Without it a long replay of what is in memory would never let timers and signals have a turn. */
function nextTurn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}

/** At the beginning it is what was truncated, in the middle a hole. */
function missingAt(
  actorId: string,
  missing: number,
  next: number,
  base: Base<unknown>,
): PersistenceError {
  const behind = base.snapshot?.sequenceNumber ?? -1;
  if (missing === behind + 1) return new MissingEntries(actorId, behind, next - 1, base);
  return new PersistenceError(
    "CORRUPT",
    `Cannot recover actor "${actorId}": behind the entry at ${missing - 1} comes that at ${next}`,
    { actorId, sequenceNumber: missing },
  );
}

function aheadOfJournal(actorId: string, snapshot: number, highest: number): PersistenceError {
  return new PersistenceError(
    "RECOVERY_FAILED",
    `Cannot recover actor "${actorId}": its snapshot at ${snapshot} is ahead of the journal, which ends at ${highest}`,
    { actorId, sequenceNumber: highest + 1 },
  );
}

function refused(actorId: string, sequenceNumber: number, cause: unknown): PersistenceError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new PersistenceError(
    "RECOVERY_FAILED",
    `Cannot recover actor "${actorId}": the entry at ${sequenceNumber} cannot be applied: ${reason}`,
    { actorId, sequenceNumber, cause },
  );
}

/**
 * Whether an attempt failed because another process, or a retention beside us, saved a snapshot and
 * truncated behind it after we had looked for one.
 */
async function mayBeTruncation<State, Message>(
  options: RecoveryOptions<State, Message>,
  error: unknown,
): Promise<boolean> {
  if (error instanceof MissingEntries) {
    const { snapshot } = await loadSnapshot(options);
    return (snapshot?.sequenceNumber ?? -1) > error.behind;
  }
  return error instanceof PersistenceError && error.code === "TRUNCATED";
}

function check<State, Message>(options: RecoveryOptions<State, Message>): void {
  checkOptions(options, "recover");
  actorKey(options.actorId, "recover");
  const operation = `recover actor "${options.actorId}"`;
  for (const name of ["replay", "getHighestSequenceNumber"] as const) {
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
