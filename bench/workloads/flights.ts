// Ingesting three million real flights: throughput from beginning to end, and memory. Each run is a
// process of its own, which measures itself: what mitata calls again and again in one process does not
// show how throughput and memory develop.
import { execFile } from "node:child_process";
import { rm } from "node:fs/promises";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { compare, type Comparison, type Target } from "../comparison.ts";
import type { Context } from "../context.ts";
import { FLIGHT_COUNT } from "../flights.ts";
import type { IngestionFigures } from "../flights_worker.ts";
import type { ContestantKind, Measurement } from "../measure.ts";
import { runtime } from "../runtime.ts";
import { medianOf } from "../spread.ts";
import type { Workload } from "./workload.ts";

const MEGABYTE = 1e6;
const MAX_GROWTH_MEGABYTES = 150;
const LIMIT = `${MAX_GROWTH_MEGABYTES} MB`;
const WORKER = fileURLToPath(new URL("../flights_worker.ts", import.meta.url));

const ways = [
  {
    way: "airports",
    title: "a journal per airport, appendBatch of what is in each 5,000",
  },
  { way: "stream", title: "one journal, source.pipeTo(journal.writable(id))" },
] as const;

/** Ingestion. */
export const flights: Workload = {
  name: "flights",
  title: "Ingestion of real flights: throughput from beginning to end, and memory",
  async run(context) {
    const count = context.quick ? FLIGHT_COUNT / 10 : FLIGHT_COUNT;
    const comparisons: Comparison[] = [];
    for (const { way, title } of ways) {
      const runs: IngestionFigures[] = [];
      for (let round = 0; round < (context.quick ? 1 : 3); round++) {
        runs.push(await ingest(context, count, way));
      }
      const full = `${count.toLocaleString("en")} flights: ${title}`;
      // A tenth of the flights is too little to judge by.
      comparisons.push(
        ...describeRuns(`flights-${way}`, full, runs)
          .map((comparison) => context.quick ? { ...comparison, targets: [] } : comparison),
      );
    }
    return comparisons;
  },
};

async function ingest(
  context: Context,
  count: number,
  way: string,
): Promise<IngestionFigures> {
  const path = await context.directory("flights");
  const options = runtime === "deno" ? ["run", "-A", "--no-check"] : [];
  const { stdout } = await promisify(execFile)(
    process.execPath,
    [...options, WORKER, path, String(count), way],
  );
  await rm(path, { recursive: true, force: true });
  return JSON.parse(stdout);
}

function describeRuns(
  name: string,
  title: string,
  runs: readonly IngestionFigures[],
): Comparison[] {
  const growth = (kind: "rss" | "anonymous") => (run: IngestionFigures): number =>
    (run.ingestionMemory[kind] - run.readingMemory[kind]) / MEGABYTE;
  const peak = (
    memory: "startMemory" | "readingMemory" | "ingestionMemory",
  ): string => medianOf(runs.map((run) => run[memory].rss / MEGABYTE)).toFixed(0);
  return [
    comparisonOf(runs, {
      name,
      title,
      unit: "flights/s",
      ours: (run) => run.flights / run.seconds,
      against: "reading alone",
      theirs: (run) => run.flights / run.readingSeconds,
    }),
    comparisonOf(runs, {
      name: `${name}-tenths`,
      title: `${title}; the last tenth beside the first`,
      unit: "flights/s",
      ours: (run) => run.tenths.at(-1) ?? NaN,
      against: "first tenth",
      theirs: (run) => run.tenths[0] ?? NaN,
      target: { bound: "at least", ratio: 0.9 },
    }),
    comparisonOf(runs, {
      name: `${name}-memory`,
      title: `${title}; memory beyond that of reading alone`,
      unit: "MB",
      ours: growth("anonymous"),
      against: LIMIT,
      theirs: () => MAX_GROWTH_MEGABYTES,
      target: { bound: "at most", ratio: 1 },
      notes: [
        `Resident memory: ${peak("startMemory")} MB at the start, at most ` +
        `${peak("readingMemory")} MB while reading the file alone, at most ` +
        `${peak("ingestionMemory")} MB while ingesting.`,
        `That is ${
          medianOf(runs.map(growth("rss"))).toFixed(0)
        } MB more, with the pages of the database that LMDB maps ` +
        "and that the system takes back when it needs them.",
      ],
    }),
  ];
}

interface Pair {
  readonly name: string;
  readonly title: string;
  readonly unit: string;
  readonly ours: (run: IngestionFigures) => number;
  readonly against: string;
  readonly theirs: (run: IngestionFigures) => number;
  readonly target?: Omit<Target, "against">;
  readonly notes?: readonly string[];
}

/** Each run is a round. */
function comparisonOf(
  runs: readonly IngestionFigures[],
  { ours, against, theirs, target, ...rest }: Pair,
): Comparison {
  const measurementOf = (
    kind: ContestantKind,
    figure: (run: IngestionFigures) => number,
  ): Measurement => ({
    kind,
    samples: runs.map(figure),
    rounds: runs.map(figure),
  });
  return compare({
    ...rest,
    measured: new Map([
      ["ours", measurementOf("ours", ours)],
      [against, measurementOf("limit", theirs)],
    ]),
    ours: "ours",
    others: [against],
    ...(target && { targets: [{ ...target, against }] }),
  });
}
