// Opening a database that has many actors, with each extent of the check before it.
import {
  LmdbEnvironmentManager,
  LmdbStorage,
  type LmdbVerification,
} from "../../adapters/lmdb/mod.ts";
import type { StorageChange } from "../../mod.ts";
import { compare, type Comparison } from "../comparison.ts";
import type { Context } from "../context.ts";
import { type Contestant, measureLatencies } from "../measure.ts";
import type { Workload } from "./workload.ts";

const LEVELS: readonly LmdbVerification[] = ["bounded", "full", "none"];
/** About what the head of an actor takes that has appended once. */
const HEAD_BYTES = 200;
const HEADS_PER_COMMIT = 20_000;
/** What an ordinary commit changes; it is what the bounded check reads. */
const LAST_COMMIT = 100;
const MAP_SIZE = 2 ** 36;

/** Opening at different numbers of actors. */
export const opening: Workload = {
  name: "opening",
  title: "Opening a database, by the number of its actors and by verifyOnOpen",
  async run(context) {
    const comparisons: Comparison[] = [];
    for (const actors of context.quick ? [1e4, 1e5] : [1e4, 1e5, 1e6, 1e7]) {
      const path = await fill(context, actors);
      const measured = await measureLatencies(
        LEVELS.map((verifyOnOpen) => openingWith(path, verifyOnOpen)),
        { rounds: context.quick ? 3 : 5, operations: 3 },
      );
      comparisons.push(compare({
        name: `opening-${actors}`,
        title: `opening and closing, ${actors.toLocaleString("en")} actors`,
        unit: "ms",
        measured,
        ours: "bounded",
        others: ["full", "none"],
      }));
    }
    return comparisons;
  },
};

function openingWith(path: string, verifyOnOpen: LmdbVerification): Contestant {
  return {
    name: verifyOnOpen,
    kind: "ours",
    async run() {
      const environment = await LmdbEnvironmentManager.open({
        path,
        mapSize: MAP_SIZE,
        verifyOnOpen,
      });
      await environment.close();
    },
  };
}

/** Puts as many heads as actors, straight into the storage: appending would take an hour. */
async function fill(context: Context, actors: number): Promise<string> {
  const path = await context.directory(`opening-${actors}`);
  const environment = await LmdbEnvironmentManager.open({
    path,
    mapSize: MAP_SIZE,
    durability: "none",
  });
  await using storage = new LmdbStorage(environment);
  for (let first = 0; first < actors; first += HEADS_PER_COMMIT) {
    const last = Math.min(actors, first + HEADS_PER_COMMIT);
    await put(
      storage,
      Array.from({ length: last - first }, (_, index) => first + index),
    );
  }
  const step = actors / LAST_COMMIT;
  await put(
    storage,
    Array.from({ length: LAST_COMMIT }, (_, index) => Math.floor(index * step)),
  );
  return path;
}

async function put(
  storage: LmdbStorage,
  actors: readonly number[],
): Promise<void> {
  const changes = actors.map((actor): StorageChange => ({
    type: "put",
    keyspace: "heads",
    key: new TextEncoder().encode(`account-${String(actor).padStart(8, "0")}`),
    value: new Uint8Array(HEAD_BYTES).fill(actor % 256),
    version: 1,
  }));
  await storage.commit([{ conditions: [], changes }]);
}
