// What the bench says of each runtime with --json, which bench/results/*.json keep.
import { readFile } from "node:fs/promises";
import type { Comparison } from "./comparison.ts";
import type { Machine } from "./machine.ts";

/** The result of one runtime. */
export interface Result {
  readonly runtime: Runtime;
  readonly runtimeVersion: string;
  /** Whether little was measured, just to see that all works. */
  readonly quick: boolean;
  readonly date: string;
  readonly seconds: number;
  readonly versions: Readonly<Record<string, string>>;
  readonly machine: Machine;
  /** Peers that were not measured, and why. */
  readonly unavailable: Readonly<Record<string, string>>;
  readonly workloads: readonly WorkloadResult[];
}

/** What a workload has reported. */
export interface WorkloadResult {
  readonly name: string;
  readonly title: string;
  readonly comparisons: readonly Comparison[];
}

/** A runtime that is measured. */
export type Runtime = keyof typeof runtimeNames;

/** Where results are kept. */
export const resultsDirectory: URL = new URL("./results/", import.meta.url);

const runtimeNames = { node: "Node", bun: "Bun", deno: "Deno" } as const;

/** Reads the results of Node, Bun and Deno, in this order. */
export async function readResults(): Promise<Result[]> {
  return await Promise.all(
    Object.keys(runtimeNames).map(async (runtime) => {
      return JSON.parse(await readFile(new URL(`${runtime}.json`, resultsDirectory), "utf8"));
    }),
  );
}

/** A runtime and its version. */
export function describeRuntime({ runtime, runtimeVersion }: Result): string {
  return `${runtimeNames[runtime]} ${runtimeVersion}`;
}
