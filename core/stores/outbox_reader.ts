/**
 * Reads the outbox of a kind of actors, in pages of bounded size. What is damaged keeps nothing else
 * from being read: a damaged effect is known by its place, one whose key is damaged is only reported.
 *
 * @module
 */

import { PersistenceError } from "../errors/persistence_error.ts";
import { type ActorAddress, addressIn, addressOf } from "../format/actor_address.ts";
import {
  decodeEffect,
  effectKey,
  effectRange,
  type EffectRecord,
  type EffectState,
  parseEffectKey,
} from "../format/effect_record.ts";
import { entryKeysEnd, keyAfter, type KeyRange } from "../format/keys.ts";
import type {
  DeadLetter,
  EffectContent,
  EffectPage,
  EffectPlace,
  OpenEffect,
} from "../ports/outbox_store.ts";
import type { Storage, StoredEntry } from "../ports/storage.ts";
import { actorsBeingRemoved, isBeingRemoved } from "../read/removal.ts";
import { compareBytes } from "../util/bytes.ts";

const MAX_PAGE_BYTES = 2 ** 20;

/** What reading an outbox needs. */
export interface OutboxReaderServices {
  readonly storage: Storage;
  /** The kind of its actors. */
  readonly kind: string;
  /** The range of the keys of its actors. */
  readonly actors: KeyRange;
  /** Decodes an effect. */
  readonly decode: (payload: Uint8Array, address: ActorAddress, sequenceNumber: number) => unknown;
  /** Throws `CLOSED` once the store is being closed. */
  readonly assertOpen: (operation: string) => void;
}

/** Which effects are read. */
export interface PageOptions {
  readonly actorId?: string;
  readonly after?: EffectPlace;
  readonly limit: number;
}

/** An effect, as far as it can be read. */
export interface StoredEffect {
  readonly record: EffectRecord;
  /** `CORRUPT`, if it cannot be. */
  readonly damage?: PersistenceError;
}

/** An effect that was found, and where. */
interface FoundEffect {
  readonly address: ActorAddress;
  readonly place: EffectPlace;
  readonly stored: StoredEffect;
}

/** Reads an outbox. */
export class OutboxReader {
  readonly #services: OutboxReaderServices;

  /** @param services What it works with. */
  constructor(services: OutboxReaderServices) {
    this.#services = services;
  }

  /** See `OutboxStore.open`. */
  open({ limit, ...options }: PageOptions): Promise<EffectPage<OpenEffect>> {
    // What they contain is not kept.
    const limits = { effects: limit, bytes: Infinity };
    return this.#read("open", options, limits, ({ place, stored }) => effectOf(place, stored));
  }

  /** See `OutboxStore.content`. */
  async content(place: EffectPlace): Promise<EffectContent | undefined> {
    const { storage } = this.#services;
    const address = this.#address(place.actorId, "read effect of");
    const key = effectKey("open", address.key, place.sequenceNumber, place.index);
    if (await isBeingRemoved(storage, address)) return undefined;
    const found = await storage.get("outbox", key);
    if (!found) return undefined;
    return this.#contentOf({ address, place, stored: readEffect(key, found.value, place.actorId) });
  }

  /** See `OutboxStore.deadLetters`. */
  deadLetters({ limit, ...options }: PageOptions): Promise<EffectPage<DeadLetter>> {
    const limits = { effects: limit, bytes: MAX_PAGE_BYTES };
    return this.#read("dead", options, limits, (found) => this.#letterOf(found));
  }

  /** Reads until there is something, or nothing more: a page may be without effects that count. */
  async #read<Effect extends OpenEffect>(
    state: EffectState,
    { actorId, after }: Omit<PageOptions, "limit">,
    limits: { readonly effects: number; readonly bytes: number },
    make: (found: FoundEffect) => Effect,
  ): Promise<EffectPage<Effect>> {
    const { storage, actors, assertOpen } = this.#services;
    const operation = "read outbox of";
    assertOpen(operation);
    const range = actorId === undefined ? actors : rangeOf(this.#address(actorId, operation));
    let { start, end } = effectRange(state, range);
    if (after) {
      const { key } = this.#address(after.actorId, operation);
      start = keyAfter(effectKey(state, key, after.sequenceNumber, after.index));
    }
    const effects: Effect[] = [];
    let bytes = 0;
    let damage: Error | undefined;
    while (effects.length < limits.effects && bytes < limits.bytes) {
      // What is left of an actor that is being deleted or erased does not count.
      const removed = await actorsBeingRemoved(storage, range);
      const found = await storage.scan("outbox", {
        start,
        end,
        maxEntries: limits.effects - effects.length,
        maxBytes: MAX_PAGE_BYTES,
      });
      const last = found[found.length - 1];
      if (!last) break;
      start = keyAfter(last.key);
      const places = found.map((entry) => findEffect(state, entry));
      if (places.includes(undefined)) damage ??= this.#damagedKey();
      for (const one of places) {
        if (!one || removed.some(({ actorId }) => actorId === one.address.actorId)) continue;
        const effect = make(one);
        effects.push(effect);
        bytes += effect.bytes;
      }
    }
    return { effects, damage };
  }

  #letterOf(found: FoundEffect): DeadLetter {
    const { place, stored } = found;
    const { actorId, sequenceNumber, index } = place;
    const content = this.#contentOf(found);
    const letter = {
      id: `${actorId}/${sequenceNumber}/${index}`,
      ...effectOf(place, stored),
      lastError: stored.record.lastError,
      effect: undefined,
    };
    // Not by spreading, which would decode it.
    return Object.defineProperty(letter, "effect", { get: () => content.effect, enumerable: true });
  }

  #contentOf({ address, place, stored: { record, damage } }: FoundEffect): EffectContent {
    const { decode } = this.#services;
    return {
      get effect() {
        if (damage) throw damage;
        return decode(record.payload, address, place.sequenceNumber);
      },
    };
  }

  #damagedKey(): PersistenceError {
    const { kind } = this.#services;
    return new PersistenceError(
      "CORRUPT",
      `Cannot read outbox of kind "${kind}": a key is damaged, so one of its effects is lost`,
      { kind },
    );
  }

  #address(actorId: string, operation: string): ActorAddress {
    this.#services.assertOpen(operation);
    return addressOf(this.#services.kind, actorId, operation);
  }
}

/** Finds out whose effect it is. `undefined` if the key does not say it. */
function findEffect(state: EffectState, { key, value }: StoredEntry): FoundEffect | undefined {
  const { actor, sequenceNumber, index } = parseEffectKey(key);
  const address = addressIn(actor);
  if (!address || Number.isNaN(sequenceNumber) || Number.isNaN(index)) return undefined;
  // Otherwise the effect could not be found by its place.
  if (compareBytes(effectKey(state, address.key, sequenceNumber, index), key) !== 0) {
    return undefined;
  }
  const { actorId } = address;
  const place = { actorId, sequenceNumber, index };
  return { address, place, stored: readEffect(key, value, actorId) };
}

/**
 * An effect, as users of the store get it.
 *
 * @param place Where it stands.
 * @param stored What is stored of it, which is not kept.
 * @returns The effect.
 */
export function effectOf(
  { actorId, sequenceNumber, index }: EffectPlace,
  { record }: StoredEffect,
): OpenEffect {
  return {
    actorId,
    sequenceNumber,
    index,
    timestamp: new Date(record.decidedAtMs),
    dueAt: new Date(record.dueAtMs),
    attempts: record.attempts,
    bytes: record.payload.length,
  };
}

/** What stands for a record that is damaged. */
export const LOST: EffectRecord = {
  decidedAtMs: 0,
  dueAtMs: 0,
  attempts: 0,
  lastError: "",
  payload: new Uint8Array(0),
};

/**
 * Reads an effect. One that is damaged must not keep others from being read.
 *
 * @param key Its key.
 * @param value What is stored.
 * @param actorId Its actor.
 * @returns The effect, as far as it can be read.
 * @throws {PersistenceError} `UNSUPPORTED_FORMAT`.
 */
export function readEffect(key: Uint8Array, value: Uint8Array, actorId: string): StoredEffect {
  try {
    const record = decodeEffect(key, value, actorId);
    return record.payload.length > 0 ? { record } : { record, damage: lost(actorId) };
  } catch (error) {
    if (!(error instanceof PersistenceError) || error.code !== "CORRUPT") throw error;
    return { record: { ...LOST, lastError: error.message }, damage: error };
  }
}

function lost(actorId: string): PersistenceError {
  const reason = "it was damaged when it was given up";
  return new PersistenceError(
    "CORRUPT",
    `Cannot read effect of outbox of actor "${actorId}": ${reason}`,
    { actorId },
  );
}

/**
 * The keys of an actor: all begin with its own, and go on with a number or a checksum.
 *
 * @param actor The actor.
 * @returns The range.
 */
export function rangeOf({ key }: ActorAddress): KeyRange {
  return { start: key, end: entryKeysEnd(key) };
}
