import fc from "fast-check";
import { LmdbEnvironmentManager, LmdbStorage } from "../../../adapters/lmdb/mod.ts";
import { MemoryStorage } from "../../../adapters/memory.ts";
import type { Storage } from "../../../core/ports/storage.ts";
import { histories } from "../../core/actor_model/history.ts";
import { carryOut } from "../../core/actor_model/run.ts";
import { withDirectory } from "../../temporary_directory.ts";
import type { Fault, FaultOptions, FaultResult } from "../fault.ts";

type WithDisk = (run: (disk: Storage) => Promise<void>) => Promise<void>;

/** Whatever happens to an actor, what is recovered is what was acknowledged. */
export const actorsFaults: readonly Fault[] = [
  actorsFault("actors", "memory", async (run) => {
    await using disk = await MemoryStorage.open();
    await run(disk);
  }),
  actorsFault(
    "actors-lmdb",
    "LMDB",
    (run) =>
      withDirectory(async (path) => {
        await using disk = new LmdbStorage(await LmdbEnvironmentManager.open({ path }));
        await run(disk);
      }),
  ),
];

function actorsFault(name: string, storage: string, withDisk: WithDisk): Fault {
  return {
    name,
    title: `Histories of actors on ${storage}: failures, crashes, restarts, deletions`,
    unit: "histories",
    run: (options) => carryOutMany(withDisk, options),
  };
}

async function carryOutMany(
  withDisk: WithDisk,
  { seed, count, progress }: FaultOptions,
): Promise<FaultResult> {
  let done = 0;
  const property = fc.asyncProperty(histories, async (history) => {
    await withDisk((disk) => carryOut(disk, history));
    progress(++done);
  });
  // Seeds of `fast-check` have a sign.
  const outcome = await fc.check(property, { seed: seed | 0, numRuns: count });
  // It ends with the first history that fails, which it has made short.
  const failure = await fc.asyncDefaultReportMessage(outcome);
  if (failure === undefined) return { tried: outcome.numRuns, failures: [] };
  const { errorInstance: error } = outcome;
  const why = error instanceof Error ? error.stack ?? error.message : String(error);
  return { tried: outcome.numRuns, failures: [`${failure}\n\n${why}`] };
}
