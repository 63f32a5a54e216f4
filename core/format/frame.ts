/**
 * Frames: a run of consecutive journal entries of one actor, stored as one value under the sequence
 * number of its LAST entry. So the frame that contains a sequence number is the first one at or
 * above it, and the frames wholly below a sequence number are exactly those whose keys are below
 * it.
 *
 * | offset | bytes | content |
 * |---|---|---|
 * | 0 | 5 | the envelope, see `envelope.ts` |
 * | 5 | 4 | number of entries, at least 1 |
 * | 9 | 8 | base time: milliseconds since 1970 |
 * | 17 | | the entries, one after the other, without gaps |
 *
 * | entry | content |
 * |---|---|
 * | varint | milliseconds since the base time |
 * | varint | length of the payload |
 * | bytes | the payload, see `payload.ts` |
 *
 * For varints see `varint.ts`.
 *
 * @module
 */

import { describeActor, detailsOf } from "../errors/actor_name.ts";
import { PersistenceError } from "../errors/persistence_error.ts";
import type { ByteMemory } from "../util/byte_arena.ts";
import { copyBytes, readUint32, readUint53, writeUint32, writeUint53 } from "../util/bytes.ts";
import type { ActorAddress } from "./actor_address.ts";
import { ENVELOPE_BYTES, sealEnvelope, verifyEnvelope } from "./envelope.ts";
import { sequenceNumberOf } from "./keys.ts";
import { type EncodedPayload, writePayload } from "./payload.ts";
import { MAX_VARINT_BYTES, readVarint, writeVarint } from "./varint.ts";

const FRAME_VERSION = 1;
const COUNT_OFFSET = ENVELOPE_BYTES;
const BASE_TIME_OFFSET = COUNT_OFFSET + 4;
const ENTRIES_OFFSET = BASE_TIME_OFFSET + 8;
const MAX_TIME_OFFSET_MS = 2 ** 31;
const INITIAL_CAPACITY_BYTES = 256;

/**
 * A frame accepts no further entry once it has this many bytes: large enough to make the cost per
 * record negligible, small enough to keep reading a single entry cheap. It is what eight pages of
 * LMDB hold, minus their header and the header of the last entry.
 */
export const FRAME_TARGET_BYTES = 32_700;

/** A frame has at most this many entries. */
export const FRAME_MAX_ENTRIES = 4_096;

/** A frame that is being built. */
export class FrameBuilder {
  /** The number of its entries. */
  count = 0;
  /** The time of its first entry, in milliseconds since 1970. */
  readonly baseTimeMs: number;

  readonly #memory: ByteMemory;
  /** Its record is a part of this. */
  #bytes: Uint8Array;
  /** Where the record begins, where the next entry begins, and where the room ends. */
  #start: number;
  #end: number;
  #limit: number;

  /**
   * Creates a frame without entries.
   *
   * @param baseTimeMs The time of its first entry, in milliseconds since 1970.
   * @param expectedBytes The approximate minimum length of its entries.
   * @param memory Allocates the memory of the frame.
   */
  constructor(baseTimeMs: number, expectedBytes: number, memory: ByteMemory) {
    this.baseTimeMs = baseTimeMs;
    this.#memory = memory;
    const length = Math.max(
      INITIAL_CAPACITY_BYTES,
      ENTRIES_OFFSET + 2 * MAX_VARINT_BYTES + expectedBytes,
    );
    memory.cut(length);
    this.#bytes = memory.bytes;
    this.#start = memory.start;
    this.#end = this.#start + ENTRIES_OFFSET;
    this.#limit = this.#start + length;
  }

  /**
   * Creates a frame with the entries of a stored frame, to append more.
   *
   * @param record The record of the stored frame, which must have been verified.
   * @param memory Allocates the memory of the frame.
   * @returns The frame.
   */
  static of(record: Uint8Array, memory: ByteMemory): FrameBuilder {
    const baseTimeMs = readUint53(record, BASE_TIME_OFFSET, "little-endian");
    const frame = new FrameBuilder(baseTimeMs, record.length, memory);
    frame.#bytes.set(record, frame.#start);
    frame.#end = frame.#start + record.length;
    frame.count = readUint32(record, COUNT_OFFSET, "little-endian");
    return frame;
  }

  /** The length of its record in bytes. */
  get byteLength(): number {
    return this.#end - this.#start;
  }

  /** How many bytes its entries have, without the header. */
  get entriesLength(): number {
    return this.#end - this.#start - ENTRIES_OFFSET;
  }

  /**
   * Copies its entries, one after the other, without the header.
   *
   * @param target Where they go.
   * @param offset The offset of the first entry there. There must be room.
   * @returns The offset after the last entry.
   */
  writeEntries(target: Uint8Array, offset: number): number {
    copyBytes(this.#bytes, this.#start + ENTRIES_OFFSET, this.#end, target, offset);
    return offset + this.entriesLength;
  }

  /**
   * Whether an entry can be appended.
   *
   * @param payloadBytes The length of the payload.
   * @param timeMs The time of the entry, in milliseconds since 1970.
   * @returns False if the frame is full, or the clock was set back or far forward.
   */
  accepts(payloadBytes: number, timeMs: number): boolean {
    if (this.count === 0) return true;
    const timeOffset = timeMs - this.baseTimeMs;
    return this.byteLength + payloadBytes <= FRAME_TARGET_BYTES &&
      this.count < FRAME_MAX_ENTRIES &&
      timeOffset >= 0 && timeOffset < MAX_TIME_OFFSET_MS;
  }

  /**
   * Appends an entry, which the frame must accept.
   *
   * @param payload The payload, which is copied.
   * @param timeMs The time of the entry, in milliseconds since 1970.
   */
  append(payload: EncodedPayload, timeMs: number): void {
    const payloadBytes = payload.header.length + payload.bytes.length;
    const payloadStart = this.#startEntry(payloadBytes, timeMs);
    this.#end = writePayload(this.#bytes, payloadStart, payload);
  }

  /**
   * How many entries of a run can be appended.
   *
   * @param ends The offset after each entry of the run.
   * @param first The index of the first entry to append.
   * @param timeMs The time of all these entries, in milliseconds since 1970.
   * @returns The number of entries: 0 if the frame is full or has another base time.
   */
  countAccepted(ends: readonly number[], first: number, timeMs: number): number {
    if (timeMs !== this.baseTimeMs) return 0;
    const start = first === 0 ? 0 : ends[first - 1] ?? 0;
    const most = Math.min(ends.length - first, FRAME_MAX_ENTRIES - this.count);
    let count = this.count === 0 ? 1 : 0;
    const lastEnd = start + FRAME_TARGET_BYTES - this.byteLength;
    while (count < most && (ends[first + count] ?? 0) <= lastEnd) count++;
    return count;
  }

  /**
   * Appends entries of a run, which the frame must accept, without encoding them again: see
   * {@linkcode writeEntry}.
   *
   * @param source The bytes that contain the entries, which are copied.
   * @param start The offset of the first entry.
   * @param end The offset after the last entry.
   * @param count The number of entries.
   */
  appendRun(source: Uint8Array, start: number, end: number, count: number): void {
    this.#reserve(end - start);
    copyBytes(source, start, end, this.#bytes, this.#end);
    this.#end += end - start;
    this.count += count;
  }

  /**
   * Whether all entries of a stored frame can be appended.
   *
   * @param bytes How many bytes its entries have.
   * @param count How many there are.
   * @param baseTimeMs Their base time, in milliseconds since 1970.
   * @returns False if the frame would be too long, or if the clock was set back or far forward.
   */
  acceptsStored(bytes: number, count: number, baseTimeMs: number): boolean {
    const shiftMs = baseTimeMs - this.baseTimeMs;
    const longerTimes = shiftMs === 0 ? 0 : (MAX_VARINT_BYTES - 1) * count;
    return this.count === 0 || (shiftMs >= 0 && shiftMs < MAX_TIME_OFFSET_MS &&
      this.count + count <= FRAME_MAX_ENTRIES &&
      this.byteLength + bytes + longerTimes <= FRAME_TARGET_BYTES);
  }

  /**
   * Appends all entries of a stored frame, which this frame must accept.
   *
   * @param source The bytes that hold the entries.
   * @param start Where they begin.
   * @param end Where they end.
   * @param count How many there are.
   * @param baseTimeMs Their base time, in milliseconds since 1970.
   */
  appendStored(
    source: Uint8Array,
    start: number,
    end: number,
    count: number,
    baseTimeMs: number,
  ): void {
    const shiftMs = baseTimeMs - this.baseTimeMs;
    if (shiftMs === 0) return this.appendRun(source, start, end, count);
    const cursor = { bytes: source, offset: start };
    while (cursor.offset < end) {
      const timeMs = baseTimeMs + readVarint(cursor);
      const payloadBytes = readVarint(cursor);
      const payload = cursor.offset;
      cursor.offset += payloadBytes;
      const payloadStart = this.#startEntry(payloadBytes, timeMs);
      copyBytes(source, payload, cursor.offset, this.#bytes, payloadStart);
      this.#end = payloadStart + payloadBytes;
    }
  }

  /**
   * Creates a frame with some of the entries of this one.
   *
   * @param keeps Whether the entry with this index is kept.
   * @returns The new frame.
   */
  filter(keeps: (index: number) => boolean): FrameBuilder {
    const copy = new FrameBuilder(this.baseTimeMs, this.byteLength, this.#memory);
    const cursor = { bytes: this.#bytes, offset: this.#start + ENTRIES_OFFSET };
    for (let index = 0; index < this.count; index++) {
      const start = cursor.offset;
      readVarint(cursor);
      const payloadBytes = readVarint(cursor);
      cursor.offset += payloadBytes;
      if (!keeps(index)) continue;
      copyBytes(this.#bytes, start, cursor.offset, copy.#bytes, copy.#end);
      copy.#end += cursor.offset - start;
      copy.count++;
    }
    return copy;
  }

  /**
   * Completes the record for its place in the journal. It can be sealed again for another place.
   *
   * @param key The entry key of its last entry.
   * @returns The record, which shares memory with the frame.
   */
  seal(key: Uint8Array): Uint8Array {
    const record = this.#bytes.subarray(this.#start, this.#end);
    writeUint32(record, COUNT_OFFSET, this.count, "little-endian");
    writeUint53(record, BASE_TIME_OFFSET, this.baseTimeMs, "little-endian");
    sealEnvelope(key, record, FRAME_VERSION);
    return record;
  }

  /** Counts an entry and writes what precedes its payload. Returns the offset of the payload. */
  #startEntry(payloadBytes: number, timeMs: number): number {
    this.#reserve(2 * MAX_VARINT_BYTES + payloadBytes);
    this.count++;
    const afterTime = writeVarint(this.#bytes, this.#end, timeMs - this.baseTimeMs);
    return writeVarint(this.#bytes, afterTime, payloadBytes);
  }

  #reserve(additionalBytes: number): void {
    if (this.#end + additionalBytes <= this.#limit) return;
    const { byteLength } = this;
    const length = Math.max(byteLength + additionalBytes, 2 * (this.#limit - this.#start));
    this.#memory.cut(length);
    const { bytes, start } = this.#memory;
    copyBytes(this.#bytes, this.#start, this.#end, bytes, start);
    this.#bytes = bytes;
    this.#start = start;
    this.#end = start + byteLength;
    this.#limit = start + length;
  }
}

/** The most bytes that an entry of a run needs besides its payload. */
export const MAX_ENTRY_HEADER_BYTES: number = 1 + MAX_VARINT_BYTES;

/**
 * Writes an entry of a run. The entries of a run have the same time, and are appended to a frame
 * with that base time.
 *
 * @param bytes The bytes to write into, with room for the payload and
 *   {@linkcode MAX_ENTRY_HEADER_BYTES}.
 * @param offset The offset of the entry.
 * @param payload The payload.
 * @returns The offset after the entry.
 */
export function writeEntry(bytes: Uint8Array, offset: number, payload: EncodedPayload): number {
  const afterTime = writeVarint(bytes, offset, 0);
  const payloadBytes = payload.header.length + payload.bytes.length;
  return writePayload(bytes, writeVarint(bytes, afterTime, payloadBytes), payload);
}

/** A stored frame whose envelope has been verified. */
export interface StoredFrame {
  /** The actor. */
  readonly actor: ActorAddress;
  /** The sequence number of its first entry. */
  readonly firstSequenceNumber: number;
  /** The sequence number of its last entry. */
  readonly lastSequenceNumber: number;
  /** The number of its entries. */
  readonly count: number;
  /** The base time, in milliseconds since 1970. */
  readonly baseTimeMs: number;
  /** The bytes that hold the entries: the record of the frame, or of the log. */
  readonly bytes: Uint8Array;
  /** Where the entries begin. */
  readonly start: number;
  /** Where they end. */
  readonly end: number;
}

/**
 * Verifies a stored frame and reads its header.
 *
 * @param actor The actor.
 * @param key The entry key of its last entry.
 * @param bytes The record.
 * @returns The frame.
 * @throws {PersistenceError} `CORRUPT`, `UNSUPPORTED_FORMAT`.
 */
export function readFrame(actor: ActorAddress, key: Uint8Array, bytes: Uint8Array): StoredFrame {
  const lastSequenceNumber = sequenceNumberOf(key);
  verifyEnvelope(key, bytes, FRAME_VERSION, `journal of ${describeActor(actor)}`, {
    ...detailsOf(actor),
    sequenceNumber: lastSequenceNumber,
  });
  if (bytes.length < ENTRIES_OFFSET) throw malformed(actor, lastSequenceNumber);
  const count = readUint32(bytes, COUNT_OFFSET, "little-endian");
  const baseTimeMs = readUint53(bytes, BASE_TIME_OFFSET, "little-endian");
  const firstSequenceNumber = lastSequenceNumber - count + 1;
  if (count === 0 || !(firstSequenceNumber >= 0) || Number.isNaN(baseTimeMs)) {
    throw malformed(actor, lastSequenceNumber);
  }
  return {
    actor,
    firstSequenceNumber,
    lastSequenceNumber,
    count,
    baseTimeMs,
    bytes,
    start: ENTRIES_OFFSET,
    end: bytes.length,
  };
}

/** Iterates over the entries of a frame, in order, without an object per entry. */
export class FrameCursor {
  /** The sequence number of the current entry. */
  sequenceNumber: number;
  /** The time of the current entry, in milliseconds since 1970. */
  timeMs = 0;
  /** The offset of the current payload in the bytes of the frame. */
  payloadStart: number;
  /** The offset after the current payload. */
  payloadEnd: number;

  /** The actor. */
  readonly actor: ActorAddress;
  /** The bytes that hold the entries. */
  readonly bytes: Uint8Array;
  /** The frame. */
  readonly frame: StoredFrame;
  readonly #to: number;

  /**
   * Creates a cursor that stands before the first entry to visit.
   *
   * @param frame The frame.
   * @param from The lowest sequence number to visit.
   * @param to The highest sequence number to visit.
   * @throws {PersistenceError} `CORRUPT` if the frame is malformed before the first of these
   *   entries.
   */
  constructor(frame: StoredFrame, from: number, to: number) {
    this.frame = frame;
    this.actor = frame.actor;
    this.bytes = frame.bytes;
    this.payloadStart = frame.start;
    this.payloadEnd = frame.start;
    this.sequenceNumber = frame.firstSequenceNumber - 1;
    this.#to = Math.min(to, frame.lastSequenceNumber);
    while (this.sequenceNumber < from - 1) if (!this.advance()) break;
  }

  /**
   * Moves to the next entry.
   *
   * @returns Whether there is one.
   * @throws {PersistenceError} `CORRUPT` if the frame is malformed.
   */
  advance(): boolean {
    if (this.sequenceNumber >= this.#to) return false;
    this.sequenceNumber++;
    const { bytes, baseTimeMs, lastSequenceNumber, actor, end } = this.frame;
    const cursor = { bytes, offset: this.payloadEnd };
    this.timeMs = baseTimeMs + readVarint(cursor);
    const payloadBytes = readVarint(cursor);
    this.payloadStart = cursor.offset;
    this.payloadEnd = cursor.offset + payloadBytes;
    // An invalid varint is read as NaN, which fails every comparison.
    const fits = this.sequenceNumber === lastSequenceNumber
      ? this.payloadEnd === end
      : this.payloadEnd <= end;
    if (!fits || Number.isNaN(this.timeMs)) throw malformed(actor, this.sequenceNumber);
    return true;
  }
}

function malformed(actor: ActorAddress, sequenceNumber: number): PersistenceError {
  return new PersistenceError(
    "CORRUPT",
    `Cannot read journal of ${
      describeActor(actor)
    }: the frame of entry ${sequenceNumber} is malformed`,
    { ...detailsOf(actor), sequenceNumber },
  );
}
