// The runtime that runs the demo: its entry point of the package, and how it starts a script.
import process from "node:process";
import { fileURLToPath } from "node:url";
import type { LmdbProviderOptions } from "../../adapters/lmdb/provider.ts";
import type { PersistenceProvider } from "../../mod.ts";

const name = "Deno" in globalThis ? "deno" : "Bun" in globalThis ? "bun" : "node";
const displayNames = { node: "Node", bun: "Bun", deno: "Deno" };

// A program that runs on one runtime only imports, for example, "@cajun/persistence/node".
const entryPoints = {
  node: () => import("../../adapters/lmdb/node.ts"),
  bun: () => import("../../adapters/lmdb/bun.ts"),
  deno: () => import("../../adapters/lmdb/deno.ts"),
};

/** The runtime and its version, for people. */
export const runtimeLabel: string = `${displayNames[name]} ${process.versions[name]}`;

/** Opens a provider with the entry point for this runtime. */
export async function openProvider(options: LmdbProviderOptions): Promise<PersistenceProvider> {
  const { LmdbPersistenceProvider } = await entryPoints[name]();
  return await LmdbPersistenceProvider.open(options);
}

/**
 * The arguments with which `process.execPath` runs the worker of the demo. On Deno it gets no more
 * permissions than the package needs.
 */
export function workerArguments(directory: string): string[] {
  const extension = import.meta.url.endsWith(".ts") ? "ts" : "js";
  const file = fileURLToPath(new URL(`worker.${extension}`, import.meta.url));
  if (name !== "deno") return [...process.execArgv, file, directory];
  // A comma separates paths, two of them are one that belongs to the path.
  const path = directory.replaceAll(",", ",,");
  const permissions = ["--allow-read", `--allow-write=${path}`, "--allow-env", "--allow-ffi"];
  return ["run", "--cached-only", "--no-check", ...permissions, file, directory];
}
