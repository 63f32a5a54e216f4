/**
 * The outbox of a kind of actors, on the commit queue of its provider.
 *
 * @module
 */

import type { CommitQueue } from "../commit/commit_queue.ts";
import { failureOf } from "../errors/storage_failure.ts";
import { type ActorAddress, addressOf } from "../format/actor_address.ts";
import {
  effectKey,
  effectRange,
  type EffectRecord,
  type EffectState,
  encodeEffect,
} from "../format/effect_record.ts";
import { keyAfter, type KeyRange } from "../format/keys.ts";
import type {
  DeadLetter,
  EffectContent,
  EffectPage,
  EffectPlace,
  OpenEffect,
  OutboxCounts,
  OutboxStore,
} from "../ports/outbox_store.ts";
import type { Keyspace, StorageChange, StoredEntry, WriteGroup } from "../ports/storage.ts";
import { actorsBeingRemoved } from "../read/removal.ts";
import {
  effectOf,
  LOST,
  OutboxReader,
  type OutboxReaderServices,
  type PageOptions,
  rangeOf,
  readEffect,
  type StoredEffect,
} from "./outbox_reader.ts";
import { storedTime } from "../util/stored_time.ts";

const COUNT_PAGE_KEYS = 1_024;
const MAX_ERROR_LENGTH = 1_000;

/** What an outbox works with. */
export interface OutboxServices extends OutboxReaderServices {
  readonly queue: CommitQueue;
}

/** See {@linkcode OutboxStore}. */
export class QueuedOutboxStore implements OutboxStore {
  readonly #services: OutboxServices;
  readonly #reader: OutboxReader;

  /** @param services What it works with. */
  constructor(services: OutboxServices) {
    this.#services = services;
    this.#reader = new OutboxReader(services);
  }

  /** See {@linkcode OutboxStore.open}. */
  open(options: PageOptions): Promise<EffectPage<OpenEffect>> {
    return this.#reader.open(options);
  }

  /** See {@linkcode OutboxStore.content}. */
  content(place: EffectPlace): Promise<EffectContent | undefined> {
    return this.#reader.content(place);
  }

  /** See {@linkcode OutboxStore.deadLetters}. */
  deadLetters(options: PageOptions): Promise<EffectPage<DeadLetter>> {
    return this.#reader.deadLetters(options);
  }

  /** See {@linkcode OutboxStore.confirm}. */
  async confirm(places: readonly EffectPlace[]): Promise<void> {
    const operation = "confirm effects of";
    const first = places[0];
    if (!first) return;
    const changes = places.map((place): StorageChange => ({
      type: "delete",
      keyspace: "outbox",
      key: this.#key("open", place, operation),
    }));
    await this.#write(operation, this.#address(first.actorId, operation), {
      conditions: [],
      changes,
    });
  }

  /** See {@linkcode OutboxStore.postpone}. */
  async postpone(place: EffectPlace, attempts: number, dueAt: Date): Promise<void> {
    const operation = "postpone effect of";
    const key = this.#key("open", place, operation);
    await this.#change(place, operation, key, ({ record, damage }) => {
      if (damage) throw damage;
      return [put(key, { ...record, attempts, dueAtMs: storedTime(dueAt.getTime()) })];
    });
  }

  /** See {@linkcode OutboxStore.bury}. */
  async bury(place: EffectPlace, attempts: number, lastError: string): Promise<void> {
    const operation = "give up effect of";
    const key = this.#key("open", place, operation);
    const deadKey = this.#key("dead", place, operation);
    // One that is damaged is lost; that it was there is not.
    await this.#change(place, operation, key, ({ record }) => [
      { type: "delete", keyspace: "outbox", key },
      put(deadKey, {
        ...record,
        attempts,
        lastError: lastError.slice(0, MAX_ERROR_LENGTH),
      }),
    ]);
  }

  /** See {@linkcode OutboxStore.revive}. */
  async revive(place: EffectPlace): Promise<OpenEffect | undefined> {
    const operation = "retry dead letter of";
    const deadKey = this.#key("dead", place, operation);
    const key = this.#key("open", place, operation);
    let record = LOST;
    const isRevived = await this.#change(place, operation, deadKey, (dead) => {
      if (dead.damage) throw dead.damage;
      const { decidedAtMs } = dead.record;
      record = { ...dead.record, attempts: 0, dueAtMs: decidedAtMs, lastError: "" };
      return [{ type: "delete", keyspace: "outbox", key: deadKey }, put(key, record)];
    });
    // It may have gone since it was read.
    return isRevived ? effectOf(place, { record }) : undefined;
  }

  /** See {@linkcode OutboxStore.drop}. */
  async drop(place: EffectPlace): Promise<boolean> {
    const operation = "drop dead letter of";
    const key = this.#key("dead", place, operation);
    return await this.#change(place, operation, key, () => [
      { type: "delete", keyspace: "outbox", key },
    ]);
  }

  /** See {@linkcode OutboxStore.counts}. */
  async counts(): Promise<OutboxCounts> {
    this.#services.assertOpen("count effects");
    const { storage, actors } = this.#services;
    const removed = await actorsBeingRemoved(storage, actors);
    const count = async (state: EffectState) => {
      let effects = await this.#count("outbox", effectRange(state, actors));
      for (const actor of removed) {
        effects -= await this.#count("outbox", effectRange(state, rangeOf(actor)));
      }
      return Math.max(0, effects);
    };
    return { open: await count("open"), dead: await count("dead") };
  }

  /**
   * The changes that store effects.
   *
   * @param address Their actor.
   * @param sequenceNumber The sequence number of the entry that they were decided with.
   * @param firstIndex The index of the first one.
   * @param payloads The effects, encoded.
   * @param timeMs When they were decided, in milliseconds since 1970.
   * @returns The changes, and the effects as they stand in the outbox then.
   */
  plan(
    address: ActorAddress,
    sequenceNumber: number,
    firstIndex: number,
    payloads: readonly Uint8Array[],
    timeMs: number,
  ): { readonly changes: StorageChange[]; readonly effects: OpenEffect[] } {
    const changes: StorageChange[] = [];
    const effects: OpenEffect[] = [];
    for (const [offset, payload] of payloads.entries()) {
      const place = { actorId: address.actorId, sequenceNumber, index: firstIndex + offset };
      const record = { decidedAtMs: timeMs, dueAtMs: timeMs, attempts: 0, lastError: "", payload };
      changes.push(put(effectKey("open", address.key, sequenceNumber, place.index), record));
      effects.push(effectOf(place, { record }));
    }
    return { changes, effects };
  }

  async #count(keyspace: Keyspace, range: KeyRange): Promise<number> {
    let count = 0;
    for await (const { length } of this.#pagesOfKeys(keyspace, range)) count += length;
    return count;
  }

  async *#pagesOfKeys(
    keyspace: Keyspace,
    { start, end }: KeyRange,
  ): AsyncGenerator<StoredEntry[], void, undefined> {
    for (let next = start;;) {
      const page = await this.#services.storage.scan(keyspace, {
        start: next,
        end,
        maxEntries: COUNT_PAGE_KEYS,
        maxBytes: 1,
        keysOnly: true,
      });
      yield page;
      const last = page[page.length - 1];
      if (!last || page.length < COUNT_PAGE_KEYS) return;
      next = keyAfter(last.key);
    }
  }

  /**
   * Changes an effect, as often as another writer was faster.
   *
   * @returns Whether it was there.
   */
  async #change(
    { actorId }: EffectPlace,
    operation: string,
    key: Uint8Array,
    plan: (effect: StoredEffect) => StorageChange[],
  ): Promise<boolean> {
    const { storage } = this.#services;
    const address = this.#address(actorId, operation);
    for (;;) {
      const stored = await storage.get("outbox", key);
      if (!stored) return false;
      const changes = plan(readEffect(key, stored.value, actorId))
        .map((change): StorageChange =>
          change.type === "put" ? { ...change, version: stored.version + 1 } : change
        );
      const conditions = [{ keyspace: "outbox" as const, key, version: stored.version }];
      if (await this.#write(operation, address, { conditions, changes })) return true;
    }
  }

  async #write(operation: string, address: ActorAddress, group: WriteGroup): Promise<boolean> {
    try {
      return await this.#services.queue.writeFor(address, group);
    } catch (error) {
      throw failureOf(operation, address, error);
    }
  }

  #key(state: EffectState, place: EffectPlace, operation: string): Uint8Array {
    const { key } = this.#address(place.actorId, operation);
    return effectKey(state, key, place.sequenceNumber, place.index);
  }

  #address(actorId: string, operation: string): ActorAddress {
    this.#services.assertOpen(operation);
    return addressOf(this.#services.kind, actorId, operation);
  }
}

function put(key: Uint8Array, record: EffectRecord): StorageChange {
  return { type: "put", keyspace: "outbox", key, value: encodeEffect(key, record), version: 0 };
}
