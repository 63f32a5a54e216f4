/** Carries out simulations without streams and reports the trace of each. */

import { readJob, report } from "../lmdb/support_job.ts";
import { caseOf } from "./simulation_case.ts";
import { simulate } from "./simulation_run.ts";

/** What the script takes. */
export interface SimulationJob {
  readonly seeds: readonly number[];
}

report(await tracesOf(readJob<SimulationJob>().seeds));

async function tracesOf(seeds: readonly number[]): Promise<number[]> {
  const traces: number[] = [];
  for (const seed of seeds) traces.push((await simulate(caseOf(seed, false))).trace);
  return traces;
}
