/** Runs that failed once. They are printed by the simulation, in this form. */

import assert from "node:assert/strict";
import { test } from "../harness.ts";
import type { SimulationCase } from "./simulation_case.ts";
import { simulate } from "./simulation_run.ts";

test("simulation: nothing is committed after REOPEN_REQUIRED, also not what is tried one by one", () =>
  assertHolds({
    config: {
      providers: 1,
      backpressure: "wait",
      maxPendingMessages: 1_000,
      maxPendingBytes: 1_000_000,
      padding: 0,
      msPerLook: 0,
      readsAtOnce: true,
    },
    steps: [
      { do: "append", provider: 0, journal: 0, actor: 0, count: 2 },
      { do: "append", provider: 0, journal: 0, actor: 1, count: 1 },
      { do: "tick", count: 40 },
      { do: "answer", pick: 0, outcome: "full" },
      { do: "tick", count: 40 },
      { do: "answer", pick: 0, outcome: "unknown: some" },
    ],
  }));

async function assertHolds(simulation: SimulationCase): Promise<void> {
  assert.equal((await simulate(simulation)).failure, undefined);
}
