import type { Fault } from "./fault.ts";
import { powerLossFault } from "./power_loss_fault.ts";
import { appends } from "./power_loss_workloads.ts";

/** Acknowledged before the flush, operations are lost: the rig notices. */
export const powerLossEarly: Fault = powerLossFault({
  name: "power-loss-early",
  title: "the same with acknowledgement before the flush",
  counts: { test: 40, quick: 40, full: 200 },
  expectsFailures: true,
  early: true,
  workloads: [appends],
});
