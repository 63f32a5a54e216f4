import type { Fault } from "./fault.ts";
import { killFault } from "./kill_fault.ts";

/** Acknowledged before the flush, operations are lost: the rig notices. */
export const killEarly: Fault = killFault({
  name: "kill-early",
  title: "the same with acknowledgement before the flush",
  counts: { test: 8, quick: 9, full: 60 },
  expectsFailures: true,
  early: true,
  // With several, not even conditions on what another has written would hold.
  maxWriters: 1,
  mix: { append: 3, batch: 1 },
});
