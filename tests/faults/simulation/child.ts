/** Carries out simulations without streams and reports the trace of each. */

import { readJob, report } from "../../processes/job.ts";
import { caseOf } from "./case.ts";
import { simulate } from "./run.ts";

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
