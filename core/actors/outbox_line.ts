/**
 * The effects of one actor, as far as they are in memory: which of them can be delivered next, which
 * wait for their next attempt, and where in the store to read on.
 *
 * If order was promised, the first one that waits holds up those after it, so these need not be in
 * memory. Otherwise those that wait stand aside; only a few are kept, the others are left in the store
 * and read again when they are due.
 *
 * @module
 */

import type { Timer } from "../ports/clock.ts";
import type { EffectPlace } from "../ports/outbox_store.ts";
import { Fifo } from "../util/fifo.ts";
import type { EffectItem } from "./effect_attempt.ts";

/** So many effects of an actor are in memory at most: enough that it seldom has to be read on. */
export const MAX_OF_ACTOR = 200;
/** So many of them may stand aside. */
const MAX_ASIDE = MAX_OF_ACTOR / 2;
/** What was left in the store is read again after this time at the earliest: it may be much. */
const MIN_LEFT_MS = 1_000;

/** The effects of one actor. */
export class OutboxLine {
  /** The actor. */
  readonly actorId: string;
  /** Those in memory: each until that it is delivered, or was given up, is durable. */
  readonly known: Map<string, EffectItem> = new Map();
  /** How many are being delivered. */
  running = 0;
  /** Wakes when there is something to be done. */
  timer: Timer | undefined;
  /** When the timer wakes. */
  wakesAtMs: number = Infinity;
  /** Whether there may be more in the store, after those that were read. */
  hasMore = false;
  /** Whether it is being read. */
  isBeingRead = false;

  readonly #isOrdered: boolean;
  readonly #ready = new Fifo<EffectItem>();
  readonly #aside = new Set<EffectItem>();
  /** When the first one of those aside is due. */
  #asideDueMs = Infinity;
  /** When the first one of those that were left in the store is to be read again. */
  #leftDueMs = Infinity;
  /** It is read on after this place. */
  #readTo: EffectPlace | undefined;
  /** Whether it was said while it is being read that it is to be read from the beginning. */
  #isReadAgain = false;

  /**
   * @param actorId The actor.
   * @param isOrdered Whether each effect waits for the one before it.
   */
  constructor(actorId: string, isOrdered: boolean) {
    this.actorId = actorId;
    this.#isOrdered = isOrdered;
  }

  /** Whether nothing of the actor is known to be open. */
  get isEmpty(): boolean {
    return this.known.size === 0 && !this.hasMore && !this.isBeingRead &&
      this.#leftDueMs === Infinity;
  }

  /** When there is something to be done next, by the monotonic clock. */
  get dueMs(): number {
    return Math.min(this.#ready.first?.dueAtMs ?? Infinity, this.#asideDueMs, this.#leftDueMs);
  }

  /** Whether the first one holds up all others. */
  isHeldUp(nowMs: number): boolean {
    return this.#isOrdered && (this.#ready.first?.dueAtMs ?? 0) > nowMs;
  }

  /** Whether one that has to wait is left in the store, since enough stand aside. */
  isLeft({ dueAtMs }: EffectItem, nowMs: number): boolean {
    return !this.#isOrdered && dueAtMs > nowMs && this.#aside.size >= MAX_ASIDE;
  }

  /**
   * Adds an effect that has become open.
   *
   * @param id Its id.
   * @param place Its place.
   * @param nowMs The time of the monotonic clock.
   * @returns Whether it is to be kept in memory. Otherwise it is read when its turn has come.
   */
  opens(id: string, place: EffectPlace, nowMs: number): boolean {
    const hasRoom = !this.hasMore && !this.isBeingRead && this.known.size < MAX_OF_ACTOR;
    if (hasRoom && !this.known.has(id) && !this.isHeldUp(nowMs)) return true;
    this.hasMore = true;
    // A dead letter that is retried may stand before what was read, and an actor may begin anew.
    if (this.#readTo && comparePlaces(place, this.#readTo) <= 0) this.#readAgain();
    return false;
  }

  /** Adds an effect after all others. */
  push(item: EffectItem, nowMs: number): void {
    this.known.set(item.id, item);
    if (this.#isOrdered || item.dueAtMs <= nowMs) this.#ready.push(item);
    else this.#setAside(item);
  }

  /** An attempt has failed: the effect is tried again when it is due. */
  postpone(item: EffectItem): void {
    if (this.#isOrdered) this.#ready.putBack([item]);
    else this.#setAside(item);
  }

  /** An effect that has to wait is read again when it is due. */
  leave({ id, dueAtMs }: EffectItem, nowMs: number): void {
    this.known.delete(id);
    this.#leftDueMs = Math.min(this.#leftDueMs, Math.max(dueAtMs, nowMs + MIN_LEFT_MS));
  }

  /**
   * The next effect that is due. It stays in the line until it is taken.
   *
   * @param nowMs The time of the monotonic clock.
   */
  first(nowMs: number): EffectItem | undefined {
    if (this.#asideDueMs <= nowMs) this.#takeBack(nowMs);
    const { first } = this.#ready;
    return first && first.dueAtMs <= nowMs ? first : undefined;
  }

  /** Takes the first effect. */
  take(): void {
    this.#ready.shift();
  }

  /**
   * While the first one holds up the others, these are left in the store.
   *
   * @returns How many are no longer in memory.
   */
  leaveHeldUp(): number {
    const [first, ...others] = this.#ready.takeAll();
    if (first) this.#ready.push(first);
    for (const { id } of others) this.known.delete(id);
    if (others.length > 0) this.#readAgain();
    return others.length;
  }

  /** If it is time for those that were left, they are to be read again. */
  wake(nowMs: number): void {
    if (this.#leftDueMs > nowMs) return;
    this.#leftDueMs = Infinity;
    this.#readAgain();
  }

  /**
   * It is being read.
   *
   * @returns After which place.
   */
  beginReading(): EffectPlace | undefined {
    this.isBeingRead = true;
    this.hasMore = false;
    return this.#readTo;
  }

  /**
   * It has been read.
   *
   * @param last The place of the last effect that was read, if there was one.
   */
  endReading(last: EffectPlace | undefined): void {
    this.isBeingRead = false;
    if (last) this.hasMore = true;
    if (last && !this.#isReadAgain) this.#readTo = last;
    this.#isReadAgain = false;
  }

  #readAgain(): void {
    this.#readTo = undefined;
    this.#isReadAgain = this.isBeingRead;
    this.hasMore = true;
  }

  #setAside(item: EffectItem): void {
    this.#aside.add(item);
    this.#asideDueMs = Math.min(this.#asideDueMs, item.dueAtMs);
  }

  /** Those aside that are due come before those that were never tried. */
  #takeBack(nowMs: number): void {
    const due = [...this.#aside].filter(({ dueAtMs }) => dueAtMs <= nowMs);
    for (const item of due) this.#aside.delete(item);
    this.#ready.putBack(due);
    this.#asideDueMs = Math.min(...[...this.#aside].map(({ dueAtMs }) => dueAtMs), Infinity);
  }
}

function comparePlaces(a: EffectPlace, b: EffectPlace): number {
  return a.sequenceNumber - b.sequenceNumber || a.index - b.index;
}
