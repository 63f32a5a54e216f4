import assert from "node:assert/strict";
import type { JournalEntry, MessageJournal } from "../../../core/ports/journal.ts";
import type { FollowOptions } from "../../../core/ports/journal_options.ts";
import { PersistenceProvider } from "../../../core/provider.ts";
import { assertFails, casesOf, errorOf, range, withStorage } from "../fixture.ts";
import {
  type JournalKind,
  type JournalScene,
  withJournal,
  withObserved,
  withTwoWriters,
} from "./fixture.ts";
import { ManualClock } from "../manual_clock.ts";
import { KeptOpenStorage } from "../observed_storage.ts";
import { withRandom } from "../random.ts";
import type { ConformanceOptions } from "../types.ts";

const LONG = "x".repeat(20_000);

/** Registers the cases about `follow`. Their clock stands still, so only commits can wake. */
export function describeFollowing(options: ConformanceOptions, kind: JournalKind): void {
  const clock = new ManualClock();
  const standing = { runtime: { clock } };
  const check = casesOf(options, `${kind.name} follow`, withJournal(kind, standing));
  const observed = casesOf(options, `${kind.name} follow`, withObserved(kind, standing));

  check("it gives what is there, then what is appended", async (journal) => {
    await journal.appendBatch("a", range(0, 2));
    const entries = follow(journal, 0);
    assert.deepEqual(await take(entries, 3), [0, 1, 2]);
    for (const index of range(3, 5)) {
      const next = entries.next();
      await journal.append("a", index);
      const { value } = await next;
      assert.deepEqual([value?.sequenceNumber, value?.message], [index, index]);
      assert.deepEqual(value, (await journal.readFrom("a", index))[0]);
    }
    await journal.appendBatch("a", [6, 7]);
    assert.deepEqual(await take(entries, 2), [6, 7]);
    await entries.return?.();
    assert.equal(clock.timers.size, 0, "no timer is left");
  });

  check("one that waits is woken by a commit of any journal of the provider", async (
    journal,
    { create, provider },
  ) => {
    const journals = [journal, create<unknown>(), provider.createMessageJournal<unknown>()];
    const followers = journals.map((each) => follow(each, 0));
    for (const index of range(0, 8)) {
      const waiting = followers.map((entries) => take(entries, 1));
      await allWait(clock, followers.length);
      await (journals[index % 3] ?? journal).append("a", index);
      assert.deepEqual(await Promise.all(waiting), [[index], [index], [index]]);
    }
  });

  check("an unknown actor is waited for, and others do not matter", async (journal) => {
    const waiting = take(follow(journal, 0), 2);
    await allWait(clock, 1);
    await journal.append("b", "x");
    await journal.appendBatch("a", ["x", "y"]);
    assert.deepEqual(await waiting, [0, 1]);
  });

  for (const [from, first] of [[-5, 0], [0, 0], [2, 2], [3, 3], [7, 7]] as const) {
    check(`from ${from} it begins at ${first}`, async (journal) => {
      await journal.appendBatch("a", range(0, 2));
      const numbers = take(follow(journal, from), 3);
      for (const index of range(3, 9)) await journal.append("a", index);
      assert.deepEqual(await numbers, range(first, first + 2));
    });
  }

  check("the end of a journal may be followed, of which nothing is left", async (journal) => {
    await journal.appendBatch("a", range(0, 4));
    await journal.truncateBefore("a", 5);
    const numbers = take(follow(journal, 5), 2);
    await journal.appendBatch("a", [5, 6]);
    assert.deepEqual(await numbers, [5, 6]);
  });

  check("what was never there is not missing", async (journal) => {
    await journal.startAt("a", 5);
    const waiting = take(follow(journal, 0), 1);
    await allWait(clock, 1);
    await journal.append("a", "x");
    assert.deepEqual(await waiting, [5]);
    const unknown = take(follow(journal, 0, {}, "b"), 1);
    await journal.startAt("b", 7);
    await journal.append("b", "x");
    assert.deepEqual(await unknown, [7]);
  });

  check("what is truncated before it was read is not skipped in silence", async (journal) => {
    await journal.appendBatch("a", range(0, 9));
    const [early, late, done] = [follow(journal, 0), follow(journal, 0), follow(journal, 0)];
    await take(early, 3);
    assert.deepEqual(await take(done, 10), range(0, 9));
    await journal.truncateBefore("a", 5);
    // What has been read from the storage is given out.
    assert.deepEqual(await take(early, 7), range(3, 9));
    const details = { actorId: "a", sequenceNumber: 0 };
    const { message } = await assertFails(() => late.next(), "TRUNCATED", details);
    assert.match(message, /^Cannot follow .*: entry 0 is not there any more, .* begins at 5$/);
    assert.equal((await late.next()).done, true);
    const waiting = take(done, 1);
    await journal.append("a", 10);
    assert.deepEqual(await waiting, [10]);
    await journal.truncateBefore("a", 11);
    await assertFails(() => early.next(), "TRUNCATED", { sequenceNumber: 10 });
    const goingOn = take(done, 1);
    await journal.append("a", 11);
    assert.deepEqual(await goingOn, [11]);
  });

  check("one that waits notices a truncation that goes past it", async (journal) => {
    await journal.append("a", 0);
    const entries = follow(journal, 0);
    await take(entries, 1);
    const lost = assertFails(() => entries.next(), "TRUNCATED", { sequenceNumber: 1 });
    await allWait(clock, 1);
    await Promise.all([journal.append("a", 1), journal.truncateBefore("a", 2)]);
    await lost;
  });

  observed("of a long journal it reads page by page", async (journal, storage) => {
    for (const _ of range(0, 3)) await journal.appendBatch("a", range(0, 49).map(() => LONG));
    const entries = follow(journal, 0);
    const before = storage.scannedBytes;
    await take(entries, 1);
    assert.ok(storage.scannedBytes - before < 100 * LONG.length);
    assert.deepEqual(await take(entries, 199), range(1, 199));
  });

  describeEnd(options, kind, clock);
}

function describeEnd(options: ConformanceOptions, kind: JournalKind, clock: ManualClock): void {
  const standing = { runtime: { clock } };
  const check = casesOf(options, `${kind.name} follow`, withJournal(kind, standing));

  check("a signal ends it with its reason: before, between and while it waits", async (journal) => {
    await journal.appendBatch("a", [0, 1]);
    const reason = new Error("enough");
    const aborted = follow(journal, 0, { signal: AbortSignal.abort(reason) });
    assert.equal(await errorOf(() => aborted.next()), reason);

    const controller = new AbortController();
    const { signal } = controller;
    const [between, waiting] = [follow(journal, 0, { signal }), follow(journal, 0, { signal })];
    await take(between, 1);
    await take(waiting, 2);
    const error = errorOf(() => waiting.next());
    await allWait(clock, 1);
    controller.abort(reason);
    assert.equal(await error, reason);
    assert.equal(await errorOf(() => between.next()), reason);
    assert.equal((await waiting.next()).done, true);
    assert.equal(clock.timers.size, 0, "no timer is left");
  });

  check("a consumer may leave it, also while it waits", async (journal) => {
    await journal.appendBatch("a", [0, 1]);
    for await (const { sequenceNumber } of journal.follow("a", 0)) {
      if (sequenceNumber === 1) break;
    }
    const entries = follow(journal, 2);
    const next = entries.next();
    await allWait(clock, 1);
    assert.deepEqual(await entries.return?.(), { done: true, value: undefined });
    assert.deepEqual(await next, { done: true, value: undefined });
    assert.equal(clock.timers.size, 0, "no timer is left");
    assert.deepEqual(await follow(journal, 0).return?.(), { done: true, value: undefined });
  });

  const closings = {
    "the journal is closed": (journal: MessageJournal<unknown>) => journal.close(),
    "the provider is closed": (_: MessageJournal<unknown>, { provider }: JournalScene) =>
      provider.close(),
  };
  for (const [name, close] of Object.entries(closings)) {
    check(`if ${name} it ends with CLOSED, also while it waits`, async (journal, scene) => {
      await journal.appendBatch("a", [0, 1]);
      const [between, waiting] = [follow(journal, 0), follow(journal, 2)];
      await take(between, 2);
      const closed = assertFails(() => waiting.next(), "CLOSED");
      await allWait(clock, 1);
      await close(journal, scene);
      await closed;
      await assertFails(() => between.next(), "CLOSED");
      await assertFails(() => follow(journal, 0).next(), "CLOSED");
      assert.equal(clock.timers.size, 0, "no timer is left");
    });
  }
}

/** Registers the cases about following what another process appends. */
export function describeFollowingByTime(options: ConformanceOptions, kind: JournalKind): void {
  const onStorage = casesOf(options, `${kind.name} follow`, withStorage);
  const checkTwo = casesOf(options, `${kind.name} follow`, withTwoWriters(kind));

  onStorage("it looks after 100 ms, and less and less often while nothing happens", async (
    storage,
  ) => {
    const clock = new ManualClock();
    const kept = () => new KeptOpenStorage(storage);
    await using provider = await PersistenceProvider.openOn(kept(), { runtime: { clock } });
    await using another = await PersistenceProvider.openOn(kept());
    const [journal, other] = [kind.create<unknown>(provider), kind.create<unknown>(another)];
    const delaysOf = async (count: number) => {
      const delays: number[] = [];
      for (const _ of range(1, count)) {
        await allWait(clock, 1);
        const [timer] = clock.timers;
        assert.equal(timer?.keepsAlive, true, "a program that follows does not end");
        delays.push(timer.delayMs);
        timer.fire();
      }
      return delays;
    };
    for (
      const [pollMs, delays] of [
        [undefined, [100, 200, 400, 800, 1_000, 1_000]],
        [1, [1, 2, 4, 8, 16]],
        [5_000, [5_000, 5_000]],
      ] as const
    ) {
      const entries = follow(journal, 0, pollMs === undefined ? {} : { pollMs }, `${pollMs}`);
      for (const index of range(0, 1)) {
        const next = entries.next();
        assert.deepEqual(await delaysOf(delays.length), delays);
        await allWait(clock, 1);
        await other.append(`${pollMs}`, "x");
        for (const timer of clock.timers) timer.fire();
        assert.equal((await next).value?.sequenceNumber, index);
      }
      await entries.return?.();
    }
  });

  checkTwo("by the clock of the runtime it notices what another process appends", async (
    one,
    other,
  ) => {
    const numbers = take(follow(one, 0, { pollMs: 1 }), 20);
    for (const index of range(0, 19)) await other.append("a", index);
    assert.deepEqual(await numbers, range(0, 19));
  });

  checkTwo(
    "random writers, random followers: each gets all, in order, once",
    (one, other) =>
      withRandom(options.seed, async (random) => {
        const total = 400;
        const rest = async () => {
          for (let turns = random.below(20); turns > 0; turns--) await undefined;
          if (random.below(6) === 0) await new Promise((resolve) => setTimeout(resolve, 0));
        };
        const followers = range(0, 5).map(async (index) => {
          const from = index === 0 ? 0 : random.below(total);
          const entries = follow(index % 2 === 0 ? one : other, from, { pollMs: 1 });
          const numbers: number[] = [];
          const messages: unknown[] = [];
          while (from + numbers.length < total) {
            const { value } = await entries.next();
            numbers.push(value?.sequenceNumber ?? -1);
            messages.push(value?.message);
            await rest();
          }
          await entries.return?.();
          assert.deepEqual(numbers, range(from, total - 1));
          return { from, messages };
        });
        let written = 0;
        const write = async (journal: MessageJournal<unknown>) => {
          while (written < total) {
            const size = Math.min(1 + random.below(9), total - written);
            written += size;
            const text = random.below(4) === 0 ? LONG : "short";
            await journal.appendBatch("a", range(1, size).map((part) => `${part}${text}`));
            await rest();
          }
        };
        await Promise.all([write(one), write(other)]);
        const messages = (await one.readFrom("a", 0)).map(({ message }) => message);
        for (const follower of await Promise.all(followers)) {
          assert.deepEqual(follower.messages, messages.slice(follower.from));
        }
      }),
  );
}

function follow(
  journal: MessageJournal<unknown>,
  from: number,
  options: FollowOptions = {},
  actorId = "a",
): AsyncIterator<JournalEntry<unknown>, undefined> {
  return journal.follow(actorId, from, options)[Symbol.asyncIterator]();
}

/** The sequence numbers of the next few entries. */
async function take(
  entries: AsyncIterator<JournalEntry<unknown>, undefined>,
  count: number,
): Promise<number[]> {
  const numbers: number[] = [];
  while (numbers.length < count) {
    const { done, value } = await entries.next();
    assert.ok(!done, "it has no end");
    numbers.push(value.sequenceNumber);
  }
  return numbers;
}

/** Resolves when so many followers wait for something to happen. */
async function allWait(clock: ManualClock, followers: number): Promise<void> {
  while (clock.timers.size < followers) await new Promise((resolve) => setTimeout(resolve, 0));
}
