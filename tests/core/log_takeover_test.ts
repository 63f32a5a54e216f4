import assert from "node:assert/strict";
import { MemoryDatabase, MemoryStorage } from "../../adapters/memory.ts";
import { Collector } from "../../core/log/collector.ts";
import { Log } from "../../core/log/log.ts";
import { PersistenceProvider } from "../../core/provider.ts";
import { collectLog } from "../conformance/collect_log.ts";
import { test } from "../harness.ts";

const ENTRY_BYTES = 1_000;
const MAX_HOT_BYTES = 10_000;

/** A process that appends without collecting, and collectors that wait for others for ever. */
async function start() {
  const database = new MemoryDatabase();
  const open = () => MemoryStorage.open({ database });
  const journal = (await PersistenceProvider.openOn(await open())).createMessageJournal<string>();
  return {
    append: async (count: number) => {
      for (let n = 0; n < count; n++) await journal.append(`a-${n % 5}`, "m".repeat(ENTRY_BYTES));
    },
    collectAll: async () => await collectLog(await open()),
    startCollector: async () => {
      const storage = await open();
      const log = await Log.open(storage);
      const pace = { takeoverMs: Infinity, minPieceBytes: 1 };
      const collector = new Collector(storage, log, MAX_HOT_BYTES, pace);
      return async () => {
        await log.follow();
        const piece = await collector.nextPiece(0);
        if (!piece) return false;
        const { conditions, changes } = piece;
        const group = { conditions: [...log.conditions, ...conditions], changes };
        assert.deepEqual(await storage.commit([group]), [true]);
        piece.onCommitted();
        return true;
      };
    },
  };
}

test("a process collects at once if no other one is in the middle of a collection", async () => {
  const { append, collectAll, startCollector } = await start();
  await append(1);
  await collectAll();
  await append(12);
  const collect = await startCollector();
  assert.equal(await collect(), true);
});

test("a process waits for another one that is in the middle of a collection", async () => {
  const { append, startCollector } = await start();
  await append(12);
  const [first, second] = [await startCollector(), await startCollector()];
  assert.equal(await first(), true);
  assert.equal(await second(), false);
  // Each piece is waited for anew.
  while (await first()) assert.equal(await second(), false);
  await append(12);
  assert.equal(await second(), true);
  assert.equal(await first(), false);
});

test("if another process has died in the middle of a collection, the hot part is bounded all the same", async () => {
  const { append, startCollector } = await start();
  await append(12);
  const dies = await startCollector();
  assert.equal(await dies(), true);
  const collect = await startCollector();
  assert.equal(await collect(), false);
  await append(12);
  assert.equal(await collect(), true);
});
