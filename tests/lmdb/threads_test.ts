import assert from "node:assert/strict";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { LmdbPersistenceProvider } from "../../adapters/lmdb/mod.ts";
import { assertFails } from "../conformance/fixture.ts";
import { test } from "../harness.ts";
import { Child } from "../processes/child.ts";
import { withDirectory } from "../temporary_directory.ts";
import type { ThreadJob } from "./children/thread.ts";
import type { ThreadsJob, ThreadsReport } from "./children/threads.ts";

/** As many threads end in the middle of something, one after the other. */
const THREADS = 6;
const HOUR_MS = 3_600_000;
const AMPLE_MS = 30_000;

for (const end of ["exits", "throws", "is terminated"] as const) {
  for (const moment of ["opens", "appends", "commits"] as const) {
    // What throws there has been checked before.
    if (moment === "commits" && end === "throws") continue;
    test(`threads: one that ${end} while it ${moment} holds up nobody, and leaves nothing open`, () =>
      withDirectory(async (directory) => {
        const path = join(directory, "data");
        const options = { path, commitTimeoutMs: AMPLE_MS };
        const threads: ThreadJob[] = Array(THREADS).fill({ options, end, moment });
        const { outcomes, openFiles, appended } = await runThreads({ options, threads }, path);
        assert.deepEqual(outcomes, threads.map(() => "works"));
        assert.equal(openFiles, 0);
        assert.ok(appended > 0);
      }));
  }
}

test("threads: several at once append, close, and die", () =>
  withDirectory(async (path) => {
    const options = { path, commitTimeoutMs: AMPLE_MS };
    const threads = (["closes", "exits", "closes", "is terminated", "throws"] as const)
      .map((end): ThreadJob => ({ options, end }));
    const { outcomes } = await runThreads({ options, threads, atOnce: true }, path);
    assert.deepEqual(outcomes, threads.map(() => "works"));
  }));

test("threads: one that has loaded the module at another time removes nothing of the others", () =>
  withDirectory(async (path) => {
    for (const clockStepMs of [-3 * HOUR_MS, -5_000, 5_000, 3 * HOUR_MS]) {
      const options = { path };
      const threads: ThreadJob[] = [{ options, end: "closes", clockStepMs }];
      const { outcomes, names } = await runThreads({ options, threads }, path);
      assert.deepEqual(outcomes, ["works"]);
      assert.equal(names.filter((name) => name.startsWith(".presence-")).length, 1);
    }
  }));

for (
  const [main, thread] of [
    [{ durability: "none" }, { durability: "full" }],
    [{ durability: "full" }, { durability: "relaxed" }],
    [{ readOnly: true }, { readOnly: false }],
    [{ readOnly: false }, { readOnly: true }],
    [{ mapSize: 2 ** 24 }, { mapSize: 2 ** 25 }],
    [{ maxDbs: 10 }, { maxDbs: 20 }],
    [{ maxReaders: 10 }, { maxReaders: 20 }],
  ] as const
) {
  test(
    `threads: ${JSON.stringify(main)} in one and ${JSON.stringify(thread)} in another do not agree`,
    () =>
      withDirectory(async (path) => {
        await (await LmdbPersistenceProvider.open({ path })).close();
        const threads: ThreadJob[] = [
          { options: { path, ...thread }, end: "closes" },
          { options: { path, ...main }, end: "closes" },
        ];
        const { outcomes } = await runThreads({ options: { path, ...main }, threads }, path);
        assert.deepEqual(outcomes, ["OPTIONS_MISMATCH", "works"]);
      }),
  );
}

test("threads: several that open at once with different options do not share an environment", () =>
  withDirectory(async (path) => {
    const options = { path, readOnly: true };
    await (await LmdbPersistenceProvider.open({ path })).close();
    const threads = (["none", "full", "none", "full"] as const)
      .map((durability): ThreadJob => ({ options: { path, durability }, end: "closes" }));
    const { outcomes } = await runThreads({ options, threads, atOnce: true }, path);
    assert.deepEqual(outcomes, threads.map(() => "OPTIONS_MISMATCH"));
  }));

test("threads: another copy of the module shares the environment only if its options agree", () =>
  withDirectory(async (path) => {
    const url = new URL("../../adapters/lmdb/environment", import.meta.url);
    const extension = import.meta.url.endsWith(".ts") ? "ts" : "js";
    // The same file by another address is loaded again.
    const { LmdbEnvironmentManager }: typeof import("../../adapters/lmdb/environment.ts") =
      await import(`${url}.${extension}?copy`);
    await using provider = await LmdbPersistenceProvider.open({ path, durability: "none" });
    await provider.createMessageJournal<number>().append("a", 1);
    await assertFails(() => LmdbEnvironmentManager.open({ path }), "OPTIONS_MISMATCH");
    await using other = await LmdbEnvironmentManager.open({ path, durability: "none" });
    assert.equal(other.durability, "none");
    await provider.createMessageJournal<number>().append("a", 2);
  }));

/** Runs threads in another process; meanwhile and afterwards this one opens the database. */
async function runThreads(job: ThreadsJob, path: string): Promise<ThreadsReport> {
  await using child = new Child("lmdb/children/threads", job);
  const report = await child.report<ThreadsReport>();
  const readOnly = job.options.readOnly ?? false;
  const openAgain = async () => {
    await (await LmdbPersistenceProvider.open({ path, readOnly, commitTimeoutMs: AMPLE_MS }))
      .close();
  };
  await openAgain();
  child.go();
  assert.equal(await child.report(), report.appended);
  const { code, errors } = await child.ended;
  assert.equal(code, 0, errors);
  // Whatever the threads have left, the first opening after their end removes. Deno ends those that
  // are terminated a little later than it says.
  await openAgain();
  assert.deepEqual((await readdir(path)).sort(), ["data.mdb", "lock.mdb"]);
  return report;
}
