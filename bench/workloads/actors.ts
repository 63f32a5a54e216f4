// A thousand actors, each of which awaits its own append before it makes the next.
import { compare } from "../comparison.ts";
import { type Contestant, type ContestantKind, measureRates } from "../measure.ts";
import { circulate } from "../messages.ts";
import { OurStore } from "../peers/ours.ts";
import { RawLmdbStore } from "../peers/raw_lmdb.ts";
import { SqliteStore } from "../peers/sqlite.ts";
import type { Workload } from "./workload.ts";

const actorIds = Array.from(
  { length: 1_000 },
  (_, index) => `account-${index}`,
);

/** Concurrent awaited appends. */
export const actors: Workload = {
  name: "actors",
  title: "A thousand actors, each of which awaits its own append",
  async run(context) {
    await using resources = new AsyncDisposableStack();
    const ours = resources.use(await OurStore.open(context));
    const sqlite = resources.use(await SqliteStore.open(context));
    const lmdb = resources.use(await RawLmdbStore.open(context));
    const next = circulate(context.messages(120));
    const others = [
      together(
        sqlite.name,
        "peer",
        (actorId) => sqlite.append(actorId, next()),
      ),
      together(
        lmdb.name,
        "peer",
        (actorId) => lmdb.appendWithHead(actorId, next()),
      ),
      together(
        "raw lmdb, messages only",
        "peer",
        (actorId) => lmdb.append(actorId, next()),
      ),
    ];
    const measured = await measureRates(
      [
        together("ours", "ours", (actorId) => ours.append(actorId, next())),
        ...others,
      ],
      {
        rounds: context.quick ? 5 : 9,
        operations: context.quick ? 15_000 : 50_000,
      },
    );
    return [compare({
      name: "actors",
      title: "120 B, 1,000 actors, each awaiting its own append",
      unit: "messages/s",
      measured,
      ours: "ours",
      others: others.map(({ name }) => name),
      targets: [
        { against: sqlite.name, bound: "at least", ratio: 2 },
        { against: lmdb.name, bound: "at least", ratio: 1 },
      ],
      notes: [
        "SQLite: what arrives in a turn of the event loop is one transaction.",
        "raw lmdb: one record for the message and one for the actor's next number.",
      ],
    })];
  },
};

function together(
  name: string,
  kind: ContestantKind,
  append: (actorId: string) => Promise<unknown>,
): Contestant {
  return {
    name,
    kind,
    async run(operations) {
      const each = Math.ceil(operations / actorIds.length);
      await Promise.all(actorIds.map(async (actorId) => {
        for (let done = 0; done < each; done++) await append(actorId);
      }));
    },
  };
}
