// One workload of ours without any peer, long enough for a profiler: `node --cpu-prof
// bench/profile.ts bulk`. `npm run bench:profile` runs all of them on the three runtimes.
import process from "node:process";
import { setImmediate } from "node:timers/promises";
import { Run } from "./context.ts";
import { circulate } from "./messages.ts";
import { OurStore } from "./peers/ours.ts";

const ACTOR_ID = "account-1";
const BATCH_SIZE = 1_000;
const BATCHES_IN_FLIGHT = 16;
const APPENDS_PER_TURN = 1_000;
const ACTORS = 1_000;

type Workload = (store: OurStore, run: Run) => Promise<void>;

const workloads: Readonly<Record<string, Workload>> = {
  async bulk(store, run) {
    const next = circulate(run.messages(120));
    const inFlight: Promise<unknown>[] = [];
    for (let batch = 0; batch < 3_000; batch++) {
      if (inFlight.length === BATCHES_IN_FLIGHT) await inFlight.shift();
      inFlight.push(store.appendBatch(ACTOR_ID, Array.from({ length: BATCH_SIZE }, next)));
    }
    await Promise.all(inFlight);
  },

  async unawaited(store, run) {
    const next = circulate(run.messages(120));
    for (let round = 0; round < 20; round++) {
      const promises: Promise<unknown>[] = [];
      for (let index = 0; index < 100_000; index++) {
        if (index % APPENDS_PER_TURN === 0) await setImmediate();
        promises.push(store.append(ACTOR_ID, next()));
      }
      await Promise.all(promises);
    }
  },

  async actors(store, run) {
    const next = circulate(run.messages(120));
    await Promise.all(Array.from({ length: ACTORS }, async (_, index) => {
      for (let done = 0; done < 500; done++) await store.append(`account-${index}`, next());
    }));
  },

  async replay(store, run) {
    const messages = run.messages(120);
    for (let batch = 0; batch < 10; batch++) await store.appendBatch(ACTOR_ID, messages);
    for (let round = 0; round < 20; round++) {
      await store.read(ACTOR_ID, 0, Number.MAX_SAFE_INTEGER);
    }
  },
};

const [name = ""] = process.argv.slice(2);
const workload = workloads[name];
if (!workload) {
  throw new Error(`There is no workload ${name}. There are: ${Object.keys(workloads).join(", ")}`);
}
await using run = new Run(false);
await using store = await OurStore.open(run);
await workload(store, run);
