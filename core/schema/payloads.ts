/**
 * Payloads: messages and states in their stored form. This is the only place at which a schema
 * comes between the codec and the journals and snapshot stores.
 *
 * @module
 */

import { describeActor, detailsOf } from "../errors/actor_name.ts";
import { MAX_METADATA_BYTES } from "../errors/arguments.ts";
import {
  PersistenceError,
  type PersistenceErrorCode,
  type PersistenceErrorDetails,
} from "../errors/persistence_error.ts";
import type { ActorAddress } from "../format/actor_address.ts";
import { type EncodedValue, encodedValue } from "../format/encoded_run.ts";
import {
  encodeHeader,
  FLAGS_BYTES,
  partsOf,
  type PayloadParts,
  PLAIN_HEADER,
  unknownFlags,
} from "../format/payload.ts";
import { decodeTag } from "../format/schema_tag.ts";
import type { Codec } from "../ports/codec.ts";
import type { Metadata } from "../ports/metadata.ts";
import type { SchemaVersion } from "../ports/schema.ts";
import { extraBytes } from "../telemetry/trace_context.ts";
import { isPlainObject } from "../util/plain_object.ts";
import { isUnwantedPromise } from "../util/promises.ts";
import { messageOf } from "../util/text.ts";
import { describeType } from "../errors/arguments.ts";

/** A payload as it is stored. */
export interface StoredPayload {
  /** The record that contains the payload. */
  readonly bytes: Uint8Array;
  /** The offset of the payload in the record. */
  readonly payloadStart: number;
  /** The offset after the payload. */
  readonly payloadEnd: number;
  /** The actor. */
  readonly actor: ActorAddress;
  /** The sequence number of the message, or of the last message that the state includes. */
  readonly sequenceNumber: number;
  /** When the value was appended or saved, in milliseconds since 1970. */
  readonly timeMs: number;
}

/** A decoded payload. */
export interface DecodedPayload {
  /** The message or state. */
  readonly value: unknown;
  /**
   * The type and version that it was stored as, or `undefined` if it was stored without a schema.
   */
  readonly schema: SchemaVersion | undefined;
  /** The metadata that it was stored with, or `undefined` if there is none. */
  readonly metadata: Metadata | undefined;
  /** Whether it was made unreadable. Then there is neither value nor metadata. */
  readonly isErased?: true;
}

/** Decodes the messages of a journal, or the states of a snapshot store. */
export interface PayloadReader {
  /**
   * Decodes a payload.
   *
   * @param payload The payload.
   * @returns The message or state, which shares no memory with the payload, its type and version,
   *   and its metadata.
   * @throws {PersistenceError} `CORRUPT`, `UNSUPPORTED_FORMAT`, `UNKNOWN_SCHEMA`; with a schema also
   *   `UPCAST_FAILED` and `VALIDATION_FAILED`.
   */
  decode(payload: StoredPayload): DecodedPayload;
}

/** Encodes the messages of a journal, or the states of a snapshot store, as payloads and back. */
export interface Payloads extends PayloadReader {
  /**
   * Encodes a message or state.
   *
   * @param value The message or state.
   * @param operation The caller's operation, which the actor completes to a phrase: `append to`.
   * @param actor The actor, for the error.
   * @param metadata The encoded metadata, which is copied, or `undefined` if there is none.
   * @returns The payload, in memory that the next call reuses.
   * @throws {PersistenceError} `UNENCODABLE`, or another code that the codec reports; with a schema
   *   also `VALIDATION_FAILED` and `UNKNOWN_SCHEMA`.
   */
  encode(
    value: unknown,
    operation: string,
    actor: ActorAddress,
    metadata?: Uint8Array,
  ): EncodedValue;

  /**
   * Encodes metadata.
   *
   * @param metadata The metadata, a plain object.
   * @param operation The caller's operation, which the actor completes to a phrase: `append to`.
   * @param actor The actor, for the error.
   * @returns The encoded metadata, in memory of its own.
   * @throws {PersistenceError} `UNENCODABLE`, or another code that the codec reports; `TOO_LARGE`.
   */
  encodeMetadata(metadata: Metadata, operation: string, actor: ActorAddress): Uint8Array;
}

/** What payloads contain, for error messages. */
export interface PayloadNouns {
  /** The noun for the value: `message` or `state`. */
  readonly value: string;
  /** The noun for its container: `journal` or `snapshot store`. */
  readonly container: string;
  /** The reading operation, which the actor completes to a phrase: `read journal of`. */
  readonly reading: string;
}

/** The payloads of journals, which contain messages. */
export const MESSAGE: PayloadNouns = {
  value: "message",
  container: "journal",
  reading: "read journal of",
};

/** The payloads of snapshots, which contain states. */
export const STATE: PayloadNouns = {
  value: "state",
  container: "snapshot store",
  reading: "load snapshot of",
};

/** The effects of stateful actors. */
export const EFFECT: PayloadNouns = {
  value: "effect",
  container: "outbox",
  reading: "read outbox of",
};

/** Payloads without schemas. */
export class PlainPayloads implements Payloads {
  readonly #codec: Codec;
  readonly #nouns: PayloadNouns;

  /**
   * Creates the payloads of a journal or snapshot store.
   *
   * @param codec Encodes and decodes the values.
   * @param nouns What the payloads contain.
   */
  constructor(codec: Codec, nouns: PayloadNouns) {
    this.#codec = codec;
    this.#nouns = nouns;
  }

  /** See {@linkcode Payloads.encode}. */
  encode(
    value: unknown,
    operation: string,
    actor: ActorAddress,
    metadata?: Uint8Array,
  ): EncodedValue {
    const header = metadata ? encodeHeader(undefined, metadata) : PLAIN_HEADER;
    return encodedValue(header, encodeValue(this.#codec, value, operation, actor));
  }

  /** See {@linkcode Payloads.encodeMetadata}. */
  encodeMetadata(metadata: Metadata, operation: string, actor: ActorAddress): Uint8Array {
    return encodeMetadata(this.#codec, metadata, operation, actor);
  }

  /** See {@linkcode Payloads.decode}. */
  decode(payload: StoredPayload): DecodedPayload {
    const parts = readParts(payload, this.#nouns);
    if (parts.tagBytes > 0) throw this.#withoutSchema(payload, parts);
    try {
      const metadata = decodeMetadata(this.#codec, payload, parts, this.#nouns);
      const value = decodeValue(this.#codec, payload, parts, this.#nouns);
      return { value, schema: undefined, metadata };
    } catch (error) {
      return erasedPayload(error, undefined);
    }
  }

  #withoutSchema(payload: StoredPayload, parts: PayloadParts): PersistenceError {
    const { name, version } = readTag(payload, parts, this.#nouns);
    const problem =
      `was stored as version ${version} of "${name}", but the ${this.#nouns.container} has no schema`;
    return readError("UNKNOWN_SCHEMA", problem, this.#nouns, payload);
  }
}

/**
 * What is left of a payload that was made unreadable.
 *
 * @param error What decoding it has thrown.
 * @param schema The type and version that it was stored as, if it has any.
 * @returns The rest.
 * @throws {unknown} The error, if it is another one.
 */
export function erasedPayload(error: unknown, schema: SchemaVersion | undefined): DecodedPayload {
  if (!isErasure(error)) throw error;
  return { value: undefined, schema, metadata: undefined, isErased: true };
}

function isErasure(error: unknown): boolean {
  return error instanceof PersistenceError && error.code === "ERASED";
}

/**
 * Encodes a value with a codec. The error of a failure names the operation.
 *
 * @param codec The codec.
 * @param value The value.
 * @param operation The caller's operation, which the actor completes to a phrase: `append to`.
 * @param actor The actor, for the error.
 * @param subject What precedes the reason in the error message.
 * @returns The bytes, in memory that the codec may reuse.
 * @throws {PersistenceError} `UNENCODABLE`, or another code that the codec reports.
 */
export function encodeValue(
  codec: Codec,
  value: unknown,
  operation: string,
  actor: ActorAddress,
  subject = "",
): Uint8Array {
  try {
    const bytes: unknown = codec.encode(value, actor);
    // A codec may be the user's own.
    if (isBytes(bytes)) return bytes;
    const found = isUnwantedPromise(bytes) ? "a promise" : describeType(bytes);
    throw new TypeError(`the codec must give a Uint8Array at once, not ${found}`);
  } catch (cause) {
    const code = cause instanceof PersistenceError ? cause.code : "UNENCODABLE";
    const reason = messageOf(cause);
    throw new PersistenceError(
      code,
      `Cannot ${operation} ${describeActor(actor)}: ${subject}${reason}`,
      {
        cause,
        ...detailsOf(actor),
      },
    );
  }
}

/** In a realm of its own, as some test runners make them, its class is another one. */
function isBytes(value: unknown): value is Uint8Array {
  return ArrayBuffer.isView(value) && "BYTES_PER_ELEMENT" in value && value.BYTES_PER_ELEMENT === 1;
}

/**
 * Encodes metadata with a codec. The error of a failure names the operation.
 *
 * @param codec The codec.
 * @param metadata The metadata.
 * @param operation The caller's operation, which the actor completes to a phrase: `append to`.
 * @param actor The actor, for the error.
 * @returns The bytes, in memory of their own.
 * @throws {PersistenceError} `UNENCODABLE`, or another code that the codec reports; `TOO_LARGE`.
 */
export function encodeMetadata(
  codec: Codec,
  metadata: Metadata,
  operation: string,
  actor: ActorAddress,
): Uint8Array {
  const bytes = encodeValue(codec, metadata, operation, actor, "metadata cannot be stored: ");
  if (bytes.length <= MAX_METADATA_BYTES + extraBytes(metadata)) return bytes.slice();
  throw new PersistenceError(
    "TOO_LARGE",
    `Cannot ${operation} ${
      describeActor(actor)
    }: the metadata has ${bytes.length} bytes, the limit is ${MAX_METADATA_BYTES}`,
    detailsOf(actor),
  );
}

/**
 * Finds the parts of a payload.
 *
 * @param payload The payload.
 * @param nouns What the payload contains.
 * @returns The parts.
 * @throws {PersistenceError} `UNSUPPORTED_FORMAT` if a newer version has written the payload;
 *   `CORRUPT` if it is malformed.
 */
export function readParts(payload: StoredPayload, nouns: PayloadNouns): PayloadParts {
  const { bytes, payloadStart, payloadEnd } = payload;
  const flags = unknownFlags(bytes, payloadStart, payloadEnd);
  if (flags !== 0) {
    const problem = `was stored by a newer version: this package does not know the flags ${flags}`;
    throw readError("UNSUPPORTED_FORMAT", problem, nouns, payload);
  }
  try {
    return partsOf(bytes, payloadStart, payloadEnd);
  } catch (cause) {
    throw readError("CORRUPT", "cannot be decoded", nouns, payload, { cause });
  }
}

/**
 * Decodes a value with a codec. The error of a failure names the actor and the sequence number.
 *
 * @param codec The codec.
 * @param payload The payload that contains the value.
 * @param parts The parts of the payload.
 * @param nouns What the payload contains.
 * @returns The value.
 * @throws {PersistenceError} `CORRUPT` if the value cannot be decoded; `ERASED` if it was made
 *   unreadable.
 */
export function decodeValue(
  codec: Codec,
  payload: StoredPayload,
  { headerBytes }: PayloadParts,
  nouns: PayloadNouns,
): unknown {
  const { bytes, payloadStart, payloadEnd, actor } = payload;
  try {
    const value = codec.decode(bytes.subarray(payloadStart + headerBytes, payloadEnd), actor);
    if (!isUnwantedPromise(value)) return value;
    throw new TypeError("the codec must answer at once, not by a promise");
  } catch (cause) {
    if (isErasure(cause)) throw readError("ERASED", "was erased", nouns, payload, { cause });
    throw readError("CORRUPT", "cannot be decoded", nouns, payload, { cause });
  }
}

/**
 * Decodes the metadata of a payload with a codec.
 *
 * @param codec The codec.
 * @param payload The payload.
 * @param parts The parts of the payload.
 * @param nouns What the payload contains.
 * @returns The metadata, or `undefined` if there is none.
 * @throws {PersistenceError} `CORRUPT` if it cannot be decoded, or is not a plain object; `ERASED` if
 *   it was made unreadable.
 */
export function decodeMetadata(
  codec: Codec,
  payload: StoredPayload,
  { headerBytes, metadataBytes }: PayloadParts,
  nouns: PayloadNouns,
): Metadata | undefined {
  if (metadataBytes === undefined) return undefined;
  const end = payload.payloadStart + headerBytes;
  try {
    const metadata = codec.decode(payload.bytes.subarray(end - metadataBytes, end), payload.actor);
    if (isPlainObject(metadata)) return metadata;
    throw new Error("the metadata is not a plain object");
  } catch (cause) {
    if (isErasure(cause)) throw readError("ERASED", "was erased", nouns, payload, { cause });
    throw readError("CORRUPT", "has metadata that cannot be decoded", nouns, payload, { cause });
  }
}

/**
 * Reads the schema tag of a payload that has one.
 *
 * @param payload The payload.
 * @param parts The parts of the payload.
 * @param nouns What the payload contains.
 * @returns The type and version that the value was stored as.
 * @throws {PersistenceError} `CORRUPT` if the tag cannot be decoded.
 */
export function readTag(
  payload: StoredPayload,
  { tagBytes }: PayloadParts,
  nouns: PayloadNouns,
): SchemaVersion {
  const start = payload.payloadStart + FLAGS_BYTES;
  try {
    return decodeTag(payload.bytes.subarray(start, start + tagBytes));
  } catch (cause) {
    throw readError("CORRUPT", "cannot be decoded", nouns, payload, { cause });
  }
}

/**
 * Creates the error of a payload that cannot be read.
 *
 * @param code The code of the error.
 * @param problem The predicate of the sentence whose subject is the message or state.
 * @param nouns What the payload contains.
 * @param payload The payload.
 * @param details The cause, and more.
 * @returns The error.
 */
export function readError(
  code: PersistenceErrorCode,
  problem: string,
  nouns: PayloadNouns,
  { actor, sequenceNumber }: StoredPayload,
  details: PersistenceErrorDetails = {},
): PersistenceError {
  return new PersistenceError(
    code,
    `Cannot ${nouns.reading} ${
      describeActor(actor)
    }: the ${nouns.value} at ${sequenceNumber} ${problem}`,
    { ...details, ...detailsOf(actor), sequenceNumber },
  );
}
