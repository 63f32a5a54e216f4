/**
 * Runs out of something, and reports what did not hold. See `exhaustion_scenarios.ts`.
 *
 * @module
 */

import { readJob, report } from "../lmdb/support_job.ts";
import { type ExhaustionKind, scenarios } from "./exhaustion_scenarios.ts";

/** What the script takes. */
export interface ExhaustionJob {
  readonly kind: ExhaustionKind;
  /** An empty directory. */
  readonly path: string;
  readonly seed: number;
}

const job = readJob<ExhaustionJob>();
report(await scenarios[job.kind](job.path, job.seed));
