/**
 * The hot part of a log: the records that have not been collected, and where the items of each actor
 * stand in them.
 *
 * @module
 */

import { PersistenceError } from "../errors/persistence_error.ts";
import type { JournalState } from "../format/head.ts";
import { LOG_ITEM, type LogItem, type LogRecord } from "../format/log_record.ts";
import { LogActor, NUMBERS_PER_ITEM, stateAfter } from "./log_actor.ts";

/** What a record of this process has done to a journal. */
export interface AppliedChange {
  /** The actor. */
  readonly journal: LogActor;
  /** The state of its journal after the record. */
  readonly state: JournalState;
  /** How many items of the record are its. They follow those of the change before. */
  readonly items: readonly Pick<LogItem, "type">[];
  /** Whether the journal was deleted. */
  readonly deletes: boolean;
}

/** A hot item, and where it stands. */
export interface HotItem {
  /** The position of its record. */
  readonly position: number;
  /** Its record. */
  readonly record: LogRecord;
  /** The item. */
  readonly item: LogItem;
}

/** A part of the hot items of an actor. */
export interface HotPart {
  /** The index at which it begins in {@linkcode LogActor.hot}. */
  readonly from?: number;
  /** The position before which it ends. */
  readonly before?: number;
}

/** Knows the hot part of a log. */
export class HotIndex {
  /** The records that have not been collected, by their positions, in ascending order. */
  readonly records: Map<number, LogRecord> = new Map();
  readonly #actors = new Map<number, LogActor>();
  /** The lowest positions of damaged items, by the checksums of the keys of their actors. */
  readonly #damaged = new Map<number, number>();
  #bytes = 0;
  #hotActors = 0;
  #lastRemoval = 0;

  /** How many bytes the records have. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Whether it has something that is not needed any more, so that collecting it makes room. */
  get hasRemovals(): boolean {
    return this.records.has(this.#lastRemoval);
  }

  /** The position of the last truncation or reset, 0 if there was none. */
  get lastRemoval(): number {
    return this.#lastRemoval;
  }

  /** How many actors have hot items. */
  get hotActors(): number {
    return this.#hotActors;
  }

  /** The lowest position of a record with a damaged item, or `undefined` if none is damaged. */
  get lowestDamage(): number | undefined {
    let lowest: number | undefined;
    for (const position of this.#damaged.values()) {
      if (lowest === undefined || position < lowest) lowest = position;
    }
    return lowest;
  }

  /**
   * Whether an item of an actor is damaged, so that its journal cannot be known.
   *
   * @param checksum The checksum of the actor's key.
   * @returns Whether one is.
   */
  isDamaged(checksum: number): boolean {
    return this.#damaged.has(checksum);
  }

  /**
   * Finds an actor.
   *
   * @param key The actor's key.
   * @param checksum The checksum of the key.
   * @returns The actor, or `undefined` if it has no hot items and is not in use.
   */
  find(key: Uint8Array, checksum: number): LogActor | undefined {
    return this.findIn(key, 0, key.length, checksum);
  }

  /**
   * Finds the actor of an item.
   *
   * @param bytes The record.
   * @param start The offset of the actor's key.
   * @param end The offset after it.
   * @param checksum The checksum of the key.
   * @returns The actor, or `undefined` if it has no hot items and is not in use.
   */
  findIn(bytes: Uint8Array, start: number, end: number, checksum: number): LogActor | undefined {
    for (let actor = this.#actors.get(checksum); actor; actor = actor.sameChecksum) {
      if (isAt(actor.key, bytes, start, end)) return actor;
    }
    return undefined;
  }

  /**
   * Finds an actor, or adds it.
   *
   * @param key The actor's key. It is kept.
   * @param checksum The checksum of the key.
   * @returns The actor.
   */
  get(key: Uint8Array, checksum: number): LogActor {
    return this.find(key, checksum) ?? this.#addActor(new LogActor(key, checksum));
  }

  /** All actors that have hot items, or are in use. */
  *actors(): Generator<LogActor, void, undefined> {
    for (const first of this.#actors.values()) {
      for (let actor: LogActor | undefined = first; actor; actor = actor.sameChecksum) yield actor;
    }
  }

  /**
   * Adds a record that this process has written.
   *
   * @param position Its position.
   * @param record The record.
   * @param changes What it has done, in the order of its items.
   */
  addOwn(position: number, record: LogRecord, changes: readonly AppliedChange[]): void {
    this.#addRecord(position, record);
    let index = 0;
    for (const { journal, state, items, deletes } of changes) {
      for (const item of items) {
        this.#noteRemoval(item, position);
        this.#addItem(journal, position, index++);
      }
      journal.state = state;
      if (state.resetPosition === position) journal.mayBeRemoved = true;
      if (deletes) this.#noteDeletion(journal, position);
    }
  }

  /**
   * Adds a record that was read.
   *
   * @param position Its position.
   * @param record The record.
   */
  addRead(position: number, record: LogRecord): void {
    this.#addRecord(position, record);
    for (let index = 0; index < record.count; index++) this.#readItem(position, record, index);
  }

  /**
   * Forgets everything before a position, which has been collected.
   *
   * @param position The position.
   */
  dropBefore(position: number): void {
    for (const [at, record] of this.records) {
      if (at >= position) break;
      this.records.delete(at);
      this.#bytes -= record.bytes.length;
    }
    for (const actor of [...this.actors()]) {
      if (!actor.isHot) continue;
      actor.mayHaveHead = true;
      this.dropItemsBefore(actor, position);
    }
    for (const [checksum, at] of this.#damaged) {
      if (at < position) this.#damaged.delete(checksum);
    }
  }

  /**
   * Forgets an actor's items before a position, which have been collected.
   *
   * @param actor The actor.
   * @param position The position.
   */
  dropItemsBefore(actor: LogActor, position: number): void {
    if (!actor.isHot) return;
    actor.dropBefore(position);
    if (actor.isHot) return;
    this.#hotActors--;
    this.#forgetUnused(actor);
  }

  /** Forgets the states of all actors, since not all that has been committed is known. */
  forgetStates(): void {
    for (const actor of this.actors()) actor.state = undefined;
  }

  /** Forgets which actors have no head. */
  forgetHeads(): void {
    for (const actor of this.actors()) actor.mayHaveHead = true;
  }

  /** Forgets everything, except the actors that are in use, of which nothing is known any more. */
  clear(): void {
    this.records.clear();
    this.#damaged.clear();
    this.#bytes = 0;
    this.#hotActors = 0;
    for (const actor of [...this.actors()]) {
      actor.hot = [];
      actor.state = undefined;
      actor.mayHaveHead = true;
      actor.mayBeRemoved = true;
      this.#forgetUnused(actor);
    }
  }

  /**
   * Begins to hold on to an actor.
   *
   * @param key The actor's key.
   * @param checksum The checksum of the key.
   * @returns The actor.
   */
  attach(key: Uint8Array, checksum: number): LogActor {
    const actor = this.get(key, checksum);
    actor.users++;
    return actor;
  }

  /**
   * Ends to hold on to an actor.
   *
   * @param actor The actor.
   */
  detach(actor: LogActor): void {
    actor.users--;
    this.#forgetUnused(actor);
  }

  /**
   * The hot items of an actor that count: if its journal has been deleted, those from the deletion on.
   *
   * @param actor The actor.
   * @param part Which part of `actor.hot` is looked at: from an index on, and before a position.
   * @returns The items, in ascending order.
   */
  newestItemsOf(
    { hot }: LogActor,
    { from = 0, before = Number.MAX_SAFE_INTEGER }: HotPart = {},
  ): HotItem[] {
    let items: HotItem[] = [];
    for (let at = from; at < hot.length; at += NUMBERS_PER_ITEM) {
      const position = hot[at] ?? 0;
      if (position >= before) break;
      const record = this.records.get(position);
      if (!record) continue;
      const item = record.item(hot[at + 1] ?? 0);
      if (item.deletes) items = [];
      items.push({ position, record, item });
    }
    return items;
  }

  /**
   * Whether a hot item has deleted the journal of an actor, so that its head does not count.
   *
   * @param actor The actor.
   * @returns Whether one has.
   */
  isDeleted({ hot, deletedAt }: LogActor): boolean {
    return deletedAt >= (hot[0] ?? Number.MAX_SAFE_INTEGER);
  }

  #readItem(position: number, record: LogRecord, index: number): void {
    const checksum = record.keyChecksum(index);
    const item = soundItem(record, index);
    if (!item) {
      // Nothing from the first one on may be collected.
      if (!this.#damaged.has(checksum)) this.#damaged.set(checksum, position);
      for (let actor = this.#actors.get(checksum); actor; actor = actor.sameChecksum) {
        actor.state = undefined;
        actor.mayBeRemoved = true;
      }
      return;
    }
    const { keyStart, keyEnd } = item;
    const actor = this.findIn(record.bytes, keyStart, keyEnd, checksum) ??
      this.#addActor(new LogActor(record.bytes.slice(keyStart, keyEnd), checksum));
    if (item.type === LOG_ITEM.reset) {
      actor.mayBeRemoved = true;
      if (item.deletes) this.#noteDeletion(actor, position);
    }
    this.#noteRemoval(item, position);
    this.#addItem(actor, position, index);
    if (!actor.state || position < actor.base) return;
    // If it does not follow the state, the next caller that needs the state finds the gap.
    actor.state = stateAfter(actor.state, item, position);
  }

  /** What was damaged does not count any more. */
  #noteDeletion(actor: LogActor, position: number): void {
    actor.deletedAt = position;
    this.#damaged.delete(actor.checksum);
  }

  #noteRemoval({ type }: Pick<LogItem, "type">, position: number): void {
    if (type === LOG_ITEM.truncation || type === LOG_ITEM.reset) this.#lastRemoval = position;
  }

  #addRecord(position: number, record: LogRecord): void {
    this.records.set(position, record);
    this.#bytes += record.bytes.length;
  }

  #addItem(actor: LogActor, position: number, index: number): void {
    if (!actor.isHot) this.#hotActors++;
    actor.hot.push(position, index);
  }

  #addActor(actor: LogActor): LogActor {
    actor.sameChecksum = this.#actors.get(actor.checksum);
    this.#actors.set(actor.checksum, actor);
    return actor;
  }

  #forgetUnused(actor: LogActor): void {
    if (actor.isHot || actor.users > 0) return;
    const first = this.#actors.get(actor.checksum);
    if (first === actor) {
      if (actor.sameChecksum) this.#actors.set(actor.checksum, actor.sameChecksum);
      else this.#actors.delete(actor.checksum);
      return;
    }
    for (let before = first; before; before = before.sameChecksum) {
      if (before.sameChecksum === actor) before.sameChecksum = actor.sameChecksum;
    }
  }
}

function isAt(key: Uint8Array, bytes: Uint8Array, start: number, end: number): boolean {
  if (key.length !== end - start) return false;
  for (let index = 0; index < key.length; index++) {
    if (key[index] !== bytes[start + index]) return false;
  }
  return true;
}

function soundItem(record: LogRecord, index: number): LogItem | undefined {
  if (!record.isSound(index)) return undefined;
  try {
    return record.item(index);
  } catch (error) {
    if (error instanceof PersistenceError) return undefined;
    throw error;
  }
}
