/**
 * Ends this process in different ways while writes are in flight. Reports each acknowledged
 * sequence number.
 *
 * @module
 */

import process from "node:process";
import { LmdbPersistenceProvider } from "../../../adapters/lmdb/mod.ts";
import { readJob, report } from "../../processes/job.ts";

/** What the script takes. */
export interface ExitJob {
  readonly path: string;
  readonly how: "exit" | "exit after some" | "exit while closing" | "throw" | "end" | "idle";
}

const { path, how } = readJob<ExitJob>();
const provider = await LmdbPersistenceProvider.open({ path });
const journal = provider.createMessageJournal<number>();
const snapshots = provider.createSnapshotStore<string>();
await append(1);

if (how !== "idle") {
  for (let round = 0; round < 20; round++) void append(20);
  void snapshots.saveSnapshot("a", "state".repeat(10_000), 0);
  void journal.truncateBefore("b", 1);
}
if (how === "exit after some") await append(1);
if (how === "exit while closing") void provider.close();
if (how === "throw") setTimeout(() => throwUncaught(), 0);
if (how.startsWith("exit")) process.exit(0);

/** Appends batches to two actors; the message is the number that it must get. */
async function append(count: number): Promise<void> {
  const batch = Array.from({ length: count }, (_, index) => index);
  const [numbers] = await Promise.all([
    journal.appendBatch("a", batch),
    journal.appendBatch("b", batch),
  ]);
  report(numbers[count - 1]);
}

function throwUncaught(): never {
  throw new Error("uncaught on purpose");
}
