/**
 * Encodes messages within their size limits.
 *
 * @module
 */

import type { PayloadRun } from "./actor_queue.ts";
import { PersistenceError } from "./errors.ts";
import { MAX_ENTRY_HEADER_BYTES, writeEntry } from "./frame.ts";
import type { Payloads } from "./payloads.ts";

const INITIAL_BATCH_BYTES = 4_096;

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
   * @returns All of them, in memory of their own.
   * @throws {PersistenceError} `UNENCODABLE`, `TOO_LARGE`, `VALIDATION_FAILED`, `UNKNOWN_SCHEMA`.
   */
  encodeBatch(actorId: string, messages: readonly unknown[]): PayloadRun & { ends: number[] } {
    let bytes = new Uint8Array(INITIAL_BATCH_BYTES);
    let length = 0;
    let payloadBytes = 0;
    const ends: number[] = [];
    for (const message of messages) {
      const payload = this.#encode(actorId, message);
      payloadBytes += payload.length;
      if (payloadBytes > this.#maxBatchBytes) {
        throw new PersistenceError(
          "TOO_LARGE",
          `Cannot append to actor "${actorId}": the batch has more than ${this.#maxBatchBytes} bytes`,
          { actorId },
        );
      }
      const needed = length + payload.length + MAX_ENTRY_HEADER_BYTES;
      if (needed > bytes.length) {
        const grown = new Uint8Array(Math.max(needed, 2 * bytes.length));
        grown.set(bytes.subarray(0, length));
        bytes = grown;
      }
      length = writeEntry(bytes, length, payload);
      ends.push(length);
    }
    return {
      bytes: bytes.subarray(0, length),
      payloadBytes,
      ends,
      isTagged: this.#payloads.isTagged,
    };
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
