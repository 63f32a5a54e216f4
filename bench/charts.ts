// Draws the charts of README from bench/results/*.json: `node bench/charts.ts`.
import { readFile, writeFile } from "node:fs/promises";
import type { Comparison } from "./comparison.ts";
import { type Bar, drawChart, type Panel, themes } from "./svg.ts";

/** What the bench writes with --json, as far as it is drawn. */
interface Result {
  readonly runtime: string;
  readonly runtimeVersion: string;
  readonly date: string;
  readonly machine: {
    readonly cpu: string;
    readonly cores: number;
    readonly fileSystem: string;
  };
  readonly comparisons: readonly Comparison[];
}

interface Chart {
  readonly file: string;
  readonly title: string;
  /** One row of panels each. */
  readonly rows: readonly {
    readonly workload: string;
    readonly title: string;
  }[];
}

const results = new URL("./results/", import.meta.url);
const RUNTIMES = ["node", "bun", "deno"] as const;
const RUNTIME_NAMES = { node: "Node", bun: "Bun", deno: "Deno" } as const;

const charts: readonly Chart[] = [
  {
    file: "throughput",
    title: "Durable messages of 120 bytes per second (longer is better)",
    rows: [
      { workload: "bulk-1000-streamed", title: "appendBatch of 1,000, up to 16 in flight" },
      { workload: "unawaited-turns", title: "append, a promise each" },
      { workload: "actors", title: "1,000 actors, each awaiting its append" },
      { workload: "replay", title: "replay of a journal" },
    ],
  },
  {
    file: "latency",
    title: "Milliseconds (shorter is better)",
    rows: [
      { workload: "sequential", title: "a lone awaited append, p50" },
      { workload: "recovery", title: "recovery by length of the journal, p50" },
    ],
  },
];

/** What is no store, but a part of what a store has to do. */
const LIMITS: readonly string[] = [
  "encoding alone",
  "encoding and a promise each",
  "decoding alone",
  "file append",
];

const read = await readResults();
for (const chart of charts) {
  for (const theme of themes) {
    const svg = drawChart({
      title: chart.title,
      footer: footerOf(read),
      columns: read.length,
      panels: chart.rows.flatMap(({ workload, title }) =>
        read.map((result) => panelOf(result, workload, title))
      ),
      theme,
    });
    const file = `${chart.file}-${theme.name}.svg`;
    await writeFile(new URL(file, results), svg);
    console.log(`bench/results/${file}`);
  }
}

async function readResults(): Promise<Result[]> {
  const found: Result[] = [];
  for (const runtime of RUNTIMES) {
    try {
      found.push(
        JSON.parse(await readFile(new URL(`${runtime}.json`, results), "utf8")),
      );
    } catch (error) {
      console.error(
        `${runtime} is not drawn: ${error instanceof Error ? error.message : error}`,
      );
    }
  }
  return found;
}

function panelOf(result: Result, workload: string, title: string): Panel {
  const comparison = result.comparisons.find((comparison) => comparison.workload === workload);
  const name = RUNTIMES.find((runtime) => runtime === result.runtime);
  return {
    title,
    subtitle: `${name ? RUNTIME_NAMES[name] : result.runtime} ${result.runtimeVersion}`,
    bars: comparison ? barsOf(comparison) : [],
  };
}

function barsOf({ workload, ours, others }: Comparison): Bar[] {
  if (workload === "recovery") return recoveryBars(ours, others);
  const bars = Object.entries(others).map(([label, value]): Bar => ({
    label,
    value,
    kind: LIMITS.includes(label) ? "limit" : "peer",
  }));
  return [{ label: "@cajun/persistence", value: ours, kind: "ours" }, ...bars];
}

/** All of them are ours: the longest journal, and the shorter ones. */
function recoveryBars(longest: number, shorter: Comparison["others"]): Bar[] {
  const bars = Object.entries(shorter).map(([label, value]): Bar => ({
    label,
    value,
    kind: "ours",
  }));
  const last = Object.keys(shorter).at(-1) ?? "";
  const label = `${(Number(last.replace(/\D/g, "")) * 10).toLocaleString("en")} entries`;
  return [...bars, { label, value: longest, kind: "ours" }];
}

function footerOf([first]: readonly Result[]): string {
  if (first === undefined) return "";
  const { cpu, cores, fileSystem } = first.machine;
  return `${cpu}, ${cores} cores, ${fileSystem}, ${
    first.date.slice(0, 10)
  }. Everybody flushes before ` +
    "acknowledging. Hatched: no stores, but encoding, decoding or appending bytes to a file, alone. " +
    "Made by: npm run bench:compare";
}
