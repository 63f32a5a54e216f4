import assert from "node:assert/strict";
import { LmdbPersistenceProvider } from "../../adapters/lmdb/mod.ts";
import { assertFails, outcomesOf } from "../conformance/fixture.ts";
import { test } from "../harness.ts";
import { Child } from "../processes/child.ts";
import { withDirectory } from "../temporary_directory.ts";

const FOREVER_MS = 50_000;

test("commit time-out: everything acknowledged is there, and nothing hangs or crashes", async () => {
  // In parallel, because each of them mostly waits.
  const results = await Promise.allSettled([
    withDirectory((path) => timeOutThenReopen(path, "the holder is killed")),
    withDirectory((path) => timeOutThenReopen(path, "the holder lets go")),
    withDirectory(closeWhileLocked),
  ]);
  for (const result of results) if (result.status === "rejected") throw result.reason;
});

test("commit time-out: a commit that only waits is acknowledged in the end", () =>
  withDirectory(async (path) => {
    await using provider = await LmdbPersistenceProvider.open({ path });
    const journal = provider.createMessageJournal<string>();
    await journal.append("a", "before");
    await using holder = await holdLock(path, 300);
    const appended = journal.append("a", "waiting");
    // Readers need no lock.
    assert.equal((await journal.readFrom("a", 0)).length, 1);
    assert.equal(await appended, 1);
    assert.equal(await holder.report(), "released");
  }));

async function timeOutThenReopen(
  path: string,
  end: "the holder is killed" | "the holder lets go",
): Promise<void> {
  await acknowledgeOne(path);
  const options = { path, commitTimeoutMs: 200 };
  const provider = await LmdbPersistenceProvider.open(options);
  const journal = provider.createMessageJournal<string>();
  await using holder = await holdLock(path, end === "the holder is killed" ? FOREVER_MS : 1_500);
  const appends = [
    journal.append("a", "first"),
    journal.append("b", "second"),
    journal.append("a", "third"),
  ];
  assert.deepEqual(await outcomesOf(appends), appends.map(() => "REOPEN_REQUIRED"));
  await assertFails(() => journal.append("c", "later"), "REOPEN_REQUIRED");
  assert.equal((await journal.readFrom("a", 0))[0]?.message, "acknowledged");
  assert.equal(await provider.isHealthy(), false);
  // Nobody else in this process gets the environment until it has been closed.
  await assertFails(() => LmdbPersistenceProvider.open(options), "REOPEN_REQUIRED");

  if (end === "the holder is killed") await holder.kill();
  await provider.close();
  await holder.ended;

  await using reopened = await LmdbPersistenceProvider.open({ path });
  const again = reopened.createMessageJournal<string>();
  const messages = (await again.readFrom("a", 0)).map(({ message }) => message);
  // What was in flight may have been committed after all, but only as a whole.
  assert.ok(messages.length === 1 || messages.length === 3, `${end}: ${messages}`);
  assert.deepEqual(messages, ["acknowledged", "first", "third"].slice(0, messages.length));
  assert.deepEqual(await again.readFrom("c", 0), []);
  assert.equal(await again.append("a", "next"), messages.length);
  assert.equal(await reopened.isHealthy(), true);
}

/** Closing gives up while a commit is stuck. */
async function closeWhileLocked(path: string): Promise<void> {
  await acknowledgeOne(path);
  const provider = await LmdbPersistenceProvider.open({ path, commitTimeoutMs: 100 });
  const journal = provider.createMessageJournal<string>();
  await using holder = await holdLock(path, FOREVER_MS);
  await assertFails(() => journal.append("a", "first"), "REOPEN_REQUIRED");
  await assertFails(() => provider.close(), "REOPEN_REQUIRED");
  await holder.kill();

  await using reopened = await LmdbPersistenceProvider.open({ path });
  const entries = await reopened.createMessageJournal<string>().readFrom("a", 0);
  assert.equal(entries[0]?.message, "acknowledged");
  assert.equal(await reopened.isHealthy(), true);
}

/** Without a short time-out: the first commits may take their time. */
async function acknowledgeOne(path: string): Promise<void> {
  await using provider = await LmdbPersistenceProvider.open({ path });
  await provider.createMessageJournal<string>().append("a", "acknowledged");
}

async function holdLock(path: string, holdMs: number): Promise<Child> {
  const holder = new Child("lmdb/children/lock_holder", { path, holdMs });
  assert.equal(await holder.report(), "holding");
  return holder;
}
