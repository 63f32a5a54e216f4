import assert from "node:assert/strict";
import { PersistenceProvider as Provider } from "../../../core/provider.ts";
import {
  assertFails,
  casesOf,
  errorOf,
  outcomesOf,
  range,
  withProvider,
  withStorage,
} from "../fixture.ts";
import { KeptOpenStorage, ObservedStorage } from "../observed_storage.ts";
import { withRandom } from "../random.ts";
import { ConcurrentHistory } from "./concurrent_history.ts";
import {
  everythingCollectedIn,
  everythingOf,
  failure,
  FEW,
  fill,
  KIND,
  MANY,
  MODES,
  nothing,
  OF_KIND,
  openOn,
  remove,
} from "./fixture.ts";
import type { ConformanceOptions } from "../types.ts";

const LONG = "x".repeat(33_000);

/** Registers the cases about removal while others write. */
export function describeRemovalConcurrency(options: ConformanceOptions): void {
  const check = casesOf(options, "removal order", withProvider());
  const crowded = casesOf(options, "removal order", withProvider({ maxPendingMessages: 2 }));
  const onStorage = casesOf(options, "removal order", withStorage);

  check("between calls that are not awaited it holds its place", async (provider) => {
    const journal = provider.createMessageJournal<unknown>(OF_KIND);
    const batched = provider.createBatchedMessageJournal<unknown>({
      ...OF_KIND,
      maxBatchDelayMs: 60_000,
    });
    const snapshots = provider.createSnapshotStore<unknown>(OF_KIND);
    const outcomes = outcomesOf([
      journal.append("a", "0"),
      batched.appendBatch("a", ["1", "2"]),
      snapshots.saveSnapshot("a", "old", 1),
      remove(provider, "erase"),
      journal.append("a", "3", { expectedSequenceNumber: 3 }),
      journal.append("a", "x", { expectedSequenceNumber: 0 }),
      remove(provider, "delete"),
      remove(provider, "delete"),
      journal.appendBatch("a", ["0", "1"], { expectedSequenceNumber: 0 }),
      journal.truncateBefore("a", 1),
      journal.append("b", "0"),
    ]);
    assert.deepEqual(await outcomes, [
      0,
      [1, 2],
      undefined,
      undefined,
      3,
      "CONFLICT",
      undefined,
      undefined,
      [0, 1],
      undefined,
      0,
    ]);
    assert.deepEqual((await journal.readFrom("a", 0)).map(({ message }) => message), ["1"]);
    assert.deepEqual(await snapshots.listSnapshots("a"), []);
  });

  check("appends without options before and after it are not taken together", async (provider) => {
    const journal = provider.createMessageJournal<unknown>(OF_KIND);
    const outcomes = outcomesOf([
      journal.append("a", "old"),
      journal.append("a", "old"),
      remove(provider, "delete"),
      journal.append("a", "new"),
      journal.append("a", "new"),
    ]);
    assert.deepEqual(await outcomes, [0, 1, undefined, 0, 1]);
    const messages = (await journal.readFrom("a", 0)).map(({ message }) => message);
    assert.deepEqual(messages, ["new", "new"]);
  });

  crowded("what waits for room that others take comes before it, too", async (provider) => {
    const journal = provider.createMessageJournal<unknown>(OF_KIND);
    const outcomes = outcomesOf([
      journal.append("b", 0),
      journal.append("b", 1),
      journal.append("a", "old"),
      remove(provider, "delete"),
      journal.append("a", "new"),
    ]);
    assert.deepEqual(await outcomes, [0, 1, 0, undefined, 0]);
    const messages = (await journal.readFrom("a", 0)).map(({ message }) => message);
    assert.deepEqual(messages, ["new"]);
  });

  crowded("it holds its place among calls that wait for room", async (provider) => {
    const journal = provider.createMessageJournal<unknown>(OF_KIND);
    const outcomes = outcomesOf([
      ...range(0, 5).map((number) => journal.append("a", number)),
      remove(provider, "delete"),
      ...range(0, 5).map((number) => journal.append("a", `new ${number}`)),
      ...range(0, 2).map((number) => journal.append("b", number)),
      remove(provider, "erase"),
      journal.append("a", "last"),
    ]);
    assert.deepEqual(await outcomes, [
      ...range(0, 5),
      undefined,
      ...range(0, 5),
      ...range(0, 2),
      undefined,
      6,
    ]);
    assert.deepEqual((await journal.readFrom("a", 0)).map(({ message }) => message), ["last"]);
  });

  onStorage("what waits for it is encoded at once, and can be aborted", async (inner) => {
    const storage = new ObservedStorage(inner);
    const provider = await openOn(storage);
    const journal = provider.createMessageJournal<unknown>(OF_KIND);
    await fill(provider);
    const release = storage.holdCommits();
    const removed = remove(provider, "delete");
    await storage.commitHeld();
    const controller = new AbortController();
    const message = { text: "as it was" };
    const appended = [
      journal.append("a", message),
      journal.append("a", "next", { metadata: { from: "test" } }),
    ];
    const aborted = errorOf(() => journal.append("a", "x", { signal: controller.signal }));
    message.text = "changed";
    controller.abort("enough");
    assert.equal(await aborted, "enough");
    release();
    await removed;
    assert.deepEqual(await Promise.all(appended), [0, 1]);
    const entries = await journal.readFrom("a", 0);
    assert.deepEqual(entries.map(({ message, metadata }) => [message, metadata]), [
      [{ text: "as it was" }, undefined],
      ["next", { from: "test" }],
    ]);
    assert.deepEqual(journal.pending, { messages: 0, bytes: 0 });
    await provider.close();
  });

  onStorage("other actors' appends pass between its steps", async (inner) => {
    const storage = new ObservedStorage(inner);
    const provider = await openOn(storage);
    await fill(provider, MANY);
    const journal = provider.createMessageJournal<unknown>(OF_KIND);
    const settled: string[] = [];
    let isFirst = true;
    storage.failCommit = () => {
      if (isFirst) void journal.append("b", 1).then(() => settled.push("append"));
      isFirst = false;
      return undefined;
    };
    await remove(provider, "delete").then(() => settled.push("removal"));
    assert.deepEqual(settled, ["append", "removal"]);
    await provider.close();
  });

  for (const mode of MODES) {
    onStorage(`what another process knows of the actor is of no use any more (${mode})`, async (
      storage,
    ) => {
      await using one = await openOn(storage);
      await using other = await openOn(storage);
      const journal = one.createMessageJournal<unknown>(OF_KIND);
      const stale = other.createMessageJournal<unknown>(OF_KIND);
      for (const count of range(1, 6)) {
        // It knows the head, with the messages in it.
        for (const _ of range(1, count)) await stale.append("a", "old");
        await remove(one, mode);
        const { highest } = await journal.read("a");
        // As many changes, so that only the incarnation tells the heads apart.
        for (const number of range(1, count)) await journal.append("a", `new ${number}`);
        assert.equal(await stale.append("a", "last"), highest + 1 + count);
        const messages = (await stale.readFrom("a", 0)).map(({ message }) => message);
        assert.deepEqual(messages, [...range(1, count).map((number) => `new ${number}`), "last"]);
        await one.deleteActor("a", OF_KIND);
      }
    });

    onStorage(`a process that knew the actor before truncates what came after (${mode})`, async (
      storage,
    ) => {
      await using one = await openOn(storage);
      await using other = await openOn(storage);
      const journal = one.createMessageJournal<unknown>(OF_KIND);
      const stale = other.createMessageJournal<unknown>(OF_KIND);
      await stale.appendBatch("a", range(0, 9));
      await stale.truncateBefore("a", 10);
      await remove(one, mode);
      const [first = 0] = await journal.appendBatch("a", range(0, 2));
      await stale.truncateBefore("a", first + 1);
      const { lowest, highest } = await journal.read("a");
      assert.deepEqual([lowest, highest], [first + 1, first + 2]);
      await stale.truncateBefore("a", first + 2);
      assert.equal((await journal.read("a")).lowest, first + 2);
    });

    onStorage(`a truncation that is late removes nothing of what came after (${mode})`, async (
      inner,
    ) => {
      const storage = new ObservedStorage(inner);
      await using slow = await Provider.openOn(new KeptOpenStorage(storage));
      await using other = await openOn(inner);
      const late = slow.createMessageJournal<unknown>(OF_KIND);
      await late.appendBatch("a", range(0, 4).map(() => LONG));
      // It has found the frames to remove, and then waits.
      let steps = 0;
      let release = () => {};
      storage.failCommit = () => {
        if (++steps === 1) release = storage.holdCommits();
        return undefined;
      };
      const truncated = late.truncateBefore("a", 5);
      while (steps < 1) await new Promise((resolve) => setTimeout(resolve, 0));
      await storage.commitHeld();
      await remove(other, mode);
      const journal = other.createMessageJournal<unknown>(OF_KIND);
      const numbers = await journal.appendBatch("a", range(0, 4).map((part) => `${part}${LONG}`));
      release();
      await truncated;
      const entries = await journal.readFrom("a", 0);
      assert.deepEqual(entries.map(({ sequenceNumber }) => sequenceNumber), numbers);
    });
  }

  onStorage("a consumer that registers late brings no others back", async (inner) => {
    const storage = new ObservedStorage(inner);
    await using slow = await Provider.openOn(new KeptOpenStorage(storage));
    await using other = await openOn(inner);
    const consumers = other.createConsumerRegistry(OF_KIND);
    await consumers.register("a", "old", 1);
    // It has read the record, and then waits.
    const release = storage.holdCommits();
    const registered = slow.createConsumerRegistry(OF_KIND).register("a", "late", 2);
    await storage.commitHeld();
    await remove(other, "delete");
    await consumers.register("a", "new", 3);
    release();
    await registered;
    assert.deepEqual([...await consumers.positions("a")], [["new", 3], ["late", 2]]);
  });

  onStorage("two processes may remove the same actor at once", async (inner) => {
    for (const amounts of [FEW, MANY]) {
      for (
        const modes of [["delete", "delete"], ["erase", "erase"], ["delete", "erase"]] as const
      ) {
        const [one, other] = [await openOn(inner), await openOn(inner)];
        const before = await everythingCollectedIn(inner);
        await fill(one, amounts);
        await Promise.all([remove(one, modes[0]), remove(other, modes[1])]);
        await one.deleteActor("a", OF_KIND);
        assert.deepEqual(await everythingCollectedIn(inner), before);
      }
    }
  });

  for (const fails of [false, true]) {
    const failing = fails ? ", and commits that fail" : "";
    onStorage(
      `random calls of three processes${failing}: nobody sees half of an actor, or two at once`,
      (inner) =>
        withRandom(options.seed, async (random) => {
          const storage = new ObservedStorage(inner);
          const providers = [await openOn(storage), await openOn(storage), await openOn(storage)];
          const before = await everythingCollectedIn(inner);
          const history = new ConcurrentHistory(providers, random);
          if (fails) storage.failCommit = () => random.below(8) === 0 ? failure() : undefined;
          await Promise.all(range(0, 7).map((worker) => history.work(worker)));
          storage.failCommit = () => undefined;
          await history.check();
          await Promise.all(providers.map((provider) => provider.deleteActor("a", OF_KIND)));
          await Promise.all(providers.map((provider) => provider.close()));
          assert.deepEqual(await everythingCollectedIn(inner), before);
        }),
    );
  }
}

/** Registered here, since they need the same things. */
export function describeRemovalFailures(options: ConformanceOptions): void {
  const onStorage = casesOf(options, "removal order", withStorage);

  onStorage("if it fails before its first commit, what was called after it goes on", async (
    inner,
  ) => {
    const storage = new ObservedStorage(inner);
    const provider = await openOn(storage);
    const journal = provider.createMessageJournal<unknown>(OF_KIND);
    await journal.append("a", 0);
    let commits = 0;
    storage.failCommit = () => commits++ === 0 ? new Error("so wants the test") : undefined;
    const removed = assertFails(() => remove(provider, "delete"), "STORAGE_FAILED", {
      actorId: "a",
      kind: KIND,
    });
    const appended = journal.append("a", 1);
    await removed;
    assert.equal(await appended, 1);
    await remove(provider, "delete");
    assert.deepEqual(await everythingOf(provider), nothing());
    await provider.close();
  });
}
