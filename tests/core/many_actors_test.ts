import { MemoryPersistenceProvider } from "../../adapters/memory.ts";
import { testAtScale } from "./many_actors.ts";

testAtScale("memory", async (run) => {
  await using provider = await MemoryPersistenceProvider.open();
  await run(provider);
});
