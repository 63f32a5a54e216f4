import type { Fault } from "./fault.ts";
import { powerLossFault } from "./power_loss_fault.ts";
import { mixed } from "./power_loss_workloads.ts";

/** Without flushing, acknowledged operations are lost: the rig notices. */
export const powerLossUnsynced: Fault = powerLossFault({
  name: "power-loss-unsynced",
  title: 'the same without flushing (durability "none")',
  counts: { test: 40, quick: 40, full: 200 },
  expectsFailures: true,
  durability: "none",
  workloads: [mixed],
});
