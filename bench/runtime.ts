// The runtime that this runs on.
import process from "node:process";
import type { LmdbPersistenceProvider, LmdbProviderOptions } from "../adapters/lmdb/provider.ts";

/** Its name. */
export const runtime: "node" | "bun" | "deno" = "Deno" in globalThis
  ? "deno"
  : "Bun" in globalThis
  ? "bun"
  : "node";

/** Its version. */
export const runtimeVersion: string = process.versions[runtime] ?? "";

const entryPoints = {
  node: () => import("../adapters/lmdb/node.ts"),
  bun: () => import("../adapters/lmdb/bun.ts"),
  deno: () => import("../adapters/lmdb/deno.ts"),
};

/** Opens a provider with the entry point for this runtime. */
export async function openProvider(
  options: LmdbProviderOptions,
): Promise<LmdbPersistenceProvider> {
  const { LmdbPersistenceProvider } = await entryPoints[runtime]();
  return await LmdbPersistenceProvider.open(options);
}
