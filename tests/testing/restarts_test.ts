import assert from "node:assert/strict";
import {
  eventSourced,
  type OutboxOptions,
  PersistenceError,
  type PersistenceProvider,
  StatefulActors,
} from "../../mod.ts";
import { TestDatabase } from "../../testing/mod.ts";
import { test } from "../harness.ts";

const KIND = "sum";

const sum = eventSourced<number, number | "read" | "wait", number, number, string>({
  initialState: 0,
  handle(_sum, command) {
    const reply = (sum: number) => sum;
    if (command === "wait") return new Promise(() => {});
    if (command === "read") return { reply };
    return { events: [command], effects: [`added ${command}`], reply };
  },
  apply: (sum, add) => sum + add,
});

function start(
  provider: PersistenceProvider,
  deliver: OutboxOptions<string>["deliver"] = () => {},
  problems: unknown[] = [],
): StatefulActors<number, number | "read" | "wait", number> {
  return StatefulActors.start({
    provider,
    kind: KIND,
    behavior: sum,
    outbox: { deliver },
    onProblem: (problem) => void problems.push(problem),
  });
}

test("test database: time passes for actors as the test wants it", async () => {
  const database = new TestDatabase();
  const { clock } = database;
  await using provider = await database.open();
  const sums = start(provider);
  assert.equal(await sums.ask("a", 1), 1);
  const journal = provider.createMessageJournal<number>({ kind: KIND });
  const [entry] = await journal.readFrom("a", 0);
  assert.equal(entry?.timestamp.getTime(), clock.now());

  const snapshots = provider.createSnapshotStore<number>({ kind: KIND });
  await clock.advance(14_999);
  assert.equal(await snapshots.getLatestSnapshot("a"), undefined);
  await clock.advance(1);
  const snapshot = await snapshots.getLatestSnapshot("a");
  assert.deepEqual([snapshot?.state, snapshot?.timestamp.getTime()], [1, clock.now()]);

  const waiting = sums.ask("b", "wait");
  waiting.catch(() => {});
  await clock.advance(30_000);
  await assert.rejects(waiting, { code: "TIMEOUT" });

  assert.equal(sums.active, 2);
  await clock.advance(60_000);
  // The other one waits for its handler for ever.
  assert.equal(sums.active, 1);
  assert.equal(await sums.ask("a", "read"), 1);
  const stopping = sums.stop({ timeoutMs: 1_000 });
  await clock.advance(1_000);
  await stopping;
});

test("test database: after a crash actors go on with what was committed", async () => {
  const database = new TestDatabase();
  {
    await using provider = await database.open();
    await using sums = start(provider);
    assert.equal(await sums.ask("a", 1), 1);
    const lost = sums.ask("a", 2);
    database.crash();
    await assert.rejects(lost, PersistenceError);
    await assert.rejects(sums.ask("a", "read"), PersistenceError);
    await assert.rejects(sums.ask("b", 1), PersistenceError);
  }
  await using provider = await database.open();
  await using sums = start(provider);
  assert.equal(await sums.ask("a", "read"), 1);
  assert.equal(await sums.ask("a", 2), 3);
});

test("test database: effects are delivered until that succeeds, by whom is alive", async () => {
  const database = new TestDatabase();
  const attempts: string[] = [];
  let isReachable = false;
  const deliverAs =
    (process: string) => (effect: string, { attempt }: { readonly attempt: number }) => {
      attempts.push(`${process}: ${effect}, attempt ${attempt}`);
      if (!isReachable) throw new RangeError("not reachable");
    };
  const problems: unknown[] = [];
  const first = await database.open();
  const sums = start(first, deliverAs("first"), problems);
  assert.equal(await sums.ask("a", 1), 1);
  await database.clock.advance(0);
  assert.deepEqual(attempts.splice(0), ["first: added 1, attempt 1"]);
  await database.clock.advance(100);
  assert.deepEqual(attempts.splice(0), ["first: added 1, attempt 2"]);
  assert.equal(problems.length, 2);

  database.crash();
  await database.clock.advance(86_400_000);
  assert.deepEqual(attempts.splice(0), [], "a process that has ended delivers nothing");
  isReachable = true;
  await using second = await database.open();
  await using others = start(second, deliverAs("second"));
  await others.outbox.drained();
  assert.deepEqual(attempts, ["second: added 1, attempt 3"]);
  await sums.stop();
});
