/**
 * Opens a database in worker threads, which end in the middle of it, while the main thread has it
 * open and appends.
 *
 * @module
 */

import { readdirSync, readlinkSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { extname } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";
import { LmdbPersistenceProvider, type LmdbProviderOptions } from "../../../adapters/lmdb/mod.ts";
import { permissionToGo, readJob, report } from "../../processes/job.ts";
import type { ThreadData, ThreadJob, ThreadReport } from "./thread.ts";

/** What the script takes. */
export interface ThreadsJob {
  /** How the main thread opens the database. */
  readonly options: LmdbProviderOptions;
  readonly threads: readonly ThreadJob[];
  /** Whether the threads run at once, not one after the other. */
  readonly atOnce?: boolean;
}

/** What the script reports when the threads have ended. Then it waits for permission to end. */
export interface ThreadsReport {
  readonly outcomes: readonly ThreadReport[];
  /** What is in the directory of the database. */
  readonly names: readonly string[];
  /** How many of its files, except those of LMDB, the process has open, if that can be told. */
  readonly openFiles: number;
  readonly appended: number;
}

const WANTED_ERROR = "so wants the test";

const { options, threads, atOnce } = readJob<ThreadsJob>();
const { path } = options;
await using provider = await LmdbPersistenceProvider.open(options);
const journal = provider.createMessageJournal<number>();
let isOver = false;
const appending = (async () => {
  let next = (await journal.getHighestSequenceNumber("main")) + 1;
  if (options.readOnly) return next;
  while (!isOver) {
    if (await journal.append("main", next) !== next) throw new Error(`${next} has another number`);
    next++;
    await new Promise((resolve) => setTimeout(resolve));
  }
  return next;
})();
const outcomes: ThreadReport[] = [];
if (atOnce) outcomes.push(...await Promise.all(threads.map(run)));
else for (const thread of threads) outcomes.push(await run(thread));
isOver = true;
const appended = await appending;
const names = await readdir(path);
report({ outcomes, names, openFiles: countOpenFiles(), appended } satisfies ThreadsReport);
await permissionToGo();
const entries = await journal.readFrom("main", 0);
report(entries.every(({ message }, index) => message === index) ? entries.length : -1);

/** Runs a thread until it has reported, and then, as its job says, to its end. */
async function run(job: ThreadJob): Promise<ThreadReport> {
  const extension = extname(fileURLToPath(import.meta.url));
  const workerData: ThreadData = { job, wantedError: WANTED_ERROR };
  const worker = new Worker(new URL(`./thread${extension}`, import.meta.url), { workerData });
  const ended = new Promise<void>((resolve) => worker.on("exit", () => resolve()));
  const reported = new Promise<ThreadReport>((resolve) => {
    worker.on("message", resolve);
    // Deno may lose the report of a thread that throws.
    worker.on("error", ({ message }) => {
      resolve(message.includes(WANTED_ERROR) ? "works" : message);
    });
  });
  const outcome = await Promise.race([reported, ended.then(() => "ended without a report")]);
  if (job.end === "is terminated") await worker.terminate();
  else await ended;
  return outcome;
}

function countOpenFiles(): number {
  if (process.platform !== "linux") return 0;
  let count = 0;
  for (const descriptor of readdirSync("/proc/self/fd")) {
    try {
      const file = readlinkSync(`/proc/self/fd/${descriptor}`);
      if (file.startsWith(path) && !/\.mdb$/.test(file)) count++;
    } catch {
      // That which lists them has been closed meanwhile.
    }
  }
  return count;
}
