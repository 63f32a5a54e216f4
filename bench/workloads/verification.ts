// Verifying a store while nobody else uses it, beside reading its file, and beside what SQLite checks of
// the same messages.
import { createReadStream } from "node:fs";
import { join } from "node:path";
import { compare } from "../comparison.ts";
import { type Contestant, type ContestantKind, measureRates } from "../measure.ts";
import { circulate } from "../messages.ts";
import { SqliteStore } from "../peers/sqlite.ts";
import { openProvider } from "../runtime.ts";
import type { Workload } from "./workload.ts";

const ACTORS = 100;
const BATCH = 1_000;
const READ_BYTES = 2 ** 20;

/** Verification. */
export const verification: Workload = {
  name: "verification",
  title: "Verifying a store",
  async run(context) {
    await using resources = new AsyncDisposableStack();
    const next = circulate(context.messages(120));
    const path = await context.directory("ours");
    const provider = resources.use(await openProvider({ path, codec: context.codec }));
    const sqlite = resources.use(await SqliteStore.open(context));
    const journal = provider.createMessageJournal();
    const batches = context.quick ? 2 : 10;
    for (let batch = 0; batch < batches; batch++) {
      for (let actor = 0; actor < ACTORS; actor++) {
        const messages = Array.from({ length: BATCH }, () => next());
        await journal.appendBatch(`account-${actor}`, messages);
        await sqlite.appendBatch(`account-${actor}`, messages);
      }
    }
    const contestants = [
      once("ours", "ours", () => provider.verify()),
      once("ours, checksums only", "limit", () => provider.verify({ decode: false })),
      once("SQLite", "peer", () => sqlite.checkIntegrity()),
      once("reading the file", "limit", () => readFile(join(path, "data.mdb"))),
    ];
    const total = batches * BATCH * ACTORS;
    const measured = await measureRates(contestants, {
      rounds: context.quick ? 3 : 5,
      operations: total,
    });
    return [compare({
      name: "verification",
      title: `${total.toLocaleString("en")} messages of 120 B`,
      unit: "messages/s",
      measured,
      ours: "ours",
      others: contestants.slice(1).map(({ name }) => name),
      targets: [],
      notes: ["SQLite: PRAGMA integrity_check, which knows no checksum of what is in a row."],
    })];
  },
};

function once(name: string, kind: ContestantKind, run: () => Promise<unknown>): Contestant {
  return {
    name,
    kind,
    async run() {
      await run();
    },
  };
}

async function readFile(path: string): Promise<number> {
  let bytes = 0;
  for await (const chunk of createReadStream(path, { highWaterMark: READ_BYTES })) {
    bytes += chunk.length;
  }
  return bytes;
}
