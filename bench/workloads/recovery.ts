// Recovering an actor, as it is done after a crash: its latest snapshot, then the messages after it.
import { compare, type Comparison } from "../comparison.ts";
import type { Context } from "../context.ts";
import { type Contestant, measureLatencies } from "../measure.ts";
import { OurStore } from "../peers/ours.ts";
import type { SnapshotStore } from "../../mod.ts";
import { fill } from "./replay.ts";
import type { Workload } from "./workload.ts";

const ACTOR_ID = "account-1";
const TAIL = 100;

/** The state of an actor: as large as that of many. */
const STATE = {
  balance: 12_345,
  recent: Array.from({ length: 50 }, (_, index) => index),
};

/** Recovery at different lengths of the journal. */
export const recovery: Workload = {
  name: "recovery",
  title: "Recovery of an actor: its latest snapshot, then the messages after it",
  async run(context) {
    await using resources = new AsyncDisposableStack();
    const lengths = context.quick ? [1e3, 1e4, 1e5] : [1e3, 1e4, 1e5, 1e6, 1e7];
    const contestants: Contestant[] = [];
    for (const length of lengths) {
      contestants.push(await recovering(context, resources, length));
    }

    const longest = contestants.pop();
    if (longest === undefined) return [];
    const measured = await measureLatencies([longest, ...contestants], {
      rounds: context.quick ? 5 : 9,
      operations: 50,
    });
    const comparison: Comparison = compare({
      name: "recovery",
      title: `snapshot and the ${TAIL} messages after it, 120 B, by length of the journal`,
      unit: "ms",
      measured,
      ours: longest.name,
      others: contestants.map(({ name }) => name),
      targets: [{ against: nameOf(1e3), bound: "at most", ratio: 1.5 }],
      notes: [
        "All are ours: the longest journal is compared with the shorter ones.",
      ],
    });
    return [comparison];
  },
};

async function recovering(
  context: Context,
  resources: AsyncDisposableStack,
  length: number,
): Promise<Contestant> {
  const ours = resources.use(await OurStore.open(context));
  const snapshots = ours.provider.createSnapshotStore<typeof STATE>();
  await fill(ours, context.messages(120), length);
  await snapshots.saveSnapshot(ACTOR_ID, STATE, length - TAIL - 1);
  return {
    name: nameOf(length),
    kind: "ours",
    run: () => recover(ours, snapshots),
  };
}

async function recover(
  ours: OurStore,
  snapshots: SnapshotStore<typeof STATE>,
): Promise<void> {
  const latest = await snapshots.getLatestSnapshot(ACTOR_ID);
  if (latest === undefined) throw new Error("There is no snapshot");
  let replayed = 0;
  for await (
    const entry of ours.journal.replay(ACTOR_ID, latest.sequenceNumber + 1)
  ) {
    if (entry.sequenceNumber > latest.sequenceNumber) replayed++;
  }
  if (replayed !== TAIL) {
    throw new Error(`${replayed} messages were replayed, not ${TAIL}`);
  }
}

function nameOf(length: number): string {
  return `${length.toLocaleString("en")} entries`;
}
