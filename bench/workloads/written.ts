// How many bytes are written for a message, by all system calls that write.
import { readFileSync } from "node:fs";
import { compare } from "../comparison.ts";
import type { Measurement } from "../measure.ts";
import { circulate } from "../messages.ts";
import { BeforeStore } from "../peers/before.ts";
import { OurStore } from "../peers/ours.ts";
import { RawLmdbStore } from "../peers/raw_lmdb.ts";
import type { Store } from "../peers/store.ts";
import type { Workload } from "./workload.ts";

const ACTORS = 1_000;
const EACH = 300;
const WANTED_BYTES = 350;
const WANTED = `${WANTED_BYTES} B`;

/** Bytes written. */
export const written: Workload = {
  name: "written",
  title: "Bytes written for a message",
  async run(context) {
    if (bytesWritten() === undefined) return [];
    const next = circulate(context.messages(120));
    const measured = new Map<string, Measurement>();
    for (const Peer of [OurStore, BeforeStore, RawLmdbStore]) {
      await using store: Store = await Peer.open(context);
      const each = context.quick ? EACH / 10 : EACH;
      const before = bytesWritten() ?? 0;
      await Promise.all(Array.from({ length: ACTORS }, async (_, actor) => {
        for (let done = 0; done < each; done++) {
          await store.append(`account-${actor}`, next());
        }
      }));
      const bytes = ((bytesWritten() ?? 0) - before) / (ACTORS * each);
      measured.set(store.name, {
        kind: store.kind,
        samples: [bytes],
        rounds: [bytes],
      });
    }
    measured.set(WANTED, {
      kind: "limit",
      samples: [WANTED_BYTES],
      rounds: [WANTED_BYTES],
    });
    return [compare({
      name: "written",
      title: "120 B, 1,000 actors, each awaiting its own append",
      unit: "bytes/message",
      measured,
      ours: "ours",
      others: [...measured.keys()].filter((name) => name !== "ours"),
      targets: [{ against: WANTED, bound: "at most", ratio: 1 }],
    })];
  },
};

/** What this process has written so far; `undefined` if the system does not tell. */
function bytesWritten(): number | undefined {
  try {
    return Number(
      /^wchar: (\d+)$/m.exec(readFileSync("/proc/self/io", "latin1"))?.[1],
    );
  } catch {
    return undefined;
  }
}
