/**
 * Encodes messages within their size limits.
 *
 * @module
 */

import { PersistenceError } from "./errors.ts";
import { MAX_ENTRY_HEADER_BYTES, writeEntry } from "./frame.ts";
import type { Payloads } from "./payloads.ts";
import type { PayloadRun } from "./waiting_frames.ts";

const INITIAL_BATCH_BYTES = 4_096;
/** A larger buffer is not kept: one large batch would occupy its memory for good. */
const MAX_KEPT_BATCH_BYTES = 1_048_576;
const NO_BYTES = new Uint8Array(0);

/** How large messages may be. */
export interface MessageLimits {
  /** The most bytes that a message may have when it is encoded. */
  readonly maxMessageBytes: number;
  /** The most bytes that the messages of a batch may have together. */
  readonly maxBatchBytes: number;
}

/** Encodes messages within their size limits. */
export class MessageEncoder {
  readonly #payloads: Payloads;
  readonly #maxMessageBytes: number;
  readonly #maxBatchBytes: number;
  /** What batches are encoded in, one after the other. */
  #batch: Uint8Array = NO_BYTES;

  /**
   * @param payloads What encodes.
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
   * @param actorId The actor, for the error's message.
   * @param message The message.
   * @returns The message, in memory that the next call uses again.
   * @throws {PersistenceError} `UNENCODABLE`, `TOO_LARGE`, `VALIDATION_FAILED`, `UNKNOWN_SCHEMA`.
   */
  encode(actorId: string, message: unknown): PayloadRun {
    const bytes = this.#encode(actorId, message);
    return {
      bytes,
      payloadBytes: bytes.length,
      ends: undefined,
      isTagged: this.#payloads.isTagged,
    };
  }

  /**
   * Encodes the messages of a batch.
   *
   * @param actorId The actor, for the error's message.
   * @param messages The messages.
   * @returns All of them, in memory that the next call uses again.
   * @throws {PersistenceError} `UNENCODABLE`, `TOO_LARGE`, `VALIDATION_FAILED`, `UNKNOWN_SCHEMA`.
   */
  encodeBatch(actorId: string, messages: readonly unknown[]): PayloadRun & { ends: number[] } {
    // A getter in a message may append another batch: that one must not write over this one.
    let bytes = this.#batch;
    this.#batch = NO_BYTES;
    let length = 0;
    let payloadBytes = 0;
    const ends: number[] = [];
    for (const message of messages) {
      const payload = this.#encode(actorId, message);
      payloadBytes += payload.length;
      if (payloadBytes > this.#maxBatchBytes) throw this.#batchTooLarge(actorId);
      bytes = withRoom(bytes, length, payload.length + MAX_ENTRY_HEADER_BYTES);
      length = writeEntry(bytes, length, payload);
      ends.push(length);
    }
    if (bytes.length <= MAX_KEPT_BATCH_BYTES) this.#batch = bytes;
    return {
      bytes: bytes.subarray(0, length),
      payloadBytes,
      ends,
      isTagged: this.#payloads.isTagged,
    };
  }

  #batchTooLarge(actorId: string): PersistenceError {
    return new PersistenceError(
      "TOO_LARGE",
      `Cannot append to actor "${actorId}": the batch has more than ${this.#maxBatchBytes} bytes`,
      { actorId },
    );
  }

  #encode(actorId: string, message: unknown): Uint8Array {
    const payload = this.#payloads.encode(message, `append to actor "${actorId}"`, actorId);
    if (payload.length > this.#maxMessageBytes) {
      throw new PersistenceError(
        "TOO_LARGE",
        `Cannot append to actor "${actorId}": the message has ${payload.length} bytes, the limit is ${this.#maxMessageBytes}`,
        { actorId },
      );
    }
    return payload;
  }
}

/** The bytes, or a larger copy where there is no room for so many more. */
function withRoom(bytes: Uint8Array, length: number, additionalBytes: number): Uint8Array {
  const needed = length + additionalBytes;
  if (needed <= bytes.length) return bytes;
  const grown = new Uint8Array(Math.max(needed, 2 * bytes.length, INITIAL_BATCH_BYTES));
  grown.set(bytes.subarray(0, length));
  return grown;
}
