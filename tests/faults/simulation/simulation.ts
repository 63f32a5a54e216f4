/**
 * Deterministic simulation: the core on a simulated storage and clock, in one thread, every
 * interleaving decided by a seed.
 *
 * @module
 */

import type { Fault, FaultOptions, FaultResult } from "../fault.ts";
import { type Breakage, caseOf, type SimulationCase } from "./case.ts";
import { simulate } from "./run.ts";
import { printCase, shrink } from "./shrink.ts";

/** After so many seeds other things of the process get a turn, and progress is told. */
const SEEDS_PER_TURN = 100;
/** To make a case smaller takes as long as a thousand seeds. */
const MAX_SHRUNK = 3;

/** The core keeps its promises on a storage that keeps its own. */
const sound: Fault = {
  name: "simulation",
  title: "The core on a simulated storage and clock",
  unit: "seeds",
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

/** The storages that break their promise, each in its own way, and the mistakes. */
export const BREAKAGES: readonly Breakage[] = [
  "loses commits",
  "applies half a group",
  "ignores conditions",
  "acknowledges early",
  "fails with effect",
  "forgets to answer",
  "reads the past",
  "forgets the condition on the log",
  "forgets the condition on the collector",
  "drops a piece of a collection",
  "orders only what it has collected itself",
];

/** The simulation can fail: on a storage that breaks its promise it does, in whatever way. */
const broken: Fault = {
  name: "simulation-broken",
  title: "The same on storages that break their promise, and with mistakes",
  unit: "seeds",
  expectsFailures: true,
  async run({ seed, count, progress }: FaultOptions): Promise<FaultResult> {
    const found = new Map<Breakage, string[]>(BREAKAGES.map((breakage) => [breakage, []]));
    for (let index = 0; index < count; index++) {
      const current = (seed + index) >>> 0;
      const breakage = BREAKAGES[index % BREAKAGES.length] ?? "loses commits";
      const { failure } = await simulate(caseOf(current, true, breakage));
      if (failure !== undefined) found.get(breakage)?.push(`seed ${current}: ${failure}`);
      if ((index + 1) % SEEDS_PER_TURN === 0) progress(index + 1);
    }
    const figures = Object.fromEntries([...found].map(([name, { length }]) => [name, length]));
    // One that is never found out is as bad as if nothing had failed.
    const isEachFound = [...found.values()].every(({ length }) => length > 0);
    return { tried: count, failures: isEachFound ? [...found.values()].flat() : [], figures };
  },
};

/** Simulation on storages that keep their promise, and on such that break it. */
export const simulationFaults: readonly Fault[] = [sound, broken];

async function shrunkCase(failing: SimulationCase): Promise<string> {
  const smallest = await shrink(failing);
  const { failure = "it does not fail any more" } = await simulate(smallest);
  return printCase(smallest, failure);
}
