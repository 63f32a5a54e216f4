import assert from "node:assert/strict";
import { mkdir, readFile, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { LmdbBinding } from "../../../adapters/lmdb/binding.ts";
import { LmdbEnvironmentManager } from "../../../adapters/lmdb/mod.ts";
import { checkDataFile } from "../../../adapters/lmdb/verify/data_file.ts";
import { PAGE_HEADER_BYTES } from "../../../adapters/lmdb/verify/page_file.ts";
import { PersistenceError } from "../../../core/errors/persistence_error.ts";
import { type Random, randomFrom } from "../../conformance/random.ts";
import { test } from "../../harness.ts";
import { withDirectory } from "../../temporary_directory.ts";
import {
  changeDatabases,
  databaseOf,
  fillDatabases,
  freeManyPages,
  openDatabases,
} from "./databases.ts";
import { newestPages, pageBytesOf, writeAt } from "./newest_pages.ts";
import { assertRefused, DATA_FILE } from "./originals.ts";

/**
 * How much is read beside the newest pages: nothing, the free list as well, everything. With
 * nothing, small files are checked like large ones.
 */
const BUDGETS = [0, 100_000, 10_000_000];

test("bounded: a data file is accepted after every commit", () =>
  withChanges(60, async (file) => {
    for (const budget of BUDGETS) await checkDataFile(file, "bounded", budget);
  }));

test("bounded: a page of the newest transaction that was not written is refused", () =>
  withChanges(8, async (file, before, after) => {
    for (const page of newestPages(after)) {
      await writeAt(file, page, pageOf(before, page));
      for (const budget of BUDGETS) await assertNotAccepted(file, budget, `page ${page} is older`);
      await writeAt(file, page, pageOf(after, page));
    }
  }));

test("bounded: a page of the newest transaction that is zero, or cut off by zeros, is refused", () =>
  withChanges(3, async (file, _before, after) => {
    for (const page of newestPages(after)) {
      for (const end of [0, 8]) {
        const torn = pageOf(after, page).fill(0, end);
        await writeAt(file, page, torn);
        for (const budget of BUDGETS) await assertNotAccepted(file, budget, `page ${page}: ${end}`);
      }
      await writeAt(file, page, pageOf(after, page));
    }
  }));

test("bounded: in the branches of the newest transaction it finds whatever the full check does", () =>
  withChanges(2, async (file, _before, after) => {
    for (const page of newestPages(after).filter((page) => isBranch(pageOf(after, page)))) {
      for (let at = PAGE_HEADER_BYTES; at < pageBytesOf(after); at += 97) {
        for (const byte of [0, 255]) {
          const torn = pageOf(after, page).fill(byte, at, at + 40);
          await writeAt(file, page, torn);
          if (await isAccepted(file, "full")) continue;
          await assertNotAccepted(file, 0, `page ${page}: ${byte} from ${at} on`);
        }
      }
      await writeAt(file, page, pageOf(after, page));
    }
  }));

test("bounded: a file that was cut off anywhere is refused, unless nothing of it is missing", () =>
  withChanges(3, async (file, _before, after) => {
    const pageBytes = pageBytesOf(after);
    for (let pages = 1; pages < after.length / pageBytes; pages += 1 + pages % 7) {
      const length = pages * pageBytes + (pages % 3) * 1_000;
      await truncate(file, length);
      const isSound = await isAccepted(file, "full");
      for (const budget of BUDGETS) {
        assert.equal(await isAccepted(file, "bounded", budget), isSound, `${length} at ${budget}`);
      }
      await writeFile(file, after);
    }
  }));

test("bounded: each tree grows from nothing, and shrinks to nothing", () =>
  withDirectory(async (directory) => {
    const file = join(directory, DATA_FILE);
    const binding = await openDatabases(directory);
    const heads = databaseOf(binding, "heads");
    const keys = Array.from(
      { length: 300 },
      (_, n) => new Uint8Array(1_000).fill(n % 256, n / 256),
    );
    for (const change of ["put", "remove"] as const) {
      for (let first = 0; first < keys.length; first += 20) {
        await binding.root.batch(() => {
          for (const key of keys.slice(first, first + 20)) {
            if (change === "put") heads.put(key, key, 1);
            else heads.remove(key);
          }
        });
        for (const budget of BUDGETS) await checkDataFile(file, "bounded", budget);
      }
    }
    assert.equal(heads.getStats().entryCount, 0);
    await binding.root.close();
  }));

test("bounded: a copy that LMDB has made is accepted, compacted or not, and after commits", () =>
  withDirectory(async (directory) => {
    const random = randomFrom(3);
    const binding = await openDatabases(directory);
    await fillDatabases(binding, random);
    await binding.root.close();
    const { open } = await import("lmdb");
    const root = open({ path: directory, noSubdir: false, overlappingSync: false });
    try {
      for (const isCompacted of [false, true]) {
        const copy = join(directory, `copy-${isCompacted}`);
        await mkdir(copy);
        await root.backup(copy, isCompacted);
        const file = join(copy, DATA_FILE);
        for (const budget of BUDGETS) await checkDataFile(file, "bounded", budget);
        const opened = await openDatabases(copy);
        for (let commit = 0; commit < 4; commit++) {
          await changeDatabases(opened, random);
          for (const budget of BUDGETS) await checkDataFile(file, "bounded", budget);
        }
        await opened.root.close();
      }
    } finally {
      await root.close();
    }
  }));

test("bounded: rot in old pages of a large file is found by the full check only", () =>
  withDirectory(async (path) => {
    const file = join(path, DATA_FILE);
    {
      const binding = await openDatabases(path);
      const entries = databaseOf(binding, "entries");
      // The trees must have more than 16 MiB.
      for (let first = 0; first < 16_000; first += 2_000) {
        await binding.root.batch(() => {
          for (let number = first; number < first + 2_000; number++) {
            entries.put(keyOf(number), new Uint8Array(1_200), 1);
          }
        });
      }
      await binding.root.close();
    }
    await (await LmdbEnvironmentManager.open({ path })).close();
    const bytes = new Uint8Array(await readFile(file));
    const newest = new Set(newestPages(bytes));
    const old = oldLeaf(bytes, newest);
    await writeAt(file, old, new Uint8Array(pageBytesOf(bytes)));
    await (await LmdbEnvironmentManager.open({ path })).close();
    await assertRefused(file, "CORRUPT", new RegExp(`page ${old} `));
    for (const options of [{ verifyOnOpen: "full" }, { durability: "none" }] as const) {
      const opening = LmdbEnvironmentManager.open({ path, ...options });
      await assert.rejects(opening, { code: "CORRUPT" });
    }
  }));

/** Calls back after each commit, with the file and what it held before and after it. */
async function withChanges(
  commits: number,
  run: (file: string, before: Uint8Array, after: Uint8Array) => Promise<void>,
): Promise<void> {
  await withDirectory(async (directory) => {
    const random = randomFrom(11);
    const file = join(directory, "copy.mdb");
    const binding = await openDatabases(directory);
    try {
      await fillDatabases(binding, random);
      let before = new Uint8Array(await readFile(join(directory, DATA_FILE)));
      for (let commit = 0; commit < commits; commit++) {
        await changeSome(binding, random, commit);
        const after = new Uint8Array(await readFile(join(directory, DATA_FILE)));
        await writeFile(file, after);
        await run(file, before, after);
        before = after;
      }
    } finally {
      await binding.root.close();
    }
  });
}

async function changeSome(binding: LmdbBinding, random: Random, commit: number): Promise<void> {
  if (commit % 20 === 5) await freeManyPages(binding, random);
  else await changeDatabases(binding, random);
}

async function assertNotAccepted(file: string, budget: number, what: string): Promise<void> {
  assert.equal(await isAccepted(file, "bounded", budget), false, `${what}, budget ${budget}`);
}

async function isAccepted(
  file: string,
  extent: "bounded" | "full",
  budget?: number,
): Promise<boolean> {
  try {
    await checkDataFile(file, extent, budget);
    return true;
  } catch (error) {
    if (error instanceof PersistenceError && error.code === "CORRUPT") return false;
    throw error;
  }
}

function isBranch(page: Uint8Array): boolean {
  return new DataView(page.buffer, page.byteOffset).getUint16(18, true) === 1;
}

/** What a page held, or zeros if the file ended before it. */
function pageOf(bytes: Uint8Array, page: number): Uint8Array {
  const pageBytes = pageBytesOf(bytes);
  const copy = new Uint8Array(pageBytes);
  copy.set(bytes.subarray(page * pageBytes, (page + 1) * pageBytes));
  return copy;
}

function keyOf(number: number): Uint8Array {
  return Uint8Array.of(1, number >> 8, number & 255);
}

/** A leaf in the middle of the file that the newest transaction has not written. */
function oldLeaf(bytes: Uint8Array, newest: ReadonlySet<number>): number {
  const pageBytes = pageBytesOf(bytes);
  const view = new DataView(bytes.buffer);
  for (let page = Math.floor(bytes.length / pageBytes / 2); page > 2; page--) {
    const isLeaf = view.getUint16(page * pageBytes + 18, true) === 2;
    if (isLeaf && !newest.has(page)) return page;
  }
  throw new Error("there is no old leaf");
}
