/**
 * Delivers the effects of the actors of a kind, whether they are in memory or not: in the order of
 * decisions within an actor, again and again until an effect is delivered or given up.
 *
 * What is open stands in the store; only a bounded part of it is in memory, of each actor and of all,
 * and what the effects contain is read when they are delivered. The rest is read when there is room,
 * so an actor with ever so many effects that cannot be delivered does not keep out those of others.
 *
 * @module
 */

import type { EffectPlace, OpenEffect } from "../ports/outbox_store.ts";
import { MAX_TIMER_MS } from "../util/deadlines.ts";
import { rejected } from "../util/promises.ts";
import { storedTime } from "../util/stored_time.ts";
import type { EffectSink } from "./actor_context.ts";
import { certainCircle } from "./call_chain.ts";
import { DrainWaiters } from "./drain_waiters.ts";
import type { EffectItem } from "./effect_attempt.ts";
import { type DelivererParts, EffectDeliverer } from "./effect_deliverer.ts";
import { MAX_OF_ACTOR, OutboxLine } from "./outbox_line.ts";
import { StorePatience } from "./store_patience.ts";

/** So many effects are in memory at most. */
const MAX_IN_MEMORY = 10_000;
const PAGE_EFFECTS = 500;
/** So many actors are read on at once. */
const MAX_LINES_READ = 16;
/** So many are delivered at once, over all actors. */
const MAX_AT_ONCE = 256;
/** No further one is begun if those under way have so many bytes. */
const MAX_BYTES_AT_ONCE = 64 * 2 ** 20;

/** What a dispatcher works with. */
export interface DispatcherParts<Effect> extends DelivererParts<Effect> {
  /** The only actor whose effects it delivers, if so. */
  readonly actorId: string | undefined;
}

/** Delivers effects. */
export class OutboxDispatcher<Effect> implements EffectSink {
  readonly #parts: DispatcherParts<Effect>;
  readonly #patience: StorePatience;
  readonly #deliverer: EffectDeliverer<Effect>;
  readonly #lines = new Map<string, OutboxLine>();
  #inMemory = 0;
  /** Lines that could go on, but too many are being delivered. */
  readonly #held = new Set<OutboxLine>();
  readonly #running = new Set<Promise<void>>();
  #runningBytes = 0;
  readonly #reading = new Set<Promise<void>>();
  #linesBeingRead = 0;
  /** Lines that could be read on, but too much is in memory or being read. */
  readonly #unread = new Set<OutboxLine>();
  /** What is no longer open, though what is being read now may say otherwise. */
  readonly #gone = new Set<string>();
  /** Whether all that is open is in memory, but for lines that have more. */
  #isComplete = false;
  #isReadingAll = false;
  /** Whether something has become open since the reading began. */
  #hasMissed = false;
  #hasReportedDamage = false;
  readonly #waiters: DrainWaiters;

  /** @param parts What it works with. */
  constructor(parts: DispatcherParts<Effect>) {
    this.#parts = parts;
    this.#waiters = new DrainWaiters(parts.clock);
    this.#patience = new StorePatience(parts.clock, (error) => this.#report(error));
    this.#deliverer = new EffectDeliverer(parts, this.#patience, {
      closed: (items) => this.#forget(items),
      postponed: (item) => this.#postpone(item),
    });
  }

  /** Begins with what is open in the store. */
  start(): void {
    this.#goOnReading();
  }

  /** Effects of an actor are durable, and can be delivered. */
  add(effects: readonly OpenEffect[]): void {
    if (this.#patience.isOver) return;
    for (const effect of effects) {
      this.#gone.delete(idOf(effect));
      const known = this.#lines.get(effect.actorId)?.known.get(idOf(effect));
      // It may be the same one, which has just been read; or its actor was deleted and began anew.
      if (known && known.effect.timestamp < effect.timestamp) known.isReplaced = true;
    }
    // The order of an actor's effects is that of the store: what is not in memory is read from there.
    if (!this.#isComplete || this.#inMemory + effects.length > MAX_IN_MEMORY) {
      this.#isComplete = false;
      this.#hasMissed = true;
      return this.#goOnReading();
    }
    for (const effect of effects) {
      const line = this.#lineOf(effect.actorId);
      const known = line.known.get(idOf(effect));
      if (known && !known.isReplaced) continue;
      if (line.opens(idOf(effect), effect, this.#nowMs)) this.#enqueue(line, effect);
    }
  }

  /** Resolves when no effect is open. */
  drained(signal?: AbortSignal): Promise<void> {
    const { callContext, owner, kind } = this.#parts;
    const circle = certainCircle(
      callContext?.get(),
      (link) => link.role === "deliver" && link.owner === owner,
      `wait for outbox of kind "${kind}"`,
    );
    if (circle) return rejected(circle);
    return this.#isDrained ? Promise.resolve() : this.#waiters.wait(signal);
  }

  /** Begins no further attempt, and waits for those under way, and for their confirmation. */
  async stop(): Promise<void> {
    this.#patience.end();
    for (const line of this.#lines.values()) line.timer?.cancel();
    await this.#runningEnds();
    await Promise.all(this.#reading);
    await this.#deliverer.confirmed();
    this.#tellIfDrained();
  }

  /** Attempts end within their time. The process, which does not wait for them, waits for a stop. */
  async #runningEnds(): Promise<void> {
    if (this.#running.size === 0) return;
    const { clock, options } = this.#parts;
    const awake = clock.setTimer(() => {}, options.timeoutMs, true);
    await Promise.all(this.#running);
    awake.cancel();
  }

  get #isDrained(): boolean {
    if (this.#patience.isOver) return true;
    return this.#isComplete && !this.#isReadingAll && this.#lines.size === 0;
  }

  #tellIfDrained(): void {
    if (!this.#waiters.isEmpty && this.#isDrained) this.#waiters.tell();
  }

  /** Reads on, if there may be more in the store and there is room for it. */
  #goOnReading(): void {
    if (this.#isComplete || this.#isReadingAll || this.#patience.isOver) return;
    if (this.#inMemory > MAX_IN_MEMORY / 2) return;
    this.#isReadingAll = true;
    this.#read(() => this.#readAll(), () => {
      this.#isReadingAll = false;
      this.#goOnReading();
    });
  }

  #read(read: () => Promise<void>, atEnd: () => void): void {
    const reading: Promise<void> = read().then(() => {
      this.#reading.delete(reading);
      if (this.#reading.size === 0) this.#gone.clear();
      atEnd();
      this.#tellIfDrained();
    });
    this.#reading.add(reading);
  }

  async #readAll(): Promise<void> {
    const { actorId } = this.#parts;
    this.#hasMissed = false;
    for (let after: EffectPlace | undefined;;) {
      const effects = await this.#readPage(actorId, after, PAGE_EFFECTS);
      if (!effects) return;
      if (effects.length === 0) break;
      for (const effect of effects) {
        if (this.#inMemory >= MAX_IN_MEMORY) return;
        const line = this.#lineOf(effect.actorId);
        if (line.known.size >= MAX_OF_ACTOR || line.isHeldUp(this.#nowMs)) line.hasMore = true;
        if (!line.hasMore) this.#enqueue(line, effect);
        this.#forgetIfEmpty(line);
        after = line.hasMore ? lastPlaceOf(effect.actorId) : effect;
      }
    }
    this.#isComplete = !this.#hasMissed;
  }

  /** Reads on with an actor that has more than is in memory, if there is room for it. */
  #goOnReadingLine(line: OutboxLine): void {
    if (!line.hasMore || line.isBeingRead || this.#patience.isOver) return;
    if (line.known.size > MAX_OF_ACTOR / 2 || line.isHeldUp(this.#nowMs)) return;
    if (!this.#hasRoomToRead) return void this.#unread.add(line);
    this.#linesBeingRead++;
    const from = line.beginReading();
    this.#read(() => this.#readLine(line, from), () => {
      this.#linesBeingRead--;
      this.#goOnReadingLine(line);
      this.#forgetIfEmpty(line);
      this.#goOnReadingLines();
    });
  }

  #goOnReadingLines(): void {
    for (const line of this.#unread) {
      if (!this.#hasRoomToRead) return;
      this.#unread.delete(line);
      this.#goOnReadingLine(line);
    }
  }

  get #hasRoomToRead(): boolean {
    return this.#inMemory <= MAX_IN_MEMORY / 2 && this.#linesBeingRead < MAX_LINES_READ;
  }

  async #readLine(line: OutboxLine, from: EffectPlace | undefined): Promise<void> {
    const effects = await this.#readPage(line.actorId, from, MAX_OF_ACTOR) ?? [];
    for (const effect of effects) this.#enqueue(line, effect);
    line.endReading(effects[effects.length - 1]);
    this.#pump(line);
  }

  async #readPage(
    actorId: string | undefined,
    after: EffectPlace | undefined,
    limit: number,
  ): Promise<readonly OpenEffect[] | undefined> {
    const options = { ...(actorId !== undefined && { actorId }), ...(after && { after }), limit };
    const page = await this.#patience.untilDone(() => this.#parts.store.open(options));
    if (page?.damage && !this.#hasReportedDamage) {
      this.#hasReportedDamage = true;
      this.#report(page.damage);
    }
    return page?.effects;
  }

  #lineOf(actorId: string): OutboxLine {
    const known = this.#lines.get(actorId);
    if (known) return known;
    const line = new OutboxLine(actorId, this.#parts.options.concurrency === 1);
    this.#lines.set(actorId, line);
    return line;
  }

  #forgetIfEmpty(line: OutboxLine): void {
    if (!line.isEmpty) return;
    line.timer?.cancel();
    this.#lines.delete(line.actorId);
  }

  #enqueue(line: OutboxLine, effect: OpenEffect): void {
    const id = idOf(effect);
    if (line.known.has(id) || this.#gone.has(id)) return;
    const { attempts } = effect;
    const item = { id, effect, attempts, dueAtMs: this.#dueAtMs(effect), isReplaced: false };
    const nowMs = this.#nowMs;
    if (line.isLeft(item, nowMs)) line.leave(item, nowMs);
    else {
      line.push(item, nowMs);
      this.#inMemory++;
    }
    this.#pump(line);
  }

  /** The time of day may have been set, so it is not relied on for long. */
  #dueAtMs({ attempts, dueAt }: OpenEffect): number {
    const { clock, options } = this.#parts;
    if (attempts === 0) return 0;
    const leftMs = storedTime(dueAt.getTime()) - storedTime(clock.now());
    return this.#nowMs + Math.min(options.maxDelayMs, leftMs);
  }

  get #nowMs(): number {
    return this.#parts.clock.monotonic();
  }

  /** Delivers what of a line is due, as far as there is room. */
  #pump(line: OutboxLine): void {
    const { concurrency } = this.#parts.options;
    line.wake(this.#nowMs);
    this.#goOnReadingLine(line);
    while (!this.#patience.isOver && line.running < concurrency) {
      const item = line.first(this.#nowMs);
      if (!item) return this.#sleep(line);
      if (!this.#hasRoomToDeliver) return void this.#held.add(line);
      line.take();
      this.#begin(item, line);
    }
  }

  /** Until there is something to be done for a line. */
  #sleep(line: OutboxLine): void {
    const { dueMs } = line;
    if (line.wakesAtMs <= dueMs || dueMs === Infinity) return;
    line.timer?.cancel();
    line.wakesAtMs = dueMs;
    const wake = () => {
      line.timer = undefined;
      line.wakesAtMs = Infinity;
      this.#pump(line);
    };
    const delayMs = Math.min(Math.max(0, dueMs - this.#nowMs), MAX_TIMER_MS);
    line.timer = this.#parts.clock.setTimer(wake, delayMs, false);
  }

  get #hasRoomToDeliver(): boolean {
    return this.#running.size < MAX_AT_ONCE && this.#runningBytes < MAX_BYTES_AT_ONCE;
  }

  #begin(item: EffectItem, line: OutboxLine): void {
    const { bytes } = item.effect;
    line.running++;
    this.#runningBytes += bytes;
    const running: Promise<void> = this.#deliverer.deliver(item).then(() => {
      this.#running.delete(running);
      this.#runningBytes -= bytes;
      line.running--;
      this.#pump(line);
      this.#pumpHeld();
    });
    this.#running.add(running);
  }

  #pumpHeld(): void {
    for (const line of this.#held) {
      if (!this.#hasRoomToDeliver) return;
      this.#held.delete(line);
      this.#pump(line);
    }
  }

  /** An attempt has failed. */
  #postpone(item: EffectItem): void {
    const line = this.#lineOf(item.effect.actorId);
    const nowMs = this.#nowMs;
    if (line.isLeft(item, nowMs)) return this.#leave(item, line);
    line.postpone(item);
    if (line.isHeldUp(nowMs) && !line.isBeingRead) this.#inMemory -= line.leaveHeldUp();
  }

  #leave(item: EffectItem, line: OutboxLine): void {
    line.leave(item, this.#nowMs);
    this.#inMemory--;
    // What is being read may be from before the attempt.
    if (this.#reading.size > 0) this.#gone.add(item.id);
    this.#goOnReadingLine(line);
    this.#goOnReading();
    this.#goOnReadingLines();
  }

  #forget(items: readonly EffectItem[]): void {
    for (const item of items) {
      const line = this.#lineOf(item.effect.actorId);
      line.known.delete(item.id);
      this.#inMemory--;
      if (this.#reading.size > 0 && !item.isReplaced) this.#gone.add(item.id);
      this.#goOnReadingLine(line);
      this.#forgetIfEmpty(line);
    }
    this.#goOnReading();
    this.#goOnReadingLines();
    this.#tellIfDrained();
  }

  #report(error: unknown): void {
    const { kind, actorId = "", report } = this.#parts;
    report({ type: "outbox", kind, actorId, error });
  }
}

function idOf({ actorId, sequenceNumber, index }: EffectPlace): string {
  return `${actorId}/${sequenceNumber}/${index}`;
}

/** The place after which no effect of an actor stands. */
function lastPlaceOf(actorId: string): EffectPlace {
  return { actorId, sequenceNumber: Number.MAX_SAFE_INTEGER - 1, index: Number.MAX_SAFE_INTEGER };
}
