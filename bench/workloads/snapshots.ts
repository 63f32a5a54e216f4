// Saving and loading snapshots of different sizes.
import { open, readFile, rename } from "node:fs/promises";
import { join } from "node:path";
import { open as openLmdb } from "lmdb";
import { compare, type Comparison } from "../comparison.ts";
import type { Context } from "../context.ts";
import { type Contestant, measureLatencies } from "../measure.ts";
import { openDatabase } from "../peers/sqlite.ts";
import { openProvider } from "../runtime.ts";
import type { Workload } from "./workload.ts";

const ACTOR_ID = "account-1";

interface Size {
  readonly label: string;
  readonly bytes: number;
  readonly operations: number;
}

const SIZES: readonly Size[] = [
  { label: "1 KB", bytes: 1_000, operations: 50 },
  { label: "100 KB", bytes: 100_000, operations: 20 },
  { label: "10 MB", bytes: 10_000_000, operations: 2 },
];

/** A state: an index of many small things, as an actor keeps it. */
type State = readonly {
  readonly id: string;
  readonly count: number;
  readonly at: number;
}[];

/** Where the latest snapshot of an actor is kept, durably. */
interface SnapshotPlace {
  readonly name: string;
  save(state: State, number: number): Promise<unknown>;
  load(): Promise<State | undefined>;
}

/** Snapshots. */
export const snapshots: Workload = {
  name: "snapshots",
  title: "Saving and loading snapshots of different sizes",
  async run(context) {
    const comparisons: Comparison[] = [];
    for (const size of SIZES) {
      comparisons.push(...await compareSize(context, size));
    }
    return comparisons;
  },
};

async function compareSize(
  context: Context,
  size: Size,
): Promise<Comparison[]> {
  await using resources = new AsyncDisposableStack();
  const places = [
    await inOurs(context, resources),
    await inSqlite(context, resources),
    await inRawLmdb(context, resources),
    await inFile(context),
  ];
  const state = makeState(size.bytes);
  const saving = await measureAll(
    context,
    size,
    "save",
    places,
    async (place, call) => {
      await place.save(state, call);
    },
  );
  const loading = await measureAll(
    context,
    size,
    "load",
    places,
    async (place) => {
      if ((await place.load())?.length !== state.length) {
        throw new Error(
          "It is not what was saved",
        );
      }
    },
  );
  return [saving, loading];
}

async function measureAll(
  context: Context,
  { label, operations }: Size,
  action: "save" | "load",
  places: readonly SnapshotPlace[],
  run: (place: SnapshotPlace, call: number) => Promise<void>,
): Promise<Comparison> {
  let calls = 0;
  const contestants = places.map((place): Contestant => ({
    name: place.name,
    kind: place.name === "ours" ? "ours" : "peer",
    run: () => run(place, calls++),
  }));
  const measured = await measureLatencies(contestants, {
    rounds: context.quick ? 3 : 7,
    operations: context.quick ? Math.ceil(operations / 2) : operations,
  });
  const [ours = "", ...others] = places.map(({ name }) => name);
  return compare({
    name: `snapshot-${action}-${label.replace(" ", "")}`,
    title: `${action} a snapshot of ${label}`,
    unit: "ms",
    measured,
    ours,
    others,
  });
}

/** Each item takes about 40 bytes. */
function makeState(bytes: number): State {
  return Array.from({ length: Math.ceil(bytes / 40) }, (_, index) => ({
    id: `item-${String(index).padStart(7, "0")}`,
    count: index % 1_000,
    at: 1_700_000_000_000 + index,
  }));
}

async function inOurs(
  context: Context,
  resources: AsyncDisposableStack,
): Promise<SnapshotPlace> {
  const path = await context.directory("ours");
  const provider = resources.use(
    await openProvider({ path, codec: context.codec }),
  );
  const store = provider.createSnapshotStore<State>();
  return {
    name: "ours",
    save: (state, number) => store.saveSnapshot(ACTOR_ID, state, number),
    load: async () => (await store.getLatestSnapshot(ACTOR_ID))?.state,
  };
}

async function inSqlite(
  context: Context,
  resources: AsyncDisposableStack,
): Promise<SnapshotPlace> {
  const database = await openDatabase(context);
  resources.defer(() => database.close());
  database.exec(
    "CREATE TABLE snapshots (actor_id TEXT PRIMARY KEY, number INTEGER, state BLOB)",
  );
  const upsert = database.prepare(
    "INSERT OR REPLACE INTO snapshots VALUES (?, ?, ?)",
  );
  const select = database.prepare(
    "SELECT state FROM snapshots WHERE actor_id = ?",
  );
  return {
    name: "SQLite",
    // deno-lint-ignore require-await
    save: async (state, number) => upsert.run(ACTOR_ID, number, context.codec.encode(state)),
    // deno-lint-ignore require-await
    load: async () => {
      const row = select.get(ACTOR_ID) as { state: Uint8Array };
      return context.codec.decode(row.state) as State;
    },
  };
}

async function inRawLmdb(
  context: Context,
  resources: AsyncDisposableStack,
): Promise<SnapshotPlace> {
  const root = openLmdb<Uint8Array, string>({
    path: await context.directory("raw-lmdb"),
    noSubdir: false,
    encoding: "binary",
    overlappingSync: false,
    eventTurnBatching: false,
  });
  resources.defer(() => root.close());
  return {
    name: "raw lmdb",
    // The value is read when it is committed, so it needs memory of its own.
    save: (state) => root.put(ACTOR_ID, context.codec.encode(state).slice()),
    // deno-lint-ignore require-await
    load: async () => {
      const bytes = root.get(ACTOR_ID);
      return bytes && context.codec.decode(bytes) as State;
    },
  };
}

/** A file that is written beside the old one, flushed and renamed over it. */
async function inFile(context: Context): Promise<SnapshotPlace> {
  const directory = await context.directory("file");
  const path = join(directory, "snapshot");
  return {
    name: "file and rename",
    save: async (state) => {
      await using file = await open(`${path}.new`, "w");
      await file.writeFile(context.codec.encode(state));
      await file.datasync();
      await rename(`${path}.new`, path);
      await using parent = await open(directory, "r");
      await parent.sync();
    },
    load: async () => context.codec.decode(await readFile(path)) as State,
  };
}
