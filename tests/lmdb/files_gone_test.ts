import assert from "node:assert/strict";
import { copyFile, mkdir, readdir, rename, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { LmdbPersistenceProvider, type LmdbProviderOptions } from "../../adapters/lmdb/mod.ts";
import { assertFails } from "../conformance/fixture.ts";
import { test } from "../harness.ts";
import { Child } from "../processes/child.ts";
import { withDirectory } from "../temporary_directory.ts";
import type { Attempt } from "./children/opener.ts";

/** After this long, each change of a directory can be told by its time. */
const UNCHANGED_MS = 3_000;

interface Disturbance {
  readonly name: string;
  /** What is done to an open database at `directory`/data. */
  disturb(directory: string): Promise<unknown>;
  readonly reason: RegExp;
  /** Whether the path is that of another database then, which can be opened. */
  readonly leadsElsewhere?: boolean;
}

const DISTURBANCES: readonly Disturbance[] = [
  {
    name: "its directory was removed",
    disturb: (directory) => rm(join(directory, "data"), { recursive: true }),
    reason: /data\.mdb was removed or renamed/,
  },
  {
    name: "its directory was renamed",
    disturb: (directory) => rename(join(directory, "data"), join(directory, "renamed")),
    reason: /data\.mdb was removed or renamed/,
  },
  {
    name: "the directory above it was renamed",
    async disturb(directory) {
      await rename(directory, `${directory}-renamed`);
    },
    reason: /data\.mdb was removed or renamed/,
  },
  {
    name: "its directory was replaced by a file",
    async disturb(directory) {
      await rename(join(directory, "data"), join(directory, "renamed"));
      await writeFile(join(directory, "data"), "text");
    },
    reason: /data\.mdb was removed|ENOTDIR/,
  },
  {
    name: "its directory was replaced by a link to another database",
    async disturb(directory) {
      await rename(join(directory, "data"), join(directory, "renamed"));
      await (await LmdbPersistenceProvider.open({ path: join(directory, "other") })).close();
      await symlink(join(directory, "other"), join(directory, "data"));
    },
    reason: /data\.mdb was replaced/,
    leadsElsewhere: true,
  },
  {
    name: "its data file was removed",
    disturb: (directory) => rm(join(directory, "data", "data.mdb")),
    reason: /data\.mdb was removed or renamed/,
  },
  {
    name: "its data file was replaced by a copy",
    async disturb(directory) {
      const [file, copy] = [join(directory, "data", "data.mdb"), join(directory, "copy")];
      await copyFile(file, copy);
      await rename(copy, file);
    },
    reason: /data\.mdb was replaced/,
  },
  {
    name: "its directory was removed and another process has opened the path",
    async disturb(directory) {
      const path = join(directory, "data");
      await rm(path, { recursive: true });
      await using child = new Child("lmdb/children/opener", { attempts: [{ path }] });
      assert.equal((await child.report<Attempt>()).outcome, "read undefined, wrote 0");
    },
    reason: /data\.mdb was replaced/,
  },
];

for (const { name, disturb, reason, leadsElsewhere = false } of DISTURBANCES) {
  test(`files gone: nothing is acknowledged after ${name}`, () =>
    withDataIn(async (directory, path) => {
      const provider = await LmdbPersistenceProvider.open({ path });
      const journal = provider.createMessageJournal<number>();
      await journal.append("a", 0);
      await disturb(directory);
      const error = await assertFails(() => journal.append("a", 1), "REOPEN_REQUIRED");
      assert.match(error.message, reason);
      assert.ok(error.message.includes(path), error.message);
      await assertFails(() => journal.append("a", 2), "REOPEN_REQUIRED");
      await assertFails(() => provider.stats(), "REOPEN_REQUIRED");
      await assertFails(() => provider.sync(), "REOPEN_REQUIRED");
      assert.equal(await provider.isHealthy(), false);
      if (leadsElsewhere) assert.equal(await appendOnce({ path }), 0);
      else await assertFails(() => LmdbPersistenceProvider.open({ path }), "REOPEN_REQUIRED");
      await provider.close();
    }));

  test(`files gone: a reader is not healthy after ${name}`, () =>
    withDataIn(async (directory, path) => {
      await appendOnce({ path });
      await using reader = await LmdbPersistenceProvider.open({ path, readOnly: true });
      assert.equal(await reader.isHealthy(), true);
      await disturb(directory);
      assert.equal(await reader.isHealthy(), false);
      await assertFails(() => reader.stats(), "REOPEN_REQUIRED");
    }));

  if (leadsElsewhere) continue;
  test(`files gone: the path is not opened again after ${name}, until it is closed`, () =>
    withDataIn(async (directory, path) => {
      const provider = await LmdbPersistenceProvider.open({ path });
      const journal = provider.createMessageJournal<number>();
      await journal.append("a", 0);
      await disturb(directory);
      const before = await namesIn(directory);
      const error = await assertFails(
        () => LmdbPersistenceProvider.open({ path }),
        "REOPEN_REQUIRED",
      );
      assert.match(error.message, reason);
      assert.deepEqual(await namesIn(directory), before);
      await assertFails(() => journal.append("a", 1), "REOPEN_REQUIRED");
      await provider.close();
    }));
}

test("files gone: nothing is acknowledged after any of that in a directory that was long the same", async () => {
  await Promise.all(
    DISTURBANCES.map(({ name, disturb, reason }) =>
      withDataIn(async (directory, path) => {
        const provider = await LmdbPersistenceProvider.open({ path });
        const journal = provider.createMessageJournal<number>();
        await new Promise((resolve) => setTimeout(resolve, UNCHANGED_MS));
        for (let number = 0; number < 20; number++) await journal.append("a", number);
        await disturb(directory);
        const error = await assertFails(() => journal.append("a", 20), "REOPEN_REQUIRED");
        assert.match(error.message, reason, name);
        await provider.close();
      })
    ),
  );
});

for (const durability of ["full", "relaxed", "none"] as const) {
  test(`files gone: nothing is acknowledged with durability "${durability}", nor flushed`, () =>
    withDataIn(async (directory, path) => {
      await using provider = await LmdbPersistenceProvider.open({ path, durability });
      const journal = provider.createMessageJournal<number>();
      await journal.append("a", 0);
      await rm(directory, { recursive: true });
      await assertFails(() => provider.sync(), "REOPEN_REQUIRED");
      await assertFails(() => journal.append("a", 1), "REOPEN_REQUIRED");
    }));
}

test("files gone: a lock file that was removed or replaced is noticed", () =>
  withDataIn(async (_directory, path) => {
    for (const replacing of [false, true]) {
      await using provider = await LmdbPersistenceProvider.open({ path });
      const journal = provider.createMessageJournal<number>();
      const lock = join(path, "lock.mdb");
      if (replacing) await copyFile(lock, join(path, "copy"));
      await rm(lock);
      if (replacing) await rename(join(path, "copy"), lock);
      const error = await assertFails(() => provider.stats(), "REOPEN_REQUIRED");
      assert.match(error.message, replacing ? /lock\.mdb was replaced/ : /lock\.mdb was removed/);
      await assertFails(() => journal.append("a", 1), "REOPEN_REQUIRED");
    }
    // Without a look at it, within a few commits.
    await using provider = await LmdbPersistenceProvider.open({ path });
    const journal = provider.createMessageJournal<number>();
    await rm(join(path, "lock.mdb"));
    const error = await assertFails(async () => {
      for (let number = 0; number < 20; number++) await journal.append("a", number);
    }, "REOPEN_REQUIRED");
    assert.match(error.message, /lock\.mdb was removed/);
  }));

test("files gone: once it is closed, the path is opened as it is then", () =>
  withDataIn(async (directory, path) => {
    const provider = await LmdbPersistenceProvider.open({ path });
    await provider.createMessageJournal<number>().append("a", 0);
    await rename(path, join(directory, "renamed"));
    await assertFails(() => LmdbPersistenceProvider.open({ path }), "REOPEN_REQUIRED");
    await provider.close();
    assert.equal(await appendOnce({ path }), 0);
    assert.equal(await appendOnce({ path: join(directory, "renamed") }), 1);
  }));

test("files gone: a renamed directory is opened at its new place, also beside its old name", () =>
  withDataIn(async (directory, path) => {
    const provider = await LmdbPersistenceProvider.open({ path });
    const journal = provider.createMessageJournal<number>();
    await journal.append("a", 0);
    await rename(path, join(directory, "renamed"));
    assert.equal(await appendOnce({ path: join(directory, "renamed") }), 1);
    await assertFails(() => journal.append("a", 2), "REOPEN_REQUIRED");
    await provider.close();
  }));

test("files gone: if they are back, the next commit is acknowledged only after a reopening", () =>
  withDataIn(async (directory, path) => {
    const provider = await LmdbPersistenceProvider.open({ path });
    const journal = provider.createMessageJournal<number>();
    await journal.append("a", 0);
    await rename(path, join(directory, "renamed"));
    await assertFails(() => provider.stats(), "REOPEN_REQUIRED");
    await rename(join(directory, "renamed"), path);
    await assertFails(() => journal.append("a", 1), "REOPEN_REQUIRED");
    await provider.close();
    assert.equal(await appendOnce({ path }), 1);
  }));

test("files gone: other changes in the directory do no harm", () =>
  withDataIn(async (directory, path) => {
    await using provider = await LmdbPersistenceProvider.open({ path });
    const journal = provider.createMessageJournal<number>();
    await writeFile(join(path, "notes.txt"), "mine");
    await copyFile(join(path, "data.mdb"), join(directory, "backup.mdb"));
    await symlink(path, join(directory, "link"));
    assert.equal(await journal.append("a", 0), 0);
    assert.equal(await appendOnce({ path: join(directory, "link") }), 1);
    assert.equal(await provider.isHealthy(), true);
  }));

/** Runs a test with an empty directory, and the path "data" in one that it may rename. */
function withDataIn(run: (directory: string, path: string) => Promise<void>): Promise<void> {
  return withDirectory(async (outer) => {
    const directory = join(outer, "inner");
    await mkdir(directory);
    await run(directory, join(directory, "data"));
  });
}

async function appendOnce(options: LmdbProviderOptions): Promise<number> {
  await using provider = await LmdbPersistenceProvider.open(options);
  return await provider.createMessageJournal<number>().append("a", 7);
}

/** What is in a directory, if there is one. */
async function namesIn(directory: string): Promise<string[]> {
  try {
    return (await readdir(directory, { recursive: true })).sort();
  } catch {
    return [];
  }
}
