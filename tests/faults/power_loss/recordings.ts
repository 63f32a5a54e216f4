/**
 * Has writers write under the eyes of the shim.
 *
 * @module
 */

import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { LmdbDurability } from "../../../adapters/lmdb/mod.ts";
import { randomFrom } from "../../conformance/random.ts";
import { Child } from "../../processes/child.ts";
import type { LoadMix } from "../load.ts";
import { watched } from "../shim.ts";
import { Disk } from "./disk.ts";
import { writeMarks } from "./log.ts";
import { filesOf, readRecording } from "./plan.ts";
import type { PowerLossWriterJob } from "./writer.ts";

/** What a writer does. */
export interface Workload {
  readonly name: string;
  readonly mix: LoadMix;
  readonly messageBytes?: number;
  readonly stateBytes?: number;
  readonly mapSize?: number;
  readonly sessions?: number;
  /** How many processes write at once. Default: 1. */
  readonly writers?: number;
  readonly operations?: number;
  /** It goes on with what a power loss has left of that one. */
  readonly after?: string;
}

/** How it is recorded. */
export interface RecordingOptions {
  readonly seed: number;
  /** Where the recordings are put. */
  readonly directory: string;
  readonly shim: string;
  readonly durability: LmdbDurability;
  /** Whether commits are acknowledged before they are flushed. */
  readonly early: boolean;
}

const ACTORS = 6;
const LANES = 12;
const OPERATIONS = 240;
const GIB = 2 ** 30;

/**
 * Records workloads, one after the other.
 *
 * @param workloads What is recorded.
 * @param options How it is recorded.
 */
export async function record(
  workloads: readonly Workload[],
  options: RecordingOptions,
): Promise<void> {
  for (const [index, workload] of workloads.entries()) {
    await recordOne(workload, { ...options, seed: options.seed + 1000 * index });
  }
}

async function recordOne(workload: Workload, options: RecordingOptions): Promise<void> {
  const {
    name,
    mix,
    messageBytes = 400,
    stateBytes = 4_000,
    mapSize = GIB,
    sessions = 1,
    writers = 1,
    operations = OPERATIONS,
  } = workload;
  const { seed, directory, shim, durability, early } = options;
  const path = join(directory, `${name}.db`);
  const { log } = filesOf(directory, name);
  await mkdir(path);
  await writeFile(log, "");
  if (workload.after !== undefined) await leaveImage(workload.after, path, workload, options);
  const jobs = Array.from({ length: writers }, (_, writer): PowerLossWriterJob => ({
    path,
    log,
    durability,
    early,
    mapSize,
    sessions,
    load: {
      writer: `${name}-${writer}-`,
      seed: seed + 100 * writer,
      mix,
      actors: ACTORS,
      lanes: LANES,
      messageBytes,
      stateBytes,
      operations: Math.ceil(operations / writers),
    },
  }));
  await Promise.all(jobs.map((job) => runWriter(job, shim)));
  await rm(path, { recursive: true });
}

async function runWriter(job: PowerLossWriterJob, shim: string): Promise<void> {
  await using child = new Child("faults/power_loss/writer", job, {
    wrapper: watched(shim, job.path, job.log),
  });
  const report = await child.next();
  const { code, signal, errors } = await child.ended;
  if (report === "done" && code === 0) return;
  throw new Error(`writer ${job.load.writer} ended with ${signal ?? code}: ${errors}`);
}

/** Puts what a power loss has left of a recording where the next one begins. */
async function leaveImage(
  after: string,
  path: string,
  workload: Workload,
  { directory, seed }: RecordingOptions,
): Promise<void> {
  const random = randomFrom(seed);
  const { records } = await readRecording(directory, after);
  const disk = new Disk();
  // Late, so that there is something to recover.
  const moment = records.length - 1 - random.below(Math.floor(records.length / 4));
  const past = records.slice(0, moment);
  for (const record of past) disk.advance(record);
  const { bytes } = disk.image(random);
  if (!bytes) throw new Error("the power loss has left nothing");
  const { base, log } = filesOf(directory, workload.name);
  await writeFile(base, bytes);
  await writeFile(join(path, "data.mdb"), bytes);
  const marks = past.flatMap((record) => record.kind === "mark" ? [record.mark] : []);
  writeMarks(log, [...marks, "power lost"]);
}
