import assert from "node:assert/strict";
import { mkdir, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { checkDataFile } from "../../../adapters/lmdb/verify/data_file.ts";
import { randomFrom, withRandom } from "../../conformance/random.ts";
import { test } from "../../harness.ts";
import { Child } from "../../processes/child.ts";
import { withDirectory } from "../../temporary_directory.ts";
import { changeDatabases, fillDatabases, freeManyPages, openDatabases } from "./databases.ts";
import { DATA_FILE } from "./originals.ts";

const SEED = 2026;

test("a data file that is absent or empty is accepted", () =>
  withDirectory(async (directory) => {
    await checkDataFile(join(directory, DATA_FILE));
    await writeFile(join(directory, DATA_FILE), new Uint8Array(0));
    await checkDataFile(join(directory, DATA_FILE));
  }));

test("a data file is accepted after every commit", () =>
  withDirectory((directory) =>
    withRandom(SEED, async (random) => {
      const file = join(directory, DATA_FILE);
      const binding = await openDatabases(directory);
      try {
        await checkDataFile(file);
        await fillDatabases(binding, random);
        await checkDataFile(file);
        await freeManyPages(binding, random);
        for (let commit = 0; commit < 50; commit++) {
          await checkDataFile(file);
          await changeDatabases(binding, random);
        }
      } finally {
        await binding.root.close();
      }
      await checkDataFile(file);
    })
  ));

test("a copy that LMDB has made is accepted, compacted or not", () =>
  withDirectory(async (directory) => {
    const binding = await openDatabases(directory);
    await fillDatabases(binding, randomFrom(SEED));
    await binding.root.close();
    const { open } = await import("lmdb");
    const root = open({ path: directory, noSubdir: false, overlappingSync: false });
    try {
      for (const isCompacted of [false, true]) {
        const copy = join(directory, `${isCompacted}`);
        await mkdir(copy);
        await root.backup(copy, isCompacted);
        assert.ok((await stat(join(copy, DATA_FILE))).size > 0);
        await checkDataFile(join(copy, DATA_FILE));
        const opened = await openDatabases(copy);
        await changeDatabases(opened, randomFrom(SEED));
        await opened.root.close();
        await checkDataFile(join(copy, DATA_FILE));
      }
    } finally {
      await root.close();
    }
  }));

test("a data file is accepted while another process writes to it", () =>
  withDirectory(async (directory) => {
    const binding = await openDatabases(directory);
    await fillDatabases(binding, randomFrom(SEED));
    await binding.root.close();
    await using child = new Child("lmdb/verify/writer", { directory });
    assert.equal(await child.next(), "writing");
    for (let count = 0; count < 100; count++) await checkDataFile(join(directory, DATA_FILE));
    child.go();
    const commits = await child.report<number>();
    assert.ok(commits > 1, `${commits} commits`);
  }));
