import type { Fault } from "./fault.ts";
import { powerLossFault } from "./power_loss_fault.ts";
import { mixed } from "./power_loss_workloads.ts";

/** With durability `"relaxed"` the newest operations may be lost, and nothing else. */
export const powerLossRelaxed: Fault = powerLossFault({
  name: "power-loss-relaxed",
  title: 'durability "relaxed": a prefix is there, undamaged',
  counts: { test: 40, quick: 40, full: 1_000 },
  durability: "relaxed",
  mayLose: true,
  workloads: [mixed],
});
