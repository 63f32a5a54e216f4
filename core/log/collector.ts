/**
 * Collects the log: sorts its oldest part into frames and heads, piece by piece, and puts an order
 * record in its place. Pieces ride with the commits of appends.
 *
 * A piece is committed only if what is known of the log is all there is. So nothing that was deleted
 * or truncated meanwhile comes back, and two processes cannot collect the same part. If a process
 * dies, another one begins the part again: a head says what it has, so it gets nothing twice.
 *
 * @module
 */

import { PersistenceError } from "../errors/persistence_error.ts";
import { type ActorAddress, addressIn } from "../format/actor_address.ts";
import {
  collectedKey,
  collectorKey,
  decodePositions,
  LOG_VERSION,
  logKey,
  type LogPositions,
  positionIn,
  putPositions,
} from "../format/log_keys.ts";
import { LOG_ITEM } from "../format/log_record.ts";
import { encodeOrder } from "../format/order_record.ts";
import type { StoredHead } from "../format/head.ts";
import type { Storage, StorageChange, StorageCondition, StoredEntry } from "../ports/storage.ts";
import { loadHead } from "../read/load_head.ts";
import { compareBytes } from "../util/bytes.ts";
import { collectJournal } from "./journal_collector.ts";
import type { HotItem } from "./hot_index.ts";
import type { KnownLog, Log } from "./log.ts";
import type { LogActor } from "./log_actor.ts";
import { OrderBuilder } from "./order_builder.ts";

/** How large the hot part may become if few actors are hot: with less, their frames would be small. */
const MIN_HOT_BYTES = 4 * 2 ** 20;
/** With more actors it may be larger, since each of them gets a frame and a head of its own. */
const HOT_BYTES_PER_ACTOR = 4_096;
/** A piece has at least so many bytes. */
const MIN_PIECE_BYTES = 64 * 2 ** 10;
/** So many times the bytes of the record that it rides with, else the hot part would grow. */
const BYTES_PER_RECORD_BYTE = 2;
/** One commit removes at most this many records, so that appends need not wait long. */
const MAX_REMOVED_PER_PIECE = 512;
/** So many items are looked at for the order per piece. */
const MAX_ORDERED_PER_PIECE = 8_192;
/** A page of the records that have been collected, but not removed. */
const LEFT_PAGE = { maxEntries: MAX_REMOVED_PER_PIECE, maxBytes: 2 ** 20 };
/** In milliseconds: much longer than a commit takes, and short beside how long the hot part grows. */
const TAKEOVER_MS = 250;
/** So large it may become meanwhile, in parts of what it may have otherwise. */
const MAX_HOT_WHILE_WAITING = 2;

/** A part of the log that is being collected. */
interface Job {
  readonly first: number;
  readonly end: number;
  readonly actors: readonly LogActor[];
  /** How many of the actors have been collected. */
  done: number;
  readonly incarnations: Map<LogActor, number>;
  readonly order: OrderBuilder;
}

/** How a log is collected. */
export interface CollectorPace {
  /**
   * How long another process may pause in its collection before this one takes over, in
   * milliseconds.
   */
  readonly takeoverMs: number;
  /** How many bytes a piece has, at least, if there are so many. */
  readonly minPieceBytes: number;
}

/** What the next piece goes on from while this one is being committed. */
interface Continuation {
  readonly job: Job;
  /** How many of its actors have been collected by then. */
  readonly done: number;
  /** What the collector has noted by then, and in which version. */
  readonly state: LogPositions;
  readonly version: number;
}

/** What one commit collects. */
export interface CollectedPiece {
  /** What was known of the log when it was made: see {@linkcode Log.allowsPiece}. */
  readonly asOf: KnownLog;
  /** For the next piece; `undefined` if that must wait until this one is committed. */
  readonly continuation: Continuation | undefined;
  /** Must hold beside the conditions of the log. */
  readonly conditions: readonly StorageCondition[];
  /** The changes. */
  readonly changes: readonly StorageChange[];
  /** Called once it is committed. */
  readonly onCommitted: () => void;
}

/** Collects a log. */
export class Collector {
  readonly #storage: Storage;
  readonly #log: Log;
  readonly #maxHotBytes: number;
  readonly #takeoverMs: number;
  readonly #minPieceBytes: number;
  #job: Job | undefined;
  /** The job before this one, if it has not come to its end. */
  #interrupted: Job | undefined;
  /** The version of the collector's record that this process has written last. */
  #ownVersion: number | undefined;
  /** The version that another process has written, and when it was first seen. */
  #otherVersion: number | undefined;
  #otherSinceMs = 0;
  /** Whether records may be left that have been collected. */
  #mayHaveRemovals = true;

  /**
   * @param storage The storage.
   * @param log The log.
   * @param maxHotBytes How many bytes the hot part may have, at most.
   * @param pace How it collects.
   */
  constructor(
    storage: Storage,
    log: Log,
    maxHotBytes: number,
    { takeoverMs = TAKEOVER_MS, minPieceBytes = MIN_PIECE_BYTES }: Partial<CollectorPace> = {},
  ) {
    this.#minPieceBytes = minPieceBytes;
    this.#takeoverMs = takeoverMs;
    this.#storage = storage;
    this.#log = log;
    this.#maxHotBytes = maxHotBytes;
  }

  /** Whether there is something to collect now. */
  get hasWork(): boolean {
    return this.#job !== undefined || this.#mayHaveRemovals || this.#isTooHot;
  }

  /** Whether to collect everything makes room. */
  get hasAny(): boolean {
    return this.hasWork || this.#log.hot.hasRemovals;
  }

  /**
   * Makes the next piece.
   *
   * @param recordBytes How many bytes the record has that the piece rides with.
   * @param takesAll Whether everything is collected, even if it is not too much.
   * @returns The piece, or `undefined` if there is nothing to collect.
   * @throws {PersistenceError} `CORRUPT`, `UNSUPPORTED_FORMAT`, `STORAGE_FAILED`.
   */
  async nextPiece(recordBytes: number, takesAll = false): Promise<CollectedPiece | undefined> {
    if (this.#log.isRebuilding) await this.#log.follow();
    if (this.#log.broken || !(takesAll ? this.hasAny : this.hasWork)) return undefined;
    const asOf = this.#log.known;
    const stored = await this.#storage.get("meta", this.#key);
    const version = stored?.version;
    // Another process has collected, so any actor may have a head now.
    if (version !== this.#ownVersion && version !== this.#otherVersion) this.#log.hot.forgetHeads();
    const state = await this.#stateIn(stored);
    if (this.#mustWait(version, state)) return undefined;
    const planned = this.#removalOf(state) ??
      await this.#collect(state, recordBytes, takesAll);
    return this.#pieceOf(planned, asOf, version);
  }

  /**
   * Makes the piece after one that is being committed. It must not be committed if that one was not.
   *
   * @param before The piece before.
   * @param recordBytes How many bytes the record has that the piece rides with.
   * @returns The piece, or `undefined` if it must wait.
   * @throws {PersistenceError} `CORRUPT`, `UNSUPPORTED_FORMAT`, `STORAGE_FAILED`.
   */
  async pieceAfter(
    { continuation }: CollectedPiece,
    recordBytes: number,
  ): Promise<CollectedPiece | undefined> {
    const job = this.#job;
    if (!job || continuation?.job !== job || job.first !== this.#log.collected.position) {
      return undefined;
    }
    const asOf = this.#log.known;
    const { state, done, version } = continuation;
    const planned = await this.#collect(state, recordBytes, false, done);
    return this.#pieceOf(planned, asOf, version);
  }

  get #key(): Uint8Array {
    return collectorKey(this.#log.number);
  }

  #pieceOf(
    planned: PlannedPiece | undefined,
    asOf: KnownLog,
    version: number | undefined,
  ): CollectedPiece | undefined {
    // What was collected by others meanwhile is not known any more, so it was not all taken.
    if (asOf.moves !== this.#log.known.moves) this.#endJob();
    if (!planned || !this.#log.allowsPiece(asOf)) return undefined;
    const { changes, state, progress, onCommitted } = planned;
    const next = (version ?? 0) + 1;
    return {
      asOf,
      continuation: progress && { ...progress, state, version: next },
      conditions: [{ keyspace: "meta", key: this.#key, version }],
      changes: [...changes, putPositions(this.#key, state, next)],
      onCommitted: () => {
        this.#ownVersion = next;
        onCommitted();
      },
    };
  }

  get #isTooHot(): boolean {
    return this.#log.hot.bytes >= this.#wantedHotBytes;
  }

  get #wantedHotBytes(): number {
    const wanted = Math.max(MIN_HOT_BYTES, this.#log.hot.hotActors * HOT_BYTES_PER_ACTOR);
    return Math.min(this.#maxHotBytes, wanted);
  }

  /** Whether another process may be in the middle of its collection. */
  #mustWait(version: number | undefined, state: LogPositions): boolean {
    if (version === undefined || version === this.#ownVersion) return false;
    const nowMs = performance.now();
    if (version !== this.#otherVersion) {
      this.#otherVersion = version;
      this.#otherSinceMs = nowMs;
    }
    // What this process has begun is not the newest any more.
    this.#endJob();
    const isIdle = state.first === 0 && state.second >= this.#log.collected.position;
    // The hot part is bounded even if the other process has died.
    const isUrgent = this.#log.hot.bytes >= MAX_HOT_WHILE_WAITING * this.#wantedHotBytes;
    return !isIdle && !isUrgent && nowMs - this.#otherSinceMs < this.#takeoverMs;
  }

  /** What the collector has noted; if that is lost or damaged, what can be said without it. */
  async #stateIn(stored: StoredEntry | undefined): Promise<LogPositions> {
    try {
      if (stored) return decodePositions(stored);
    } catch (error) {
      if (!(error instanceof PersistenceError) || error.code !== "CORRUPT") throw error;
    }
    return { first: 0, second: await this.#firstLeft() };
  }

  /** The position of the first record that has been collected, but not removed. No order counts. */
  async #firstLeft(): Promise<number> {
    const { number, collected } = this.#log;
    let first = collected.position - 1;
    const start = Uint8Array.of(number >>> 8, number);
    for (let end = logKey(number, first); first > 0;) {
      const page = await this.#storage.scan("log", { ...LEFT_PAGE, start, end, reverse: true });
      if (page.length === 0) break;
      for (const { key, version } of page) {
        if (version === LOG_VERSION.order) return first;
        first = positionIn(key) ?? first;
        end = key;
      }
    }
    return first;
  }

  /** The removal of records that have been collected: all but the order record in the last place. */
  #removalOf(state: LogPositions): PlannedPiece | undefined {
    const { number, collected } = this.#log;
    const from = Math.max(1, state.second);
    const last = collected.position - 1;
    if (from > last) {
      this.#mayHaveRemovals = false;
      return undefined;
    }
    const end = Math.min(last, from + MAX_REMOVED_PER_PIECE);
    const changes: StorageChange[] = [];
    for (let position = from; position < end; position++) {
      changes.push({ type: "delete", keyspace: "log", key: logKey(number, position) });
    }
    const second = end === last ? collected.position : end;
    return {
      changes,
      state: { first: state.first, second },
      progress: undefined,
      onCommitted: () => {},
    };
  }

  async #collect(
    state: LogPositions,
    recordBytes: number,
    takesAll: boolean,
    doneBefore?: number,
  ): Promise<PlannedPiece | undefined> {
    if (this.#job && this.#job.first !== this.#log.collected.position) this.#endJob();
    if (!this.#job && !takesAll && !this.#isTooHot) return undefined;
    this.#job ??= this.#begin();
    const job = this.#job;
    if (!job) return undefined;
    const maxBytes = Math.max(this.#minPieceBytes, BYTES_PER_RECORD_BYTE * recordBytes);
    const changes: StorageChange[] = [];
    let done = doneBefore ?? job.done;
    for (let bytes = 0; done < job.actors.length && bytes < maxBytes; done++) {
      const actor = job.actors[done];
      if (!actor) continue;
      const ofActor = await this.#changesOf(job, actor);
      for (const change of ofActor) {
        changes.push(change);
        bytes += change.key.length + (change.type === "put" ? change.value.length : 0);
      }
    }
    const isSorted = done === job.actors.length;
    if (isSorted) job.order.advance(MAX_ORDERED_PER_PIECE);
    // A larger piece than this one may have had it already, and not been committed.
    const order = isSorted ? job.order.order : undefined;
    const { first } = job;
    if (!order) {
      return {
        changes,
        state: { first: job.end, second: Math.max(first, state.second) },
        progress: { job, done },
        onCommitted: () => this.#finish(job, done),
      };
    }
    const { number, collected } = this.#log;
    const orderKey = logKey(number, job.end - 1);
    const version = (collected.version ?? 0) + 1;
    changes.push(
      {
        type: "put",
        keyspace: "log",
        key: orderKey,
        value: encodeOrder(orderKey, order),
        version: LOG_VERSION.order,
      },
      putPositions(collectedKey(number), { first: job.end, second: 0 }, version),
    );
    return {
      changes,
      state: { first: 0, second: Math.max(first, state.second) },
      progress: undefined,
      onCommitted: () => {
        this.#finish(job, done);
        this.#endJob();
        this.#release(this.#interrupted);
        this.#interrupted = undefined;
        this.#mayHaveRemovals = true;
        this.#log.moveTo({ position: job.end, version });
      },
    };
  }

  /** Takes everything that is hot, except what is damaged and what comes after it. */
  #begin(): Job | undefined {
    const { hot, collected, nextPosition } = this.#log;
    const first = collected.position;
    const end = Math.min(nextPosition, hot.lowestDamage ?? nextPosition);
    if (end <= first) return undefined;
    const hotActors = [...hot.actors()].filter((actor) =>
      actor.isHot && (actor.hot[0] ?? end) < end
    );
    // What an attempt before has collected is not hot any more, but the order has it.
    const actors = [...new Set([...this.#actorsOfInterrupted(first), ...hotActors])];
    // They must stay known until the end of the part has been reached.
    for (const actor of actors) actor.users++;
    this.#release(this.#interrupted);
    this.#interrupted = undefined;
    // So that a piece changes few pages of the storage.
    actors.sort((one, other) => compareBytes(one.key, other.key));
    const incarnations = new Map<LogActor, number>();
    const order = new OrderBuilder(hot, first, end, incarnations);
    return { first, end, actors, done: 0, incarnations, order };
  }

  /** Its actors stay known as long as it may be begun again. */
  #endJob(): void {
    if (!this.#job) return;
    this.#release(this.#interrupted);
    this.#interrupted = this.#job;
    this.#job = undefined;
  }

  #actorsOfInterrupted(first: number): readonly LogActor[] {
    return this.#interrupted?.first === first ? this.#interrupted.actors : [];
  }

  #release(job: Job | undefined): void {
    for (const actor of job?.actors ?? []) this.#log.hot.detach(actor);
  }

  #finish(job: Job, done: number): void {
    for (; job.done < done; job.done++) {
      const actor = job.actors[job.done];
      if (actor) this.#log.dropItems(actor, job.end);
    }
  }

  async #changesOf(job: Job, actor: LogActor): Promise<StorageChange[]> {
    const address = addressIn(actor.key);
    // A key that is no actor's cannot be read either.
    if (!address) return [];
    const all = this.#log.hot.newestItemsOf(actor);
    let items = all.filter(({ position }) => position < job.end);
    // If it was deleted later, what counts of this part does not matter any more.
    if (items.length === 0) items = this.#log.hot.newestItemsOf(actor, { before: job.end });
    const isDeleted = items[0]?.item.deletes === true;
    const head = isDeleted || this.#hasNoHead(actor) ? undefined : await this.#headOf(address);
    if (head && head.incarnation < job.first) job.incarnations.set(actor, head.incarnation);
    if (head) items = items.filter(({ position }) => position >= head.position);
    if (items.length === 0) return [];
    return collectJournal({
      address,
      head,
      items,
      end: job.end,
      retainedFrom: retainedFrom(all, job.end),
    });
  }

  /** Only a deletion makes that of a head which is still stored. */
  #hasNoHead(actor: LogActor): boolean {
    return !actor.mayHaveHead && !this.#log.hot.isDeleted(actor);
  }

  /** The head of an actor; null if it is damaged. */
  async #headOf(address: ActorAddress): Promise<StoredHead | undefined | null> {
    try {
      return await loadHead(this.#storage, address);
    } catch (error) {
      if (error instanceof PersistenceError && error.code === "CORRUPT") return null;
      throw error;
    }
  }
}

interface PlannedPiece {
  readonly changes: StorageChange[];
  readonly state: LogPositions;
  /** If the next piece only goes on from this one. */
  readonly progress: Pick<Continuation, "job" | "done"> | undefined;
  readonly onCommitted: () => void;
}

/** The lowest sequence number that is still needed of what stands before a position. */
function retainedFrom(items: readonly HotItem[], end: number): number {
  let lowest = 0;
  for (const { position, item } of items) {
    if (item.type === LOG_ITEM.truncation) lowest = Math.max(lowest, item.sequenceNumber);
    // What was there before a reset counts for nothing.
    if (item.type === LOG_ITEM.reset && position >= end) return Number.MAX_SAFE_INTEGER;
  }
  return lowest;
}
