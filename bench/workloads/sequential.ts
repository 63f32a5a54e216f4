// One actor that awaits each append: what a lone caller has to wait for.
import { compare } from "../comparison.ts";
import { type Contestant, type ContestantKind, measureLatencies } from "../measure.ts";
import { circulate, encodeAll } from "../messages.ts";
import { FileAppend, OneFilePerMessage } from "../peers/files.ts";
import { OurStore } from "../peers/ours.ts";
import { openSequentialPeers } from "../peers/stores.ts";
import type { Workload } from "./workload.ts";

const ACTOR_ID = "account-1";

/** Sequential awaited appends. */
export const sequential: Workload = {
  name: "sequential",
  title: "One actor that awaits each append",
  async run(context) {
    await using resources = new AsyncDisposableStack();
    const pool = context.messages(120);
    const stores = [
      resources.use(await OurStore.open(context)),
      ...await openSequentialPeers(context, resources),
    ];
    const file = resources.use(await FileAppend.open(context));
    const files = await OneFilePerMessage.open(context);

    const messages = circulate(pool);
    const payloads = circulate(encodeAll(context.codec, pool));
    const contestants: Contestant[] = [
      ...stores.map((store) =>
        each(store.name, store.kind, () => store.append(ACTOR_ID, messages()))
      ),
      each("file append", "limit", () => file.append(payloads())),
      each(
        "one file per message",
        "peer",
        () => files.append(ACTOR_ID, messages()),
      ),
    ];
    const measured = await measureLatencies(contestants, {
      rounds: context.quick ? 5 : 11,
      operations: context.quick ? 50 : 200,
    });
    return [compare({
      name: "sequential",
      title: "120 B, one actor, each append awaited",
      unit: "ms",
      measured,
      ours: "ours",
      others: contestants.slice(1).map(({ name }) => name),
      targets: [{ against: "raw lmdb", bound: "at most", ratio: 1.2 }],
    })];
  },
};

function each(
  name: string,
  kind: ContestantKind,
  append: () => Promise<unknown>,
): Contestant {
  return {
    name,
    kind,
    async run() {
      await append();
    },
  };
}
