// How long appends wait while the log is collected, and how long in a new store, in which there is
// nothing to collect yet: half of them, all but one in a hundred, and the longest one.
import { compare, type Comparison } from "../comparison.ts";
import type { Context } from "../context.ts";
import type { Measurement } from "../measure.ts";
import { circulate, type Message } from "../messages.ts";
import { OurStore } from "../peers/ours.ts";
import type { Workload } from "./workload.ts";

const ACTORS = 1_000;
/** So many messages of 120 bytes are less than what may be hot before the log is collected. */
const EACH = 20;
/** So many rounds later the log is collected all the time. */
const ROUNDS_BEFORE = 10;
const COLLECTING = "while collecting";
const NEW = "in a new store";

/** Appends while the log is collected. */
export const collection: Workload = {
  name: "collection",
  title: "How long appends wait while the log is collected",
  async run(context) {
    const next = circulate(context.messages(120));
    await using collecting = await OurStore.open(context);
    for (let round = 0; round < ROUNDS_BEFORE; round++) await appendAll(collecting, next);
    const rounds: { readonly collecting: number[]; readonly fresh: number[] }[] = [];
    for (let round = 0; round < (context.quick ? 5 : 21); round++) {
      rounds.push(await measureRound(context, collecting, next, round % 2 === 0));
    }
    const parts = { median: 0.5, "99 %": 0.99, longest: 1 };
    return Object.entries(parts).map(([name, part]): Comparison =>
      compare({
        name: `collection-${name.replace(/\W+/g, "")}`,
        title: `120 B, ${ACTORS.toLocaleString("en")} actors, each awaiting its append: ${name}`,
        unit: "ms",
        measured: new Map([
          [
            COLLECTING,
            measurement("ours", rounds.map(({ collecting }) => quantile(collecting, part))),
          ],
          [NEW, measurement("limit", rounds.map(({ fresh }) => quantile(fresh, part)))],
        ]),
        ours: COLLECTING,
        others: [NEW],
        notes: ["Each sample is that of a round of 20,000 appends."],
      })
    );
  },
};

async function measureRound(
  context: Context,
  collecting: OurStore,
  next: () => Message,
  isFirst: boolean,
): Promise<{ readonly collecting: number[]; readonly fresh: number[] }> {
  await using fresh = await OurStore.open(context);
  // What is done once for each actor is not what is compared.
  const begin = () => appendAll(fresh, next, 1);
  if (isFirst) {
    const first = await appendAll(collecting, next);
    await begin();
    return { collecting: first, fresh: await appendAll(fresh, next) };
  }
  await begin();
  const first = await appendAll(fresh, next);
  return { collecting: await appendAll(collecting, next), fresh: first };
}

/** Returns how long each append took, in milliseconds. */
async function appendAll(
  store: OurStore,
  next: () => Message,
  each: number = EACH,
): Promise<number[]> {
  const times: number[] = [];
  await Promise.all(Array.from({ length: ACTORS }, async (_, actor) => {
    for (let done = 0; done < each; done++) {
      const startedAt = performance.now();
      await store.append(`account-${actor}`, next());
      times.push(performance.now() - startedAt);
    }
  }));
  return times;
}

function measurement(kind: Measurement["kind"], samples: readonly number[]): Measurement {
  return { kind, samples, rounds: samples };
}

function quantile(times: readonly number[], part: number): number {
  const sorted = times.toSorted((one, other) => one - other);
  return sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))] ?? 0;
}
