/**
 * Fills the disk with a database, truncates, and goes on. Large values, so that LMDB would word a
 * long error if it could not write one.
 *
 * @module
 */

import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { LmdbPersistenceProvider } from "../../../adapters/lmdb/mod.ts";
import { outcomesOf } from "../../conformance/fixture.ts";
import { raiseFileSizeLimit } from "../../processes/file_size_limit.ts";
import { readJob, report } from "../../processes/job.ts";

/** What the script takes. */
export interface DiskFillerJob {
  /** A directory for the database and what takes up room beside it. */
  readonly path: string;
  readonly messageBytes: number;
  /** How much of the room is taken up by something else, until room is made. */
  readonly ballastBytes: number;
  /** Whether a limit of file sizes must be raised to make room. */
  readonly isFileLimited: boolean;
}

/** What it reports: the outcomes of appends, one after the other. */
export interface DiskFilled {
  /** How many messages were appended until it was full. */
  readonly count: number;
  /** Of one more. */
  readonly full: unknown;
  /** How many messages could be read then. */
  readonly read: number;
  /** Of truncating nearly all, and of appending after that. */
  readonly truncated: readonly unknown[];
  /** Of appending many when there is room again. */
  readonly withRoom: readonly unknown[];
  /** The number of messages after reopening. */
  readonly reopened: number;
}

const MAX_APPENDS = 100_000;

const { path, messageBytes, ballastBytes, isFileLimited } = readJob<DiskFillerJob>();
const ballast = join(path, "ballast");
await writeFile(ballast, new Uint8Array(ballastBytes));
const provider = await LmdbPersistenceProvider.open({ path: join(path, "data") });
const journal = provider.createMessageJournal<Uint8Array>();
const append = async (bytes: number) =>
  (await outcomesOf([journal.append("a", new Uint8Array(bytes))]))[0];

let count = 0;
let full: unknown;
while (full === undefined && count < MAX_APPENDS) {
  const outcome = await append(messageBytes);
  if (outcome === count) count++;
  else full = outcome;
}
const { length: read } = await journal.readFrom("a", 0);
const truncated = [
  ...await outcomesOf([journal.truncateBefore("a", count - 1)]),
  await append(100),
  await append(messageBytes),
];
await rm(ballast);
if (isFileLimited) raiseFileSizeLimit();
const withRoom: unknown[] = [];
for (let index = 0; index < 100; index++) withRoom.push(await append(messageBytes));
await provider.close();
const again = await LmdbPersistenceProvider.open({ path: join(path, "data") });
const entries = await again.createMessageJournal().readFrom("a", 0);
await again.close();
const filled: DiskFilled = { count, full, read, truncated, withRoom, reopened: entries.length };
report(filled);
