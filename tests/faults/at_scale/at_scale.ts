import { LmdbPersistenceProvider } from "../../../adapters/lmdb/mod.ts";
import { MemoryPersistenceProvider } from "../../../adapters/memory.ts";
import type { PersistenceProvider } from "../../../core/provider.ts";
import { withDirectory } from "../../temporary_directory.ts";
import type { FaultOptions, FaultResult } from "../fault.ts";

/** What must hold however much is stored. It throws if it does not. */
export type ScaleCheck = (provider: PersistenceProvider, count: number) => Promise<void>;

/**
 * Carries checks out, each with a provider on an empty storage of its own, in memory and on LMDB.
 *
 * @param checks The checks, by what they show.
 * @param options How much is to be stored.
 * @returns What came of them.
 */
export async function checkAtScale(
  checks: Readonly<Record<string, ScaleCheck>>,
  { count, progress }: FaultOptions,
): Promise<FaultResult> {
  const failures: string[] = [];
  for (const [storage, withProvider] of Object.entries({ memory: inMemory, LMDB: onLmdb })) {
    for (const [what, check] of Object.entries(checks)) {
      try {
        await withProvider((provider) => check(provider, count));
      } catch (error) {
        failures.push(`${storage}: ${what}: ${error}`);
      }
    }
  }
  progress(count);
  return { tried: count, failures };
}

type Run = (provider: PersistenceProvider) => Promise<void>;

async function inMemory(run: Run): Promise<void> {
  await using provider = await MemoryPersistenceProvider.open();
  await run(provider);
}

function onLmdb(run: Run): Promise<void> {
  return withDirectory(async (path) => {
    await using provider = await LmdbPersistenceProvider.open({ path });
    await run(provider);
  });
}
