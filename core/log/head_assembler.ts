/**
 * Puts the state of a journal and the places of its entries together, from its stored head and its
 * hot items.
 *
 * Each read of a journal needs that. What was made of many hot items is kept for a while, so that the
 * next read only adds what has come since.
 *
 * @module
 */

import type { ActorAddress } from "../format/actor_address.ts";
import { readFrame, type StoredFrame } from "../format/frame.ts";
import { type JournalState, NO_JOURNAL, type StoredHead } from "../format/head.ts";
import { entryKey } from "../format/keys.ts";
import { LOG_ITEM, type LogItem, type LogRecord } from "../format/log_record.ts";
import type { EntryRun } from "../read/journal_head.ts";
import type { HotIndex, HotItem } from "./hot_index.ts";
import { addsEntries, type LogActor, missingEntryError, stateAfter } from "./log_actor.ts";

/** With fewer hot items it is made anew each time. */
const MIN_KEPT_RUNS = 16;
/** So many runs are kept, of all journals together: some 10 MB. */
const MAX_KEPT_RUNS = 65_536;

/** What head and hot items of a journal make together. */
export interface Assembled {
  /** The state of the journal. */
  readonly state: JournalState;
  /** Where its entries stand, in ascending order. Those that have been truncated may be among them. */
  readonly runs: readonly EntryRun[];
}

/** What is kept of a journal. */
interface Kept {
  readonly head: StoredHead | undefined;
  /** Which items it was made of: none has been dropped since, or it is another list. */
  readonly hot: readonly number[];
  /** How much of that list it was made of. */
  readonly end: number;
  readonly state: JournalState;
  /** Further ones are added to it. */
  readonly runs: EntryRun[];
}

/** Assembles the heads of journals. */
export class HeadAssembler {
  readonly #hot: HotIndex;
  readonly #kept = new Map<LogActor, Kept>();
  #keptRuns = 0;

  /**
   * @param hot The hot part of the log.
   */
  constructor(hot: HotIndex) {
    this.#hot = hot;
  }

  /**
   * Puts a journal together.
   *
   * @param address The actor.
   * @param actor What the log knows of it, if anything.
   * @param head Its stored head. It does not count if the journal has been deleted since.
   * @returns The state, and the runs until something is assembled again.
   * @throws {PersistenceError} `CORRUPT` if they do not fit.
   */
  assemble(
    address: ActorAddress,
    actor: LogActor | undefined,
    head: StoredHead | undefined,
  ): Assembled {
    const kept = actor && this.#keptOf(actor, head);
    const runs = kept?.runs ?? (head ? runsIn(address, head) : []);
    const before = kept?.state ?? (head ? stateIn(head) : NO_JOURNAL);
    if (!actor) return { state: before, runs };
    const items = this.#hot.newestItemsOf(actor, { from: kept?.end ?? 0 });
    const state = addItems(address, before, runs, head, items);
    this.#keep(actor, { head, hot: actor.hot, end: actor.hot.length, state, runs });
    return { state, runs };
  }

  /**
   * Forgets what was made of the items of an actor, some of which have been dropped.
   *
   * @param actor The actor.
   */
  forget(actor: LogActor): void {
    const kept = this.#kept.get(actor);
    if (!kept) return;
    this.#kept.delete(actor);
    this.#keptRuns -= kept.runs.length;
  }

  /** Forgets everything: what is kept holds on to records. */
  clear(): void {
    this.#kept.clear();
    this.#keptRuns = 0;
  }

  #keptOf(actor: LogActor, head: StoredHead | undefined): Kept | undefined {
    const kept = this.#kept.get(actor);
    // Whatever comes of it, it is not kept as it is.
    this.forget(actor);
    return kept?.hot === actor.hot && isSameHead(kept.head, head) ? kept : undefined;
  }

  #keep(actor: LogActor, kept: Kept): void {
    const { length } = kept.runs;
    if (length < MIN_KEPT_RUNS || length > MAX_KEPT_RUNS) return;
    this.#kept.set(actor, kept);
    this.#keptRuns += length;
    for (const [oldest, { runs }] of this.#kept) {
      if (this.#keptRuns <= MAX_KEPT_RUNS) return;
      this.#kept.delete(oldest);
      this.#keptRuns -= runs.length;
    }
  }
}

/** Adds what hot items have done. Returns the state after them. */
function addItems(
  address: ActorAddress,
  before: JournalState,
  runs: EntryRun[],
  head: StoredHead | undefined,
  items: readonly HotItem[],
): JournalState {
  let state = before;
  for (const { position, record, item } of items) {
    if (head && position < head.position) continue;
    const after = stateAfter(state, item, position);
    if (!after) throw missingEntryError(address, state.nextSequenceNumber);
    if (item.type === LOG_ITEM.reset) runs.length = 0;
    else if (addsEntries(item.type)) runs.push(runIn(address, record, item));
    state = after;
  }
  return state;
}

/** A head is written anew for every change, and never twice at a position. */
function isSameHead(one: StoredHead | undefined, other: StoredHead | undefined): boolean {
  if (!one || !other) return one === other;
  return one.position === other.position && one.incarnation === other.incarnation &&
    one.nextSequenceNumber === other.nextSequenceNumber &&
    one.firstSequenceNumber === other.firstSequenceNumber &&
    one.tailSequenceNumber === other.tailSequenceNumber;
}

/** The state of a journal in its head. */
function stateIn(head: StoredHead): JournalState {
  const { nextSequenceNumber, firstSequenceNumber, originSequenceNumber } = head;
  const { incarnation, resetPosition } = head;
  return {
    nextSequenceNumber,
    firstSequenceNumber,
    originSequenceNumber,
    incarnation,
    resetPosition,
  };
}

/** What a stored head knows of: frames, and its tail. */
function runsIn(address: ActorAddress, head: StoredHead): EntryRun[] {
  const { tail, tailSequenceNumber, nextSequenceNumber: next } = head;
  const runs: EntryRun[] = [];
  if (tailSequenceNumber > 0) {
    runs.push({ first: 0, last: tailSequenceNumber - 1, frame: undefined });
  }
  if (tailSequenceNumber === next) return runs;
  const readTail = (): StoredFrame => {
    const frame = readFrame(address, entryKey(address.key, next - 1), tail);
    if (frame.firstSequenceNumber !== tailSequenceNumber) {
      throw missingEntryError(address, tailSequenceNumber);
    }
    return frame;
  };
  runs.push({ first: tailSequenceNumber, last: next - 1, frame: readTail });
  return runs;
}

function runIn(actor: ActorAddress, record: LogRecord, item: LogItem): EntryRun {
  const { sequenceNumber: first, count, baseTimeMs, entriesStart: start, end } = item;
  const last = first + count - 1;
  if (item.type === LOG_ITEM.reference) return { first, last, frame: undefined };
  return {
    first,
    last,
    frame: () => ({
      actor,
      firstSequenceNumber: first,
      lastSequenceNumber: last,
      count,
      baseTimeMs,
      bytes: record.bytes,
      start,
      end,
    }),
  };
}

/**
 * Leaves out what has been truncated.
 *
 * @param assembled What was assembled.
 * @returns The runs of the entries that are retained.
 */
export function retainedRuns(
  { state: { firstSequenceNumber: first }, runs }: Assembled,
): EntryRun[] {
  if ((runs[0]?.first ?? 0) >= first) return runs.slice();
  return runs
    .filter((run) => run.last >= first)
    .map((run) => run.first < first ? { ...run, first } : run);
}
