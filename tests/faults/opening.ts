import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { LmdbPersistenceProvider } from "../../adapters/lmdb/mod.ts";
import { randomFrom } from "../conformance/random.ts";
import { Child } from "../lmdb/support_child.ts";
import type { Attempt, OpenerJob } from "../lmdb/support_opener.ts";
import type { Fault, FaultOptions, FaultResult } from "./fault.ts";
import { compileShim, shimUnavailable } from "./shim.ts";

/** One process opens so often, then another does. */
const OPENINGS_PER_PROCESS = 20;

/**
 * What is acknowledged while another process opens the database stays: LMDB would undo it, or crash.
 * The opener is made slow where it matters.
 */
export const opening: Fault = {
  name: "opening",
  title: "another process opens the database, for writing or reading, while one commits",
  unit: "openings",
  counts: { test: 20, quick: 60, full: 1_200 },
  unavailable: () => Promise.resolve(shimUnavailable("opening_shim")),
  run,
};

async function run({ seed, count, progress }: FaultOptions): Promise<FaultResult> {
  const directory = await mkdtemp(join(tmpdir(), "cajun-opening-"));
  const random = randomFrom(seed);
  const failures: string[] = [];
  let tried = 0;
  let appended = 0;
  try {
    const shim = join(directory, "shim.so");
    compileShim("opening_shim", shim);
    while (tried < count) {
      const path = join(directory, `${tried}`);
      const openings = Math.min(OPENINGS_PER_PROCESS, count - tried);
      const readOnly = random.below(2) === 0;
      try {
        appended += await openBesideCommits({ path, shim, openings, readOnly });
      } catch (error) {
        failures.push(`openings from ${tried} on${readOnly ? ", read-only" : ""}: ${error}`);
      }
      tried += openings;
      progress(tried);
    }
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
  return { tried, failures, figures: { "acknowledged messages checked": appended } };
}

interface Openings {
  readonly path: string;
  readonly shim: string;
  readonly openings: number;
  readonly readOnly: boolean;
}

/** Appends one message after the other until the other process has done, and looks for them. */
async function openBesideCommits({ path, shim, openings, readOnly }: Openings): Promise<number> {
  await using provider = await LmdbPersistenceProvider.open({ path });
  const journal = provider.createMessageJournal<number>();
  await journal.append("a", 0);
  const job: OpenerJob = { attempts: Array(openings).fill({ path, readOnly }) };
  await using child = new Child("../lmdb/support_opener", job, {
    wrapper: ["env", `LD_PRELOAD=${shim}`],
  });
  let isOver = false;
  const outcomes = (async () => {
    const outcomes: string[] = [];
    for (let report; (report = await child.next()) !== undefined;) {
      // The opener reports so.
      outcomes.push((report as Attempt).outcome);
    }
    isOver = true;
    return outcomes;
  })();
  let next = 0;
  for (; !isOver; next++) {
    const number = await journal.append("b", next);
    if (number !== next) throw new Error(`message ${next} got the number ${number}`);
  }
  const told = await outcomes;
  const { code, signal, errors } = await child.ended;
  if (code !== 0) throw new Error(`the opener ended with ${signal ?? code}: ${errors}`);
  for (const [index, outcome] of told.entries()) {
    const expected = readOnly ? "read 0, wrote READ_ONLY" : `read 0, wrote ${index + 1}`;
    if (outcome !== expected) throw new Error(`the opener ${outcome} instead of ${expected}`);
  }
  const entries = await journal.readFrom("b", 0);
  const isThere = entries.every(({ message }, index) => message === index);
  if (entries.length !== next || !isThere) {
    throw new Error(`${next} were acknowledged, ${entries.length} are there`);
  }
  return next;
}
