/**
 * Encodes messages within their size limits.
 *
 * @module
 */

import { describeActor, detailsOf } from "../errors/actor_name.ts";
import { PersistenceError } from "../errors/persistence_error.ts";
import type { ActorAddress } from "../format/actor_address.ts";
import type { EncodedRun, EncodedValue } from "../format/encoded_run.ts";
import { MAX_ENTRY_HEADER_BYTES, writeEntry } from "../format/frame.ts";
import type { Metadata } from "../ports/metadata.ts";
import type { Payloads } from "../schema/payloads.ts";
import type { EntryMemory } from "./entry_memory.ts";

const INITIAL_BATCH_BYTES = 4_096;
/** A larger buffer is not kept: a single large batch would occupy its memory for good. */
const MAX_KEPT_BATCH_BYTES = 1_048_576;
const NO_BYTES = new Uint8Array(0);

/** How large messages may be. */
export interface MessageLimits {
  /** The most bytes that an encoded message may have: an integer of at least 1. */
  readonly maxMessageBytes: number;
  /** The most bytes that the messages of a batch may have together: an integer of at least 1. */
  readonly maxBatchBytes: number;
}

/** Encodes messages within their size limits. */
export class MessageEncoder {
  readonly #payloads: Payloads;
  readonly #maxMessageBytes: number;
  readonly #maxBatchBytes: number;
  /** The buffer that batches are encoded in, one after the other. */
  #batch: Uint8Array = NO_BYTES;

  /**
   * @param payloads Turns messages into bytes.
   * @param limits How large messages may be.
   */
  constructor(payloads: Payloads, limits: MessageLimits) {
    this.#payloads = payloads;
    this.#maxMessageBytes = Math.min(limits.maxMessageBytes, limits.maxBatchBytes);
    this.#maxBatchBytes = limits.maxBatchBytes;
  }

  /**
   * Encodes one message.
   *
   * @param actor The actor, for errors.
   * @param message The message.
   * @param metadata What stands beside it, if anything does.
   * @returns The encoded message, in memory that the next call reuses.
   * @throws {PersistenceError} `UNENCODABLE`, `TOO_LARGE`, `VALIDATION_FAILED`, `UNKNOWN_SCHEMA`.
   */
  encode(actor: ActorAddress, message: unknown, metadata?: Metadata): EncodedRun {
    return this.#encode(actor, message, this.#encodeMetadata(actor, metadata));
  }

  /**
   * Encodes the messages of a batch.
   *
   * @param actor The actor, for errors.
   * @param messages The messages.
   * @param metadata What stands beside each of them, if anything does.
   * @returns The encoded messages, in memory that the next call reuses.
   * @throws {PersistenceError} `UNENCODABLE`, `TOO_LARGE`, `VALIDATION_FAILED`, `UNKNOWN_SCHEMA`.
   */
  encodeBatch(
    actor: ActorAddress,
    messages: readonly unknown[],
    metadata?: Metadata,
  ): EncodedRun & { ends: number[] } {
    const encodedMetadata = this.#encodeMetadata(actor, metadata);
    // A getter in a message may append another batch, which must not overwrite this one.
    let bytes = this.#batch;
    this.#batch = NO_BYTES;
    let length = 0;
    let payloadBytes = 0;
    const ends: number[] = [];
    for (const message of messages) {
      const payload = this.#encode(actor, message, encodedMetadata);
      payloadBytes += payload.payloadBytes;
      if (payloadBytes > this.#maxBatchBytes) throw this.#batchTooLarge(actor);
      const entryBytes = MAX_ENTRY_HEADER_BYTES + payload.header.length + payload.bytes.length;
      bytes = withRoom(bytes, length, entryBytes);
      length = writeEntry(bytes, length, payload);
      ends.push(length);
    }
    if (bytes.length <= MAX_KEPT_BATCH_BYTES) this.#batch = bytes;
    return { header: NO_BYTES, bytes: bytes.subarray(0, length), payloadBytes, ends };
  }

  /**
   * Encodes one message as an entry of a run.
   *
   * @param actor The actor, for errors.
   * @param message The message.
   * @param metadata What stands beside it, if anything does.
   * @param memory Where the entry is written.
   * @returns The size of the encoded message, with tag and metadata.
   * @throws {PersistenceError} `UNENCODABLE`, `TOO_LARGE`, `VALIDATION_FAILED`, `UNKNOWN_SCHEMA`.
   */
  encodeEntry(
    actor: ActorAddress,
    message: unknown,
    metadata: Metadata | undefined,
    memory: EntryMemory,
  ): number {
    const payload = this.#encode(actor, message, this.#encodeMetadata(actor, metadata));
    const { header, bytes, payloadBytes } = payload;
    memory.reserve(MAX_ENTRY_HEADER_BYTES + header.length + bytes.length);
    memory.start = memory.used;
    memory.used = writeEntry(memory.slab, memory.used, payload);
    return payloadBytes;
  }

  #batchTooLarge(actor: ActorAddress): PersistenceError {
    return new PersistenceError(
      "TOO_LARGE",
      `Cannot append to ${
        describeActor(actor)
      }: the batch has more than ${this.#maxBatchBytes} bytes`,
      detailsOf(actor),
    );
  }

  #encodeMetadata(actor: ActorAddress, metadata: Metadata | undefined): Uint8Array | undefined {
    return metadata && this.#payloads.encodeMetadata(metadata, "append to", actor);
  }

  #encode(actor: ActorAddress, message: unknown, metadata: Uint8Array | undefined): EncodedValue {
    const payload = this.#payloads.encode(message, "append to", actor, metadata);
    if (payload.payloadBytes > this.#maxMessageBytes) {
      throw new PersistenceError(
        "TOO_LARGE",
        `Cannot append to ${
          describeActor(actor)
        }: the message has ${payload.payloadBytes} bytes, the limit is ${this.#maxMessageBytes}`,
        detailsOf(actor),
      );
    }
    return payload;
  }
}

/** The bytes, or a larger copy if they have no room for this many more. */
function withRoom(bytes: Uint8Array, length: number, additionalBytes: number): Uint8Array {
  const needed = length + additionalBytes;
  if (needed <= bytes.length) return bytes;
  const grown = new Uint8Array(Math.max(needed, 2 * bytes.length, INITIAL_BATCH_BYTES));
  grown.set(bytes.subarray(0, length));
  return grown;
}
