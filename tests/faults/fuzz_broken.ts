import type { Random } from "../conformance/random.ts";
import type { Fault, FaultOptions, FaultResult } from "./fault.ts";
import { runFuzz } from "./fuzz.ts";
import { forgedMessagePack } from "./fuzz_inputs.ts";
import type { FuzzTarget } from "./fuzz_targets.ts";

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
export const fuzzBroken: Fault = {
  name: "fuzz-broken",
  title: "The same on decoders with mistakes",
  unit: "inputs",
  counts: { test: 700, quick: 700, full: 7_000 },
  expectsFailures: true,
  async run(options: FaultOptions): Promise<FaultResult> {
    const result = await runFuzz(mistaken, options);
    const isEachFound = mistaken.every(({ name }) =>
      result.failures.some((failure) => failure.startsWith(name))
    );
    return { ...result, failures: isEachFound ? result.failures : [] };
  },
};

function mistakenTarget(name: string, decode: (bytes: Uint8Array) => unknown): FuzzTarget {
  return {
    name,
    sound: (random: Random) => forgedMessagePack(random),
    decode,
    isRefusal: (error) => error instanceof Error && !(error instanceof TypeError),
  };
}
