import assert from "node:assert/strict";
import { LOG_VERSION } from "../../../core/format/log_keys.ts";
import { Log } from "../../../core/log/log.ts";
import { type LogPage, LogReader } from "../../../core/log/log_reader.ts";
import type { MessageJournal } from "../../../core/ports/journal.ts";
import type { Storage } from "../../../core/ports/storage.ts";
import { PersistenceProvider } from "../../../core/provider.ts";
import { collectLog } from "../collect_log.ts";
import { casesOf, range, withStorage } from "../fixture.ts";
import { KeptOpenStorage } from "../observed_storage.ts";
import { commit, EVERYTHING } from "../storage/fixture.ts";
import type { ConformanceOptions } from "../types.ts";

/** Registers the cases about reading the log from a position. */
export function describeLog(options: ConformanceOptions): void {
  const check = casesOf(options, "log", withStorage);

  check("an empty one has nothing to read", async (storage) => {
    const { read } = await start(storage);
    assert.deepEqual(await read(0), { entries: [], position: 0, isEnd: true });
  });

  check("entries are read with their positions, hot and collected, from any one on", async (
    storage,
  ) => {
    const { journal, read } = await start(storage);
    for (const number of range(1, 6)) {
      await journal.appendBatch(`a${number % 2}`, [number, number]);
      if (number === 4) await collectLog(storage);
    }
    for (const after of range(0, 7)) {
      const found = [];
      for (let position = after, isEnd = false; !isEnd;) {
        const page = await read(position);
        found.push(...page.entries);
        ({ position, isEnd } = page);
      }
      assert.deepEqual(
        found.map(({ position, actor: { kind, actorId }, first, count }) => [
          position,
          kind,
          actorId,
          first,
          count,
        ]),
        range(after + 1, 6).map((number) => [
          number,
          "test",
          `a${number % 2}`,
          2 * Math.floor((number - 1) / 2),
          2,
        ]),
      );
    }
  });

  for (const isMissing of [true, false]) {
    check(`an order that is ${isMissing ? "missing" : "damaged"} is CORRUPT`, async (storage) => {
      const { journal, read } = await start(storage);
      await journal.append("a", 1);
      await collectLog(storage);
      await journal.append("a", 2);
      const stored = await storage.scan("log", EVERYTHING);
      const order = stored.find(({ version }) => version === LOG_VERSION.order) ?? assert.fail();
      const { key, value, version } = order;
      const damaged = value.map((byte) => byte ^ 1);
      await commit(
        storage,
        isMissing
          ? { type: "delete", keyspace: "log", key }
          : { type: "put", keyspace: "log", key, value: damaged, version },
      );
      await assert.rejects(read(0), { code: "CORRUPT" });
      assert.equal((await read(1)).entries.length, 1);
    });
  }
}

/** A provider that appends, and a reader of what is stored. */
async function start(
  storage: Storage,
): Promise<{ journal: MessageJournal<number>; read: (after: number) => Promise<LogPage> }> {
  const provider = await PersistenceProvider.openOn(new KeptOpenStorage(storage));
  return {
    journal: provider.createMessageJournal<number>({ kind: "test" }),
    read: async (after: number) =>
      await new LogReader(storage, await Log.open(storage)).read(after, 100),
  };
}
