/**
 * Reads journals: frame by frame, in pages of bounded size, in either direction, and never past a
 * gap.
 *
 * @module
 */

import { describeActor, detailsOf } from "../errors/actor_name.ts";
import { PersistenceError } from "../errors/persistence_error.ts";
import type { ActorAddress } from "../format/actor_address.ts";
import type { JournalState } from "../format/head.ts";
import type { JournalRange } from "../ports/journal.ts";
import type { Storage } from "../ports/storage.ts";
import type { TelemetrySink } from "../ports/telemetry.ts";
import type { PayloadReader } from "../schema/payloads.ts";
import { NO_TELEMETRY } from "../telemetry/telemetry_hub.ts";
import { EntryPage, type FramePart } from "./entry_page.ts";
import { scanAscending, scanDescending } from "./frame_scan.ts";
import type { EntryRun, JournalHead, JournalHeads } from "./journal_head.ts";

/** Pages start small, so that reading a few entries stays cheap, and grow during a long replay. */
const FIRST_PAGE_BYTES = 16_384;
const MAX_PAGE_BYTES = 1_048_576;

/** Which entries are read. */
export interface ReadBounds {
  /** The lowest sequence number, inclusive. */
  readonly from: number;
  /** The highest sequence number, inclusive. */
  readonly to: number;
  /** The maximum number of entries. */
  readonly limit: number;
  /** Whether they are read from the highest sequence number down. */
  readonly reverse: boolean;
}

/** Reads the journals of a storage. */
export class JournalReader {
  readonly #storage: Storage;
  readonly #heads: JournalHeads;
  readonly #payloads: PayloadReader;
  readonly #telemetry: TelemetrySink;

  /**
   * Creates a reader.
   *
   * @param storage The storage that contains the journals.
   * @param heads Knows the journals.
   * @param payloads Decodes the messages.
   * @param telemetry What it reports reads to.
   */
  constructor(
    storage: Storage,
    heads: JournalHeads,
    payloads: PayloadReader,
    telemetry: TelemetrySink = NO_TELEMETRY,
  ) {
    this.#storage = storage;
    this.#heads = heads;
    this.#payloads = payloads;
    this.#telemetry = telemetry;
  }

  /**
   * Reads which sequence numbers an actor's journal has.
   *
   * @param actor The actor.
   * @returns The sequence numbers.
   * @throws {PersistenceError} `CORRUPT`, `UNSUPPORTED_FORMAT`, `STORAGE_FAILED`.
   */
  async range(actor: ActorAddress): Promise<JournalRange> {
    return rangeOf(await this.#heads.stateOf(actor));
  }

  /**
   * Reads the entries that are committed when the iteration begins.
   *
   * @typeParam Message The type of the messages.
   * @param actor The actor.
   * @param bounds Which entries are read.
   * @returns Pages of entries, none of them empty. At the end, the sequence numbers that the journal
   *   has, from the same state as the entries.
   * @throws {PersistenceError} `CORRUPT` at a gap, a duplicate or damage; `TRUNCATED` if entries
   *   that were not read yet have been truncated; `UNSUPPORTED_FORMAT`, `STORAGE_FAILED`.
   */
  async *pages<Message>(
    actor: ActorAddress,
    bounds: ReadBounds,
  ): AsyncGenerator<EntryPage<Message>, JournalRange, undefined> {
    for (;;) {
      const head = await this.head(actor);
      if (yield* this.pagesOf<Message>(actor, head, bounds)) return rangeOf(head);
    }
  }

  /**
   * Reads the head of an actor's journal.
   *
   * @param actor The actor.
   * @returns The head.
   * @throws {PersistenceError} `CORRUPT`, `UNSUPPORTED_FORMAT`, `STORAGE_FAILED`.
   */
  head(actor: ActorAddress): Promise<JournalHead> {
    return this.#heads.read(actor);
  }

  /**
   * Reads the entries that a head knows of.
   *
   * @typeParam Message The type of the messages.
   * @param actor The actor.
   * @param head The head.
   * @param bounds Which entries are read.
   * @returns Pages of entries, none of them empty. At the end, true; false, without a page, if the
   *   journal was truncated in the meantime: then a read that begins again equals one that began a
   *   moment later.
   * @throws {PersistenceError} As {@linkcode JournalReader.pages}.
   */
  async *pagesOf<Message>(
    actor: ActorAddress,
    head: JournalHead,
    { from, to, limit, reverse }: ReadBounds,
  ): AsyncGenerator<EntryPage<Message>, boolean, undefined> {
    let first = Math.max(from, head.firstSequenceNumber);
    let last = Math.min(to, head.nextSequenceNumber - 1);
    // Sums of safe integers need not be safe, but are accurate enough for these comparisons.
    if (reverse) first = Math.max(first, last - limit + 1);
    else last = Math.min(last, first + limit - 1);
    let isFirstPage = true;
    let pageBytes = FIRST_PAGE_BYTES;
    const runs = new RunFinder(head.runs, reverse);
    while (first <= last) {
      const startedAtMs = this.#telemetry.isEnabled ? performance.now() : undefined;
      const run = runs.containing(reverse ? last : first);
      const scan = { first, last, reverse, isFirstPage, pageBytes };
      const parts = run?.frame
        ? framePartsOf(runs, first, last, pageBytes)
        : run && await this.#scan(actor, head, runs.storedFrom(run), scan);
      const page = new EntryPage<Message>(this.#payloads, parts ?? [], reverse);
      if (page.length === 0) {
        await this.#explainMissing(actor, head, reverse ? last : first, isFirstPage);
        return false;
      }
      if (startedAtMs !== undefined) this.#tell(actor, page.length, startedAtMs);
      yield page;
      if (reverse) last -= page.length;
      else first += page.length;
      isFirstPage = false;
      pageBytes = Math.min(2 * pageBytes, MAX_PAGE_BYTES);
    }
    return true;
  }

  #tell({ kind }: ActorAddress, messages: number, startedAtMs: number): void {
    const durationMs = performance.now() - startedAtMs;
    this.#telemetry.emit({ type: "read", kind, messages, durationMs });
  }

  async #scan(
    actor: ActorAddress,
    { incarnation }: JournalState,
    run: Pick<EntryRun, "first" | "last">,
    { first, last, reverse, isFirstPage, pageBytes }: {
      readonly first: number;
      readonly last: number;
      readonly reverse: boolean;
      readonly isFirstPage: boolean;
      readonly pageBytes: number;
    },
  ): Promise<FramePart[]> {
    const frames = { actor, incarnation, maxBytes: pageBytes };
    if (!reverse) {
      return await scanAscending(this.#storage, {
        ...frames,
        first,
        last: Math.min(last, run.last),
        end: run.last,
        isInsideFrame: isFirstPage,
      });
    }
    return await scanDescending(this.#storage, {
      ...frames,
      first: Math.max(first, run.first),
      last,
      end: run.last,
      isInsideFrame: isFirstPage && last < run.last,
    });
  }

  /** Throws, unless it is a truncation that explains the missing entry, and nothing has been read. */
  async #explainMissing(
    actor: ActorAddress,
    before: JournalHead,
    missing: number,
    isFirstPage: boolean,
  ): Promise<void> {
    // From what is stored, as before: it would begin again for ever if what is known were something else.
    const head = await this.#heads.read(actor);
    const isSame = head.incarnation === before.incarnation;
    if (isSame && head.firstSequenceNumber <= missing) throw missingEntryError(actor, missing);
    if (isFirstPage) return;
    throw new PersistenceError(
      "TRUNCATED",
      `Cannot read journal of ${describeActor(actor)}: entry ${missing} was ${
        isSame
          ? `truncated during the read, and the journal now begins at ${head.firstSequenceNumber}`
          : "deleted with its journal during the read"
      }`,
      { ...detailsOf(actor), sequenceNumber: missing },
    );
  }
}

/** Has no entry. */
const NO_RUN = { first: Infinity, last: -1 } as const;

/** Finds the runs of entries, most often one after the other. */
class RunFinder {
  readonly #runs: readonly EntryRun[];
  readonly #step: 1 | -1;
  #at: number | undefined;

  constructor(runs: readonly EntryRun[], reverse: boolean) {
    this.#runs = runs;
    this.#step = reverse ? -1 : 1;
  }

  /** The run that has an entry. */
  containing(sequenceNumber: number): EntryRun | undefined {
    if (this.#at !== undefined) {
      for (const at of [this.#at, this.#at + this.#step]) {
        if (this.#has(at, sequenceNumber)) return this.#runs[this.#at = at];
      }
    }
    // The first run that does not end before it.
    let [low, high] = [0, this.#runs.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      const { last } = this.#runs[middle] ?? NO_RUN;
      if (last < sequenceNumber) low = middle + 1;
      else high = middle;
    }
    return this.#has(low, sequenceNumber) ? this.#runs[this.#at = low] : undefined;
  }

  /**
   * The entries from a run on, in the direction of the reading, that stand in the storage like its
   * own: so a page need not end with it.
   *
   * @param run The run that was found last.
   */
  storedFrom(run: EntryRun): Pick<EntryRun, "first" | "last"> {
    let { first, last } = run;
    for (let at = (this.#at ?? 0) + this.#step;; at += this.#step) {
      const next = this.#runs[at];
      if (!next || next.frame) return { first, last };
      if (this.#step > 0 && next.first === last + 1) last = next.last;
      else if (this.#step < 0 && next.last === first - 1) first = next.first;
      else return { first, last };
    }
  }

  #has(at: number, sequenceNumber: number): boolean {
    const { first, last } = this.#runs[at] ?? NO_RUN;
    return sequenceNumber >= first && sequenceNumber <= last;
  }

  /** Whether the runs are read from the last one down. */
  get isReverse(): boolean {
    return this.#step < 0;
  }
}

/** The parts of a page from runs that are in memory. */
function framePartsOf(
  runs: RunFinder,
  first: number,
  last: number,
  maxBytes: number,
): FramePart[] {
  const parts: FramePart[] = [];
  let bytes = 0;
  for (
    let next = runs.isReverse ? last : first;
    next >= first && next <= last && bytes < maxBytes;
  ) {
    const run = runs.containing(next);
    if (!run?.frame) break;
    const part = {
      frame: run.frame(),
      from: Math.max(first, run.first),
      to: Math.min(last, run.last),
    };
    parts.push(part);
    bytes += part.frame.end - part.frame.start;
    next = runs.isReverse ? part.from - 1 : part.to + 1;
  }
  return parts;
}

function rangeOf(state: JournalState): JournalRange {
  return {
    lowest: state.firstSequenceNumber,
    highest: state.nextSequenceNumber - 1,
    origin: state.originSequenceNumber,
    incarnation: state.incarnation,
  };
}

function missingEntryError(actor: ActorAddress, missing: number): PersistenceError {
  return new PersistenceError(
    "CORRUPT",
    `Cannot read journal of ${describeActor(actor)}: entry ${missing} is missing or misplaced`,
    { ...detailsOf(actor), sequenceNumber: missing },
  );
}
