import fc from "fast-check";
import { LmdbEnvironmentManager, LmdbStorage } from "../../adapters/lmdb/mod.ts";
import { carryOut, histories } from "../core/actor_model.ts";
import { test } from "../harness.ts";
import { withDirectory } from "./support_directory.ts";

const RUNS = Number(globalThis.process?.env?.ACTOR_MODEL_RUNS ?? 25);

test("actors on LMDB: what is recovered is what was acknowledged, whatever happens", async () => {
  await fc.assert(
    fc.asyncProperty(histories, (history) =>
      withDirectory(async (path) => {
        await using disk = new LmdbStorage(await LmdbEnvironmentManager.open({ path }));
        await carryOut(disk, history);
      })),
    { numRuns: RUNS },
  );
});
