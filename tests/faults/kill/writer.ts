/**
 * Writes until it is killed, and reports everything that it begins and that is acknowledged. It
 * writes in its main thread, in a worker thread, or in its main thread beside worker threads that
 * write as well and die in the middle of it.
 *
 * @module
 */

import process from "node:process";
import { fileURLToPath } from "node:url";
import { isMainThread, Worker, workerData } from "node:worker_threads";
import {
  LmdbEnvironmentManager,
  LmdbPersistenceProvider,
  LmdbStorage,
} from "../../../adapters/lmdb/mod.ts";
import { readJob, report } from "../../processes/job.ts";
import { EarlyStorage } from "../early_storage.ts";
import { type LoadOptions, openForLoad, runLoad } from "../load.ts";

/** Which threads write. */
export type WritingThreads = "main" | "worker" | "main beside dying workers";

/** What the script takes. */
export interface KillWriterJob {
  readonly path: string;
  /** Whether commits are acknowledged before they are flushed. */
  readonly early: boolean;
  readonly threads: WritingThreads;
  /** By how much the clock was set, in milliseconds, before the database is opened. */
  readonly clockStepMs: number;
  readonly load: Omit<LoadOptions, "tell">;
}

/** What a worker thread takes. */
interface WorkerJob extends KillWriterJob {
  readonly dies: boolean;
}

const MAX_LIFE_MS = 20;

if (isMainThread) {
  const job = readJob<KillWriterJob>();
  if (job.threads === "worker") await runWorker({ ...job, dies: false });
  else {
    if (job.threads === "main beside dying workers") void runDyingWorkers(job);
    await write(job);
  }
} else {
  const job = workerData as WorkerJob;
  if (job.dies) await writeAndDie(job);
  else await write(job);
}

async function write({ path, early, load, clockStepMs }: KillWriterJob): Promise<void> {
  setClock(clockStepMs);
  const lmdb = new LmdbStorage(await LmdbEnvironmentManager.open({ path }));
  const storage = early ? new EarlyStorage(lmdb) : lmdb;
  const provider = await openForLoad(storage, load.seed);
  report("ready");
  await runLoad(provider, { ...load, tell: report });
}

/** What it writes concerns no actor of the load. */
async function writeAndDie({ path, load, clockStepMs }: KillWriterJob): Promise<void> {
  setClock(-clockStepMs);
  const provider = await LmdbPersistenceProvider.open({ path });
  const journal = provider.createMessageJournal<string>();
  setTimeout(() => process.exit(0), Math.random() * MAX_LIFE_MS);
  for (;;) await journal.append(`${load.writer} dying`, "lost");
}

function setClock(stepMs: number): void {
  const now = Date.now;
  Date.now = () => now() + stepMs;
}

async function runDyingWorkers(job: KillWriterJob): Promise<void> {
  for (;;) await runWorker({ ...job, dies: true });
}

async function runWorker(job: WorkerJob): Promise<void> {
  const worker = new Worker(fileURLToPath(import.meta.url), { workerData: job });
  await new Promise((resolve, reject) => worker.on("error", reject).on("exit", resolve));
}
