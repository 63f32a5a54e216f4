/**
 * An actor as the log knows it.
 *
 * @module
 */

import { describeActor, detailsOf } from "../errors/actor_name.ts";
import { PersistenceError } from "../errors/persistence_error.ts";
import type { ActorAddress } from "../format/actor_address.ts";
import { type JournalState, NO_JOURNAL } from "../format/head.ts";
import {
  keyChecksumOf,
  LOG_ITEM,
  type LogItem,
  type LogItemType,
  type LogKey,
} from "../format/log_record.ts";

/** What an item does to a journal. */
export type JournalChange = Pick<LogItem, "type" | "sequenceNumber" | "count" | "deletes">;

/** How many numbers each hot item has in {@linkcode LogActor.hot}: its position and its index. */
export const NUMBERS_PER_ITEM = 2;

/** An actor that has hot items, or is in use. */
export class LogActor implements LogKey {
  /** The actor's key. */
  readonly key: Uint8Array;
  /** The checksum of the key. */
  readonly checksum: number;
  /** The next actor whose key has the same checksum. */
  sameChecksum: LogActor | undefined;
  /**
   * The state of its journal after all that the log knows, or `undefined` if its head has not been
   * read.
   */
  state: JournalState | undefined;
  /** The position of the head that the state was made from: items before it do not count any more. */
  base = 0;
  /**
   * Its items that have not been collected, in ascending order: the position of the record, and the
   * index of the item, again and again.
   */
  hot: number[] = [];
  /** The position of the item that has deleted its journal last, 0 if none has. */
  deletedAt = 0;
  /** False if it has certainly no stored head. */
  mayHaveHead = true;
  /**
   * False if it is certainly not being removed, as far as the log has been followed. A removal begins
   * with a reset, and only an empty journal may be that of an actor that is being removed.
   */
  mayBeRemoved = true;
  /** How many hold on to it. */
  users = 0;

  /**
   * @param key The actor's key.
   * @param checksum The checksum of the key.
   */
  constructor(key: Uint8Array, checksum: number = keyChecksumOf(key)) {
    this.key = key;
    this.checksum = checksum;
  }

  /** Whether it has hot items. */
  get isHot(): boolean {
    return this.hot.length > 0;
  }

  /**
   * Forgets the items before a position, which have been collected.
   *
   * @param position The position.
   */
  dropBefore(position: number): void {
    const { hot } = this;
    let end = 0;
    while (end < hot.length && (hot[end] ?? 0) < position) end += NUMBERS_PER_ITEM;
    if (end === hot.length) this.hot = [];
    else if (end > 0) this.hot = hot.slice(end);
  }
}

/**
 * The state of a journal after an item.
 *
 * @param state The state before.
 * @param item The item.
 * @param position The position of its record.
 * @returns The state after it, or `undefined` if the item does not follow that state.
 */
export function stateAfter(
  state: JournalState,
  item: JournalChange,
  position: number,
): JournalState | undefined {
  const { type, sequenceNumber, count } = item;
  const { nextSequenceNumber: next, firstSequenceNumber: first } = state;
  if (type === LOG_ITEM.entries || type === LOG_ITEM.reference) {
    if (sequenceNumber !== next) return undefined;
    const { originSequenceNumber, incarnation, resetPosition } = state;
    return {
      nextSequenceNumber: next + count,
      firstSequenceNumber: first,
      originSequenceNumber,
      incarnation: incarnation === 0 ? position : incarnation,
      resetPosition,
    };
  }
  if (type === LOG_ITEM.truncation) {
    return { ...state, firstSequenceNumber: Math.max(first, Math.min(sequenceNumber, next)) };
  }
  return stateAfterReset(state, item, position);
}

function stateAfterReset(
  { incarnation }: JournalState,
  { sequenceNumber, deletes }: JournalChange,
  position: number,
): JournalState {
  if (deletes) return { ...NO_JOURNAL, resetPosition: position };
  return {
    nextSequenceNumber: sequenceNumber,
    firstSequenceNumber: sequenceNumber,
    originSequenceNumber: sequenceNumber,
    incarnation: incarnation === 0 ? position : incarnation,
    resetPosition: position,
  };
}

/** Whether a type of items adds entries. */
export function addsEntries(type: LogItemType): boolean {
  return type === LOG_ITEM.entries || type === LOG_ITEM.reference;
}

/**
 * The error of a journal in which something is missing.
 *
 * @param actor The actor.
 * @param missing The sequence number of what is missing.
 * @returns `CORRUPT`.
 */
export function missingEntryError(actor: ActorAddress, missing: number): PersistenceError {
  return new PersistenceError(
    "CORRUPT",
    `Cannot read journal of ${describeActor(actor)}: entry ${missing} is missing or misplaced`,
    { ...detailsOf(actor), sequenceNumber: missing },
  );
}
