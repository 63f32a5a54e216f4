// All workloads, in the order in which they are run.
import { actors } from "./actors.ts";
import { bulk } from "./bulk.ts";
import { collection } from "./collection.ts";
import { flights } from "./flights.ts";
import { micro } from "./micro.ts";
import { mixed } from "./mixed.ts";
import { opening } from "./opening.ts";
import { processes } from "./processes.ts";
import { recovery } from "./recovery.ts";
import { replay } from "./replay.ts";
import { sequential } from "./sequential.ts";
import { sizes } from "./sizes.ts";
import { snapshots } from "./snapshots.ts";
import { statefulActors } from "./stateful_actors.ts";
import { telemetry } from "./telemetry.ts";
import { unawaited } from "./unawaited.ts";
import { verification } from "./verification.ts";
import type { Workload } from "./workload.ts";
import { written } from "./written.ts";

/** All workloads. */
export const workloads: readonly Workload[] = [
  sequential,
  bulk,
  unawaited,
  actors,
  processes,
  written,
  collection,
  telemetry,
  mixed,
  sizes,
  replay,
  recovery,
  opening,
  verification,
  snapshots,
  statefulActors,
  flights,
  micro,
];
