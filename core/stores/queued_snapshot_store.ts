/**
 * The snapshot stores of a provider, on its commit queue.
 *
 * @module
 */

import type { CommitQueue } from "../commit/commit_queue.ts";
import { describeActor, detailsOf } from "../errors/actor_name.ts";
import { checkOptionalKind, checkOptions, checkSequenceNumber } from "../errors/arguments.ts";
import { ArgumentRangeError, PersistenceError } from "../errors/persistence_error.ts";
import type { JournalGuard } from "../commit/journal_guard.ts";
import { failureOf } from "../errors/storage_failure.ts";
import { type EncodedPayload, writePayload } from "../format/payload.ts";
import { type ActorAddress, addressOf, nameOf } from "../format/actor_address.ts";
import { entryKey, entryKeysEnd } from "../format/keys.ts";
import {
  encodeSnapshot,
  readSnapshotTime,
  SNAPSHOT_PAYLOAD_OFFSET,
  snapshotKey,
  snapshotNumberOf,
} from "../format/snapshot_record.ts";
import type { JournalIdentity } from "../ports/actor_store.ts";
import {
  DELETE_SNAPSHOTS_CRITERIA_NAMES,
  type DeleteSnapshotsCriteria,
  SNAPSHOT_CRITERIA_NAMES,
  type SnapshotCriteria,
  type SnapshotEntry,
  type SnapshotStore,
  type SnapshotStoreOptions,
} from "../ports/snapshot_store.ts";
import type { Storage, StorageChange, StoredEntry } from "../ports/storage.ts";
import type { TelemetrySink } from "../ports/telemetry.ts";
import { assertNoDamagedNeighbor } from "../read/missing_key.ts";
import { isBeingRemoved, readWhole } from "../read/removal.ts";
import type { Payloads } from "../schema/payloads.ts";
import { failureIn } from "../telemetry/telemetry_hub.ts";
import type { CallOrder } from "../util/call_order.ts";
import { CallTracker } from "../util/call_tracker.ts";
import { type Bounds, checkCriteria, checkKeep, endOf } from "./snapshot_criteria.ts";
import { SnapshotPruning } from "./snapshot_pruning.ts";

const NO_BYTES = new Uint8Array(0);
const DEFAULT_KEEP = 3;
const MAX_KEYS_PER_STEP = 512;
/** Snapshots whose times are looked at are read with their states, so not too many at once. */
const MAX_PAGE_BYTES = 2 ** 20;

/** What the snapshot stores of one provider share. */
export interface SnapshotServices {
  /** The storage that snapshots are read from. */
  readonly storage: Storage;
  /** The queue that commits snapshots. */
  readonly queue: CommitQueue;
  /** Turns states into bytes and back. */
  readonly payloads: Payloads;
  /** The most bytes that an encoded state may have: an integer of at least 1. */
  readonly maxSnapshotBytes: number;
  /** What it reports saves and loads to. */
  readonly telemetry: TelemetrySink;
  /** Keeps the saves of an actor in the order of the calls. */
  readonly saves: CallOrder;
  /** The calls under way in all stores. */
  readonly calls: CallTracker;
  /** Called when snapshots that are no longer kept could not be deleted. */
  readonly onPruneFailure: (error: unknown) => void;
  /** Throws `CLOSED` once the provider is being closed. */
  readonly assertOpen: (operation: string) => void;
}

/**
 * A snapshot store on the commit queue of its provider.
 *
 * @typeParam State What is stored in it.
 */
export class QueuedSnapshotStore<State> implements SnapshotStore<State> {
  readonly #services: SnapshotServices;
  readonly #kind: string;
  readonly #boundTo: ActorAddress | undefined;
  readonly #pruning: SnapshotPruning;
  readonly #calls = new CallTracker();
  #closing: Promise<void> | undefined;

  /**
   * @param services What the snapshot stores of one provider share.
   * @param options Kind, binding, and how many snapshots are kept.
   * @throws {ArgumentTypeError | ArgumentRangeError} `INVALID_ARGUMENT` if an option is bad.
   */
  constructor(
    services: SnapshotServices,
    options: Omit<SnapshotStoreOptions, "schema"> = {},
  ) {
    const operation = "create snapshot store";
    this.#services = services;
    this.#kind = checkOptionalKind(options.kind, operation);
    this.#boundTo = options.actorId === undefined
      ? undefined
      : addressOf(this.#kind, options.actorId, operation);
    const keep = checkKeep(options.keep ?? DEFAULT_KEEP, operation);
    this.#pruning = new SnapshotPruning(services.storage, services.queue, keep);
  }

  /** See {@linkcode SnapshotStore.saveSnapshot}. */
  async saveSnapshot(actorId: string, state: State, sequenceNumber: number): Promise<void> {
    const actor = this.#check(actorId, "save snapshot");
    const operation = `save snapshot of ${describeActor(actor)}`;
    checkSequenceNumber(sequenceNumber, "sequenceNumber", operation);
    await this.#save(actor, this.#encode(actor, state), sequenceNumber);
  }

  /**
   * Encodes a state, to be saved later.
   *
   * @param actorId The actor.
   * @param state The state.
   * @returns The encoded state.
   * @throws {PersistenceError} `UNENCODABLE`, `TOO_LARGE`; with a schema `VALIDATION_FAILED` and
   *   `UNKNOWN_SCHEMA`.
   */
  prepare(actorId: string, state: State): Uint8Array {
    const payload = this.#encode(addressOf(this.#kind, actorId, "save snapshot"), state);
    const bytes = new Uint8Array(payload.header.length + payload.bytes.length);
    writePayload(bytes, 0, payload);
    return bytes;
  }

  /**
   * Saves a state that has been encoded. See {@linkcode SnapshotStore.saveSnapshot}.
   *
   * @param actorId The actor.
   * @param payload The encoded state.
   * @param sequenceNumber The sequence number of the last message that the state includes.
   * @param journal The journal that the message is in.
   * @returns When the snapshot is durable.
   * @throws {PersistenceError} `CONFLICT` if the actor was deleted or erased since.
   */
  async savePrepared(
    actorId: string,
    payload: Uint8Array,
    sequenceNumber: number,
    journal?: JournalIdentity,
  ): Promise<void> {
    const whole = { header: NO_BYTES, bytes: payload };
    await this.#save(this.#check(actorId, "save snapshot"), whole, sequenceNumber, journal);
  }

  /** See {@linkcode SnapshotStore.getLatestSnapshot}. */
  async getLatestSnapshot(
    actorId: string,
    criteria: SnapshotCriteria = {},
  ): Promise<SnapshotEntry<State> | undefined> {
    const actor = this.#check(actorId, "load snapshot");
    const operation = `load snapshot of ${describeActor(actor)}`;
    checkOptions(criteria, operation, SNAPSHOT_CRITERIA_NAMES);
    const bounds = checkCriteria(criteria, operation);
    const { storage } = this.#services;
    const startedAtMs = performance.now();
    if (await isBeingRemoved(storage, actor)) return undefined;
    const stored = await this.#newestWithin(actor, bounds);
    if (!stored) return undefined;
    const snapshot = this.#decode(actor, stored);
    this.#tellOfLoad(snapshot.timestamp, stored.value.length, startedAtMs);
    return snapshot;
  }

  /** See {@linkcode SnapshotStore.listSnapshots}. */
  async listSnapshots(actorId: string): Promise<number[]> {
    const actor = this.#check(actorId, "list snapshots");
    const { storage, queue } = this.#services;
    return await readWhole({ storage, heads: queue.log }, actor, () => this.#numbersOf(actor), []);
  }

  /** See {@linkcode SnapshotStore.deleteSnapshots}. */
  async deleteSnapshots(actorId: string, criteria: DeleteSnapshotsCriteria = {}): Promise<void> {
    const actor = this.#check(actorId, "delete snapshots");
    const operation = `delete snapshots of ${describeActor(actor)}`;
    checkOptions(criteria, operation, DELETE_SNAPSHOTS_CRITERIA_NAMES);
    const bounds = checkCriteria(criteria, operation);
    await this.#watch("delete snapshots of", actor, () => this.#deleteWithin(actor, bounds));
  }

  /** See {@linkcode SnapshotStore.close}. */
  close(): Promise<void> {
    this.#closing ??= this.#calls.settled();
    return this.#closing;
  }

  /** Closes the store. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #numbersOf(actor: ActorAddress): Promise<number[]> {
    const numbers: number[] = [];
    for (let end = entryKeysEnd(actor.key);;) {
      const page = await this.#services.storage.scan("snapshots", {
        start: entryKey(actor.key, 0),
        end,
        reverse: true,
        maxEntries: MAX_KEYS_PER_STEP,
        maxBytes: 1,
        keysOnly: true,
      });
      for (const { key } of page) numbers.push(snapshotNumberOf(key));
      const lowest = page[page.length - 1]?.key;
      if (!lowest || page.length < MAX_KEYS_PER_STEP) break;
      end = lowest;
    }
    return numbers;
  }

  async #newestWithin(actor: ActorAddress, bounds: Bounds): Promise<StoredEntry | undefined> {
    const start = entryKey(actor.key, bounds.minSequenceNumber);
    const end = endOf(actor, bounds);
    const stored = await this.#newestUntil(actor, start, end, bounds.maxTimeMs);
    await assertNoDamagedNeighbor(
      this.#services.storage,
      "snapshots",
      stored ? { end } : { start, end },
      actor,
      "snapshot",
    );
    return stored;
  }

  async #newestUntil(
    actor: ActorAddress,
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
      if (!stored || readSnapshotTime(actor, stored) <= maxTimeMs) return stored;
      next = stored.key;
    }
  }

  async #saveAndPrune(
    actor: ActorAddress,
    key: Uint8Array,
    value: Uint8Array,
    guard: JournalGuard | undefined,
  ): Promise<void> {
    // Of two that save the same number at the same time, the later call wins.
    const isSaved = await this.#services.saves.run(
      nameOf(actor),
      () => this.#pruning.outdatedBy(actor, key),
      (outdated) => this.#put(actor, key, value, guard, outdated),
    );
    if (!isSaved) {
      throw new PersistenceError(
        "CONFLICT",
        `Cannot save snapshot of ${describeActor(actor)}: it was deleted or erased in the meantime`,
        detailsOf(actor),
      );
    }
    try {
      await this.#pruning.prune(actor);
    } catch (error) {
      this.#services.onPruneFailure(error);
    }
  }

  /**
   * Writes a snapshot, and deletes those that it makes outdated in the same commit: a flush less. If
   * that fails, it is written alone. Returns whether the guard was kept.
   */
  async #put(
    actor: ActorAddress,
    key: Uint8Array,
    value: Uint8Array,
    guard: JournalGuard | undefined,
    outdated: readonly StorageChange[],
  ): Promise<boolean> {
    const { queue } = this.#services;
    const put = { type: "put", keyspace: "snapshots", key, value, version: 0 } as const;
    if (outdated.length > 0) {
      try {
        const changes = [put, ...outdated];
        return await queue.writeFor(actor, { conditions: [], changes }, guard);
      } catch {
        // The snapshot matters, and may fit without that. What stays is deleted, or told, later.
      }
    }
    return await queue.writeFor(actor, { conditions: [], changes: [put] }, guard);
  }

  async #deleteWithin(actor: ActorAddress, bounds: Bounds): Promise<void> {
    const start = entryKey(actor.key, bounds.minSequenceNumber);
    const end = endOf(actor, bounds);
    if (bounds.maxTimeMs === Infinity) return await this.#pruning.deleteKeys(start, end);
    const matching: StoredEntry[] = [];
    let next: Uint8Array | undefined = start;
    while (next) {
      const page: StoredEntry[] = await this.#services.storage.scan("snapshots", {
        start: next,
        end,
        maxEntries: MAX_KEYS_PER_STEP,
        maxBytes: MAX_PAGE_BYTES,
      });
      for (const stored of page) {
        if (readSnapshotTime(actor, stored) <= bounds.maxTimeMs) matching.push(stored);
      }
      const last = page[page.length - 1];
      next = last && entryKey(actor.key, snapshotNumberOf(last.key) + 1);
      while (matching.length >= (next ? MAX_KEYS_PER_STEP : 1)) {
        await this.#pruning.deleteAll(matching.splice(0, MAX_KEYS_PER_STEP));
      }
    }
  }

  #save(
    actor: ActorAddress,
    payload: EncodedPayload,
    sequenceNumber: number,
    journal?: JournalIdentity,
  ): Promise<void> {
    const { queue } = this.#services;
    const key = snapshotKey(actor.key, sequenceNumber);
    const record = encodeSnapshot(key, payload, queue.now());
    const guard = journal && { journal, sequenceNumber };
    const save = () => this.#saveAndTell(actor, key, record, guard);
    return this.#watch("save snapshot of", actor, save);
  }

  async #saveAndTell(
    actor: ActorAddress,
    key: Uint8Array,
    value: Uint8Array,
    guard: JournalGuard | undefined,
  ): Promise<void> {
    const startedAtMs = performance.now();
    const tell = (failure: string | undefined) => {
      const { telemetry } = this.#services;
      if (!telemetry.isEnabled) return;
      const [bytes, durationMs] = [value.length, performance.now() - startedAtMs];
      telemetry.emit({ type: "snapshot-saved", kind: actor.kind, failure, bytes, durationMs });
    };
    try {
      await this.#saveAndPrune(actor, key, value, guard);
    } catch (error) {
      tell(failureIn(error));
      throw error;
    }
    tell(undefined);
  }

  #tellOfLoad(savedAt: Date, bytes: number, startedAtMs: number): void {
    const { telemetry, queue } = this.#services;
    if (!telemetry.isEnabled) return;
    const durationMs = performance.now() - startedAtMs;
    const ageMs = Math.max(0, queue.now() - savedAt.getTime());
    telemetry.emit({ type: "snapshot-loaded", kind: this.#kind, bytes, durationMs, ageMs });
  }

  /** The encoded state, in memory that the next call uses again. */
  #encode(actor: ActorAddress, state: State): EncodedPayload {
    const { maxSnapshotBytes, payloads } = this.#services;
    const payload = payloads.encode(state, "save snapshot of", actor);
    if (payload.payloadBytes > maxSnapshotBytes) {
      throw new PersistenceError(
        "TOO_LARGE",
        `Cannot save snapshot of ${
          describeActor(actor)
        }: the state has ${payload.payloadBytes} bytes, the limit is ${maxSnapshotBytes}`,
        detailsOf(actor),
      );
    }
    return payload;
  }

  #decode(actor: ActorAddress, stored: StoredEntry): SnapshotEntry<State> {
    const sequenceNumber = snapshotNumberOf(stored.key);
    const timeMs = readSnapshotTime(actor, stored);
    const { payloads } = this.#services;
    const { value, schema, isErased } = payloads.decode({
      bytes: stored.value,
      payloadStart: SNAPSHOT_PAYLOAD_OFFSET,
      payloadEnd: stored.value.length,
      actor,
      sequenceNumber,
      timeMs,
    });
    // The stored value has the type that the store was created with.
    const state = value as State;
    const { actorId } = actor;
    const timestamp = new Date(timeMs);
    return {
      actorId,
      state,
      sequenceNumber,
      timestamp,
      ...(schema && { schema }),
      ...(isErased && { isErased }),
    };
  }

  #watch(operation: string, actor: ActorAddress, call: () => Promise<void>): Promise<void> {
    const result = call().catch((error) => {
      throw failureOf(operation, actor, error);
    });
    return this.#calls.watch(this.#services.calls.watch(result));
  }

  #check(actorId: string, operation: string): ActorAddress {
    this.#services.assertOpen(operation);
    if (this.#closing) {
      throw new PersistenceError("CLOSED", `Cannot ${operation}: the snapshot store is closed`);
    }
    const actor = addressOf(this.#kind, actorId, operation);
    if (this.#boundTo && actorId !== this.#boundTo.actorId) {
      throw new ArgumentRangeError(
        `Cannot ${operation}: the snapshot store is bound to ${
          describeActor(this.#boundTo)
        }, not "${actorId}"`,
      );
    }
    return actor;
  }
}
