/**
 * Payloads: messages and states as they stand in frames and snapshots.
 *
 * | bytes | content |
 * |---|---|
 * | 1 | flags: 01 if a schema tag follows, 02 if metadata follows; the other bits are 0 |
 * | | the schema tag, see `schema_tag.ts` |
 * | varint | length of the metadata |
 * | bytes | the metadata, which the codec has encoded |
 * | bytes | the message or state, which the codec has encoded, to the end of the payload |
 *
 * What has no flag takes no byte. For varints see `varint.ts`.
 *
 * @module
 */

import { tagLength } from "./schema_tag.ts";
import { MAX_VARINT_BYTES, readVarint, writeVarint } from "./varint.ts";

const TAG_FLAG = 0b01;
const METADATA_FLAG = 0b10;
const KNOWN_FLAGS = TAG_FLAG | METADATA_FLAG;
/** Fewer bytes are copied faster one by one. */
const MIN_SET_BYTES = 32;
const NO_BYTES = new Uint8Array(0);

/** The length of the flags, and the offset of the schema tag if there is one. */
export const FLAGS_BYTES = 1;

/** A payload in two parts, so that what the codec has encoded is copied only once: to its record. */
export interface EncodedPayload {
  /** The flags, and what they say. It is never changed. */
  readonly header: Uint8Array;
  /** The encoded message or state, in memory that the codec may reuse. */
  readonly bytes: Uint8Array;
}

/** The header of a payload without tag and metadata. */
export const PLAIN_HEADER: Uint8Array = Uint8Array.of(0);

/**
 * Encodes the header of a payload.
 *
 * @param tag The schema tag, or `undefined` if there is none.
 * @param metadata The encoded metadata, or `undefined` if there is none. It is copied.
 * @returns The header.
 */
export function encodeHeader(
  tag: Uint8Array | undefined,
  metadata: Uint8Array | undefined,
): Uint8Array {
  const { length: tagBytes } = tag ?? NO_BYTES;
  const { length: metadataBytes } = metadata ?? NO_BYTES;
  const header = new Uint8Array(FLAGS_BYTES + tagBytes + MAX_VARINT_BYTES + metadataBytes);
  header[0] = (tag ? TAG_FLAG : 0) | (metadata ? METADATA_FLAG : 0);
  header.set(tag ?? NO_BYTES, FLAGS_BYTES);
  let end = FLAGS_BYTES + tagBytes;
  if (metadata) {
    const start = writeVarint(header, end, metadataBytes);
    header.set(metadata, start);
    end = start + metadataBytes;
  }
  return header.subarray(0, end);
}

/**
 * Writes a payload.
 *
 * @param target The bytes to write into, with room for the payload.
 * @param offset The offset of the payload.
 * @param payload The payload, which is copied.
 * @returns The offset after the payload.
 */
export function writePayload(
  target: Uint8Array,
  offset: number,
  { header, bytes }: EncodedPayload,
): number {
  const { length } = header;
  if (length >= MIN_SET_BYTES) target.set(header, offset);
  else for (let index = 0; index < length; index++) target[offset + index] = header[index] ?? 0;
  target.set(bytes, offset + length);
  return offset + length + bytes.length;
}

/** The parts of a stored payload, by their lengths. */
export interface PayloadParts {
  /** The length of the schema tag, 0 if there is none. */
  readonly tagBytes: number;
  /** The length of the metadata, which ends with the header; `undefined` if there is none. */
  readonly metadataBytes: number | undefined;
  /** The length of the header, after which the message or state begins. */
  readonly headerBytes: number;
}

/** What the codec has encoded, without any header. */
export const BARE_PARTS: PayloadParts = { tagBytes: 0, metadataBytes: undefined, headerBytes: 0 };

/** Shared by all payloads without tag and metadata. */
const PLAIN_PARTS: PayloadParts = {
  tagBytes: 0,
  metadataBytes: undefined,
  headerBytes: FLAGS_BYTES,
};

/**
 * The flags of a stored payload that this package does not know: a newer version has written it.
 *
 * @param bytes The bytes that contain the payload.
 * @param start The offset of the payload.
 * @param end The offset after the payload.
 * @returns The flags, 0 if all are known.
 */
export function unknownFlags(bytes: Uint8Array, start: number, end: number): number {
  return start < end ? (bytes[start] ?? 0) & ~KNOWN_FLAGS : 0;
}

/**
 * Finds the parts of a stored payload, whose flags must be known.
 *
 * @param bytes The bytes that contain the payload.
 * @param start The offset of the payload.
 * @param end The offset after the payload.
 * @returns The parts, all of which are within the payload.
 * @throws {Error} If the payload is malformed.
 */
export function partsOf(bytes: Uint8Array, start: number, end: number): PayloadParts {
  if (start >= end) throw new Error("the payload is empty");
  const flags = bytes[start] ?? 0;
  if (flags === 0) return PLAIN_PARTS;
  const afterFlags = start + FLAGS_BYTES;
  const tagBytes = flags & TAG_FLAG ? tagLength(bytes, afterFlags, end) : 0;
  const cursor = { bytes, offset: afterFlags + tagBytes };
  const metadataBytes = flags & METADATA_FLAG ? readVarint(cursor) : undefined;
  const headerEnd = cursor.offset + (metadataBytes ?? 0);
  // An invalid varint is read as NaN, which fails every comparison.
  if (!(headerEnd <= end)) throw new Error("the metadata is malformed");
  return { tagBytes, metadataBytes, headerBytes: headerEnd - start };
}
