/**
 * Writes without end: single messages, batches, truncations and snapshots of several actors at once.
 * Reports everything that was acknowledged.
 *
 * @module
 */

import { LmdbPersistenceProvider } from "../../adapters/lmdb/mod.ts";
import type { MessageJournal } from "../../core/journal.ts";
import { type Acknowledgement, messageOf, stateOf } from "./support_load_content.ts";
import { readJob, report } from "./support_job.ts";

const BATCH = 7;
const SNAPSHOT_EVERY = 20;
const TRUNCATE_EVERY = 50;
const WINDOW = 8;

const { path } = readJob<{ readonly path: string }>();
const provider = await LmdbPersistenceProvider.open({ path });
const journal = provider.createMessageJournal<string>();
const snapshots = provider.createSnapshotStore<string>();
report("ready");

const acknowledge = (acknowledgement: Acknowledgement) => report(acknowledgement);

await Promise.all([
  write("single", journal),
  write("batch", journal, { batch: BATCH }),
  write("batched", provider.createBatchedMessageJournal({ maxBatchDelayMs: 2 })),
  write("truncated", journal, {
    async after(actorId, appended) {
      if (appended % TRUNCATE_EVERY !== 0) return;
      const truncated = Math.max(0, appended - TRUNCATE_EVERY / 2);
      await journal.truncateBefore(actorId, truncated);
      acknowledge({ actorId, truncated });
    },
  }),
  write("saved", journal, {
    async after(actorId, appended) {
      if (appended % SNAPSHOT_EVERY !== 0) return;
      await snapshots.saveSnapshot(actorId, stateOf(actorId, appended), appended);
      acknowledge({ actorId, saved: appended });
    },
  }),
]);

/** Keeps some appends in flight. */
async function write(
  actorId: string,
  target: MessageJournal<string>,
  { batch = 1, after }: {
    readonly batch?: number;
    readonly after?: (actorId: string, appended: number) => Promise<void>;
  } = {},
): Promise<never> {
  let next = (await target.getHighestSequenceNumber(actorId)) + 1;
  const lane = async (): Promise<never> => {
    for (;;) {
      const first = next;
      next += batch;
      const numbers = batch === 1
        ? [await target.append(actorId, messageOf(actorId, first))]
        : await target.appendBatch(
          actorId,
          Array.from({ length: batch }, (_, index) => messageOf(actorId, first + index)),
        );
      acknowledge({ actorId, appended: numbers[batch - 1] ?? -1 });
      await after?.(actorId, first);
    }
  };
  return await Promise.race(Array.from({ length: WINDOW }, lane));
}
