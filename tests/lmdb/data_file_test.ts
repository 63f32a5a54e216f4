import assert from "node:assert/strict";
import { mkdir, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { checkDataFile } from "../../adapters/lmdb/data_file.ts";
import { PersistenceError } from "../../core/errors.ts";
import { randomFrom, withRandom } from "../conformance/random.ts";
import { test } from "../harness.ts";
import { type Damage, damage } from "../faults/rotten_bytes_damage.ts";
import {
  changeDatabases,
  fillDatabases,
  freeManyPages,
  openDatabases,
} from "./data_file_databases.ts";
import { DATA_FILE, makeOriginal, type Original } from "./data_file_originals.ts";
import type { ReaderReport } from "./data_file_reader.ts";
import { Child } from "./support_child.ts";
import { withDirectory } from "./support_directory.ts";

/** How many damaged files are tried. More of them by hand, as in `DAMAGED_FILES=5000`. */
const DAMAGED_FILES = Number(process.env["DAMAGED_FILES"] ?? 300);
/** Another seed gives other files. */
const SEED = Number(process.env["DAMAGE_SEED"] ?? 2026);
/** One process reads so many of them: it must be done before its watchdog ends it. */
const FILES_PER_PROCESS = 25;

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
    await using child = new Child("data_file_writer", { directory });
    assert.equal(await child.next(), "writing");
    for (let count = 0; count < 100; count++) await checkDataFile(join(directory, DATA_FILE));
    child.go();
    const commits = await child.report<number>();
    assert.ok(commits > 1, `${commits} commits`);
  }));

test("a damaged data file is refused, or LMDB gives the right data", () =>
  withDirectory((directory) =>
    withRandom(SEED, async (random) => {
      const small = await makeOriginal(join(directory, "small"), random, fillDatabases);
      const large = await makeOriginal(join(directory, "large"), random, async (binding) => {
        await fillDatabases(binding, random);
        await freeManyPages(binding, random);
      });
      let accepted = 0;
      for (let done = 0; done < DAMAGED_FILES; done += FILES_PER_PROCESS) {
        const original = random.below(4) === 0 ? large : small;
        accepted += await tryDamages(
          original,
          Array.from({ length: FILES_PER_PROCESS }, () => damage(original.bytes, random)),
        );
      }
      // Were none of them accepted, or nearly all, this test would show little.
      assert.ok(accepted > DAMAGED_FILES * 0.1, `${accepted} accepted`);
      assert.ok(accepted < DAMAGED_FILES * 0.9, `${accepted} accepted`);
    })
  ));

/** Returns how many of the damaged files were accepted. */
async function tryDamages(original: Original, damages: readonly Damage[]): Promise<number> {
  let count = 0;
  await withDirectory(async (directory) => {
    const accepted: { damage: Damage; path: string }[] = [];
    for (const [index, damage] of damages.entries()) {
      const path = join(directory, `${index}`);
      await mkdir(path);
      await writeFile(join(path, DATA_FILE), damage.bytes);
      if (await isAccepted(join(path, DATA_FILE))) accepted.push({ damage, path });
    }
    count = accepted.length;
    const content = join(directory, "content.json");
    await writeFile(content, JSON.stringify(original.content));
    const directories = accepted.map(({ path }) => path);
    await using child = new Child("data_file_reader", { directories, content });
    for (const { damage } of accepted) {
      const report = await child.next();
      if (!report) {
        assert.fail(`${damage.what}: accepted, but ${JSON.stringify(await child.ended)}`);
      }
      assertRight(damage, report);
    }
  });
  return count;
}

async function isAccepted(file: string): Promise<boolean> {
  try {
    await checkDataFile(file);
    return true;
  } catch (error) {
    if (error instanceof PersistenceError) return false;
    throw error;
  }
}

/** The structure is sound, so all is there but what was damaged inside of records. */
function assertRight(damage: Damage, report: ReaderReport): void {
  const { error, missing = 0, extra = 0, changed = 0 } = report;
  const message = `${damage.what}: accepted, but ${JSON.stringify(report)}`;
  assert.equal(error, undefined, message);
  assert.ok(missing <= damage.keys && extra <= damage.keys, message);
  assert.ok(missing + changed <= damage.records, message);
}
