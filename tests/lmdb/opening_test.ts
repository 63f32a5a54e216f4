import assert from "node:assert/strict";
import { mkdir, readdir, rename, rm, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { LmdbPersistenceProvider } from "../../adapters/lmdb/mod.ts";
import { test } from "../harness.ts";
import { Child } from "./support_child.ts";
import { withDirectory } from "./support_directory.ts";
import type { OpenerJob } from "./support_opener.ts";

/** More than any process has. */
const NO_PROCESS = 2 ** 30;
const OPENINGS = 40;

for (const readOnly of [false, true]) {
  const how = readOnly ? "read-only" : "for writing";
  test(`opening: by another process ${how}, again and again, undoes nothing`, () =>
    withDirectory(async (path) => {
      await using provider = await LmdbPersistenceProvider.open({ path });
      const journal = provider.createMessageJournal<string>();
      const job: OpenerJob = { attempts: Array(OPENINGS).fill({ path, readOnly }) };
      await using child = new Child("support_opener", job);
      let isOver = false;
      void child.ended.then(() => isOver = true);
      // The opener appends to "a", too.
      let next = 0;
      while (!isOver) {
        assert.equal(await journal.append("b", `message ${next}`), next);
        next++;
      }
      assert.equal((await child.ended).code, 0);
      const entries = await journal.readFrom("b", 0);
      assert.equal(entries.length, next);
      assert.ok(entries.every(({ message }, index) => message === `message ${index}`));
      const written = await journal.getHighestSequenceNumber("a");
      assert.equal(written, readOnly ? -1 : OPENINGS - 1);
    }));
}

test("opening: leaves nothing behind when all have closed", () =>
  withDirectory(async (path) => {
    const provider = await LmdbPersistenceProvider.open({ path });
    await provider.createMessageJournal().append("a", 1);
    await provider.close();
    assert.deepEqual((await readdir(path)).sort(), ["data.mdb", "lock.mdb"]);
  }));

test("opening: what dead processes have left is not waited for, and goes", () =>
  withDirectory(async (path) => {
    await writeFile(join(path, `.writer-${NO_PROCESS}-1-0`), new Uint8Array([1]));
    // A process of another time had the id that this one has.
    await writeFile(join(path, `.writer-${process.pid}-1-0`), new Uint8Array([1]));
    await mkdir(join(path, ".opening"));
    await writeFile(join(path, ".opening", `${NO_PROCESS}-1-0`), "");
    await utimes(join(path, ".opening", `${NO_PROCESS}-1-0`), new Date(0), new Date(0));
    const provider = await LmdbPersistenceProvider.open({ path });
    await provider.createMessageJournal().append("a", 1);
    await provider.close();
    assert.deepEqual((await readdir(path)).sort(), ["data.mdb", "lock.mdb"]);
  }));

test("opening: waits for a commit of a process that is alive", () =>
  withDirectory(async (directory) => {
    const path = join(directory, "data");
    await mkdir(path);
    const slot = join(path, `.writer-${process.ppid}-1-0`);
    await writeFile(slot, new Uint8Array([1]));
    let isOpen = false;
    const opening = LmdbPersistenceProvider.open({ path }).then((provider) => {
      isOpen = true;
      return provider;
    });
    await new Promise((resolve) => setTimeout(resolve, 100));
    assert.equal(isOpen, false);
    await writeFile(slot, new Uint8Array([0]));
    await (await opening).close();
  }));

test("opening: commits wait while another process opens", () =>
  withDirectory(async (path) => {
    await using provider = await LmdbPersistenceProvider.open({ path });
    const journal = provider.createMessageJournal<number>();
    await mkdir(join(path, ".opening"));
    const gate = join(path, ".opening", `${process.ppid}-1-0`);
    await writeFile(gate, "");
    let isAppended = false;
    const appended = journal.append("a", 1).then((number) => {
      isAppended = true;
      return number;
    });
    await new Promise((resolve) => setTimeout(resolve, 100));
    assert.equal(isAppended, false);
    // Its owner has died: then nobody is waited for.
    await rename(gate, join(path, ".opening", `${NO_PROCESS}-1-0`));
    assert.equal(await appended, 0);
  }));

test("opening: whoever takes away what the dead have left takes nothing of the living", () =>
  withDirectory(async (path) => {
    await using provider = await LmdbPersistenceProvider.open({ path });
    await mkdir(join(path, ".opening"));
    const living = join(path, ".opening", `${process.ppid}-1-0`);
    await writeFile(join(path, ".opening", `${NO_PROCESS}-1-0`), "");
    await writeFile(living, "");
    const appended = provider.createMessageJournal<number>().append("a", 1);
    await new Promise((resolve) => setTimeout(resolve, 100));
    assert.deepEqual(await readdir(join(path, ".opening")), [`${process.ppid}-1-0`]);
    await rm(living);
    assert.equal(await appended, 0);
  }));
