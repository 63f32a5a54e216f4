/**
 * Which images are made of which recordings: each by its index and the seed alone.
 *
 * @module
 */

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { type Random, randomFrom } from "../../conformance/random.ts";
import { type LogRecord, readLog } from "./log.ts";

/** Where the power fails: an image. */
export interface Outage {
  readonly image: number;
  /** The name of the recording. */
  readonly recording: string;
  /** How many records of the log have happened. */
  readonly moment: number;
  /** Decides what has reached the disk. */
  readonly random: Random;
}

/** What was recorded. */
export interface Recording {
  readonly name: string;
  readonly records: readonly LogRecord[];
  /** What the data file held at first, if anything. */
  readonly base: Uint8Array | undefined;
}

/** The files of a recording. */
export function filesOf(directory: string, name: string): { log: string; base: string } {
  return { log: join(directory, `${name}.log`), base: join(directory, `${name}.base`) };
}

/**
 * Reads a recording.
 *
 * @param directory Where the recordings are.
 * @param name Its name.
 * @returns The recording.
 */
export async function readRecording(directory: string, name: string): Promise<Recording> {
  const { log, base } = filesOf(directory, name);
  const records = readLog(new Uint8Array(await readFile(log)));
  if (!records.some(({ kind }) => kind === "flushed" || kind === "written")) {
    throw new Error(`the shim has recorded nothing of ${name}`);
  }
  return { name, records, base: await readBase(base) };
}

/**
 * Plans an image.
 *
 * @param recordings What was recorded.
 * @param seed The seed of the run.
 * @param image The number of the image.
 * @returns Where the power fails.
 */
export function planOutage(
  recordings: readonly Recording[],
  seed: number,
  image: number,
): Outage {
  const random = randomFrom((Math.imul(image + 1, 0x9e3779b1) ^ seed) >>> 0);
  const recording = recordings[image % recordings.length];
  if (!recording) throw new Error("there are no recordings");
  return {
    image,
    recording: recording.name,
    moment: pickMoment(recording.records, random),
    random,
  };
}

/**
 * Half of them within a commit, when most may be lost; some right after an acknowledgement, when
 * nothing of it may be; some anywhere.
 */
function pickMoment(records: readonly LogRecord[], random: Random): number {
  // What comes before the last power loss has been recorded elsewhere.
  const start = 1 +
    records.findLastIndex((record) => record.kind === "mark" && record.mark === "power lost");
  const moment = start + random.below(records.length + 1 - start);
  const isWanted = [isWriting, isWriting, isAcknowledgement, undefined][random.below(4)];
  if (!isWanted) return moment;
  const next = records.findIndex((record, index) => index >= moment && isWanted(record));
  return next === -1 ? moment : next + 1;
}

/** Behind it, something has been written that is not safe yet. */
function isWriting({ kind }: LogRecord): boolean {
  return kind === "write" || kind === "written" || kind === "flush";
}

function isAcknowledgement(record: LogRecord): boolean {
  return record.kind === "mark" && typeof record.mark === "object" &&
    "acknowledges" in record.mark.record;
}

async function readBase(file: string): Promise<Uint8Array | undefined> {
  try {
    return new Uint8Array(await readFile(file));
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
}
