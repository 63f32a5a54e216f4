import type { Workload } from "./recordings.ts";

const MIB = 2 ** 20;

/** Everything at once. */
export const mixed: Workload = {
  name: "mixed",
  mix: { append: 4, batch: 2, batched: 2, truncate: 2, snapshot: 2 },
  sessions: 2,
};

/** What needs to read nothing of what it has written. */
export const appends: Workload = { name: "appends", mix: { append: 2, batch: 1 } };

/** Everything that changes the file in a way of its own. */
export const workloads: readonly Workload[] = [
  { name: "create", mix: { append: 1 }, operations: 12 },
  { name: "append", mix: { append: 1 } },
  { name: "batch", mix: { batch: 3, batched: 1 } },
  { name: "snapshot", mix: { append: 1, snapshot: 1 }, stateBytes: 60_000 },
  { name: "truncate", mix: { append: 2, batch: 3, truncate: 3 } },
  { name: "grow", mix: { append: 2, batch: 1, truncate: 1 }, messageBytes: 30_000 },
  // Full, and beyond what LMDB maps at first.
  {
    name: "full",
    mix: { append: 2, batch: 1, snapshot: 1 },
    messageBytes: 20_000,
    stateBytes: 100_000,
    mapSize: MIB,
  },
  mixed,
  { ...mixed, name: "together", sessions: 1, writers: 2 },
  { ...mixed, name: "recovered", sessions: 1, after: "mixed" },
];
