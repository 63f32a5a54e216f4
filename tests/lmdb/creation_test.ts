import assert from "node:assert/strict";
import { mkdir, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { LmdbPersistenceProvider } from "../../adapters/lmdb/mod.ts";
import { test } from "../harness.ts";
import { Child } from "./support_child.ts";
import { withDirectory } from "./support_directory.ts";
import type { WriterJob, Written } from "./support_writer.ts";

// That a data file appears wholly or not at all is what tests/faults/power_loss.ts shows.

test("creation: leaves nothing but the data file and the lock file", () =>
  withDirectory(async (path) => {
    const provider = await LmdbPersistenceProvider.open({ path: join(path, "new") });
    await provider.createMessageJournal().append("a", 1);
    await provider.close();
    assert.deepEqual((await readdir(join(path, "new"))).sort(), ["data.mdb", "lock.mdb"]);
  }));

test("creation: what else stands in the directory is left alone", () =>
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

test("creation: processes that create the same database at once lose nothing", async () => {
  for (let round = 0; round < 5; round++) {
    await withDirectory(async (directory) => {
      const path = join(directory, "data");
      const writers = Array.from({ length: 4 }, (_, writer) => {
        const job: WriterJob = { path, writer: `${writer}`, actorIds: ["a"], count: 3 };
        return new Child("support_writer", job);
      });
      const numbers: number[] = [];
      for (const writer of writers) {
        assert.equal(await writer.report(), "ready");
        writer.go();
      }
      for (const writer of writers) {
        const { numbers: own } = await writer.report<Written>();
        numbers.push(...own);
        assert.equal((await writer.ended).code, 0);
      }
      assert.deepEqual(numbers.sort((a, b) => a - b), Array.from({ length: 12 }, (_, i) => i));
    });
  }
});
