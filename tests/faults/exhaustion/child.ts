/**
 * Runs out of something, and reports what did not hold. See `scenarios.ts`.
 *
 * @module
 */

import { readJob, report } from "../../processes/job.ts";
import { type ExhaustionKind, scenarios } from "./scenarios.ts";

/** What the script takes. */
export interface ExhaustionJob {
  readonly kind: ExhaustionKind;
  /** An empty directory. */
  readonly path: string;
  readonly seed: number;
}

const job = readJob<ExhaustionJob>();
report(await scenarios[job.kind](job.path, job.seed));
