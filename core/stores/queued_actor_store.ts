/**
 * The stores of a kind of actors, on the commit queue of its provider.
 *
 * @module
 */

import type { AppendOrigin } from "../commit/actor_queue.ts";
import type { CommitQueue } from "../commit/commit_queue.ts";
import { describeActor } from "../errors/actor_name.ts";
import { checkMetadata } from "../errors/arguments.ts";
import { PersistenceError } from "../errors/persistence_error.ts";
import { failureOf } from "../errors/storage_failure.ts";
import { type ActorAddress, addressOf } from "../format/actor_address.ts";
import {
  decodeHandled,
  decodeSourcing,
  encodeHandled,
  encodeRefused,
  encodeSourcing,
  handledKey,
  refusedKey,
  sourcingKey,
  verifyRefused,
} from "../format/actor_marks.ts";
import type { EncodedRun } from "../format/encoded_run.ts";
import { entryKey, entryKeysEnd, type KeyRange, sequenceNumberOf } from "../format/keys.ts";
import type {
  ActorStore,
  AppendedRuns,
  HandledMarks,
  JournalIdentity,
  PreparedEffect,
  PreparedEntries,
  PreparedState,
  Sourcing,
} from "../ports/actor_store.ts";
import type { MessageJournal, Metadata } from "../ports/journal.ts";
import type { OpenEffect } from "../ports/outbox_store.ts";
import type { Storage, StorageChange } from "../ports/storage.ts";
import { readWhole } from "../read/removal.ts";
import { EntryMemory } from "./entry_memory.ts";
import type { MessageEncoder } from "./message_encoder.ts";
import type { QueuedOutboxStore } from "./queued_outbox_store.ts";
import type { QueuedSnapshotStore } from "./queued_snapshot_store.ts";
import { storedTime } from "../util/stored_time.ts";

const MARKS_PER_PAGE = 1_024;
/**
 * Effects that were decided without an entry get indexes by the time, so that they are in order after
 * a restart, too, and share none with others: milliseconds since 2025, times this.
 */
const LONE_INDEXES_PER_MS = 2 ** 12;
const LONE_EPOCH_MS = Date.UTC(2025);
/** Above the indexes of the effects of any entry, even if the clock is wrong by decades. */
const MIN_LONE_INDEX = 2 ** 32;
/** Leaves room for as many indexes as a process will ever take if the clock is beyond all bounds. */
const MAX_LONE_INDEX = 2 ** 53 - 2 ** 40;
/** Of the whole process: an actor may be started anew within the same millisecond. */
let nextLoneIndex = MIN_LONE_INDEX;
const NO_BYTES = new Uint8Array(0);
const NO_MARKS: HandledMarks = { handled: -1, refused: [] };
const NO_EFFECTS: readonly PreparedEffect[] = [];

/** What an actor store is made of. */
export interface ActorStoreServices<Stored, State> {
  readonly storage: Storage;
  readonly queue: CommitQueue;
  readonly kind: string;
  /** The range of the keys of its actors. */
  readonly actors: KeyRange;
  readonly journal: MessageJournal<Stored>;
  readonly snapshots: QueuedSnapshotStore<State>;
  readonly outbox: QueuedOutboxStore;
  readonly encoder: MessageEncoder;
  /** Encodes an effect, into memory that the next call uses again. */
  readonly encodeEffect: (effect: unknown, address: ActorAddress) => Uint8Array;
  /** What its appends have in common. */
  readonly origin: AppendOrigin;
  readonly maxRunBytes: number;
  /** Throws `CLOSED` once the provider is being closed. */
  readonly assertOpen: (operation: string) => void;
}

/** Entries that have been encoded. */
class Run implements PreparedEntries {
  readonly count: number;
  readonly bytes: number;
  readonly effects: readonly PreparedEffect[];
  /** The bytes that contain the entries. */
  readonly slab: Uint8Array;
  /** The offset of the first entry. */
  readonly start: number;
  /** The offset after the last entry. */
  readonly end: number;
  /** The offset after each entry, from the first one on; `undefined` if there is one only. */
  readonly ends: readonly number[] | undefined;

  constructor(
    slab: Uint8Array,
    start: number,
    end: number,
    ends: readonly number[] | undefined,
    payloadBytes: number,
    effects: readonly PreparedEffect[],
  ) {
    this.slab = slab;
    this.start = start;
    this.end = end;
    this.ends = ends;
    this.effects = effects;
    this.count = ends?.length ?? 1;
    let bytes = payloadBytes;
    for (const effect of effects) bytes += effect.bytes.length;
    this.bytes = bytes;
  }
}

/** See {@linkcode ActorStore}. */
export class QueuedActorStore<Stored, State> implements ActorStore<Stored, State> {
  readonly kind: string;
  readonly journal: MessageJournal<Stored>;
  readonly snapshots: QueuedSnapshotStore<State>;
  readonly outbox: QueuedOutboxStore;
  readonly maxRunBytes: number;

  readonly #services: ActorStoreServices<Stored, State>;
  readonly #memory = new EntryMemory();
  #isClosed = false;

  /** @param services What it is made of. */
  constructor(services: ActorStoreServices<Stored, State>) {
    const { kind, journal, snapshots, outbox, maxRunBytes } = services;
    this.#services = services;
    this.kind = kind;
    this.journal = journal;
    this.snapshots = snapshots;
    this.outbox = outbox;
    this.maxRunBytes = maxRunBytes;
  }

  /** See {@linkcode ActorStore.claimSourcing}. */
  async claimSourcing(sourcing: Sourcing): Promise<void> {
    const operation = `start actors of kind "${this.kind}"`;
    this.#assertOpen(operation);
    const { storage, queue, actors } = this.#services;
    const key = sourcingKey(actors.start);
    for (;;) {
      const stored = await storage.get("meta", key);
      if (stored) {
        return this.#checkSourcing(sourcing, decodeSourcing(key, stored.value, this.kind));
      }
      const value = encodeSourcing(key, sourcing);
      try {
        await queue.write({
          conditions: [{ keyspace: "meta", key, version: undefined }],
          changes: [{ type: "put", keyspace: "meta", key, value, version: 0 }],
        });
      } catch (error) {
        // Nothing can be journaled in any way; what there is can be read.
        if (error instanceof PersistenceError && error.code === "READ_ONLY") return;
        throw error;
      }
    }
  }

  /** See {@linkcode ActorStore.prepareEntries}. */
  prepareEntries(
    actorId: string,
    messages: readonly Stored[],
    { metadata, effects = [] }: {
      readonly metadata?: Metadata;
      readonly effects?: readonly unknown[];
    },
  ): PreparedEntries {
    const { encoder, encodeEffect } = this.#services;
    const address = this.#address(actorId, "append");
    if (metadata !== undefined) checkMetadata(metadata, `append to ${describeActor(address)}`);
    const memory = this.#memory;
    if (messages.length === 1 && effects.length === 0) {
      const bytes = encoder.encodeEntry(address, messages[0], metadata, memory);
      return new Run(memory.slab, memory.start, memory.used, undefined, bytes, NO_EFFECTS);
    }
    const { bytes, ends, payloadBytes } = encoder.encodeBatch(address, messages, metadata);
    memory.reserve(bytes.length);
    // To encode an effect may call code of the user, which may take another slab.
    const { slab, used: start } = memory;
    slab.set(bytes, start);
    memory.used += bytes.length;
    // What encodes uses its memory again.
    const prepared = effects.map((effect) => ({ bytes: encodeEffect(effect, address).slice() }));
    return new Run(slab, start, start + bytes.length, ends, payloadBytes, prepared);
  }

  /** See {@linkcode ActorStore.append}. */
  async append(
    actorId: string,
    runs: readonly PreparedEntries[],
    expectedSequenceNumber: number,
    journal?: JournalIdentity,
  ): Promise<AppendedRuns> {
    this.#assertOpen("append");
    const { queue, origin: calls } = this.#services;
    const address = this.#address(actorId, "append");
    const { changes, effects } = this.#planEffects(address, runs, expectedSequenceNumber);
    const run = joinRuns(runs);
    const options = { expectedSequenceNumber, expectedJournal: journal };
    const position = await new Promise<number>((resolve, reject) => {
      const completer = {
        resolve: (_first: number, position: number) => resolve(position),
        reject,
      };
      queue.startAppend(address, run, options, calls, completer, changes);
    });
    return { effects, position };
  }

  /** See {@linkcode ActorStore.prepareState}. */
  prepareState(actorId: string, state: State): PreparedState {
    return { bytes: this.snapshots.prepare(actorId, state) };
  }

  /** See {@linkcode ActorStore.saveState}. */
  async saveState(
    actorId: string,
    state: PreparedState,
    sequenceNumber: number,
    journal?: JournalIdentity,
  ): Promise<void> {
    await this.snapshots.savePrepared(actorId, state.bytes, sequenceNumber, journal);
  }

  /** See {@linkcode ActorStore.readMarks}. */
  async readMarks(actorId: string): Promise<HandledMarks> {
    this.#assertOpen("read marks");
    const { storage, queue, kind } = this.#services;
    const address = addressOf(kind, actorId, "read marks");
    const key = handledKey(address.key);
    const read = async () => {
      const stored = await storage.get("meta", key);
      const handled = stored ? decodeHandled(key, stored.value, address) : -1;
      return { handled, refused: await this.#readRefused(address) };
    };
    return await readWhole({ storage, heads: queue.log }, address, read, NO_MARKS);
  }

  /** See {@linkcode ActorStore.writeMarks}. */
  async writeMarks(
    actorId: string,
    { handled, refused = [], effects = new Map() }: {
      readonly handled: number;
      readonly refused?: readonly number[];
      readonly effects?: ReadonlyMap<number, readonly PreparedEffect[]>;
    },
    journal?: JournalIdentity,
  ): Promise<readonly OpenEffect[]> {
    this.#assertOpen("write marks");
    const { queue, outbox, kind } = this.#services;
    const address = addressOf(kind, actorId, "write marks");
    const key = handledKey(address.key);
    const changes = [putMark(key, encodeHandled(key, Math.max(0, handled)))];
    for (const number of refused) {
      const key = refusedKey(entryKey(address.key, number));
      changes.push(putMark(key, encodeRefused(key)));
    }
    const stored: OpenEffect[] = [];
    for (const [number, ofMessage] of effects) {
      const payloads = ofMessage.map(({ bytes }) => bytes);
      const planned = outbox.plan(address, number, 0, payloads, queue.now());
      changes.push(...planned.changes);
      stored.push(...planned.effects);
    }
    try {
      const guard = journal && { journal, sequenceNumber: handled };
      return await queue.writeFor(address, { conditions: [], changes }, guard) ? stored : [];
    } catch (error) {
      throw failureOf("write marks of", address, error);
    }
  }

  /** See {@linkcode ActorStore.close}. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.journal.close();
    await this.snapshots.close();
  }

  /** Closes the store. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #readRefused(address: ActorAddress): Promise<number[]> {
    const { key } = address;
    const refused: number[] = [];
    const end = refusedKey(entryKeysEnd(key));
    for (let start = refusedKey(entryKey(key, 0));;) {
      const page = await this.#services.storage.scan("meta", {
        start,
        end,
        maxEntries: MARKS_PER_PAGE,
        maxBytes: 2 ** 20,
      });
      for (const { key, value } of page) {
        verifyRefused(key, value, address);
        refused.push(sequenceNumberOf(key));
      }
      const last = refused[refused.length - 1];
      if (last === undefined || page.length < MARKS_PER_PAGE) return refused;
      start = refusedKey(entryKey(key, last + 1));
    }
  }

  /** The queue knows the actors that it has met lately. */
  #address(actorId: string, operation: string): ActorAddress {
    const { queue, kind } = this.#services;
    return queue.knownAddress(kind, actorId) ?? addressOf(kind, actorId, operation);
  }

  #checkSourcing(wanted: Sourcing, stored: Sourcing): void {
    if (wanted === stored) return;
    throw new PersistenceError(
      "SOURCING_MISMATCH",
      `Cannot start actors of kind "${this.kind}": they are journaled by ${stored}, not by ${wanted}`,
      { kind: this.kind },
    );
  }

  /** The effects of runs get the sequence numbers of the last entry of their run. */
  #planEffects(
    address: ActorAddress,
    runs: readonly PreparedEntries[],
    first: number,
  ): { changes: StorageChange[]; effects: OpenEffect[] } {
    const changes: StorageChange[] = [];
    const effects: OpenEffect[] = [];
    let next = first;
    for (const run of runs) {
      next += run.count;
      if (run.effects.length === 0) continue;
      const firstIndex = run.count > 0 ? 0 : takeLoneIndexes(run.effects.length);
      const payloads = run.effects.map(({ bytes }) => bytes);
      const planned = this.#services.outbox.plan(
        address,
        next - 1,
        firstIndex,
        payloads,
        this.#services.queue.now(),
      );
      changes.push(...planned.changes);
      effects.push(...planned.effects);
    }
    return { changes, effects };
  }

  #assertOpen(operation: string): void {
    this.#services.assertOpen(operation);
    if (!this.#isClosed) return;
    throw new PersistenceError("CLOSED", `Cannot ${operation}: the actor store is closed`, {
      kind: this.kind,
    });
  }
}

/** Indexes for effects that were decided without an entry. */
function takeLoneIndexes(count: number): number {
  // At random within the millisecond, in case that another process writes the same actor.
  const atMs = storedTime(Date.now()) - LONE_EPOCH_MS + Math.random();
  const byTime = Math.min(MAX_LONE_INDEX, Math.floor(atMs * LONE_INDEXES_PER_MS));
  const first = Math.max(nextLoneIndex, byTime);
  nextLoneIndex = first + count;
  return first;
}

/**
 * All entries in one run, in order. Those that were encoded one after the other need not be copied:
 * nothing else is ever written to their memory.
 */
function joinRuns(runs: readonly PreparedEntries[]): EncodedRun {
  // What is appended was made by `prepareEntries`.
  const parts = runs.filter((run) => run instanceof Run);
  const ends: number[] = [];
  let payloadBytes = 0;
  let length = 0;
  for (const { start, end, ends: ofPart, bytes } of parts) {
    payloadBytes += bytes;
    if (ofPart) { for (const offset of ofPart) ends.push(length + offset); }
    else ends.push(length + end - start);
    length += end - start;
  }
  return { header: NO_BYTES, bytes: joinBytes(parts, length), payloadBytes, ends };
}

function joinBytes(parts: readonly Run[], length: number): Uint8Array {
  const [first] = parts;
  if (!first) return NO_BYTES;
  const areAdjacent = parts.every(({ slab, start }, index) =>
    slab === first.slab && start === (parts[index - 1]?.end ?? start)
  );
  if (areAdjacent) return first.slab.subarray(first.start, first.start + length);
  const joined = new Uint8Array(length);
  let offset = 0;
  for (const { slab, start, end } of parts) {
    joined.set(slab.subarray(start, end), offset);
    offset += end - start;
  }
  return joined;
}

function putMark(key: Uint8Array, value: Uint8Array): StorageChange {
  return { type: "put", keyspace: "meta", key, value, version: 0 };
}
