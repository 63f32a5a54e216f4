import fc from "fast-check";
import { MemoryStorage } from "../../adapters/memory.ts";
import { test } from "../harness.ts";
import { carryOut, histories } from "./actor_model.ts";

const RUNS = Number(globalThis.process?.env?.ACTOR_MODEL_RUNS ?? 300);

test("actors: what is recovered is what was acknowledged, whatever happens", async () => {
  await fc.assert(
    fc.asyncProperty(histories, async (history) => {
      await using disk = await MemoryStorage.open();
      await carryOut(disk, history);
    }),
    { numRuns: RUNS },
  );
});
