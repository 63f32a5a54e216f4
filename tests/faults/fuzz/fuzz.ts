/**
 * Fuzzing: what stands in the data is read as if an enemy had written it.
 *
 * @module
 */

import { type Random, randomFrom } from "../../conformance/random.ts";
import type { Fault, FaultOptions, FaultResult } from "../fault.ts";
import { peakMemoryBytes, tryInput } from "./check.ts";
import { forgedMessagePack, inputFor } from "./inputs.ts";
import { type FuzzTarget, fuzzTargets } from "./targets.ts";

/** After so many inputs other things of the process get a turn. */
const INPUTS_PER_TURN = 1_000;
/** What the garbage of so many inputs may take before it is collected, over the whole run. */
const MAX_GROWTH_BYTES = 400 * 2 ** 20;
const MAX_SHOWN_BYTES = 100;

/** Decoders refuse what is not sound, and nothing else happens. */
const sound: Fault = {
  name: "fuzz",
  title: "Decoders on random, damaged and forged bytes",
  unit: "inputs",
  async run(options: FaultOptions): Promise<FaultResult> {
    // That loads the native addon, with which `msgpackr` decodes in another way.
    if (options.seed % 2 === 1) await import("msgpackr");
    return await runFuzz(await fuzzTargets(), options);
  },
};

/** Decoders with one mistake each. */
const mistaken: readonly FuzzTarget[] = [
  mistakenTarget("believes lengths", (bytes) => new Array((bytes[0] ?? 0) * 1_000).fill(0)),
  mistakenTarget("reads beyond the end", (bytes) => {
    if ((bytes[bytes.length - 1] ?? 0) > 0x80) throw new TypeError("undefined is not an object");
  }),
  mistakenTarget("throws no errors", () => {
    throw "no error";
  }),
  mistakenTarget("pollutes", (bytes) => {
    if ((bytes[0] ?? 0) > 0x80) Reflect.set(Object.prototype, "polluted", 1);
  }),
  mistakenTarget("sets prototypes", () => Object.create({ inherited: true })),
  mistakenTarget("shares memory", (bytes) => [bytes.subarray(1)]),
  mistakenTarget("keeps __proto__", () => JSON.parse('[{"__proto__":1}]')),
];

/** Fuzzing can fail: on decoders with mistakes it does, for each of them. */
const broken: Fault = {
  name: "fuzz-broken",
  title: "The same on decoders with mistakes",
  unit: "inputs",
  expectsFailures: true,
  async run(options: FaultOptions): Promise<FaultResult> {
    const result = await runFuzz(mistaken, options);
    const isEachFound = mistaken.every(({ name }) =>
      result.failures.some((failure) => failure.startsWith(name))
    );
    return { ...result, failures: isEachFound ? result.failures : [] };
  },
};

/** Fuzzing of the decoders as they are, and of such with mistakes. */
export const fuzzFaults: readonly Fault[] = [sound, broken];

/**
 * Tries inputs on targets in turn.
 *
 * @param targets The targets.
 * @param options The seed, and how many inputs.
 * @returns What came of it.
 */
async function runFuzz(
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

function mistakenTarget(name: string, decode: (bytes: Uint8Array) => unknown): FuzzTarget {
  return {
    name,
    sound: (random: Random) => forgedMessagePack(random),
    decode,
    isRefusal: (error) => error instanceof Error && !(error instanceof TypeError),
  };
}

function hexOf(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
