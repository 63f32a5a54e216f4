/**
 * Appends a number of messages to some actors in turn, beside other processes that do the same, and
 * reports which sequence numbers they got.
 *
 * @module
 */

import { LmdbPersistenceProvider } from "../../adapters/lmdb/mod.ts";
import { PersistenceError } from "../../core/errors.ts";
import { permissionToGo, readJob, report } from "./support_job.ts";

/** What the script takes. */
export interface WriterJob {
  readonly path: string;
  readonly writer: string;
  readonly actorIds: readonly string[];
  readonly count: number;
  /** States the number that each message must get, and tries again where it was taken. */
  readonly expecting?: boolean;
  /** Reports each number at once, too, as `{ number }`. */
  readonly telling?: boolean;
}

/** The message that is appended: who wrote it, and how many this one wrote before it. */
export interface WrittenMessage {
  readonly writer: string;
  readonly index: number;
}

/** What the script reports in the end. */
export interface Written {
  readonly writer: string;
  /** The sequence number of each message, by its index. */
  readonly numbers: readonly number[];
  /** How often a stated number was taken. */
  readonly conflicts: number;
}

const { path, writer, actorIds, count, expecting = false, telling = false } = readJob<WriterJob>();
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

/** Appends every message of an actor without waiting for the one before. */
async function write(actorId: string, lane: number): Promise<number[]> {
  const appends = [];
  for (let index = lane; index < count; index += actorIds.length) {
    const appended = journal.append(actorId, { writer, index });
    if (telling) void appended.then((number) => report({ number }));
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
