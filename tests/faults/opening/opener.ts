/**
 * Opens a database again and again, appends a message if it may, and closes it: in its main thread,
 * or each time in a worker thread, which may die in the middle of further appends.
 *
 * @module
 */

import process from "node:process";
import { fileURLToPath } from "node:url";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import { LmdbPersistenceProvider } from "../../../adapters/lmdb/mod.ts";
import { readJob, report } from "../../processes/job.ts";

/** What the script takes. */
export interface OpenerJob {
  readonly path: string;
  readonly openings: number;
  readonly readOnly: boolean;
  /** In which threads it opens the database, and whether they die. */
  readonly threads: "main" | "workers" | "workers that die";
}

/** What it reports of each opening: the number that its message got, unless it only read. */
export interface Opened {
  readonly number?: number;
}

if (isMainThread) {
  const job = readJob<OpenerJob>();
  for (let opening = 0; opening < job.openings; opening++) {
    if (job.threads === "main") report(await open(job));
    else await openInWorker(job);
  }
} else {
  const job = workerData as OpenerJob;
  await open(job);
}

async function open(job: OpenerJob): Promise<Opened> {
  const { path, readOnly } = job;
  const provider = await LmdbPersistenceProvider.open({ path, readOnly });
  const journal = provider.createMessageJournal<string>();
  const [entry] = await journal.readFrom("a", 0);
  if (entry?.message !== "first") throw new Error(`the first message is ${entry?.message}`);
  const opened = readOnly ? {} : { number: await journal.append("a", "acknowledged") };
  if (!isMainThread) parentPort?.postMessage(opened);
  if (job.threads === "workers that die" && !readOnly) {
    for (let index = 0; index < 3; index++) void journal.append("c", "lost").catch(() => {});
    await new Promise((resolve) => setTimeout(resolve, Math.random() * 2));
    process.exit(0);
  }
  await provider.close();
  return opened;
}

async function openInWorker(job: OpenerJob): Promise<void> {
  const worker = new Worker(fileURLToPath(import.meta.url), { workerData: job });
  let failure: unknown;
  let hasOpened = false;
  worker.on("message", (opened: Opened) => {
    hasOpened = true;
    report(opened);
  });
  worker.on("error", (error) => failure = error);
  await new Promise((resolve) => worker.on("exit", resolve));
  if (failure !== undefined) throw failure;
  if (!hasOpened) throw new Error("a worker ended without having opened the database");
}
