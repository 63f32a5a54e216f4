/**
 * A worker thread that opens a database and appends.
 *
 * @module
 */

import process from "node:process";
import { parentPort, workerData } from "node:worker_threads";
import type { LmdbProviderOptions } from "../../../adapters/lmdb/mod.ts";
import type { StorageChange } from "../../../core/ports/storage.ts";

/** What the thread is to do. */
export interface ThreadJob {
  readonly options: LmdbProviderOptions;
  /** How it ends. */
  readonly end: "closes" | "exits" | "throws" | "is terminated";
  /**
   * What it does when it ends, unless it closes: it opens the database, has appends in flight, which
   * is the default, has handed a part of a large commit to `lmdb`, or makes a backup beside the
   * database.
   */
  readonly moment?: "opens" | "appends" | "commits" | "backs up";
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
const { options, end, moment, clockStepMs = 0 } = job;
if (clockStepMs !== 0) {
  const now = Date.now;
  Date.now = () => now() + clockStepMs;
  process.uptime = () => 1;
}
const { LmdbEnvironmentManager, LmdbPersistenceProvider, LmdbStorage } = await import(
  "../../../adapters/lmdb/mod.ts"
);
const opening = LmdbPersistenceProvider.open(options);
if (moment === "commits") {
  await (await opening).close();
  const storage = new LmdbStorage(await LmdbEnvironmentManager.open(options));
  await storage.commit([{ conditions: [], changes: Array.from({ length: 3_000 }, change) }]);
} else if (moment === "opens") {
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
  if (moment === "backs up") {
    await journal.appendBatch("thread 0", Array(20_000).fill(0));
    void provider.backup(`${options.path}-${performance.now()}`).catch(() => {});
    setTimeout(() => die("works"), Math.random() * 20);
    return;
  }
  for (let index = 0; index < 10; index++) {
    void journal.append(`thread ${index % 3}`, index).catch(() => {});
  }
  // In the microtasks of this turn a commit begins.
  setTimeout(() => die("works"), Math.random() * 3);
}

/** The value of one of the last ends the thread when it is handed over. */
function change(_: unknown, index: number): StorageChange {
  return {
    type: "put",
    keyspace: "meta",
    key: new TextEncoder().encode(`thread ${index}`),
    version: 1,
    get value() {
      if (index === 2_900 && new Error().stack?.includes("writeGroups")) {
        // Native code, in a thread of its own, gets on.
        computeFor(50);
        die("works");
        // Deno ends a thread only when it has nothing to compute.
        if (end === "is terminated") computeFor(2_000);
      }
      return new Uint8Array(10);
    },
  };
}

function computeFor(ms: number): void {
  for (const until = performance.now() + ms; performance.now() < until;);
}

function die(report: ThreadReport): void {
  parentPort?.postMessage(report);
  if (end === "exits") process.exit(0);
  if (end === "throws") throw new Error(wantedError);
}

function outcomeOf(error: { readonly code?: string; readonly message: string }): ThreadReport {
  return error.code === "OPTIONS_MISMATCH" ? error.code : `${error.code}: ${error.message}`;
}
