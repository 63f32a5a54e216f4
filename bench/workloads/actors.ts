// Many actors, each of which awaits its own append before it makes the next.
import { compare, type Comparison, type Target } from "../comparison.ts";
import type { Context } from "../context.ts";
import { type Contestant, type ContestantKind, type Effort, measureRates } from "../measure.ts";
import { circulate } from "../messages.ts";
import { BeforeStore } from "../peers/before.ts";
import { OurStore } from "../peers/ours.ts";
import { RawLmdbStore } from "../peers/raw_lmdb.ts";
import { SqliteStore } from "../peers/sqlite.ts";
import type { Workload } from "./workload.ts";

/** How many actors there are, and how many messages each appends in a round. */
interface Case {
  readonly name: string;
  readonly actors: number;
  readonly each: number;
  /** In each round the actors are new. */
  readonly areNew?: boolean;
  /** How many messages there are in a round of the short bench, and in how many rounds. */
  readonly quick: Effort;
  readonly rounds: number;
  /** The ratios that are wanted, beside the state before, raw `lmdb` and SQLite. */
  readonly wanted: {
    readonly before: number;
    readonly lmdb?: number;
    readonly sqlite?: number;
  };
}

const CASES: readonly Case[] = [
  {
    name: "actors-young",
    actors: 1_000,
    each: 30,
    areNew: true,
    quick: { rounds: 5, operations: 30_000 },
    rounds: 9,
    wanted: { before: 3.5, lmdb: 1.3, sqlite: 3 },
  },
  {
    name: "actors",
    actors: 1_000,
    each: 300,
    quick: { rounds: 5, operations: 50_000 },
    rounds: 5,
    wanted: { before: 3.5, lmdb: 2.5, sqlite: 3 },
  },
  {
    name: "actors-100",
    actors: 100,
    each: 1_000,
    quick: { rounds: 3, operations: 20_000 },
    rounds: 5,
    wanted: { before: 1.6 },
  },
  {
    name: "actors-10000",
    actors: 10_000,
    each: 20,
    quick: { rounds: 3, operations: 50_000 },
    rounds: 5,
    wanted: { before: 3.5 },
  },
  {
    name: "actors-100000",
    actors: 100_000,
    each: 2,
    quick: { rounds: 3, operations: 100_000 },
    rounds: 3,
    wanted: { before: 2.5 },
  },
];

/** Concurrent awaited appends. */
export const actors: Workload = {
  name: "actors",
  title: "Many actors, each of which awaits its own append",
  async run(context) {
    const comparisons: Comparison[] = [];
    for (const one of CASES) comparisons.push(await runCase(context, one));
    return comparisons;
  },
};

async function runCase(context: Context, one: Case): Promise<Comparison> {
  await using resources = new AsyncDisposableStack();
  const ours = resources.use(await OurStore.open(context));
  const before = resources.use(await BeforeStore.open(context));
  const sqlite = resources.use(await SqliteStore.open(context));
  const lmdb = resources.use(await RawLmdbStore.open(context));
  const next = circulate(context.messages(120));
  const contestant = (
    name: string,
    kind: ContestantKind,
    append: (actorId: string) => Promise<unknown>,
  ) => together(one, name, kind, append);
  const others = [
    contestant(before.name, "peer", (actorId) => before.append(actorId, next())),
    contestant(sqlite.name, "peer", (actorId) => sqlite.append(actorId, next())),
    contestant(lmdb.name, "peer", (actorId) => lmdb.appendWithHead(actorId, next())),
    contestant("raw lmdb, messages only", "peer", (actorId) => lmdb.append(actorId, next())),
  ];
  const measured = await measureRates(
    [contestant("ours", "ours", (actorId) => ours.append(actorId, next())), ...others],
    context.quick ? one.quick : { rounds: one.rounds, operations: one.actors * one.each },
  );
  const { before: wanted, lmdb: wantedLmdb, sqlite: wantedSqlite } = one.wanted;
  const targets: Target[] = [{ against: before.name, bound: "at least", ratio: wanted }];
  if (wantedLmdb) {
    targets.push({ against: "raw lmdb, messages only", bound: "at least", ratio: wantedLmdb });
  }
  if (wantedSqlite) targets.push({ against: sqlite.name, bound: "at least", ratio: wantedSqlite });
  const age = one.areNew ? ", new ones in each round" : "";
  return compare({
    name: one.name,
    title: `120 B, ${one.actors.toLocaleString("en")} actors${age}, each awaiting its own append`,
    unit: "messages/s",
    measured,
    ours: "ours",
    others: others.map(({ name }) => name),
    targets,
    notes: [
      "Before the log: this library at the commit that scripts/bench_before.js has packed.",
      "SQLite: what arrives in a turn of the event loop is one transaction.",
      "raw lmdb: one record for the message and one for the actor's next number.",
    ],
  });
}

function together(
  { actors, areNew = false }: Case,
  name: string,
  kind: ContestantKind,
  append: (actorId: string) => Promise<unknown>,
): Contestant {
  let round = 0;
  return {
    name,
    kind,
    async run(operations) {
      const prefix = areNew ? `${round++}-` : "";
      const actorIds = Array.from({ length: actors }, (_, index) => `account-${prefix}${index}`);
      const each = Math.ceil(operations / actors);
      await Promise.all(actorIds.map(async (actorId) => {
        for (let done = 0; done < each; done++) await append(actorId);
      }));
    },
  };
}
