/**
 * The encoded messages of one call, before they are appended to a frame.
 *
 * @module
 */

import { type EncodedPayload, FLAGS_BYTES } from "./payload.ts";

/** One encoded message, or several in the form of entries of a frame. */
export interface EncodedRun extends EncodedPayload {
  /** The header of the payload, if the run is a single message. Entries contain theirs. */
  readonly header: Uint8Array;
  /** The encoded message, or the entries. */
  readonly bytes: Uint8Array;
  /** The total size of the encoded messages, with tags and metadata, without flags. */
  readonly payloadBytes: number;
  /** The offset after each entry, or `undefined` if the run is a single message. */
  readonly ends: readonly number[] | undefined;
}

/** A single encoded message or state. */
export interface EncodedValue extends EncodedRun {
  /** Always `undefined`. */
  readonly ends: undefined;
}

/**
 * Makes a run of a single message or state.
 *
 * @param header The header of its payload.
 * @param bytes The encoded message or state, in memory that the codec may reuse.
 * @returns The run.
 */
export function encodedValue(header: Uint8Array, bytes: Uint8Array): EncodedValue {
  const payloadBytes = header.length - FLAGS_BYTES + bytes.length;
  return { header, bytes, payloadBytes, ends: undefined };
}
