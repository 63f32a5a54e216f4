/**
 * Makes images of what power losses leave, opens each with the library, and checks it.
 *
 * @module
 */

import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { LmdbPersistenceProvider } from "../../../adapters/lmdb/mod.ts";
import { checkDataFile } from "../../../adapters/lmdb/verify/data_file.ts";
import { readJob, report } from "../../processes/job.ts";
import { goOn } from "../go_on.ts";
import { Ledger } from "../ledger.ts";
import { Disk } from "./disk.ts";
import { type Outage, planOutage, readRecording, type Recording } from "./plan.ts";

/** What the script takes. */
export interface PowerLossCheckerJob {
  /** Where the recordings are. */
  readonly recordings: string;
  readonly names: readonly string[];
  readonly seed: number;
  readonly images: readonly number[];
  /** Where the images are made. */
  readonly directory: string;
  /** Where images that fail are kept, if at all. */
  readonly keep: string | undefined;
  /** Acknowledged operations may be missing. */
  readonly mayLose: boolean;
}

/** What the script reports: first that it begins with an image, then how it went. */
export interface PowerLossReport {
  readonly image: number;
  readonly what: string;
  /** Whether there was something to be lost. */
  readonly hasPending: boolean;
  /** How many acknowledged operations were there to be checked, if it went well. */
  readonly checked?: number;
  readonly failure?: string;
}

const job = readJob<PowerLossCheckerJob>();
const recordings = await Promise.all(job.names.map((name) => readRecording(job.recordings, name)));
const outages = job.images.map((image) => planOutage(recordings, job.seed, image));
for (const recording of recordings) {
  await checkOutages(recording, outages.filter((outage) => outage.recording === recording.name));
}

/** In the order of time, so that the log is gone through once. */
async function checkOutages(recording: Recording, outages: readonly Outage[]): Promise<void> {
  const disk = new Disk(recording.base);
  const ledger = new Ledger();
  let moment = 0;
  for (const outage of [...outages].sort((a, b) => a.moment - b.moment)) {
    for (const record of recording.records.slice(moment, outage.moment)) {
      disk.advance(record);
      if (record.kind !== "mark" || typeof record.mark === "string") continue;
      ledger.note(record.mark.writer, record.mark.record);
    }
    moment = outage.moment;
    await checkOutage(outage, disk, ledger);
  }
}

async function checkOutage(
  { image, recording, moment, random }: Outage,
  disk: Disk,
  ledger: Ledger,
): Promise<void> {
  const { bytes, how } = disk.image(random);
  const what = `image ${image} (${recording} at ${moment}: ${how})`;
  const { hasPending } = disk;
  report({ image, what, hasPending } satisfies PowerLossReport);
  const path = join(job.directory, `image-${image}`);
  await mkdir(path);
  if (bytes) await writeFile(join(path, "data.mdb"), bytes);
  if (bytes) await leaveLock(path);
  try {
    // The files are small, so opening would check all of them.
    if (bytes) await checkDataFile(join(path, "data.mdb"), "bounded", 0);
    await check(path, ledger, image);
    const checked = ledger.acknowledgements;
    report({ image, what, hasPending, checked } satisfies PowerLossReport);
  } catch (error) {
    const failure = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
    if (job.keep !== undefined && bytes) await writeFile(join(job.keep, `image-${image}`), bytes);
    report({ image, what, hasPending, failure } satisfies PowerLossReport);
  }
  await rm(path, { recursive: true });

  /** The lock file holds nothing that counts, whatever is left of it. */
  async function leaveLock(path: string): Promise<void> {
    const kind = random.below(3);
    if (kind === 0) return;
    const lock = new Uint8Array(random.below(2) === 0 ? 8192 : random.below(8192));
    if (kind === 2) { for (let at = 0; at < lock.length; at++) lock[at] = random.below(256); }
    await writeFile(join(path, "lock.mdb"), lock, { mode: 0o644 });
  }
}

async function check(path: string, ledger: Ledger, image: number): Promise<void> {
  const actorIds = ["actor-0", "actor-1", "new"];
  const ends: number[] = [];
  {
    await using provider = await LmdbPersistenceProvider.open({ path });
    await ledger.check(provider, { mayLose: job.mayLose });
    await goOn(provider, { writer: "after", actorIds });
    const journal = provider.createMessageJournal();
    for (const id of actorIds) ends.push(await journal.getHighestSequenceNumber(id));
  }
  if (image % 4 > 0) return;
  await using provider = await LmdbPersistenceProvider.open({ path });
  const journal = provider.createMessageJournal();
  for (const [index, id] of actorIds.entries()) {
    const [last] = (await journal.readFrom(id, 0)).slice(-1);
    if (last?.sequenceNumber !== ends[index]) {
      throw new Error(`actor ${id}: ends at ${last?.sequenceNumber} when opened again`);
    }
  }
}
