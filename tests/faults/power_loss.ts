import type { Fault } from "./fault.ts";
import { powerLossFault } from "./power_loss_fault.ts";
import { workloads } from "./power_loss_workloads.ts";

/** Whatever a power loss leaves, what was acknowledged is there. */
export const powerLoss: Fault = powerLossFault({
  name: "power-loss",
  title: "power loss at any moment, torn and reordered writes",
  counts: { test: 300, quick: 300, full: 10_000 },
  workloads,
});
