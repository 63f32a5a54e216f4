/**
 * What must hold of the log while a simulation runs: each position is written once, in order, and
 * items follow each other.
 *
 * @module
 */

import { type ActorAddress, addressIn } from "../../../core/format/actor_address.ts";
import { FrameCursor, readFrame, type StoredFrame } from "../../../core/format/frame.ts";
import { sequenceNumberOf } from "../../../core/format/keys.ts";
import { LOG_VERSION, positionIn } from "../../../core/format/log_keys.ts";
import { LOG_ITEM, type LogItem, LogRecord } from "../../../core/format/log_record.ts";
import type { StorageChange } from "../../../core/ports/storage.ts";
import { CollectionModel } from "./collection_model.ts";
import { LogPast } from "./log_past.ts";

/** A change that writes something. */
export type Put = StorageChange & { readonly type: "put" };

/** What the log tells of a journal. */
export interface LogListener {
  /** Entries have taken effect. */
  readonly add: (actorId: string, frame: StoredFrame) => void;
  /** A journal has been truncated. */
  readonly truncate: (actorId: string, first: number) => void;
  /** Whether the entries of a frame have taken effect before. */
  readonly isKnown: (actorId: string, frame: StoredFrame) => boolean;
  /** The lowest sequence number that is retained. */
  readonly firstOf: (actorId: string) => number;
  /** Something does not hold. */
  readonly fail: (message: string) => void;
}

/** Checks the log of a simulation. */
export class LogModel {
  readonly #listener: LogListener;
  readonly #past = new LogPast();
  readonly #collection: CollectionModel;

  /** @param listener Learns what the log tells of journals. */
  constructor(listener: LogListener) {
    this.#listener = listener;
    this.#collection = new CollectionModel(this.#past, listener);
  }

  /**
   * A group takes effect.
   *
   * @param changes Its changes.
   */
  apply(changes: readonly StorageChange[]): void {
    const puts = changes.filter((change) => change.type === "put");
    const frames = puts.filter(({ keyspace }) => keyspace === "entries");
    const records = puts.filter((put) =>
      put.keyspace === "log" && put.version !== LOG_VERSION.order
    );
    if (records.length > 1) this.#listener.fail("one commit has written two records of the log");
    const [record] = records;
    const referred = record ? this.#addRecord(record, frames) : new Set<StorageChange>();
    this.#collection.apply(changes, referred);
  }

  /** Returns the frames that it refers to. */
  #addRecord({ key, value }: Put, frames: readonly Put[]): Set<StorageChange> {
    const position = this.#past.position + 1;
    const said = positionIn(key);
    if (said !== position) {
      this.#listener.fail(`the log goes on at ${said} after ${this.#past.position}`);
    }
    this.#past.begin(position);
    const record = LogRecord.read(key, value);
    const referred = new Set<StorageChange>();
    for (let index = 0; index < record.count; index++) {
      if (!record.isSound(index)) this.#listener.fail(`item ${index} of ${position} is damaged`);
      const item = record.item(index);
      const actor = addressIn(record.bytes.subarray(item.keyStart, item.keyEnd));
      if (actor) this.#addItem(actor, record, item, frames, referred);
      else this.#listener.fail(`item ${index} of ${position} is nobody's`);
    }
    return referred;
  }

  #addItem(
    actor: ActorAddress,
    record: LogRecord,
    item: LogItem,
    frames: readonly Put[],
    referred: Set<StorageChange>,
  ): void {
    const { actorId } = actor;
    const { type, sequenceNumber, count } = item;
    if (type === LOG_ITEM.reset) return this.#listener.fail(`${actorId} was reset`);
    if (type === LOG_ITEM.truncation) {
      this.#listener.truncate(actorId, sequenceNumber);
      return this.#past.truncate(actorId, sequenceNumber);
    }
    this.#past.add(actorId, sequenceNumber, count);
    if (type === LOG_ITEM.entries) this.#listener.add(actorId, frameIn(actor, record, item));
    else this.#addReferred(actor, item, frames, referred);
  }

  #addReferred(
    actor: ActorAddress,
    { sequenceNumber: first, count }: LogItem,
    frames: readonly Put[],
    referred: Set<StorageChange>,
  ): void {
    let next = first;
    for (const put of frames) {
      if (addressIn(put.key)?.actorId !== actor.actorId) continue;
      const last = sequenceNumberOf(put.key);
      if (last < first || last >= first + count) continue;
      const frame = readFrame(actor, put.key, put.value);
      if (frame.firstSequenceNumber !== next) {
        this.#listener.fail(`a frame of ${actor.actorId} begins at ${frame.firstSequenceNumber}`);
      }
      next = last + 1;
      referred.add(put);
      this.#listener.add(actor.actorId, frame);
    }
    if (next !== first + count) {
      this.#listener.fail(`frames of ${actor.actorId} end at ${next}, not at ${first + count}`);
    }
  }
}

function frameIn(actor: ActorAddress, record: LogRecord, item: LogItem): StoredFrame {
  const { sequenceNumber: first, count, baseTimeMs, entriesStart: start, end } = item;
  return {
    actor,
    firstSequenceNumber: first,
    lastSequenceNumber: first + count - 1,
    count,
    baseTimeMs,
    bytes: record.bytes,
    start,
    end,
  };
}

/**
 * Calls back for each entry of a frame.
 *
 * @param frame The frame.
 * @param visit Called with the cursor on the entry.
 */
export function eachEntry(frame: StoredFrame, visit: (cursor: FrameCursor) => void): void {
  const cursor = new FrameCursor(frame, 0, Number.MAX_SAFE_INTEGER);
  while (cursor.advance()) visit(cursor);
}
