/**
 * Fuzzing: what stands in the data is read as if an enemy had written it.
 *
 * @module
 */

import { randomFrom } from "../conformance/random.ts";
import type { Fault, FaultOptions, FaultResult } from "./fault.ts";
import { peakMemoryBytes, tryInput } from "./fuzz_check.ts";
import { inputFor } from "./fuzz_inputs.ts";
import { type FuzzTarget, fuzzTargets } from "./fuzz_targets.ts";

/** After so many inputs other things of the process get a turn. */
const INPUTS_PER_TURN = 1_000;
/** What the garbage of so many inputs may take before it is collected, over the whole run. */
const MAX_GROWTH_BYTES = 400 * 2 ** 20;
const MAX_SHOWN_BYTES = 100;

/** Decoders refuse what is not sound, and nothing else happens. */
export const fuzz: Fault = {
  name: "fuzz",
  title: "Decoders on random, damaged and forged bytes",
  unit: "inputs",
  counts: { test: 20_000, quick: 100_000, full: 1_000_000 },
  async run(options: FaultOptions): Promise<FaultResult> {
    return await runFuzz(await fuzzTargets(), options);
  },
};

/**
 * Tries inputs on targets in turn.
 *
 * @param targets The targets.
 * @param options The seed, and how many inputs.
 * @returns What came of it.
 */
export async function runFuzz(
  targets: readonly FuzzTarget[],
  { seed, count, progress }: FaultOptions,
): Promise<FaultResult> {
  const failures: string[] = [];
  let refused = 0;
  const peakBefore = peakMemoryBytes();
  for (let index = 0; index < count; index++) {
    const target = targets[index % targets.length];
    if (!target) break;
    // Each input has a seed of its own, so that it can be tried alone.
    const inputSeed = (seed + index) >>> 0;
    const bytes = inputFor(target, randomFrom(inputSeed));
    const shown = bytes.slice(0, MAX_SHOWN_BYTES);
    const { problem, isRefused } = await tryInput(target, bytes);
    if (isRefused) refused++;
    if (problem !== undefined) {
      failures.push(`${target.name}, input ${inputSeed}: ${problem}: ${hexOf(shown)}`);
    }
    if ((index + 1) % INPUTS_PER_TURN === 0) {
      progress(index + 1);
      await new Promise((resolve) => setTimeout(resolve, 0));
    }
  }
  const growth = peakMemoryBytes() - peakBefore;
  if (growth > MAX_GROWTH_BYTES) failures.push(`the process grew by ${growth} bytes`);
  const figures = { refused, decoded: count - refused, "MiB grown": Math.round(growth / 2 ** 20) };
  return { tried: count, failures, figures };
}

function hexOf(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
