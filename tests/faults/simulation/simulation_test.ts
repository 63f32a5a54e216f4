import assert from "node:assert/strict";
import { range } from "../../conformance/fixture.ts";
import { randomFrom } from "../../conformance/random.ts";
import { test } from "../../harness.ts";
import { Child } from "../../processes/child.ts";
import { bun, currentRuntime, deno } from "../../processes/runtimes.ts";
import { tracedSeeds } from "../../repetitions.ts";
import { describeFaults } from "../describe_faults.ts";
import { caseOf, type SimulationCase } from "./case.ts";
import { simulate } from "./run.ts";
import { printCase, shrink } from "./shrink.ts";
import { BREAKAGES, simulationFaults } from "./simulation.ts";

await describeFaults(simulationFaults);

test("simulation: the same seed gives the same trace, another one another", async () => {
  const { seed } = randomFrom();
  const seeds = range(seed, seed + tracedSeeds.again - 1);
  const traces = await tracesOf(seeds);
  assert.deepEqual(await tracesOf(seeds), traces, `from seed ${seed}`);
  const different = new Set(traces).size;
  assert.ok(different > 0.9 * tracedSeeds.again, `only ${different} different traces`);
});

for (const runtime of [bun, deno]) {
  if (runtime === undefined || runtime.name === currentRuntime.name) continue;
  test(`simulation: the same seed gives the same trace on ${runtime.name}`, async () => {
    const { seed } = randomFrom();
    const seeds = range(seed, seed + tracedSeeds.elsewhere - 1);
    await using child = new Child("faults/simulation/child", { seeds }, { runtime });
    assert.deepEqual(await child.report<number[]>(), await tracesOf(seeds), `from seed ${seed}`);
  });
}

test("simulation: the clock and the timers are real again afterwards", async () => {
  const { setTimeout, clearTimeout, performance, Date } = globalThis;
  await simulate(caseOf(1));
  assert.ok(
    setTimeout === globalThis.setTimeout && clearTimeout === globalThis.clearTimeout &&
      performance === globalThis.performance && Date === globalThis.Date,
  );
});

for (const breakage of BREAKAGES) {
  test(`simulation: a run on a storage that ${breakage} is made small, and still fails`, async () => {
    const failing = await firstFailing(breakage);
    const smallest = await shrink(failing);
    assert.ok(smallest.steps.length <= 20, printCase(smallest, "it is not small"));
    const { failure } = await simulate(smallest);
    assert.ok(failure !== undefined);
    assert.ok(printCase(smallest, failure).includes(JSON.stringify(smallest.steps[0])));
    // It is the storage that is to blame.
    const { breakage: _, ...config } = smallest.config;
    assert.equal((await simulate({ ...smallest, config })).failure, undefined);
  });
}

async function firstFailing(breakage: (typeof BREAKAGES)[number]): Promise<SimulationCase> {
  // Always the same, since how small a case becomes depends on it.
  for (let seed = 1;; seed++) {
    const candidate = caseOf(seed, true, breakage);
    if ((await simulate(candidate)).failure !== undefined) return candidate;
  }
}

async function tracesOf(seeds: readonly number[]): Promise<number[]> {
  const traces: number[] = [];
  for (const seed of seeds) traces.push((await simulate(caseOf(seed, false))).trace);
  return traces;
}
