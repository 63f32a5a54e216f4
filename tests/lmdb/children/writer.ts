/**
 * Appends a number of messages to some actors in turn, while other processes do the same, and
 * reports which sequence numbers they got.
 *
 * @module
 */

import { LmdbPersistenceProvider } from "../../../adapters/lmdb/mod.ts";
import { PersistenceError } from "../../../core/errors/persistence_error.ts";
import { permissionToGo, readJob, report } from "../../processes/job.ts";

/** What the script takes. */
export interface WriterJob {
  readonly path: string;
  readonly writer: string;
  readonly actorIds: readonly string[];
  readonly count: number;
  /** States the number that each message must get, and tries again if it was taken. */
  readonly expecting?: boolean;
  /** Also reports each number at once, as `{ number }`. */
  readonly reportsEach?: boolean;
  /** Does not end by itself. */
  readonly staysOpen?: boolean;
}

/** The message that is appended: its writer, and how many that one wrote before. */
export interface WrittenMessage {
  readonly writer: string;
  readonly index: number;
}

/** What the script reports at the end. */
export interface Written {
  readonly writer: string;
  /** The sequence number of each message, by its index. */
  readonly numbers: readonly number[];
  /** How often a stated number was taken. */
  readonly conflicts: number;
}

const { path, writer, actorIds, count, expecting = false, reportsEach = false, staysOpen = false } =
  readJob<WriterJob>();
/** Longer than a test may take. */
const LONG_MS = 600_000;
let conflicts = 0;

await using provider = await LmdbPersistenceProvider.open({ path });
const journal = provider.createMessageJournal<WrittenMessage>();
report("ready");
await permissionToGo();

const lanes = actorIds.map((actorId, lane) =>
  expecting ? expect(actorId, lane) : write(actorId, lane)
);
const numbers: number[] = [];
for (const [lane, ofActor] of (await Promise.all(lanes)).entries()) {
  for (const [turn, number] of ofActor.entries()) numbers[turn * actorIds.length + lane] = number;
}
report({ writer, numbers, conflicts } satisfies Written);
if (staysOpen) await new Promise((resolve) => setTimeout(resolve, LONG_MS));

/** Appends every message of an actor without waiting for the one before. */
async function write(actorId: string, lane: number): Promise<number[]> {
  const appends = [];
  for (let index = lane; index < count; index += actorIds.length) {
    const appended = journal.append(actorId, { writer, index });
    if (reportsEach) void appended.then((number) => report({ number }));
    appends.push(appended);
    // Now and then, so that commits of the processes alternate.
    if (appends.length % 8 === 0) await appended;
  }
  return await Promise.all(appends);
}

/** Appends every message of an actor under a stated number. */
async function expect(actorId: string, lane: number): Promise<number[]> {
  const numbers = [];
  let next = (await journal.getHighestSequenceNumber(actorId)) + 1;
  for (let index = lane; index < count;) {
    try {
      const expectedSequenceNumber = next;
      numbers.push(await journal.append(actorId, { writer, index }, { expectedSequenceNumber }));
      next++;
      index += actorIds.length;
    } catch (error) {
      if (!(error instanceof PersistenceError) || error.code !== "CONFLICT") throw error;
      conflicts++;
      next = error.actualSequenceNumber ?? -1;
    }
  }
  return numbers;
}
