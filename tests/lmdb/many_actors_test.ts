import { LmdbPersistenceProvider } from "../../adapters/lmdb/mod.ts";
import { testAtScale } from "../core/many_actors.ts";
import { withDirectory } from "./support_directory.ts";

testAtScale("LMDB", (run) =>
  withDirectory(async (path) => {
    await using provider = await LmdbPersistenceProvider.open({ path });
    await run(provider);
  }));
