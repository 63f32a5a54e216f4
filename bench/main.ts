// The bench on one runtime. Options: --quick (under a minute in total), --json (one JSON object on
// standard output), --only NAME,NAME (these workloads).
import process from "node:process";
import { parseArgs } from "node:util";
import { Run } from "./context.ts";
import { describeMachine } from "./machine.ts";
import { describe } from "./report.ts";
import type { Result, WorkloadResult } from "./result.ts";
import { runtime, runtimeVersion } from "./runtime.ts";
import { readVersions } from "./versions.ts";
import { warmMemory } from "./warm_memory.ts";
import { workloads } from "./workloads/all.ts";
import type { Workload } from "./workloads/workload.ts";

/** About what the largest workload writes. */
const WARM_BYTES = 3 * 2 ** 30;
const QUICK_WARM_BYTES = 2 ** 30;

const { values: options } = parseArgs({
  options: {
    quick: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
    only: { type: "string" },
  },
});

try {
  await main(choose(options.only));
} catch (error) {
  console.error(error);
  process.exitCode = 1;
}

function choose(only: string | undefined): readonly Workload[] {
  if (only === undefined) return workloads;
  return only.split(",").map((name) => {
    const workload = workloads.find((workload) => workload.name === name);
    if (workload) return workload;
    const known = workloads.map(({ name }) => name).join(", ");
    throw new Error(`There is no workload ${name}. There are: ${known}`);
  });
}

async function main(chosen: readonly Workload[]): Promise<void> {
  // With --json, standard output is for the result; packages may write there, too.
  const print = console.log;
  if (options.json) console.log = console.error;
  await using run = new Run(options.quick);
  const startedAt = Date.now();
  const machine = await describeMachine(run.base);
  warmMemory(run.quick ? QUICK_WARM_BYTES : WARM_BYTES);
  const results: WorkloadResult[] = [];
  console.error(
    `${runtime} ${runtimeVersion} on ${machine.cpu}, ${machine.fileSystem}`,
  );
  for (const workload of chosen) {
    const workloadStartedAt = performance.now();
    const comparisons = await workload.run(run);
    await run.clear();
    results.push({ name: workload.name, title: workload.title, comparisons });
    const seconds = ((performance.now() - workloadStartedAt) / 1_000).toFixed(
      1,
    );
    console.error(`${workload.name} took ${seconds} s`);
    if (!options.json) {
      for (const comparison of comparisons) console.log(`\n${describe(comparison)}`);
    }
  }
  if (!options.json) return;
  const result: Result = {
    runtime,
    runtimeVersion,
    quick: run.quick,
    date: new Date(startedAt).toISOString(),
    seconds: (Date.now() - startedAt) / 1_000,
    versions: await readVersions(run),
    machine,
    unavailable: Object.fromEntries(run.unavailable),
    workloads: results,
  };
  print(JSON.stringify(result));
}
