/**
 * Carries out one fault and reports how it goes: started by `npm run faults`, once per fault and
 * runtime, so that a crash is the failure of that fault.
 *
 * @module
 */

import { readJob, report } from "../processes/job.ts";
import { type FaultCounts, faultCountsOf } from "../repetitions.ts";
import { faults } from "./all.ts";
import type { FaultResult } from "./fault.ts";

/** What the script takes: nothing if it shall report which faults there are. */
export interface FaultJob {
  readonly name?: string;
  readonly seed?: number;
  readonly count?: number;
}

/** What the script reports of each fault if it is not told to carry one out. */
export interface FaultDescription {
  readonly name: string;
  readonly title: string;
  readonly unit: string;
  readonly counts: FaultCounts;
  readonly expectsFailures: boolean;
}

/** What it reports of the fault that it carries out. */
export type FaultReport =
  | { readonly unavailable: string }
  | { readonly done: number }
  | { readonly result: FaultResult };

/** Not more often, so that reporting costs nothing. */
const PROGRESS_MS = 200;

const { name, seed = 0, count = 0 } = readJob<FaultJob>();
if (name === undefined) {
  for (const { name, title, unit, expectsFailures = false } of faults) {
    const counts = faultCountsOf(name);
    report({ name, title, unit, counts, expectsFailures } satisfies FaultDescription);
  }
} else {
  await carryOut(name);
}

async function carryOut(name: string): Promise<void> {
  const fault = faults.find((fault) => fault.name === name);
  if (!fault) throw new Error(`there is no fault ${name}`);
  const unavailable = await fault.unavailable?.();
  if (unavailable !== undefined) return tell({ unavailable });
  let lastReport = 0;
  const progress = (done: number) => {
    if (performance.now() - lastReport < PROGRESS_MS) return;
    lastReport = performance.now();
    tell({ done });
  };
  tell({ result: await fault.run({ seed, count, progress }) });
}

function tell(told: FaultReport): void {
  report(told);
}
