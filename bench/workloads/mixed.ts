// Many at once on many actors: nine of ten operations read, one appends and waits for it.
import { compare } from "../comparison.ts";
import { type Contestant, measureRates } from "../measure.ts";
import { circulate, type Message } from "../messages.ts";
import { OurStore } from "../peers/ours.ts";
import { openPeers } from "../peers/stores.ts";
import type { Store } from "../peers/store.ts";
import type { Workload } from "./workload.ts";

/** A prime, so that steps of whatever length come to every actor. */
const ACTORS = 101;
const MESSAGES_PER_ACTOR = 1_000;
const WORKERS = 64;
/** So many messages are read at once. */
const READ_LIMIT = 10;

/** Reads and appends. */
export const mixed: Workload = {
  name: "mixed",
  title: "Many at once on many actors, nine of ten operations read",
  async run(context) {
    await using resources = new AsyncDisposableStack();
    const pool = context.messages(120);
    const stores = [
      resources.use(await OurStore.open(context)),
      ...await openPeers(context, resources),
    ];
    for (const store of stores) await fill(store, pool);
    const measured = await measureRates(
      stores.map((store) => mixing(store, pool)),
      {
        rounds: context.quick ? 3 : 9,
        operations: context.quick ? 4_000 : 20_000,
      },
    );
    return [compare({
      name: "mixed",
      title:
        `120 B, ${WORKERS} at once on ${ACTORS} actors: 90 % reads of ${READ_LIMIT} messages, ` +
        "10 % awaited appends",
      unit: "operations/s",
      measured,
      ours: "ours",
      others: stores.slice(1).map(({ name }) => name),
    })];
  },
};

async function fill(store: Store, pool: readonly Message[]): Promise<void> {
  const next = circulate(pool);
  for (let actor = 0; actor < ACTORS; actor++) {
    await store.appendBatch(
      actorIdOf(actor),
      Array.from({ length: MESSAGES_PER_ACTOR }, next),
    );
  }
}

function mixing(store: Store, pool: readonly Message[]): Contestant {
  const next = circulate(pool);
  let operation = 0;
  const operate = async (): Promise<void> => {
    const number = operation++;
    // Steps instead of random numbers: the same for everybody.
    const actorId = actorIdOf(number * 37 % ACTORS);
    if (number % 10 === 0) return void await store.append(actorId, next());
    const count = await store.read(
      actorId,
      number * 97 % (MESSAGES_PER_ACTOR - READ_LIMIT),
      READ_LIMIT,
    );
    if (count !== READ_LIMIT) {
      throw new Error(`${store.name} has read ${count} messages`);
    }
  };
  return {
    name: store.name,
    kind: store.kind,
    async run(operations) {
      let rest = operations;
      await Promise.all(Array.from({ length: WORKERS }, async () => {
        while (rest-- > 0) await operate();
      }));
    },
  };
}

function actorIdOf(actor: number): string {
  return `account-${actor}`;
}
