import assert from "node:assert/strict";
import { mkdir, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { LmdbPersistenceProvider } from "../../adapters/lmdb/mod.ts";
import { test } from "../harness.ts";
import { withDirectory } from "../temporary_directory.ts";

// The faults "power-loss" and "creation" show that a data file appears wholly or not at all, and
// once.

test("creation: leaves nothing but the data file and the lock file", () =>
  withDirectory(async (path) => {
    const provider = await LmdbPersistenceProvider.open({ path: join(path, "new") });
    await provider.createMessageJournal().append("a", 1);
    await provider.close();
    assert.deepEqual((await readdir(join(path, "new"))).sort(), ["data.mdb", "lock.mdb"]);
  }));

test("creation: other files in the directory are left alone", () =>
  withDirectory(async (path) => {
    await writeFile(join(path, "notes.txt"), "mine");
    await mkdir(join(path, ".new-1"));
    await (await LmdbPersistenceProvider.open({ path })).close();
    const names = (await readdir(path)).sort();
    assert.deepEqual(names, [".new-1", "data.mdb", "lock.mdb", "notes.txt"]);
  }));

for (const durability of ["full", "relaxed", "none"] as const) {
  test(`creation: with durability "${durability}", and opened again`, () =>
    withDirectory(async (path) => {
      for (const number of [0, 1]) {
        await using provider = await LmdbPersistenceProvider.open({ path, durability });
        assert.equal(await provider.createMessageJournal().append("a", "message"), number);
      }
    }));
}
