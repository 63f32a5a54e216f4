import type { Fault, FaultOptions, FaultResult } from "./fault.ts";
import { SEEDS_PER_TURN } from "./simulation.ts";
import { type Breakage, caseOf } from "./simulation_case.ts";
import { simulate } from "./simulation_run.ts";

/** The storages that break their promise, each in its own way. */
export const BREAKAGES: readonly Breakage[] = [
  "loses commits",
  "applies half a group",
  "ignores conditions",
  "acknowledges early",
  "fails with effect",
  "forgets to answer",
  "reads the past",
];

/** The simulation can fail: on a storage that breaks its promise it does, in whatever way. */
export const simulationBroken: Fault = {
  name: "simulation-broken",
  title: "The same on storages that break their promise",
  unit: "seeds",
  counts: { test: 350, quick: 700, full: 7_000 },
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
