/**
 * Frames: a run of consecutive journal entries of one actor, stored as one value under the sequence
 * number of its LAST entry. So the frame that holds a number is the first one at or above it, and
 * the frames wholly below a number are exactly the keys below it.
 *
 * | offset | bytes | content |
 * |---|---|---|
 * | 0 | 5 | the record's envelope, see `record.ts` |
 * | 5 | 4 | number of entries, at least 1 |
 * | 9 | 8 | base time: milliseconds since 1970 |
 * | 17 | | the entries, one behind the other, without gaps |
 *
 * | entry | content |
 * |---|---|
 * | varint | milliseconds since the base time |
 * | varint | length of the payload |
 * | bytes | the payload |
 *
 * In version 1 a payload is what the codec made. In version 2 each begins with a tag that names its
 * schema, see `schema_tag.ts`. So no bytes of any codec can be taken for a tag, and code that knows
 * no tags refuses such a frame instead of misreading it.
 *
 * A varint has 7 bits to the byte, the lowest first; the high bit says that another byte follows. It
 * has at most 5 bytes and stays below 2^32.
 *
 * @module
 */

import { PersistenceError } from "./errors.ts";
import { readUint32, readUint53, sequenceNumberOf, writeUint32, writeUint53 } from "./keys.ts";
import { RECORD_HEADER_BYTES, recordVersion, sealRecord, verifyRecord } from "./record.ts";

const PLAIN_VERSION = 1;
const TAGGED_VERSION = 2;
const COUNT_OFFSET = RECORD_HEADER_BYTES;
const BASE_TIME_OFFSET = COUNT_OFFSET + 4;
const ENTRIES_OFFSET = BASE_TIME_OFFSET + 8;
const MAX_VARINT_BYTES = 5;
const MAX_VARINT_FACTOR = 128 ** (MAX_VARINT_BYTES - 1);
const MAX_TIME_OFFSET_MS = 2 ** 31;
const INITIAL_CAPACITY_BYTES = 256;

/**
 * A frame takes no further entry once it has this many bytes: big enough that the cost of a record
 * vanishes, small enough that reading a single entry stays cheap. It is what eight pages of LMDB
 * hold, less their header and the header of the last entry.
 */
export const FRAME_TARGET_BYTES = 32_700;

/** A frame takes at most this many entries. */
export const FRAME_MAX_ENTRIES = 4_096;

/** Where frames are made. */
export interface FrameMemory {
  /**
   * Provides memory.
   *
   * @param length How many bytes.
   * @returns The memory: zeros, and nobody else's.
   */
  allocate(length: number): Uint8Array;
}

/** A frame that is being filled. */
export class OpenFrame {
  /** How many entries it holds. */
  count = 0;
  /** The time of its first entry, in milliseconds since 1970. */
  readonly baseTimeMs: number;
  /** Whether its payloads begin with the tags of their schemas. */
  readonly isTagged: boolean;

  readonly #memory: FrameMemory;
  #bytes: Uint8Array;
  #length = ENTRIES_OFFSET;

  /**
   * @param baseTimeMs The time of its first entry, in milliseconds since 1970.
   * @param expectedBytes About how many bytes its entries will have, at the least.
   * @param memory Where it is made.
   * @param isTagged Whether its payloads begin with the tags of their schemas.
   */
  constructor(baseTimeMs: number, expectedBytes: number, memory: FrameMemory, isTagged = false) {
    this.isTagged = isTagged;
    this.baseTimeMs = baseTimeMs;
    this.#memory = memory;
    this.#bytes = memory.allocate(
      Math.max(INITIAL_CAPACITY_BYTES, ENTRIES_OFFSET + 2 * MAX_VARINT_BYTES + expectedBytes),
    );
  }

  /**
   * A frame that goes on where a record ends.
   *
   * @param record The record, which has been verified.
   * @param memory Where the frame is made.
   * @returns The frame.
   */
  static of(record: Uint8Array, memory: FrameMemory): OpenFrame {
    const baseTimeMs = readUint53(record, BASE_TIME_OFFSET, "little-endian");
    const isTagged = recordVersion(record) === TAGGED_VERSION;
    const frame = new OpenFrame(baseTimeMs, record.length, memory, isTagged);
    frame.#bytes.set(record);
    frame.#length = record.length;
    frame.count = readUint32(record, COUNT_OFFSET, "little-endian");
    return frame;
  }

  /** How long its record is. */
  get byteLength(): number {
    return this.#length;
  }

  /**
   * Whether a further entry may join.
   *
   * @param payloadBytes The length of its payload.
   * @param timeMs Its time, in milliseconds since 1970.
   * @returns False where the frame is full, or the clock was set back or far forward.
   */
  accepts(payloadBytes: number, timeMs: number): boolean {
    if (this.count === 0) return true;
    const timeOffset = timeMs - this.baseTimeMs;
    return this.#length + payloadBytes <= FRAME_TARGET_BYTES &&
      this.count < FRAME_MAX_ENTRIES &&
      timeOffset >= 0 && timeOffset < MAX_TIME_OFFSET_MS;
  }

  /**
   * Appends an entry that the frame accepts.
   *
   * @param payload Its payload, which is copied.
   * @param timeMs Its time, in milliseconds since 1970.
   */
  append(payload: Uint8Array, timeMs: number): void {
    this.#reserve(2 * MAX_VARINT_BYTES + payload.length);
    const afterTime = writeVarint(this.#bytes, this.#length, timeMs - this.baseTimeMs);
    const payloadStart = writeVarint(this.#bytes, afterTime, payload.length);
    this.#bytes.set(payload, payloadStart);
    this.#length = payloadStart + payload.length;
    this.count++;
  }

  /**
   * How many entries of a run it takes.
   *
   * @param ends The offset behind each entry of the run.
   * @param first The index of the first one that is to join.
   * @param timeMs The time of all of them, in milliseconds since 1970.
   * @returns The number: 0 where the frame is full, or of another time.
   */
  countAccepted(ends: readonly number[], first: number, timeMs: number): number {
    if (timeMs !== this.baseTimeMs) return 0;
    const start = first === 0 ? 0 : ends[first - 1] ?? 0;
    const most = Math.min(ends.length - first, FRAME_MAX_ENTRIES - this.count);
    let count = this.count === 0 ? 1 : 0;
    const lastEnd = start + FRAME_TARGET_BYTES - this.#length;
    while (count < most && (ends[first + count] ?? 0) <= lastEnd) count++;
    return count;
  }

  /**
   * Appends entries of a run that the frame accepts, as they stand: see {@linkcode writeEntry}.
   *
   * @param source Where they are copied from.
   * @param start The offset of the first one.
   * @param end The offset behind the last one.
   * @param count How many they are.
   */
  appendRun(source: Uint8Array, start: number, end: number, count: number): void {
    this.#reserve(end - start);
    this.#bytes.set(source.subarray(start, end), this.#length);
    this.#length += end - start;
    this.count += count;
  }

  /**
   * Whether the entries of another frame may join.
   *
   * @param other The other frame.
   * @param maxBytes How long the record may become.
   * @returns False where that is too much, where one has tags and the other has not, or where the
   *   clock was set back or far forward.
   */
  acceptsFrame(other: OpenFrame, maxBytes: number): boolean {
    const shiftMs = other.baseTimeMs - this.baseTimeMs;
    const longerTimes = shiftMs === 0 ? 0 : (MAX_VARINT_BYTES - 1) * other.count;
    return other.isTagged === this.isTagged && shiftMs >= 0 && shiftMs < MAX_TIME_OFFSET_MS &&
      this.count + other.count <= FRAME_MAX_ENTRIES &&
      this.#length + other.#length - ENTRIES_OFFSET + longerTimes <= maxBytes;
  }

  /**
   * Appends the entries of another frame, which this one accepts.
   *
   * @param other The other frame.
   */
  appendFrame(other: OpenFrame): void {
    const shiftMs = other.baseTimeMs - this.baseTimeMs;
    if (shiftMs === 0) {
      return this.appendRun(other.#bytes, ENTRIES_OFFSET, other.#length, other.count);
    }
    const cursor = { bytes: other.#bytes, offset: ENTRIES_OFFSET };
    while (cursor.offset < other.#length) {
      const timeMs = other.baseTimeMs + readVarint(cursor);
      const payloadBytes = readVarint(cursor);
      const start = cursor.offset;
      cursor.offset += payloadBytes;
      this.append(other.#bytes.subarray(start, cursor.offset), timeMs);
    }
  }

  /**
   * A new frame with some of the entries of this one.
   *
   * @param keeps Whether the entry with this index is among them.
   * @returns The new frame.
   */
  filter(keeps: (index: number) => boolean): OpenFrame {
    const copy = new OpenFrame(this.baseTimeMs, this.#length, this.#memory, this.isTagged);
    const cursor = { bytes: this.#bytes, offset: ENTRIES_OFFSET };
    for (let index = 0; index < this.count; index++) {
      const start = cursor.offset;
      readVarint(cursor);
      const payloadBytes = readVarint(cursor);
      cursor.offset += payloadBytes;
      if (!keeps(index)) continue;
      copy.#bytes.set(this.#bytes.subarray(start, cursor.offset), copy.#length);
      copy.#length += cursor.offset - start;
      copy.count++;
    }
    return copy;
  }

  /**
   * Completes the frame for its place in the journal. It can be sealed again for another place.
   *
   * @param key The numbered key of its last entry.
   * @returns The record, which shares memory with the frame.
   */
  seal(key: Uint8Array): Uint8Array {
    const record = this.#bytes.subarray(0, this.#length);
    writeUint32(record, COUNT_OFFSET, this.count, "little-endian");
    writeUint53(record, BASE_TIME_OFFSET, this.baseTimeMs, "little-endian");
    sealRecord(key, record, this.isTagged ? TAGGED_VERSION : PLAIN_VERSION);
    return record;
  }

  #reserve(additionalBytes: number): void {
    const needed = this.#length + additionalBytes;
    if (needed <= this.#bytes.length) return;
    const grown = this.#memory.allocate(Math.max(needed, 2 * this.#bytes.length));
    grown.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = grown;
  }
}

/** By how much an entry of a run is longer than its payload, at most. */
export const MAX_ENTRY_HEADER_BYTES: number = 1 + MAX_VARINT_BYTES;

/**
 * Writes an entry of a run: entries of the same time that join a frame which begins at that time.
 *
 * @param bytes Where to. There must be room for the payload and {@linkcode MAX_ENTRY_HEADER_BYTES}.
 * @param offset The offset of its first byte.
 * @param payload The payload.
 * @returns The offset behind it.
 */
export function writeEntry(bytes: Uint8Array, offset: number, payload: Uint8Array): number {
  const afterTime = writeVarint(bytes, offset, 0);
  const payloadStart = writeVarint(bytes, afterTime, payload.length);
  bytes.set(payload, payloadStart);
  return payloadStart + payload.length;
}

/** A stored frame whose envelope has been verified. */
export interface StoredFrame {
  readonly actorId: string;
  readonly firstSequenceNumber: number;
  readonly lastSequenceNumber: number;
  readonly count: number;
  readonly baseTimeMs: number;
  /** Whether its payloads begin with the tags of their schemas. */
  readonly isTagged: boolean;
  readonly bytes: Uint8Array;
}

/**
 * Verifies a stored frame and reads its header.
 *
 * @param actorId The actor.
 * @param key The key that it was found under.
 * @param bytes The record.
 * @returns The frame.
 * @throws {PersistenceError} `CORRUPT`, `UNSUPPORTED_FORMAT`.
 */
export function openFrame(actorId: string, key: Uint8Array, bytes: Uint8Array): StoredFrame {
  const lastSequenceNumber = sequenceNumberOf(key);
  const version = verifyRecord(key, bytes, TAGGED_VERSION, `journal of actor "${actorId}"`, {
    actorId,
    sequenceNumber: lastSequenceNumber,
  });
  if (bytes.length < ENTRIES_OFFSET) throw malformed(actorId, lastSequenceNumber);
  const count = readUint32(bytes, COUNT_OFFSET, "little-endian");
  const baseTimeMs = readUint53(bytes, BASE_TIME_OFFSET, "little-endian");
  const firstSequenceNumber = lastSequenceNumber - count + 1;
  if (count === 0 || !(firstSequenceNumber >= 0) || Number.isNaN(baseTimeMs)) {
    throw malformed(actorId, lastSequenceNumber);
  }
  const isTagged = version === TAGGED_VERSION;
  return { actorId, firstSequenceNumber, lastSequenceNumber, count, baseTimeMs, isTagged, bytes };
}

/** Goes over the entries of a frame, in order, without an object per entry. */
export class FrameCursor {
  /** The sequence number of the entry that it stands on. */
  sequenceNumber: number;
  /** The time of that entry, in milliseconds since 1970. */
  timeMs = 0;
  /** The offsets of its payload in the bytes of the frame. */
  payloadStart: number = ENTRIES_OFFSET;
  /** The offset behind it. */
  payloadEnd: number = ENTRIES_OFFSET;

  /** The actor. */
  readonly actorId: string;
  /** Whether the payloads begin with the tags of their schemas. */
  readonly isTagged: boolean;
  /** The bytes of the frame. */
  readonly bytes: Uint8Array;
  /** The frame. */
  readonly frame: StoredFrame;
  readonly #to: number;

  /**
   * @param frame The frame.
   * @param from The lowest sequence number that it stops at.
   * @param to The highest sequence number that it stops at.
   * @throws {PersistenceError} `CORRUPT` where the entries before do not add up.
   */
  constructor(frame: StoredFrame, from: number, to: number) {
    this.frame = frame;
    this.actorId = frame.actorId;
    this.isTagged = frame.isTagged;
    this.bytes = frame.bytes;
    this.sequenceNumber = frame.firstSequenceNumber - 1;
    this.#to = Math.min(to, frame.lastSequenceNumber);
    while (this.sequenceNumber < from - 1) if (!this.advance()) break;
  }

  /**
   * Goes to the next entry.
   *
   * @returns Whether there is one.
   * @throws {PersistenceError} `CORRUPT` where the entries do not add up to the frame.
   */
  advance(): boolean {
    if (this.sequenceNumber >= this.#to) return false;
    this.sequenceNumber++;
    const { bytes, baseTimeMs, lastSequenceNumber, actorId } = this.frame;
    const cursor = { bytes, offset: this.payloadEnd };
    this.timeMs = baseTimeMs + readVarint(cursor);
    const payloadBytes = readVarint(cursor);
    this.payloadStart = cursor.offset;
    this.payloadEnd = cursor.offset + payloadBytes;
    // A varint that is none gives NaN, which is within no bounds.
    const fits = this.sequenceNumber === lastSequenceNumber
      ? this.payloadEnd === bytes.length
      : this.payloadEnd <= bytes.length;
    if (!fits || Number.isNaN(this.timeMs)) throw malformed(actorId, this.sequenceNumber);
    return true;
  }
}

function malformed(actorId: string, sequenceNumber: number): PersistenceError {
  return new PersistenceError(
    "CORRUPT",
    `Cannot read journal of actor "${actorId}": the frame at ${sequenceNumber} is malformed`,
    { actorId, sequenceNumber },
  );
}

function writeVarint(bytes: Uint8Array, offset: number, value: number): number {
  let rest = value;
  while (rest >= 0x80) {
    bytes[offset++] = (rest & 0x7f) | 0x80;
    rest = Math.floor(rest / 128);
  }
  bytes[offset++] = rest;
  return offset;
}

/** Reads a varint and moves on behind it. NaN where there is none. */
function readVarint(cursor: { readonly bytes: Uint8Array; offset: number }): number {
  let value = 0;
  for (let factor = 1; factor <= MAX_VARINT_FACTOR; factor *= 128) {
    const byte = cursor.bytes[cursor.offset++];
    if (byte === undefined) break;
    value += (byte & 0x7f) * factor;
    if (byte < 0x80) return value;
  }
  return NaN;
}
