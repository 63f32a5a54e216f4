import assert from "node:assert/strict";
import { MemoryStorage } from "../../adapters/memory.ts";
import { LOG_VERSION } from "../../core/format/log_keys.ts";
import { Log } from "../../core/log/log.ts";
import { LogReader } from "../../core/log/log_reader.ts";
import { PersistenceProvider } from "../../core/provider.ts";
import { collectLog } from "../conformance/collect_log.ts";
import { range } from "../conformance/fixture.ts";
import { KeptOpenStorage } from "../conformance/observed_storage.ts";
import { EVERYTHING } from "../conformance/storage/fixture.ts";
import { test } from "../harness.ts";

// What is read whatever happens: see log_history_test.ts.

async function start() {
  const storage = await MemoryStorage.open();
  const provider = await PersistenceProvider.openOn(new KeptOpenStorage(storage));
  const journal = provider.createMessageJournal<number>({ kind: "test" });
  const read = async (after: number) =>
    await new LogReader(storage, await Log.open(storage)).read(after, 100);
  return { storage, journal, read };
}

test("an empty log has nothing to read", async () => {
  const { read } = await start();
  assert.deepEqual(await read(0), { entries: [], position: 0, isEnd: true });
});

test("entries are read with their positions, hot and collected, from any position on", async () => {
  const { storage, journal, read } = await start();
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

test("an order that is missing is CORRUPT, and so is one that is damaged", async () => {
  for (const isMissing of [true, false]) {
    const { storage, journal, read } = await start();
    await journal.append("a", 1);
    await collectLog(storage);
    await journal.append("a", 2);
    const stored = storage.scan("log", EVERYTHING);
    const order = stored.find(({ version }) => version === LOG_VERSION.order) ?? assert.fail();
    const { key, value, version } = order;
    const change = isMissing ? { type: "delete", keyspace: "log", key } as const : {
      type: "put",
      keyspace: "log",
      key,
      value: value.map((byte) => byte ^ 1),
      version,
    } as const;
    await storage.commit([{ conditions: [], changes: [change] }]);
    await assert.rejects(read(0), { code: "CORRUPT" });
    assert.equal((await read(1)).entries.length, 1);
  }
});
