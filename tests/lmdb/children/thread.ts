/**
 * A worker thread that opens a database and appends.
 *
 * @module
 */

import process from "node:process";
import { parentPort, workerData } from "node:worker_threads";
import type { LmdbProviderOptions } from "../../../adapters/lmdb/mod.ts";

/** What the thread is to do. */
export interface ThreadJob {
  readonly options: LmdbProviderOptions;
  /**
   * How it ends. Except when it closes, appends are in flight, or it is opening the database.
   */
  readonly end: "closes" | "exits" | "throws" | "is terminated";
  /** Whether it ends while it opens the database, not while it appends. */
  readonly whileOpening?: boolean;
  /** By how much the clock was set, in milliseconds, before it loads the module. */
  readonly clockStepMs?: number;
}

/** `"works"`, `"OPTIONS_MISMATCH"`, or what went wrong. */
export type ThreadReport = string;

/** What is passed to the thread. */
export interface ThreadData {
  readonly job: ThreadJob;
  /** The message of the error with which it ends if it throws. */
  readonly wantedError: string;
}

const { job, wantedError } = workerData as ThreadData;
const { options, end, whileOpening, clockStepMs = 0 } = job;
if (clockStepMs !== 0) {
  const now = Date.now;
  Date.now = () => now() + clockStepMs;
  process.uptime = () => 1;
}
const { LmdbPersistenceProvider } = await import("../../../adapters/lmdb/mod.ts");
const opening = LmdbPersistenceProvider.open(options);
if (whileOpening) {
  opening.catch(() => {});
  setTimeout(() => die("works"), Math.random() * 20);
} else {
  await opening.then(use, (error) => parentPort?.postMessage(outcomeOf(error)));
}

async function use(provider: Awaited<typeof opening>): Promise<void> {
  const journal = provider.createMessageJournal<number>();
  if (!options.readOnly) await journal.append("thread", 0);
  if (end === "closes") {
    await provider.close();
    parentPort?.postMessage("works");
    return;
  }
  for (let index = 0; index < 10; index++) {
    void journal.append(`thread ${index % 3}`, index).catch(() => {});
  }
  // In the microtasks of this turn a commit begins.
  setTimeout(() => die("works"), Math.random() * 3);
}

function die(report: ThreadReport): void {
  parentPort?.postMessage(report);
  if (end === "exits") process.exit(0);
  if (end === "throws") throw new Error(wantedError);
}

function outcomeOf(error: { readonly code?: string; readonly message: string }): ThreadReport {
  return error.code === "OPTIONS_MISMATCH" ? error.code : `${error.code}: ${error.message}`;
}
