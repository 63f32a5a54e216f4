import type { Fault } from "./fault.ts";
import { powerLossFault } from "./power_loss_fault.ts";
import { mixed } from "./power_loss_workloads.ts";

/** With durability `"relaxed"` the newest operations are lost: the rig notices. */
export const powerLossRelaxedLoss: Fault = powerLossFault({
  name: "power-loss-relaxed-loss",
  title: 'durability "relaxed": the newest may be lost',
  counts: { test: 40, quick: 40, full: 200 },
  expectsFailures: true,
  durability: "relaxed",
  workloads: [mixed],
});
