/**
 * `npm run soak`: a long run on one runtime, judged by whether memory, file and latency stay bounded,
 * and drawn.
 *
 * @module
 */

import { mkdir, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { drawCurves } from "../../../bench/line_svg.ts";
import { themes } from "../../../bench/svg.ts";
import { currentRuntime, root } from "../../processes/runtimes.ts";
import { judge, MIN_SAMPLES, type SoakSample, type SoakVerdict } from "./judge.ts";
import { soak, type SoakResult } from "./soak.ts";

const USAGE = `Usage: npm run soak -- [--minutes N] [--runtime node|bun|deno|all]

  --minutes  how long it runs; default: 10
  --runtime  where it runs; default: node
  --seed     replays the choices of a run
  --out      where the curves and the result are put; default: tests/faults/results`;
const MIB = 2 ** 20;
/** So often at least, and every quarter of a minute at the most. */
const KILLS = 8;
const MAX_KILL_SECONDS = 15;
const SHOWN_SAMPLES = 20;
const RUNTIME_NAMES = { node: "Node", bun: "Bun", deno: "Deno" } as const;

try {
  await main();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}

async function main(): Promise<void> {
  const { minutes, seed, out } = readOptions();
  const seconds = 60 * minutes;
  const runtime = `${RUNTIME_NAMES[currentRuntime.name]} ${versionOfRuntime()}`;
  console.log(`${minutes} minutes on ${runtime}, seed ${seed}`);
  let nextShown = 0;
  const result = await soak({
    seconds,
    seed,
    killEverySeconds: Math.min(MAX_KILL_SECONDS, seconds / KILLS),
    onSample: (sample) => {
      if (sample.seconds < nextShown) return;
      nextShown = sample.seconds + seconds / SHOWN_SAMPLES;
      console.log(describe(sample));
    },
  });
  const verdicts = result.samples.length < MIN_SAMPLES ? undefined : judge(result.samples);
  console.log(`\n${summaryOf(result)}\n`);
  if (verdicts) console.log(tableOf(verdicts));
  else console.log("It was too short to be judged");
  await save(out, { minutes, seed, runtime, result, verdicts });
  if (verdicts?.every(({ isBounded }) => isBounded) === false) process.exitCode = 1;
}

function readOptions(): { minutes: number; seed: number; out: string } {
  const { values } = parseArgs({
    options: {
      minutes: { type: "string", default: "10" },
      seed: { type: "string" },
      out: { type: "string", default: join(root, "tests", "faults", "results") },
    },
  });
  const minutes = Number(values.minutes);
  if (!(minutes > 0)) throw new Error(`--minutes takes a number above 0\n\n${USAGE}`);
  const seed = Number(values.seed ?? Math.floor(Math.random() * 2 ** 32));
  if (!Number.isInteger(seed)) throw new Error(`--seed takes an integer\n\n${USAGE}`);
  return { minutes, seed, out: resolve(values.out) };
}

function versionOfRuntime(): string {
  const { bun, deno, node } = process.versions as Record<string, string | undefined>;
  return bun ?? deno ?? node ?? "";
}

function describe(sample: SoakSample): string {
  const { seconds, messages, p50, p99, writerBytes, readerBytes, fileBytes } = sample;
  return `${seconds.toFixed(0).padStart(6)} s: ${messages} messages/s, p50 ${p50.toFixed(1)} ms, ` +
    `p99 ${p99.toFixed(1)} ms, writer ${mib(writerBytes)}, reader ${mib(readerBytes)}, ` +
    `file ${mib(fileBytes)}`;
}

function mib(bytes: number): string {
  return `${(bytes / MIB).toFixed(1)} MiB`;
}

function summaryOf({ kills, actors, acknowledged, read }: SoakResult): string {
  return `${acknowledged.toLocaleString("en")} messages of ${actors} actors acknowledged, none ` +
    `lost; ${read.toLocaleString("en")} read beside; a writer killed ${kills.length} times`;
}

function tableOf(verdicts: readonly SoakVerdict[]): string {
  const rows = verdicts.map(({ what, unit, before, after, limit, isBounded }) => [
    `${what} (${unit})`,
    ...[before, after, limit].map((value) => value.toFixed(1)),
    isBounded ? "bounded" : "NOT BOUNDED",
  ]);
  const head = ["median", "second quarter", "last quarter", "limit", ""];
  const all = [head, ...rows];
  const widths = head.map((_, column) => Math.max(...all.map((row) => row[column]?.length ?? 0)));
  return all.map((row) => row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join("  "))
    .join("\n");
}

interface Saved {
  readonly minutes: number;
  readonly seed: number;
  readonly runtime: string;
  readonly result: SoakResult;
  readonly verdicts: readonly SoakVerdict[] | undefined;
}

async function save(
  out: string,
  { minutes, seed, runtime, result, verdicts }: Saved,
): Promise<void> {
  await mkdir(out, { recursive: true });
  const date = new Date().toISOString();
  const { samples, ...summary } = result;
  const name = join(out, `soak-${currentRuntime.name}`);
  const content = { date, runtime, minutes, seed, ...summary, verdicts };
  await writeFile(`${name}.json`, `${JSON.stringify(content, null, 2)}\n`);
  const all = (of: (sample: SoakSample) => number) => samples.map(of);
  for (const theme of themes) {
    const svg = drawCurves({
      title: `${minutes} minutes of mixed load with retention, ${runtime}`,
      footer: `Marks on the axis: a writer is killed, another takes its place. ` +
        `${date.slice(0, 10)}. Made by: npm run soak -- --minutes ${minutes}`,
      seconds: samples.at(-1)?.seconds ?? 1,
      marks: result.kills,
      theme,
      panels: [
        panel("Messages acknowledged to one writer", "per second", all(({ messages }) => messages)),
        {
          title: "Append",
          unit: "ms",
          curves: [
            { label: "p99", kind: "peer", values: all(({ p99 }) => p99) },
            { label: "p50", kind: "ours", values: all(({ p50 }) => p50) },
          ],
        },
        panel("Data file", "MiB", all(({ fileBytes }) => fileBytes / MIB)),
        {
          title: "Memory",
          unit: "MiB",
          curves: [
            { label: "reader", kind: "peer", values: all(({ readerBytes }) => readerBytes / MIB) },
            { label: "writer", kind: "ours", values: all(({ writerBytes }) => writerBytes / MIB) },
          ],
        },
      ],
    });
    await writeFile(`${name}-${theme.name}.svg`, svg);
  }
  console.log(`\nWritten: ${name}.json and ${themes.map(({ name }) => `-${name}.svg`).join(", ")}`);
}

function panel(title: string, unit: string, values: readonly number[]) {
  return { title, unit, curves: [{ label: title, kind: "ours" as const, values }] };
}
