/**
 * Payloads: what messages and states are while they are stored. This is the one place where a
 * schema comes between the codec and the journals and snapshot stores.
 *
 * @module
 */

import type { Codec } from "./codec.ts";
import {
  PersistenceError,
  type PersistenceErrorCode,
  type PersistenceErrorDetails,
} from "./errors.ts";
import type { SchemaVersion } from "./schema.ts";
import { decodeTag, tagLength } from "./schema_tag.ts";

/** A payload as it was found. */
export interface StoredPayload {
  /** The record that it is in. */
  readonly bytes: Uint8Array;
  /** The offset of its first byte. */
  readonly payloadStart: number;
  /** The offset behind its last byte. */
  readonly payloadEnd: number;
  readonly actorId: string;
  readonly sequenceNumber: number;
  /** Milliseconds since 1970. */
  readonly timeMs: number;
  /** Whether the payload begins with the tag of its schema: the record that it is in says so. */
  readonly isTagged: boolean;
}

/** Turns the messages of a journal, or the states of a snapshot store, into payloads and back. */
export interface Payloads {
  /** Whether the payloads that it makes begin with the tags of their schemas. */
  readonly isTagged: boolean;
  /** What was decoded last had been stored as this, or `undefined` where without a schema. */
  readonly decodedSchema: SchemaVersion | undefined;

  /**
   * Makes a payload.
   *
   * @param value The message or state.
   * @param operation What the caller is about to do, for the error's message.
   * @param actorId The actor, for the error.
   * @returns The payload, in memory that the next call uses again.
   * @throws {PersistenceError} `UNENCODABLE`, or whatever other code the codec reports; with a schema
   *   `VALIDATION_FAILED`, `UNKNOWN_SCHEMA`.
   */
  encode(value: unknown, operation: string, actorId: string): Uint8Array;

  /**
   * Reads a payload.
   *
   * @param payload The payload.
   * @returns The message or state. It shares no memory with the payload.
   * @throws {PersistenceError} `CORRUPT`, `UNKNOWN_SCHEMA`; with a schema `UPCAST_FAILED`,
   *   `VALIDATION_FAILED`.
   */
  decode(payload: StoredPayload): unknown;
}

/** What payloads hold, in the words of error messages. */
export interface PayloadKind {
  /** `message` or `state`. */
  readonly value: string;
  /** `journal` or `snapshot store`. */
  readonly container: string;
  /** What was being done with an actor: `read journal of`. */
  readonly reading: string;
}

/** The payloads of journals. */
export const MESSAGE: PayloadKind = {
  value: "message",
  container: "journal",
  reading: "read journal of",
};

/** The payloads of snapshots. */
export const STATE: PayloadKind = {
  value: "state",
  container: "snapshot store",
  reading: "load snapshot of",
};

/** Payloads without schemas: what the codec makes. */
export class PlainPayloads implements Payloads {
  readonly isTagged = false;
  readonly decodedSchema = undefined;

  readonly #codec: Codec;
  readonly #kind: PayloadKind;

  /**
   * @param codec What encodes and decodes.
   * @param kind What the payloads hold.
   */
  constructor(codec: Codec, kind: PayloadKind) {
    this.#codec = codec;
    this.#kind = kind;
  }

  /** See {@linkcode Payloads.encode}. */
  encode(value: unknown, operation: string, actorId: string): Uint8Array {
    return encodeValue(this.#codec, value, operation, actorId);
  }

  /** See {@linkcode Payloads.decode}. */
  decode(payload: StoredPayload): unknown {
    if (payload.isTagged) throw this.#withoutSchema(payload);
    return decodeValue(this.#codec, payload, this.#kind);
  }

  #withoutSchema(payload: StoredPayload): PersistenceError {
    const { name, version } = readTag(payload, this.#kind);
    const problem =
      `was stored as "${name}" of version ${version}, but the ${this.#kind.container} has no schema`;
    return readingFailed("UNKNOWN_SCHEMA", problem, this.#kind, payload);
  }
}

/**
 * Encodes a value, and says what was being done where that fails.
 *
 * @param codec What encodes.
 * @param value The value.
 * @param operation What the caller is about to do, for the error's message.
 * @param actorId The actor, for the error.
 * @returns The bytes, in memory that the codec may use again.
 * @throws {PersistenceError} `UNENCODABLE`, or whatever other code the codec reports.
 */
export function encodeValue(
  codec: Codec,
  value: unknown,
  operation: string,
  actorId: string,
): Uint8Array {
  try {
    return codec.encode(value);
  } catch (cause) {
    const code = cause instanceof PersistenceError ? cause.code : "UNENCODABLE";
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new PersistenceError(code, `Cannot ${operation}: ${reason}`, { cause, actorId });
  }
}

/**
 * Decodes what the codec has made, and says where it stands if that fails.
 *
 * @param codec What decodes.
 * @param payload Where it stands.
 * @param kind What it is.
 * @param tagBytes The length of the tag before it.
 * @returns The value.
 * @throws {PersistenceError} `CORRUPT`.
 */
export function decodeValue(
  codec: Codec,
  payload: StoredPayload,
  kind: PayloadKind,
  tagBytes = 0,
): unknown {
  const { bytes, payloadStart, payloadEnd } = payload;
  try {
    return codec.decode(bytes.subarray(payloadStart + tagBytes, payloadEnd));
  } catch (cause) {
    throw readingFailed("CORRUPT", "cannot be decoded", kind, payload, { cause });
  }
}

/**
 * Reads the tag that a payload begins with.
 *
 * @param payload The payload.
 * @param kind What it holds.
 * @returns What it was stored as.
 * @throws {PersistenceError} `CORRUPT`.
 */
export function readTag(payload: StoredPayload, kind: PayloadKind): SchemaVersion {
  const { bytes, payloadStart, payloadEnd } = payload;
  try {
    const tagEnd = payloadStart + tagLength(bytes, payloadStart, payloadEnd);
    return decodeTag(bytes.subarray(payloadStart, tagEnd));
  } catch (cause) {
    throw readingFailed("CORRUPT", "cannot be decoded", kind, payload, { cause });
  }
}

/**
 * The error of a payload that cannot be read.
 *
 * @param code What went wrong.
 * @param problem The rest of the sentence that begins with the message or state.
 * @param kind What the payload holds.
 * @param payload The payload.
 * @param details The cause, and more.
 * @returns The error.
 */
export function readingFailed(
  code: PersistenceErrorCode,
  problem: string,
  kind: PayloadKind,
  { actorId, sequenceNumber }: StoredPayload,
  details: PersistenceErrorDetails = {},
): PersistenceError {
  return new PersistenceError(
    code,
    `Cannot ${kind.reading} actor "${actorId}": the ${kind.value} at ${sequenceNumber} ${problem}`,
    { ...details, actorId, sequenceNumber },
  );
}
