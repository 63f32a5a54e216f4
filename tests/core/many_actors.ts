import assert from "node:assert/strict";
import { StatefulActors } from "../../core/actors.ts";
import { commandSourced } from "../../core/behavior.ts";
import type { PersistenceProvider } from "../../core/provider.ts";
import { recover, type RecoveryProgress } from "../../core/recovery.ts";
import { errorOf, range } from "../conformance/fixture.ts";
import { test } from "../harness.ts";

const ENTRIES = 1_000_000;
const MAX_AT_ONCE = 64;

const sum = commandSourced<{ sum: number }, number | "read", number>({
  initialState: { sum: 0 },
  isReadOnly: (message) => message === "read",
  handle(state, message) {
    if (message !== "read") state.sum += message;
    return { state, reply: ({ sum }) => sum };
  },
});

/** Runs a test with a provider on an empty storage. */
export type WithProvider = (
  run: (provider: PersistenceProvider) => Promise<void>,
) => Promise<void>;

/**
 * Registers the tests of many actors, and of long journals.
 *
 * @param name The name of the storage.
 * @param withProvider Runs each of them.
 */
export function testAtScale(name: string, withProvider: WithProvider): void {
  const check = (title: string, run: (provider: PersistenceProvider) => Promise<void>) =>
    test(`${name}: ${title}`, () => withProvider(run));

  check(
    "10,000 actors are asked at once, few are recovered at a time, and those that are idle leave",
    async (provider) => {
      const stored = provider.createMessageJournal<number | "read">();
      const ids = range(1, 10_000).map((number) => `actor ${number}`);
      await Promise.all(ids.map((id, index) => stored.appendBatch(id, [index, 1, 2])));
      let underWay = 0;
      let most = 0;
      // What a recovery begins and ends with tells how many run side by side.
      const snapshots = provider.createSnapshotStore<{ sum: number }>();
      const counting = Object.assign(Object.create(snapshots) as typeof snapshots, {
        getLatestSnapshot: async () => {
          most = Math.max(most, ++underWay);
          await new Promise((resolve) => setTimeout(resolve, 0));
          underWay--;
          return undefined;
        },
      });
      await using actors = StatefulActors.start({
        journal: provider.createMessageJournal<number | "read">(),
        snapshots: counting,
        behavior: sum,
        maxActive: 500,
        passivateAfterMs: 20,
      });
      const sums = await Promise.all(ids.map((id) => actors.ask(id, "read")));
      assert.deepEqual(sums, ids.map((_, index) => index + 3));
      assert.ok(most > 1 && most <= MAX_AT_ONCE, `${most} at once`);
      while (actors.active > 0) await new Promise((resolve) => setTimeout(resolve, 5));
      assert.equal(await actors.ask("actor 7", 1), 10);
    },
  );

  check(
    "10,000 actors are recovered one after the other with a bounded number in memory",
    async (provider) => {
      const journal = provider.createMessageJournal<number | "read">();
      const ids = range(1, 10_000).map((number) => `actor ${number}`);
      await Promise.all(ids.map((id, index) => journal.append(id, index)));
      await using actors = StatefulActors.start({ journal, behavior: sum, maxActive: 100 });
      let most = 0;
      const counts = await actors.recover(provider.actorIds(), {
        onProgress: () => void (most = Math.max(most, actors.active)),
      });
      assert.deepEqual(counts, { recovered: 10_000, failed: 0 });
      assert.ok(most <= 100 + MAX_AT_ONCE, `${most} in memory`);
    },
  );

  check(
    "the recovery of a million entries shows progress, and can be aborted",
    async (provider) => {
      const journal = provider.createMessageJournal<number>();
      const batch = range(1, 10_000);
      for (let left = ENTRIES / batch.length; left > 0; left--) {
        await journal.appendBatch(
          "a",
          batch,
        );
      }
      const source = {
        journal,
        actorId: "a",
        initialState: 0,
        apply: (state: number, message: number) => state + message,
      };

      const seen: RecoveryProgress[] = [];
      const { state, replayed } = await recover({
        ...source,
        onProgress: (progress) => void seen.push(progress),
      });
      assert.equal(replayed, ENTRIES);
      assert.equal(
        state,
        (ENTRIES / batch.length) * batch.reduce((total, number) => total + number),
      );
      assert.equal(seen.length, ENTRIES / 1_000 + 1);
      assert.ok(seen.every(({ total }) => total === ENTRIES));
      assert.ok(seen.every(({ replayed }, index) => replayed === index * 1_000));

      const controller = new AbortController();
      const reason = new Error("enough");
      // By a timer, which must have its turn.
      setTimeout(() => controller.abort(reason), 5);
      let last = 0;
      const aborted = recover({
        ...source,
        signal: controller.signal,
        onProgress: ({ replayed }) => void (last = replayed),
      });
      assert.equal(await errorOf(() => aborted), reason);
      assert.ok(last < ENTRIES);
    },
  );
}
