/**
 * A journal whose appends wait for others, up to a number, a size and a delay.
 *
 * @module
 */

import type { ActorQueue } from "../commit/actor_queue.ts";
import { type BatchLimits, BatchPolicy } from "../commit/batch_policy.ts";
import { checkBoolean, checkInteger } from "../errors/arguments.ts";
import type { BatchedMessageJournal } from "../ports/batched_journal.ts";
import type { BatchedJournalOptions } from "../ports/journal_options.ts";
import type { JournalServices } from "./journal_services.ts";
import { QueuedJournal } from "./queued_journal.ts";

const DEFAULT_BATCH_SIZE = 100;
const DEFAULT_BATCH_DELAY_MS = 100;
const DEFAULT_BATCH_BYTES = 2 ** 20;
const MAX_INT32 = 2 ** 31 - 1;

/**
 * A journal whose appends wait for others, up to a number, a size and a delay.
 *
 * @typeParam Message What is stored in it.
 */
export class BatchingJournal<Message> extends QueuedJournal<Message>
  implements BatchedMessageJournal<Message> {
  readonly #policy: BatchPolicy<ActorQueue>;

  /**
   * @param services What the journals of one provider share.
   * @param options Kind, binding and batch policy.
   * @throws {ArgumentTypeError | ArgumentRangeError} `INVALID_ARGUMENT` if an option is bad.
   */
  constructor(services: JournalServices, options: Omit<BatchedJournalOptions, "schema">) {
    const policy = new BatchPolicy<ActorQueue>(
      checkBatchLimits(options),
      services.queue.commitTime,
      (actors) => services.queue.release(actors),
    );
    super(services, options, policy);
    this.#policy = policy;
  }

  /** See {@linkcode BatchedMessageJournal.maxBatchSize}. */
  get maxBatchSize(): number {
    return this.#policy.limits.maxSize;
  }

  set maxBatchSize(messages: number) {
    this.#policy.change({ maxSize: checkBatchSize(messages) });
  }

  /** See {@linkcode BatchedMessageJournal.maxBatchBytes}. */
  get maxBatchBytes(): number {
    return this.#policy.limits.maxBytes;
  }

  set maxBatchBytes(bytes: number) {
    this.#policy.change({ maxBytes: checkBatchBytes(bytes) });
  }

  /** See {@linkcode BatchedMessageJournal.maxBatchDelayMs}. */
  get maxBatchDelayMs(): number {
    return this.#policy.limits.maxDelayMs;
  }

  set maxBatchDelayMs(milliseconds: number) {
    this.#policy.change({ maxDelayMs: checkBatchDelay(milliseconds) });
  }

  /** See {@linkcode BatchedMessageJournal.adaptive}. */
  get adaptive(): boolean {
    return this.#policy.limits.adaptive;
  }

  set adaptive(adaptive: boolean) {
    this.#policy.change({ adaptive: checkAdaptive(adaptive) });
  }

  /** See {@linkcode BatchedMessageJournal.flush}. */
  async flush(): Promise<void> {
    this.assertOpen("flush");
    this.#policy.release();
    await this.calls.succeeded();
  }
}

function checkBatchLimits(options: BatchedJournalOptions): BatchLimits {
  const adaptive = checkAdaptive(options.adaptive ?? false);
  const defaultSize = adaptive ? MAX_INT32 : DEFAULT_BATCH_SIZE;
  return {
    maxSize: checkBatchSize(options.maxBatchSize ?? defaultSize),
    maxBytes: checkBatchBytes(options.maxBatchBytes ?? DEFAULT_BATCH_BYTES),
    maxDelayMs: checkBatchDelay(options.maxBatchDelayMs ?? DEFAULT_BATCH_DELAY_MS),
    adaptive,
  };
}

function checkBatchSize(messages: number): number {
  return checkInteger(messages, "maxBatchSize", 1, MAX_INT32, "set batch policy");
}

function checkBatchBytes(bytes: number): number {
  return checkInteger(bytes, "maxBatchBytes", 1, MAX_INT32, "set batch policy");
}

function checkBatchDelay(milliseconds: number): number {
  return checkInteger(milliseconds, "maxBatchDelayMs", 0, MAX_INT32, "set batch policy");
}

function checkAdaptive(adaptive: boolean): boolean {
  return checkBoolean(adaptive, "adaptive", "set batch policy");
}
