import type { Fault } from "./fault.ts";
import { killFault } from "./kill_fault.ts";

/** What was acknowledged survives the death of the process, in any moment. */
export const kill: Fault = killFault({
  name: "kill",
  title: "SIGKILL under load, one to three processes on one database",
  counts: { test: 30, quick: 30, full: 1_000 },
  maxWriters: 3,
  mix: { append: 8, batch: 2, batched: 3, truncate: 1, snapshot: 1 },
});
