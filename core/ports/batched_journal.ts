/**
 * Journals whose appends wait for a batch.
 *
 * @module
 */

import type { MessageJournal } from "./journal.ts";

/**
 * A journal whose appends wait for a batch. The batch is committed as soon as enough messages wait,
 * in number or in bytes, or the first has waited long enough, or
 * {@linkcode BatchedMessageJournal.flush} is called.
 *
 * It saves flushes if many callers append now and then, at the price of latency: a promise resolves
 * only after its batch is committed. A plain journal, which groups what arrives during a flush, is
 * faster for callers that await their appends.
 *
 * @typeParam Message The type of the messages.
 *
 * @example Batches of ten messages, committed after at most 20 milliseconds
 * ```ts
 * import { MemoryPersistenceProvider } from "@cajun/persistence/memory";
 *
 * await using provider = await MemoryPersistenceProvider.open();
 * const journal = provider.createBatchedMessageJournal<number>({
 *   maxBatchSize: 10,
 *   maxBatchDelayMs: 20,
 * });
 * const appended = [1, 2, 3].map((reading) => journal.append("sensor-7", reading));
 * await journal.flush();
 * console.log(await Promise.all(appended)); // [0, 1, 2]
 * ```
 */
export interface BatchedMessageJournal<Message> extends MessageJournal<Message> {
  /**
   * As soon as this many messages wait in this journal, over all its actors, they are committed: an
   * integer from 1 to 2^31 - 1. It may be set at any time and takes effect at once.
   */
  maxBatchSize: number;

  /**
   * As soon as the messages that wait in this journal have this many encoded bytes in total, they
   * are committed: an integer from 1 to 2^31 - 1. The default, 1 MiB, is 32 full frames as they are
   * stored: beyond that a flush already costs little per byte, and it is better to free the memory.
   * It may be set at any time and takes effect at once.
   */
  maxBatchBytes: number;

  /**
   * The longest time that a message waits for its batch, in milliseconds: an integer from 0 to
   * 2^31 - 1. It may be set at any time and takes effect at once.
   */
  maxBatchDelayMs: number;

  /**
   * Whether the journal adapts the size and the delay of batches to the load. It may be set at any
   * time and takes effect at once.
   *
   * By Little's law, the number of messages that arrive in some time is their rate times that time.
   * So a batch is as large as what arrives during one commit, and no message waits for its batch
   * longer than one commit takes; both are moving averages of what was observed. A lone caller that
   * appends now and then does not wait at all, and a burst makes batches grow. If commits take less
   * than a millisecond, nothing waits: they group what arrives in the meantime anyway.
   *
   * `maxBatchSize`, `maxBatchBytes` and `maxBatchDelayMs` remain upper bounds.
   */
  adaptive: boolean;

  /**
   * Commits everything that waits, now.
   *
   * @returns Resolves when every append that was called on this journal before is durable.
   * @throws {PersistenceError} The first error that one of these appends rejected with; `CLOSED`.
   */
  flush(): Promise<void>;
}
