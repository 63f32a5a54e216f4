import type { Fault } from "../fault.ts";
import { killFault } from "./run.ts";

/** The death of the process at any moment; then the same on what must lose something. */
export const killFaults: readonly Fault[] = [
  // What was acknowledged survives.
  killFault({
    name: "kill",
    title: "SIGKILL under load, one to three processes on one database",
    maxWriters: 3,
    mix: { append: 8, batch: 2, batched: 3, truncate: 1, snapshot: 1 },
  }),
  // Acknowledged before the flush, operations are lost: the rig notices.
  killFault({
    name: "kill-early",
    title: "the same with acknowledgement before the flush",
    expectsFailures: true,
    early: true,
    // With several, not even conditions on what another has written would hold.
    maxWriters: 1,
    mix: { append: 3, batch: 1 },
  }),
];
