/**
 * Reads a log from a position: which entries were committed, in the order of their commits. What has
 * been collected stands in order records, the rest in the hot part.
 *
 * @module
 */

import { PersistenceError } from "../errors/persistence_error.ts";
import { type ActorAddress, addressIn } from "../format/actor_address.ts";
import type { JournalState } from "../format/head.ts";
import { LOG_VERSION, logKey, positionIn } from "../format/log_keys.ts";
import { decodeOrder } from "../format/order_record.ts";
import type { Storage, StoredEntry } from "../ports/storage.ts";
import type { Log } from "./log.ts";
import { addsEntries } from "./log_actor.ts";

/** Records that have been collected, but not removed, may stand before an order. */
const RECORDS_PER_PAGE = 512;
/** An order has 3 bytes or so per entry. */
const MAX_PAGE_BYTES = 2 ** 20;

/** Entries that one commit has added to one journal. */
export interface LoggedEntries {
  /** The position of the commit. */
  readonly position: number;
  /** The actor. */
  readonly actor: ActorAddress;
  /** The sequence number of the first one. */
  readonly first: number;
  /** How many they are, at least 1. */
  readonly count: number;
}

/** What was read of a log. */
export interface LogPage {
  /** The entries, in the order of their commits. */
  readonly entries: readonly LoggedEntries[];
  /** All commits up to this position have been read: from here it goes on. */
  readonly position: number;
  /** Whether that is the newest position. */
  readonly isEnd: boolean;
}

/** Reads a log. */
export class LogReader {
  readonly #storage: Storage;
  readonly #log: Log;

  /**
   * @param storage The storage.
   * @param log Its log.
   */
  constructor(storage: Storage, log: Log) {
    this.#storage = storage;
    this.#log = log;
  }

  /**
   * Reads what was committed after a position, by any process. Entries that have been truncated,
   * deleted or erased since are left out.
   *
   * @param after The position: 0 for everything.
   * @param maxCommits It ends after so many commits at the latest, with an order of what has been
   *   collected, or with the newest commit: at least 1.
   * @returns The entries.
   * @throws {PersistenceError} `CORRUPT` if a record of the log or an order is damaged or missing;
   *   `UNSUPPORTED_FORMAT`, `STORAGE_FAILED`.
   */
  async read(after: number, maxCommits: number): Promise<LogPage> {
    do await this.#log.follow(); while (this.#log.isRebuilding);
    if (this.#log.broken) throw this.#log.broken;
    const { collected, nextPosition } = this.#log;
    const first = after + 1;
    if (first >= nextPosition) return { entries: [], position: after, isEnd: true };
    const end = Math.min(after + maxCommits, nextPosition - 1);
    const { entries, last } = first >= collected.position
      ? this.#hot(first, end)
      : await this.#collected(first, end);
    return {
      entries: await this.#retained(entries),
      position: last,
      isEnd: last === nextPosition - 1,
    };
  }

  /** What the hot part says of some positions. */
  #hot(first: number, last: number): FoundEntries {
    const { hot } = this.#log;
    if (hot.lowestDamage !== undefined && hot.lowestDamage <= last) {
      throw new PersistenceError("CORRUPT", "Cannot read log: an item is damaged");
    }
    const entries: LoggedEntries[] = [];
    for (let position = first; position <= last; position++) {
      const record = hot.records.get(position);
      for (let index = 0; record && index < record.count; index++) {
        const { type, keyStart, keyEnd, sequenceNumber, count } = record.item(index);
        if (!addsEntries(type)) continue;
        const actor = addressIn(record.bytes.slice(keyStart, keyEnd));
        if (actor) entries.push({ position, actor, first: sequenceNumber, count });
      }
    }
    return { entries, last };
  }

  /** What the order that contains a position says. Orders stay where they are. */
  async #collected(first: number, last: number): Promise<FoundEntries> {
    const stored = await this.#orderFrom(first);
    const { firstPosition, actors, positions } = decodeOrder(stored.key, stored.value);
    const lastOfOrder = firstPosition + positions.length - 1;
    if (firstPosition > first || positionIn(stored.key) !== lastOfOrder) throw orderMissing(first);
    const next = actors.map(({ sequenceNumber }) => sequenceNumber);
    const entries: LoggedEntries[] = [];
    for (const [offset, runs] of positions.entries()) {
      const position = firstPosition + offset;
      if (position > last) break;
      for (let at = 0; at < runs.length; at += 2) {
        const index = runs[at] ?? 0;
        const count = runs[at + 1] ?? 0;
        const sequenceNumber = next[index] ?? 0;
        next[index] = sequenceNumber + count;
        const actor = position < first ? undefined : addressIn(actors[index]?.key ?? NO_KEY);
        if (actor) entries.push({ position, actor, first: sequenceNumber, count });
      }
    }
    return { entries, last: Math.min(last, lastOfOrder) };
  }

  /** The first order at or after a position. */
  async #orderFrom(first: number): Promise<StoredEntry> {
    const { number, collected } = this.#log;
    const end = logKey(number, collected.position);
    for (let start = logKey(number, first);;) {
      const page = await this.#storage.scan("log", {
        start,
        end,
        maxEntries: RECORDS_PER_PAGE,
        maxBytes: MAX_PAGE_BYTES,
      });
      const order = page.find(({ version }) => version === LOG_VERSION.order);
      const last = page[page.length - 1];
      if (order) return order;
      const position = last && positionIn(last.key);
      if (position === undefined) throw orderMissing(first);
      start = logKey(number, position + 1);
    }
  }

  /** What is still there of entries. */
  async #retained(found: readonly LoggedEntries[]): Promise<LoggedEntries[]> {
    const states = new Map<string, JournalState>();
    const retained: LoggedEntries[] = [];
    for (const entries of found) {
      const { actor, position, first, count } = entries;
      const name = `${actor.kind}\n${actor.actorId}`;
      const state = states.get(name) ?? await this.#log.stateOf(actor);
      states.set(name, state);
      const { incarnation, firstSequenceNumber: lowest } = state;
      // An incarnation is the position at which the journal was begun.
      const isCurrent = incarnation > 0 && position >= incarnation;
      if (!isCurrent || first + count <= lowest) continue;
      const cut = Math.max(0, lowest - first);
      retained.push(cut > 0 ? { ...entries, first: lowest, count: count - cut } : entries);
    }
    return retained;
  }
}

/** Entries that were found, and up to which position. */
interface FoundEntries {
  readonly entries: readonly LoggedEntries[];
  readonly last: number;
}

const NO_KEY = new Uint8Array(0);

function orderMissing(position: number): PersistenceError {
  return new PersistenceError(
    "CORRUPT",
    `Cannot read log: the order of the entries at position ${position} is missing or misplaced`,
  );
}
