/**
 * Deterministic simulation: the core on a simulated storage and clock, in one thread, every
 * interleaving decided by a seed.
 *
 * @module
 */

import type { Fault, FaultOptions, FaultResult } from "./fault.ts";
import { caseOf, type SimulationCase } from "./simulation_case.ts";
import { simulate } from "./simulation_run.ts";
import { printCase, shrink } from "./simulation_shrink.ts";

/** After so many seeds other things of the process get a turn, and progress is told. */
export const SEEDS_PER_TURN = 100;
/** To make a case smaller takes as long as a thousand seeds. */
const MAX_SHRUNK = 3;

/** The core keeps its promises on a storage that keeps its own. */
export const simulation: Fault = {
  name: "simulation",
  title: "The core on a simulated storage and clock",
  unit: "seeds",
  counts: { test: 2_000, quick: 5_000, full: 100_000 },
  async run({ seed, count, progress }: FaultOptions): Promise<FaultResult> {
    const failures: string[] = [];
    let acknowledged = 0;
    let groups = 0;
    for (let index = 0; index < count; index++) {
      const current = (seed + index) >>> 0;
      const result = await simulate(caseOf(current));
      acknowledged += result.acknowledged;
      groups += result.groups;
      if (result.failure !== undefined) {
        const isShown = failures.length < MAX_SHRUNK;
        failures.push(
          `seed ${current}: ${result.failure}` +
            (isShown ? `\n${await shrunkCase(caseOf(current))}` : ""),
        );
      }
      if ((index + 1) % SEEDS_PER_TURN === 0) {
        progress(index + 1);
        await new Promise((resolve) => setTimeout(resolve, 0));
      }
    }
    return { tried: count, failures, figures: { acknowledged, groups } };
  },
};

async function shrunkCase(failing: SimulationCase): Promise<string> {
  const smallest = await shrink(failing);
  const { failure = "it does not fail any more" } = await simulate(smallest);
  return printCase(smallest, failure);
}
