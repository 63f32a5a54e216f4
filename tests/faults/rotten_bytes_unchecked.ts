import type { Fault, FaultOptions, FaultResult } from "./fault.ts";
import { readImages } from "./rotten_bytes.ts";

/** Without the check before opening, damaged files do harm: so it is needed, and the rig can fail. */
export const rottenBytesUnchecked: Fault = {
  name: "rotten-bytes-unchecked",
  title: "The same with verifyOnOpen: false",
  unit: "images",
  counts: { test: 30, quick: 30, full: 100 },
  expectsFailures: true,
  run: (options: FaultOptions): Promise<FaultResult> => readImages(options, false),
};
