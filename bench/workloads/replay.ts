// Replaying a journal from its beginning to its end.
import { compare } from "../comparison.ts";
import { type Contestant, measureRates } from "../measure.ts";
import { circulate, type Message } from "../messages.ts";
import { decodingAlone } from "../peers/limits.ts";
import { OurStore } from "../peers/ours.ts";
import { openPeers } from "../peers/stores.ts";
import type { Store } from "../peers/store.ts";
import type { Workload } from "./workload.ts";

const ACTOR_ID = "account-1";
const FILL_BATCH = 5_000;

/** Replay. */
export const replay: Workload = {
  name: "replay",
  title: "Replay of a journal from its beginning to its end",
  async run(context) {
    await using resources = new AsyncDisposableStack();
    const length = context.quick ? 100_000 : 1_000_000;
    const stores = [
      resources.use(await OurStore.open(context)),
      ...await openPeers(context, resources),
    ];
    for (const store of stores) {
      await fill(store, context.messages(120), length);
    }
    const contestants = [...stores.map(replaying), decodingAlone(context, 120)];
    const measured = await measureRates(contestants, {
      rounds: context.quick ? 3 : 5,
      operations: length,
    });
    return [compare({
      name: "replay",
      title: `120 B, replay of ${length.toLocaleString("en")} messages`,
      unit: "messages/s",
      measured,
      ours: "ours",
      others: contestants.slice(1).map(({ name }) => name),
      targets: [
        { against: "decoding alone", bound: "at least", ratio: 0.8 },
        { against: "SQLite", bound: "at least", ratio: 2 },
      ],
    })];
  },
};

/** Stores so many messages. */
export async function fill(
  store: Store,
  pool: readonly Message[],
  length: number,
): Promise<void> {
  const next = circulate(pool);
  for (let done = 0; done < length; done += FILL_BATCH) {
    await store.appendBatch(
      ACTOR_ID,
      Array.from({ length: Math.min(FILL_BATCH, length - done) }, next),
    );
  }
}

function replaying(store: Store): Contestant {
  return {
    name: store.name,
    kind: store.kind,
    async run(operations) {
      const count = await store.read(ACTOR_ID, 0, operations);
      if (count !== operations) {
        throw new Error(`${store.name} has ${count} of ${operations}`);
      }
    },
  };
}
