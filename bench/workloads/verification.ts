// Verifying a store and backing it up, beside reading and copying its file, and beside what SQLite does
// with the same messages.
import { createReadStream } from "node:fs";
import { copyFile, open, rm } from "node:fs/promises";
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

/** Verification and backups. */
export const verification: Workload = {
  name: "verification",
  title: "Verifying a store, and backing it up",
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
    const file = join(path, "data.mdb");
    const copies = await context.directory("copies");
    const total = batches * BATCH * ACTORS;
    const effort = { rounds: context.quick ? 3 : 5, operations: total };
    const title = `${total.toLocaleString("en")} messages of 120 B`;

    const verifiers = [
      once("ours", "ours", () => provider.verify()),
      once("ours, checksums only", "limit", () => provider.verify({ decode: false })),
      once("SQLite", "peer", () => sqlite.checkIntegrity()),
      once("reading the file", "limit", () => readFile(file)),
    ];
    const copiers = [
      copying("ours", "ours", copies, (target) => provider.backup(target)),
      copying("SQLite", "peer", copies, (target) => sqlite.copyTo(target)),
      copying("copying the file", "limit", copies, (target) => copyAndFlush(file, target)),
    ];
    return [
      compare({
        name: "verification",
        title: `verifying ${title}`,
        unit: "messages/s",
        measured: await measureRates(verifiers, effort),
        ours: "ours",
        others: verifiers.slice(1).map(({ name }) => name),
        targets: [],
        notes: ["SQLite: PRAGMA integrity_check, which knows no checksum of what is in a row."],
      }),
      compare({
        name: "backup",
        title: `backing up ${title}`,
        unit: "messages/s",
        measured: await measureRates(copiers, effort),
        ours: "ours",
        others: copiers.slice(1).map(({ name }) => name),
        targets: [],
        notes: [
          "Ours: with its digest, and all pages, records and journals of the copy verified.",
          "SQLite: VACUUM INTO, which verifies nothing, and does not flush.",
        ],
      }),
    ];
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

function copying(
  name: string,
  kind: ContestantKind,
  directory: string,
  copy: (target: string) => Promise<unknown>,
): Contestant {
  const target = join(directory, name.replaceAll(/\W+/g, "-"));
  return once(name, kind, async () => {
    await rm(target, { recursive: true, force: true });
    await copy(target);
  });
}

async function copyAndFlush(from: string, to: string): Promise<void> {
  await copyFile(from, to);
  const file = await open(to, "r+");
  await file.sync();
  await file.close();
}

async function readFile(path: string): Promise<number> {
  let bytes = 0;
  for await (const chunk of createReadStream(path, { highWaterMark: READ_BYTES })) {
    bytes += chunk.length;
  }
  return bytes;
}
