/**
 * The snapshot stores of a provider, on its commit queue. A snapshot is stored as
 *
 * | offset | bytes | content |
 * |---|---|---|
 * | 0 | 5 | the record's envelope, see `record.ts` |
 * | 5 | 8 | when it was saved: milliseconds since 1970 |
 * | 13 | | the state |
 *
 * In version 1 the state is what the codec made. In version 2 it begins with a tag that names its
 * schema, see `schema_tag.ts`. It stands in the space "snapshots" under the actor's numbered key, guarded (see `guarded_key.ts`).
 *
 * @module
 */

import { checkDate, checkInteger, checkOptions, checkSequenceNumber } from "./arguments.ts";
import type { CommitQueue } from "./commit_queue.ts";
import { ArgumentRangeError, PersistenceError } from "./errors.ts";
import { failureOf } from "./failure.ts";
import { assertNothingMisplaced, guardKey, KEY_GUARD_BYTES } from "./guarded_key.ts";
import {
  actorKey,
  numberedKey,
  numberedKeysEnd,
  readUint53,
  sequenceNumberOf,
  writeUint53,
} from "./keys.ts";
import type { Payloads } from "./payloads.ts";
import { RECORD_HEADER_BYTES, sealRecord, verifyRecord } from "./record.ts";
import { Settlements } from "./settlements.ts";
import type { Storage, StoredEntry } from "./storage.ts";
import type {
  DeleteSnapshotsCriteria,
  SnapshotCriteria,
  SnapshotEntry,
  SnapshotStore,
  SnapshotStoreOptions,
} from "./snapshots.ts";

const PLAIN_VERSION = 1;
const TAGGED_VERSION = 2;
const TIME_OFFSET = RECORD_HEADER_BYTES;
const STATE_OFFSET = TIME_OFFSET + 8;

const DEFAULT_KEEP = 3;
const MAX_KEEP = 2 ** 31 - 1;
const MAX_KEYS_PER_STEP = 512;

/** What snapshot stores of one provider share. */
export interface SnapshotServices {
  readonly storage: Storage;
  readonly queue: CommitQueue;
  /** Turns states into bytes and back. */
  readonly payloads: Payloads;
  readonly maxSnapshotBytes: number;
  /** The calls under way in all stores. */
  readonly settlements: Settlements;
  /** Called when snapshots that are no longer kept could not be deleted. */
  readonly onPruneFailure: (error: unknown) => void;
  /** Throws `CLOSED` once the provider is being closed. */
  readonly assertOpen: (operation: string) => void;
}

interface Bounds {
  readonly minSequenceNumber: number;
  readonly maxSequenceNumber: number;
  readonly maxTimeMs: number;
}

/** A snapshot store on the commit queue of its provider. */
export class QueuedSnapshotStore<State> implements SnapshotStore<State> {
  readonly #services: SnapshotServices;
  readonly #boundTo: string | undefined;
  readonly #keep: number;
  readonly #settlements = new Settlements();
  #closing: Promise<void> | undefined;

  /**
   * @param services What snapshot stores of one provider share.
   * @param options Binding, and how many are kept.
   */
  constructor(
    services: SnapshotServices,
    options: Omit<SnapshotStoreOptions, "schema"> = {},
  ) {
    const operation = "create snapshot store";
    if (options.actorId !== undefined) actorKey(options.actorId, operation);
    this.#services = services;
    this.#boundTo = options.actorId;
    this.#keep = checkInteger(options.keep ?? DEFAULT_KEEP, "keep", 1, MAX_KEEP, operation);
  }

  /** See {@linkcode SnapshotStore.saveSnapshot}. */
  async saveSnapshot(actorId: string, state: State, sequenceNumber: number): Promise<void> {
    const actor = this.#check(actorId, "save snapshot");
    const operation = `save snapshot of actor "${actorId}"`;
    checkSequenceNumber(sequenceNumber, "sequenceNumber", operation);
    const key = guardKey(numberedKey(actor, sequenceNumber));
    const record = this.#encode(actorId, key, state, operation);
    await this.#watch("save snapshot of", actorId, () => this.#saveAndPrune(actor, key, record));
  }

  /** See {@linkcode SnapshotStore.getLatestSnapshot}. */
  async getLatestSnapshot(
    actorId: string,
    criteria: SnapshotCriteria = {},
  ): Promise<SnapshotEntry<State> | undefined> {
    const actor = this.#check(actorId, "load snapshot");
    const bounds = checkCriteria(criteria, `load snapshot of actor "${actorId}"`);
    const start = numberedKey(actor, bounds.minSequenceNumber);
    const end = endOf(actor, bounds);
    const stored = await this.#newestWithin(actorId, start, end, bounds.maxTimeMs);
    await assertNothingMisplaced(
      this.#services.storage,
      "snapshots",
      stored ? { end } : { start, end },
      actorId,
      `snapshot of actor "${actorId}"`,
    );
    return stored && this.#decode(actorId, stored);
  }

  /** See {@linkcode SnapshotStore.listSnapshots}. */
  async listSnapshots(actorId: string): Promise<number[]> {
    const actor = this.#check(actorId, "list snapshots");
    const numbers: number[] = [];
    for (let end = numberedKeysEnd(actor);;) {
      const page = await this.#services.storage.scan("snapshots", {
        start: numberedKey(actor, 0),
        end,
        reverse: true,
        maxEntries: MAX_KEYS_PER_STEP,
        maxBytes: 1,
        keysOnly: true,
      });
      for (const { key } of page) numbers.push(snapshotNumberOf(key));
      const lowest = page[page.length - 1]?.key;
      if (!lowest || page.length < MAX_KEYS_PER_STEP) return numbers;
      end = lowest;
    }
  }

  /** See {@linkcode SnapshotStore.deleteSnapshots}. */
  async deleteSnapshots(actorId: string, criteria: DeleteSnapshotsCriteria = {}): Promise<void> {
    const actor = this.#check(actorId, "delete snapshots");
    const bounds = checkCriteria(criteria, `delete snapshots of actor "${actorId}"`);
    await this.#watch(
      "delete snapshots of",
      actorId,
      () => this.#deleteWithin(actorId, actor, bounds),
    );
  }

  /** See {@linkcode SnapshotStore.close}. */
  close(): Promise<void> {
    this.#closing ??= this.#settlements.settled();
    return this.#closing;
  }

  /** Closes the store. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #newestWithin(
    actorId: string,
    start: Uint8Array,
    end: Uint8Array,
    maxTimeMs: number,
  ): Promise<StoredEntry | undefined> {
    for (let next = end;;) {
      const [stored] = await this.#services.storage.scan("snapshots", {
        start,
        end: next,
        reverse: true,
        maxEntries: 1,
        maxBytes: 1,
      });
      if (!stored || headerOf(actorId, stored).timeMs <= maxTimeMs) return stored;
      next = stored.key;
    }
  }

  async #saveAndPrune(actor: Uint8Array, key: Uint8Array, value: Uint8Array): Promise<void> {
    await this.#services.queue.write({
      conditions: [],
      changes: [{ type: "put", space: "snapshots", key, value, version: 0 }],
    });
    try {
      await this.#prune(actor);
    } catch (error) {
      this.#services.onPruneFailure(error);
    }
  }

  async #prune(actor: Uint8Array): Promise<void> {
    const oldestKept = await this.#oldestKept(actor);
    if (oldestKept) await this.#deleteKeys(numberedKey(actor, 0), oldestKept);
  }

  /** The key of the oldest snapshot that is kept, or `undefined` where there are none beyond it. */
  async #oldestKept(actor: Uint8Array): Promise<Uint8Array | undefined> {
    let end = numberedKeysEnd(actor);
    let oldest: Uint8Array | undefined;
    for (let remaining = this.#keep; remaining > 0;) {
      const newest = await this.#services.storage.scan("snapshots", {
        start: numberedKey(actor, 0),
        end,
        reverse: true,
        maxEntries: Math.min(remaining, MAX_KEYS_PER_STEP),
        maxBytes: 1,
        keysOnly: true,
      });
      oldest = newest[newest.length - 1]?.key;
      if (!oldest) return undefined;
      remaining -= newest.length;
      end = oldest;
    }
    return oldest;
  }

  async #deleteWithin(actorId: string, actor: Uint8Array, bounds: Bounds): Promise<void> {
    const start = numberedKey(actor, bounds.minSequenceNumber);
    const end = endOf(actor, bounds);
    if (bounds.maxTimeMs === Infinity) return await this.#deleteKeys(start, end);
    for (let next = start;;) {
      const [stored] = await this.#services.storage.scan("snapshots", {
        start: next,
        end,
        maxEntries: 1,
        maxBytes: 1,
      });
      if (!stored) return;
      next = numberedKey(actor, snapshotNumberOf(stored.key) + 1);
      if (headerOf(actorId, stored).timeMs <= bounds.maxTimeMs) {
        await this.#deleteKeys(stored.key, next);
      }
    }
  }

  async #deleteKeys(start: Uint8Array, end: Uint8Array): Promise<void> {
    for (;;) {
      const found = await this.#services.storage.scan("snapshots", {
        start,
        end,
        maxEntries: MAX_KEYS_PER_STEP,
        maxBytes: 1,
        keysOnly: true,
      });
      if (found.length === 0) return;
      await this.#services.queue.write({
        conditions: [],
        changes: found.map(({ key }) => ({ type: "delete", space: "snapshots", key })),
      });
    }
  }

  #encode(actorId: string, key: Uint8Array, state: State, operation: string): Uint8Array {
    const { maxSnapshotBytes, payloads } = this.#services;
    const payload = payloads.encode(state, operation, actorId);
    if (payload.length > maxSnapshotBytes) {
      throw new PersistenceError(
        "TOO_LARGE",
        `Cannot ${operation}: the state has ${payload.length} bytes, the limit is ${maxSnapshotBytes}`,
        { actorId },
      );
    }
    const record = new Uint8Array(STATE_OFFSET + payload.length);
    writeUint53(record, TIME_OFFSET, Math.max(0, Date.now()), "little-endian");
    record.set(payload, STATE_OFFSET);
    sealRecord(key, record, payloads.isTagged ? TAGGED_VERSION : PLAIN_VERSION);
    return record;
  }

  #decode(actorId: string, stored: StoredEntry): SnapshotEntry<State> {
    const sequenceNumber = snapshotNumberOf(stored.key);
    const { timeMs, isTagged } = headerOf(actorId, stored);
    const { payloads } = this.#services;
    // What was stored is what the store's user declared it to be.
    const state = payloads.decode({
      bytes: stored.value,
      payloadStart: STATE_OFFSET,
      payloadEnd: stored.value.length,
      actorId,
      sequenceNumber,
      timeMs,
      isTagged,
    }) as State;
    const timestamp = new Date(timeMs);
    const schema = payloads.decodedSchema;
    return schema
      ? { actorId, state, sequenceNumber, timestamp, schema }
      : { actorId, state, sequenceNumber, timestamp };
  }

  #watch(operation: string, actorId: string, call: () => Promise<void>): Promise<void> {
    const told = call().catch((error) => {
      throw failureOf(operation, actorId, error);
    });
    return this.#settlements.watch(this.#services.settlements.watch(told));
  }

  #check(actorId: string, operation: string): Uint8Array {
    this.#services.assertOpen(operation);
    if (this.#closing) {
      throw new PersistenceError("CLOSED", `Cannot ${operation}: the snapshot store is closed`);
    }
    const key = actorKey(actorId, operation);
    if (this.#boundTo !== undefined && actorId !== this.#boundTo) {
      throw new ArgumentRangeError(
        `Cannot ${operation}: the snapshot store is bound to actor "${this.#boundTo}", not "${actorId}"`,
      );
    }
    return key;
  }
}

function checkCriteria(criteria: DeleteSnapshotsCriteria, operation: string): Bounds {
  checkOptions(criteria, operation);
  const { sequenceNumber, maxSequenceNumber, maxTimestamp } = criteria;
  if (sequenceNumber !== undefined) {
    checkSequenceNumber(sequenceNumber, "sequenceNumber", operation);
  }
  if (maxSequenceNumber !== undefined) {
    checkSequenceNumber(maxSequenceNumber, "maxSequenceNumber", operation);
  }
  return {
    minSequenceNumber: sequenceNumber ?? 0,
    maxSequenceNumber: Math.min(
      sequenceNumber ?? Number.MAX_SAFE_INTEGER,
      maxSequenceNumber ?? Number.MAX_SAFE_INTEGER,
    ),
    maxTimeMs: maxTimestamp === undefined
      ? Infinity
      : checkDate(maxTimestamp, "maxTimestamp", operation),
  };
}

/** The end, exclusive, of the keys within the bounds. */
function endOf(actor: Uint8Array, { maxSequenceNumber }: Bounds): Uint8Array {
  return maxSequenceNumber === Number.MAX_SAFE_INTEGER
    ? numberedKeysEnd(actor)
    : numberedKey(actor, maxSequenceNumber + 1);
}

function snapshotNumberOf(key: Uint8Array): number {
  return sequenceNumberOf(key.subarray(0, key.length - KEY_GUARD_BYTES));
}

/** What stands before a state. */
interface SnapshotHeader {
  /** When it was saved, in milliseconds since 1970. */
  readonly timeMs: number;
  readonly isTagged: boolean;
}

/** Verifies a snapshot and reads what stands before the state. */
function headerOf(actorId: string, { key, value }: StoredEntry): SnapshotHeader {
  const sequenceNumber = snapshotNumberOf(key);
  const subject = `snapshot of actor "${actorId}" at ${sequenceNumber}`;
  const version = verifyRecord(key, value, TAGGED_VERSION, subject, { actorId, sequenceNumber });
  const timeMs = readUint53(value, TIME_OFFSET, "little-endian");
  if (Number.isNaN(timeMs)) {
    throw new PersistenceError("CORRUPT", `Cannot read ${subject}: malformed`, {
      actorId,
      sequenceNumber,
    });
  }
  return { timeMs, isTagged: version === TAGGED_VERSION };
}
