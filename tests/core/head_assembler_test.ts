import assert from "node:assert/strict";
import fc from "fast-check";
import { MemoryDatabase, MemoryStorage } from "../../adapters/memory.ts";
import { PersistenceProvider } from "../../core/provider.ts";
import { collectLog } from "../conformance/collect_log.ts";
import { test } from "../harness.ts";

const ACTORS = ["a", "b"];
/** From so many hot items on, what was made of them is kept. */
const KEPT = 16;

const STEPS = ["append", "read", "truncate", "delete", "erase", "collect"] as const;

/** Mostly appends and reads, so that many items are hot. */
const step = fc.record({
  call: fc.oneof(
    { weight: 6, arbitrary: fc.constant("append" as const) },
    { weight: 4, arbitrary: fc.constant("read" as const) },
    { weight: 1, arbitrary: fc.constantFrom(...STEPS) },
  ),
  actorId: fc.constantFrom(...ACTORS),
  byOther: fc.boolean(),
  count: fc.integer({ min: 1, max: 30 }),
  reverse: fc.boolean(),
});

test("a journal that is read again and again is as one that is read for the first time", async () => {
  let kept = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { minLength: 1, maxLength: 60, size: "max" }),
      async (steps) => {
        const database = new MemoryDatabase();
        const start = async () =>
          await PersistenceProvider.openOn(await MemoryStorage.open({ database }));
        const [provider, other] = [await start(), await start()];
        let next = 0;
        for (const { call, actorId, byOther, count, reverse } of steps) {
          const caller = byOther ? other : provider;
          const journal = caller.createMessageJournal<number>();
          switch (call) {
            case "append":
              for (let left = count; left > 0; left--) await journal.append(actorId, next++);
              break;
            case "truncate": {
              const { lowest } = await journal.read(actorId, { limit: 1 });
              await journal.truncateBefore(actorId, lowest + count);
              break;
            }
            case "delete":
              await caller.deleteActor(actorId);
              break;
            case "erase":
              await caller.eraseActor(actorId);
              break;
            case "collect":
              await collectLog(await MemoryStorage.open({ database }));
              break;
            case "read": {
              const fresh = (await start()).createMessageJournal<number>();
              const options = { from: count, reverse, limit: 2 * count };
              const read = await journal.read(actorId, options);
              assert.deepEqual(read, await fresh.read(actorId, options));
              if (read.entries.length >= KEPT) kept++;
            }
          }
        }
      },
    ),
    { numRuns: 60 },
  );
  assert.ok(kept > 0);
});
