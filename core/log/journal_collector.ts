/**
 * Sorts the hot items of one actor into frames, and moves its head on.
 *
 * @module
 */

import { PersistenceError } from "../errors/persistence_error.ts";
import type { ActorAddress } from "../format/actor_address.ts";
import { FRAME_TARGET_BYTES, FrameBuilder, readFrame } from "../format/frame.ts";
import {
  headKey,
  type JournalState,
  NO_JOURNAL,
  putHead,
  type StoredHead,
} from "../format/head.ts";
import { entryKey } from "../format/keys.ts";
import { LOG_ITEM } from "../format/log_record.ts";
import type { StorageChange } from "../ports/storage.ts";
import { OWN_MEMORY } from "../util/byte_arena.ts";
import type { HotItem } from "./hot_index.ts";
import { addsEntries, stateAfter } from "./log_actor.ts";

/** The longest tail, in bytes: so that the head stays short, and few actors have a short frame. */
const MAX_TAIL_BYTES = 1_024;
const NO_BYTES = new Uint8Array(0);
/** The version of frames whose journal cannot be known, and so cannot be read. */
const NO_INCARNATION = 0;

/** What is collected of an actor. */
export interface CollectedJournal {
  /** The actor. */
  readonly address: ActorAddress;
  /** Its head; `undefined` if it has none, or none that counts; null if it is damaged. */
  readonly head: StoredHead | undefined | null;
  /** Its items before {@linkcode CollectedJournal.end}, which the head does not have. */
  readonly items: readonly HotItem[];
  /** The end of the part of the log that is collected. */
  readonly end: number;
  /** The lowest sequence number that is retained by now. What is below it need not be kept. */
  readonly retainedFrom: number;
}

/**
 * Makes the changes that collect an actor's items.
 *
 * @param journal What is collected.
 * @returns The changes. Their commit must be conditional on all that is known of the log.
 */
export function collectJournal(journal: CollectedJournal): StorageChange[] {
  return new JournalCollector(journal).run();
}

class JournalCollector {
  readonly #journal: CollectedJournal;
  readonly #changes: StorageChange[] = [];
  /** The entries that have not got a frame yet. */
  #builder: FrameBuilder | undefined;
  /** The sequence number of the last of them. */
  #last = -1;
  #state: JournalState;
  readonly #incarnation: number;

  constructor(journal: CollectedJournal) {
    this.#journal = journal;
    this.#state = journal.head ?? NO_JOURNAL;
    this.#incarnation = this.#incarnationOfFrames();
  }

  run(): StorageChange[] {
    const { head, items } = this.#journal;
    if (head) this.#takeTail(head);
    for (const item of items) this.#take(item);
    this.#writeHead();
    return this.#changes;
  }

  #incarnationOfFrames(): number {
    if (this.#journal.head === null) return NO_INCARNATION;
    let { incarnation } = this.#state;
    for (const { position, item: { deletes } } of this.#journal.items) {
      if (deletes) incarnation = 0;
      else if (incarnation === 0) incarnation = position;
    }
    return incarnation;
  }

  #takeTail({ tail, tailSequenceNumber, nextSequenceNumber: next }: StoredHead): void {
    if (tail.length === 0 || next - 1 < this.#journal.retainedFrom) return;
    const { address } = this.#journal;
    const key = entryKey(address.key, next - 1);
    try {
      const frame = readFrame(address, key, tail);
      if (frame.firstSequenceNumber !== tailSequenceNumber) return this.#putFrame(key, tail);
    } catch (error) {
      if (!(error instanceof PersistenceError)) throw error;
      // It stays as it is, so that reading these entries goes on to report the damage.
      return this.#putFrame(key, tail);
    }
    this.#builder = FrameBuilder.of(tail, OWN_MEMORY);
    this.#last = next - 1;
  }

  #take({ position, record, item }: HotItem): void {
    const { sequenceNumber: first, count } = item;
    const isGap = addsEntries(item.type) && first !== this.#state.nextSequenceNumber;
    if (isGap) {
      // Reading finds that something is missing, which it could not if the head ended before.
      this.#closeFrame();
      this.#state = { ...this.#state, nextSequenceNumber: first };
    }
    this.#state = stateAfter(this.#state, item, position) ?? this.#state;
    if (item.type === LOG_ITEM.reset) this.#builder = undefined;
    if (item.type === LOG_ITEM.reference) this.#closeFrame();
    if (item.type !== LOG_ITEM.entries || first + count <= this.#journal.retainedFrom) return;
    const { baseTimeMs, entriesStart, end } = item;
    const bytes = end - entriesStart;
    if (this.#builder && !this.#builder.acceptsStored(bytes, count, baseTimeMs)) this.#closeFrame();
    this.#builder ??= new FrameBuilder(
      baseTimeMs,
      Math.min(FRAME_TARGET_BYTES, Math.max(bytes, this.#bytesLeft())),
      OWN_MEMORY,
    );
    this.#builder.appendStored(record.bytes, entriesStart, end, count, baseTimeMs);
    this.#last = first + count - 1;
  }

  /** How many bytes the frame may come to have: all items, at most. */
  #bytesLeft(): number {
    let bytes = 0;
    for (const { item } of this.#journal.items) bytes += item.end - item.entriesStart;
    return bytes;
  }

  #closeFrame(): void {
    if (!this.#builder) return;
    const key = entryKey(this.#journal.address.key, this.#last);
    this.#putFrame(key, this.#builder.seal(key));
    this.#builder = undefined;
  }

  #putFrame(key: Uint8Array, value: Uint8Array): void {
    const version = this.#incarnation;
    this.#changes.push({ type: "put", keyspace: "entries", key, value, version });
  }

  #writeHead(): void {
    const { address, head, end, retainedFrom } = this.#journal;
    if (this.#builder && this.#builder.byteLength > MAX_TAIL_BYTES) this.#closeFrame();
    // A damaged head goes on to say that the journal is damaged.
    if (head === null) return this.#closeFrame();
    const key = headKey(address.key);
    if (this.#state.incarnation === 0) {
      return void this.#changes.push({ type: "delete", keyspace: "heads", key });
    }
    const { nextSequenceNumber: next, firstSequenceNumber } = this.#state;
    const count = this.#builder?.count ?? 0;
    this.#changes.push(putHead(key, {
      ...this.#state,
      firstSequenceNumber: Math.max(firstSequenceNumber, Math.min(retainedFrom, next)),
      tailSequenceNumber: next - count,
      position: end,
      tail: this.#builder?.seal(entryKey(address.key, next - 1)) ?? NO_BYTES,
    }));
  }
}
