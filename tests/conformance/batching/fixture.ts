/**
 * Small words for the cases about batches.
 *
 * @module
 */

import type { BatchedMessageJournal } from "../../../core/ports/batched_journal.ts";
import type { BatchedJournalOptions } from "../../../core/ports/journal_options.ts";
import type { ProviderOptions } from "../../../core/ports/provider.ts";
import type { Storage } from "../../../core/ports/storage.ts";
import { PersistenceProvider } from "../../../core/provider.ts";
import { type Within, withStorage } from "../fixture.ts";
import { KeptOpenStorage, type ObservedStorage } from "../observed_storage.ts";

/** What a case about batches may use. */
export interface BatchScene {
  readonly provider: PersistenceProvider;
  /** What the provider writes to; its count of commits begins at 0. */
  readonly storage: ObservedStorage;
  /** What that passes on to; it stays open when the provider is closed. */
  readonly inner: Storage;
  /** The number of commits so far, after whatever was about to commit had its chance. */
  commitsAfterAWhile(): Promise<number>;
}

/** What runs with a batched journal. */
export type BatchRun = (
  journal: BatchedMessageJournal<unknown>,
  scene: BatchScene,
) => Promise<void>;

/**
 * A batch size, with a delay so long that a test ends before: what goes out all the same goes out
 * for another reason.
 */
export function patience(maxBatchSize: number): { maxBatchSize: number; maxBatchDelayMs: number } {
  return { maxBatchSize, maxBatchDelayMs: 10 * 60_000 };
}

/** Makes a batched journal on a fresh storage that can be watched. */
export function withBatched(
  batching: BatchedJournalOptions,
  options: ProviderOptions = {},
): Within<BatchRun> {
  return (factory, run) =>
    withStorage(factory, async (inner) => {
      const storage = new KeptOpenStorage(inner);
      await using provider = await PersistenceProvider.openOn(storage, options);
      storage.commits = 0;
      await run(provider.createBatchedMessageJournal(batching), {
        provider,
        storage,
        inner,
        async commitsAfterAWhile() {
          await new Promise((resolve) => setTimeout(resolve, 5));
          return storage.commits;
        },
      });
    });
}
