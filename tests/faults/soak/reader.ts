/**
 * Reads one journal after the other until it is told to stop. Reports once a second how much memory
 * it has.
 *
 * @module
 */

import { setTimeout as sleep } from "node:timers/promises";
import { LmdbPersistenceProvider } from "../../../adapters/lmdb/mod.ts";
import { PersistenceError } from "../../../core/errors/persistence_error.ts";
import { randomFrom } from "../../conformance/random.ts";
import { permissionToGo, readJob, report } from "../../processes/job.ts";
import { memoryBytes } from "./memory.ts";
import type { SoakMessage } from "./writer.ts";

/** What the script takes. */
export interface SoakReaderJob {
  readonly path: string;
  readonly seed: number;
  readonly actorIds: readonly string[];
}

/** What the script reports. */
export interface SoakReaderReport {
  readonly entries: number;
  readonly memoryBytes: number;
}

const SAMPLE_MS = 1_000;
const PAUSE_MS = 2;

const { path, seed, actorIds } = readJob<SoakReaderJob>();
const random = randomFrom(seed);
let entries = 0;
let isOver = false;

await using provider = await LmdbPersistenceProvider.open({ path, readOnly: true });
const journal = provider.createMessageJournal<SoakMessage>();
const timer = setInterval(() => {
  report({ entries, memoryBytes: memoryBytes() } satisfies SoakReaderReport);
}, SAMPLE_MS);
const going = permissionToGo().then(() => {
  isOver = true;
});
while (!isOver) {
  await readJournal(actorIds[random.below(actorIds.length)] ?? "");
  await sleep(PAUSE_MS);
}
await going;
clearInterval(timer);

async function readJournal(actorId: string): Promise<void> {
  let next: number | undefined;
  try {
    for await (const { sequenceNumber, message } of journal.replay(actorId, 0)) {
      if (next !== undefined && sequenceNumber !== next) {
        throw new Error(`${actorId}: ${sequenceNumber} follows ${next - 1}`);
      }
      if (message.actorId !== actorId) {
        throw new Error(`${actorId}: has a message of another actor`);
      }
      next = sequenceNumber + 1;
      entries++;
    }
  } catch (error) {
    // A writer has truncated what was still to be read.
    if (!(error instanceof PersistenceError) || error.code !== "TRUNCATED") throw error;
  }
}
