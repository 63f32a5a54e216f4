import { conformance, type StorageFactory } from "../../conformance/mod.ts";
import { delayedFactory, lmdbFactory, memoryFactory } from "../../storage_factories.ts";
import type { Fault, FaultOptions, FaultResult } from "../fault.ts";

interface Case {
  readonly name: string;
  readonly run: () => Promise<void> | void;
}

/** Whatever is called in whatever order, the answers are those of a model. */
export const randomCalls: Fault = {
  name: "random-calls",
  title: "The randomised cases of the conformance suites: in memory, answering late, on LMDB",
  unit: "seeds",
  async run({ seed, count, progress }: FaultOptions): Promise<FaultResult> {
    const factories = [memoryFactory, delayedFactory, await lmdbFactory()];
    const failures: string[] = [];
    let cases = 0;
    for (let index = 0; index < count; index++) {
      const current = (seed + index) >>> 0;
      const factory = factories[current % factories.length] ?? memoryFactory;
      for (const { name, run } of randomisedCases(factory, current)) {
        cases++;
        try {
          await run();
        } catch (error) {
          failures.push(`seed ${current}, ${name}: ${error}`);
        }
      }
      progress(index + 1);
    }
    return { tried: cases === 0 ? 0 : count, failures, figures: { cases } };
  },
};

/** The cases that do something else with another seed: they say so in their names. */
function randomisedCases(factory: StorageFactory, seed: number): Case[] {
  const cases: Case[] = [];
  const test = (name: string, run: Case["run"]) => {
    if (/\brandom\b/.test(name)) cases.push({ name, run });
  };
  conformance({ test: Object.assign(test, { skip: () => {} }), factory, seed });
  return cases;
}
