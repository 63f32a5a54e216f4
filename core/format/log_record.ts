/**
 * Records of the log: one per commit, with what the commit did to the journals of its actors. The
 * log is the truth about journals; frames and heads are a sorted copy of its older part.
 *
 * | offset | bytes | content |
 * |---|---|---|
 * | 0 | 4 | checksum of the header from offset 4 on and of the directory, seeded with the key |
 * | 4 | 1 | version of the format |
 * | 5 | 4 | number of items, at least 1 |
 * | 9 | 4 | epoch of the owner of the log: 0 if it has no owner |
 * | 13 | | the items, one after the other |
 * | | | the directory: 12 bytes per item |
 *
 * | bytes of the directory | content |
 * |---|---|
 * | 4 | the offset after the item |
 * | 4 | checksum of the item, seeded with that of the actor's key |
 * | 4 | checksum of the actor's key |
 *
 * So if an item is damaged, all others can still be read, and it is known whose it was.
 *
 * | bytes of an item | content |
 * |---|---|
 * | 1 | its type |
 * | 2 | length of the actor's key |
 * | | the actor's key, which includes its kind |
 * | 8 | a sequence number |
 * | | more, depending on the type |
 *
 * | type | the sequence number | more |
 * |---|---|---|
 * | 1, entries | that of the first entry | varint: number of entries; 8 bytes: base time; the entries as in a frame, see `frame.ts` |
 * | 2, a reference | that of the first entry | varint: number of entries, which stand in frames that the same commit has written |
 * | 3, a truncation | the lowest one that is retained | |
 * | 4, a reset | that of the next entry: the journal is empty | 1 byte: 1 if the journal is deleted, so that the next entry begins another one; else 0 |
 *
 * @module
 */

import { PersistenceError } from "../errors/persistence_error.ts";
import type { ByteMemory } from "../util/byte_arena.ts";
import { copyBytes, readUint32, readUint53, writeUint32, writeUint53 } from "../util/bytes.ts";
import type { FrameBuilder } from "./frame.ts";
import { MAX_VARINT_BYTES, readVarint, writeVarint } from "./varint.ts";
import { xxh32 } from "./xxh32.ts";

const LOG_RECORD_VERSION = 1;
const VERSION_OFFSET = 4;
const COUNT_OFFSET = 5;
const EPOCH_OFFSET = 9;
/** The offset of the key in an item. */
const KEY_OFFSET = 3;
const HEADER_BYTES = 13;
const DIRECTORY_BYTES = 12;
const SUBJECT = "log";

/** The types of items. */
export const LOG_ITEM = { entries: 1, reference: 2, truncation: 3, reset: 4 } as const;

/** A type of items. */
export type LogItemType = (typeof LOG_ITEM)[keyof typeof LOG_ITEM];

/** What identifies an actor in the log. */
export interface LogKey {
  /** The actor's key. */
  readonly key: Uint8Array;
  /** Its checksum: see {@linkcode keyChecksumOf}. */
  readonly checksum: number;
}

/** An item that is to be written. */
export interface NewLogItem {
  /** Whose journal it changes. */
  readonly actor: LogKey;
  /** Its type. */
  readonly type: LogItemType;
  /** The sequence number of its first entry, the lowest that is retained, or the next one. */
  readonly sequenceNumber: number;
  /** How many entries it adds. */
  readonly count: number;
  /** The entries, if it holds them. */
  readonly frame: FrameBuilder | undefined;
  /** Whether it deletes the journal. */
  readonly deletes: boolean;
}

/** An item that has been read. */
export interface LogItem {
  /** Its type. */
  readonly type: LogItemType;
  /** Where the actor's key begins in the record. */
  readonly keyStart: number;
  /** Where it ends. */
  readonly keyEnd: number;
  /** The sequence number of its first entry, the lowest that is retained, or the next one. */
  readonly sequenceNumber: number;
  /** How many entries it adds. */
  readonly count: number;
  /** The base time of its entries, in milliseconds since 1970. */
  readonly baseTimeMs: number;
  /** Where its entries begin in the record. */
  readonly entriesStart: number;
  /** Where it ends in the record. */
  readonly end: number;
  /** Whether it deletes the journal. */
  readonly deletes: boolean;
}

/**
 * The checksum of an actor's key.
 *
 * @param key The actor's key.
 * @returns The checksum.
 */
export function keyChecksumOf(key: Uint8Array): number {
  return xxh32(key, 0, key.length, 0);
}

/** How many bytes an item takes, at most. */
function maxItemBytes({ actor, frame }: NewLogItem): number {
  return 1 + 2 + actor.key.length + 8 + MAX_VARINT_BYTES + 8 + (frame?.entriesLength ?? 0);
}

/**
 * Makes a record.
 *
 * @param key The key of its position.
 * @param epoch The epoch of the owner of the log.
 * @param items Its items, at least one.
 * @param memory Allocates the memory of the record.
 * @returns The record.
 */
export function encodeLogRecord(
  key: Uint8Array,
  epoch: number,
  items: readonly NewLogItem[],
  memory: ByteMemory,
): Uint8Array {
  let capacity = HEADER_BYTES + DIRECTORY_BYTES * items.length;
  for (const item of items) capacity += maxItemBytes(item);
  const bytes = memory.allocate(capacity);
  const ends: number[] = [];
  let end = HEADER_BYTES;
  for (const item of items) ends.push(end = writeItem(bytes, end, item));
  const directory = end;
  let start = HEADER_BYTES;
  for (let index = 0; index < items.length; index++) {
    const itemEnd = ends[index] ?? start;
    const keyChecksum = items[index]?.actor.checksum ?? 0;
    writeUint32(bytes, end, itemEnd, "little-endian");
    writeUint32(bytes, end + 4, xxh32(bytes, start, itemEnd, keyChecksum), "little-endian");
    writeUint32(bytes, end + 8, keyChecksum, "little-endian");
    end += DIRECTORY_BYTES;
    start = itemEnd;
  }
  bytes[VERSION_OFFSET] = LOG_RECORD_VERSION;
  writeUint32(bytes, COUNT_OFFSET, items.length, "little-endian");
  writeUint32(bytes, EPOCH_OFFSET, epoch, "little-endian");
  writeUint32(bytes, 0, recordChecksum(key, bytes, directory, end), "little-endian");
  return bytes.subarray(0, end);
}

/** Returns the offset after the item. */
function writeItem(bytes: Uint8Array, start: number, item: NewLogItem): number {
  const { actor: { key }, type, sequenceNumber, frame } = item;
  bytes[start] = type;
  bytes[start + 1] = key.length;
  bytes[start + 2] = key.length >>> 8;
  copyBytes(key, 0, key.length, bytes, start + 3);
  const afterKey = start + 3 + key.length;
  writeUint53(bytes, afterKey, sequenceNumber, "little-endian");
  let end = afterKey + 8;
  if (type === LOG_ITEM.truncation) return end;
  if (type === LOG_ITEM.reset) {
    bytes[end] = item.deletes ? 1 : 0;
    return end + 1;
  }
  end = writeVarint(bytes, end, item.count);
  if (!frame) return end;
  writeUint53(bytes, end, frame.baseTimeMs, "little-endian");
  return frame.writeEntries(bytes, end + 8);
}

/** A record whose header and directory are sound. */
export class LogRecord {
  /** The record. It must not be changed. */
  readonly bytes: Uint8Array;
  /** How many items it has. */
  readonly count: number;
  /** The epoch of the owner of the log that has written it. */
  readonly epoch: number;
  readonly #directory: number;

  private constructor(bytes: Uint8Array, count: number) {
    this.bytes = bytes;
    this.count = count;
    this.epoch = readUint32(bytes, EPOCH_OFFSET, "little-endian");
    this.#directory = bytes.length - DIRECTORY_BYTES * count;
  }

  /**
   * Takes a record that this process has written.
   *
   * @param bytes The record.
   * @returns The record.
   */
  static of(bytes: Uint8Array): LogRecord {
    return new LogRecord(bytes, readUint32(bytes, COUNT_OFFSET, "little-endian"));
  }

  /**
   * Reads a record, and verifies its header and directory.
   *
   * @param key The key of its position.
   * @param bytes The record.
   * @returns The record.
   * @throws {PersistenceError} `CORRUPT`, `UNSUPPORTED_FORMAT`.
   */
  static read(key: Uint8Array, bytes: Uint8Array): LogRecord {
    const count = bytes.length < HEADER_BYTES
      ? 0
      : readUint32(bytes, COUNT_OFFSET, "little-endian");
    const directory = bytes.length - DIRECTORY_BYTES * count;
    if (count === 0 || directory < HEADER_BYTES) throw malformed("a record is too short");
    const checksum = recordChecksum(key, bytes, directory, bytes.length);
    if (readUint32(bytes, 0, "little-endian") !== checksum) throw malformed("checksum mismatch");
    const version = bytes[VERSION_OFFSET];
    if (version !== LOG_RECORD_VERSION) {
      throw new PersistenceError(
        "UNSUPPORTED_FORMAT",
        `Cannot read ${SUBJECT}: its format has version ${version}, but this package reads only version ${LOG_RECORD_VERSION}`,
      );
    }
    const record = new LogRecord(bytes, count);
    let start = HEADER_BYTES;
    for (let index = 0; index < count; index++) {
      const end = record.#word(index, 0);
      if (end < start || end > directory) throw malformed("the directory is malformed");
      start = end;
    }
    if (start !== directory) throw malformed("it has bytes that belong to no item");
    return record;
  }

  /**
   * The checksum of the key of an item's actor, which is sound even if the item is not.
   *
   * @param index The index of the item.
   * @returns The checksum.
   */
  keyChecksum(index: number): number {
    return this.#word(index, 8);
  }

  /**
   * Whether an item is as it was written.
   *
   * @param index The index of the item.
   * @returns Whether its checksum matches.
   */
  isSound(index: number): boolean {
    const start = this.#startOf(index);
    const end = this.#word(index, 0);
    return xxh32(this.bytes, start, end, this.keyChecksum(index)) === this.#word(index, 4);
  }

  /**
   * The key of an item's actor, even if the rest of the item is damaged.
   *
   * @param index The index of the item.
   * @returns The key, a view of the record; `undefined` if it is damaged, too.
   */
  keyOf(index: number): Uint8Array | undefined {
    const { bytes } = this;
    const start = this.#startOf(index) + KEY_OFFSET;
    const end = start + ((bytes[start - 2] ?? 0) | (bytes[start - 1] ?? 0) << 8);
    if (end > this.#word(index, 0)) return undefined;
    const key = bytes.subarray(start, end);
    return keyChecksumOf(key) === this.keyChecksum(index) ? key : undefined;
  }

  /**
   * Reads an item, which must be sound.
   *
   * @param index The index of the item.
   * @returns The item.
   * @throws {PersistenceError} `CORRUPT` if it is malformed all the same.
   */
  item(index: number): LogItem {
    const { bytes } = this;
    const start = this.#startOf(index);
    const end = this.#word(index, 0);
    const type = typeOf(bytes[start]);
    const keyStart = start + KEY_OFFSET;
    const keyEnd = keyStart + ((bytes[start + 1] ?? 0) | (bytes[start + 2] ?? 0) << 8);
    const sequenceNumber = readUint53(bytes, keyEnd, "little-endian");
    const cursor = { bytes, offset: keyEnd + 8 };
    const hasEntries = type === LOG_ITEM.entries || type === LOG_ITEM.reference;
    const count = hasEntries ? readVarint(cursor) : 0;
    const isInline = type === LOG_ITEM.entries;
    const baseTimeMs = isInline ? readUint53(bytes, cursor.offset, "little-endian") : 0;
    const entriesStart = cursor.offset + (isInline ? 8 : 0);
    // An invalid integer is read as NaN, which fails every comparison.
    const isWell = type !== undefined && sequenceNumber >= 0 && count >= (hasEntries ? 1 : 0) &&
      baseTimeMs >= 0 && entriesStart <= end;
    if (!isWell) throw malformed("an item is malformed");
    const deletes = type === LOG_ITEM.reset && bytes[keyEnd + 8] === 1;
    return {
      type,
      keyStart,
      keyEnd,
      sequenceNumber,
      count,
      baseTimeMs,
      entriesStart,
      end,
      deletes,
    };
  }

  #startOf(index: number): number {
    return index === 0 ? HEADER_BYTES : this.#word(index - 1, 0);
  }

  #word(index: number, offset: number): number {
    return readUint32(
      this.bytes,
      this.#directory + DIRECTORY_BYTES * index + offset,
      "little-endian",
    );
  }
}

function typeOf(byte: number | undefined): LogItemType | undefined {
  switch (byte) {
    case LOG_ITEM.entries:
    case LOG_ITEM.reference:
    case LOG_ITEM.truncation:
    case LOG_ITEM.reset:
      return byte;
    default:
      return undefined;
  }
}

function recordChecksum(key: Uint8Array, bytes: Uint8Array, start: number, end: number): number {
  const ofKey = xxh32(key, 0, key.length, 0);
  return xxh32(bytes, start, end, xxh32(bytes, VERSION_OFFSET, HEADER_BYTES, ofKey));
}

function malformed(reason: string): PersistenceError {
  return new PersistenceError("CORRUPT", `Cannot read ${SUBJECT}: ${reason}`);
}
