import assert from "node:assert/strict";
import {
  chmod,
  copyFile,
  link,
  mkdir,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  symlink,
  truncate,
  writeFile,
} from "node:fs/promises";
import { constants } from "node:os";
import { join } from "node:path";
import { LmdbPersistenceProvider } from "../../adapters/lmdb/mod.ts";
import { assertFails } from "../conformance/fixture.ts";
import { compileShim, shimUnavailable } from "../faults/shim.ts";
import { test } from "../harness.ts";
import { Child } from "../processes/child.ts";
import { withLimit } from "../processes/restrictions.ts";
import { withDirectory } from "../temporary_directory.ts";
import type { Attempt } from "./children/opener.ts";

interface SharedFile {
  readonly name: string;
  /** Shares a file of the database in "data" with another directory. */
  share(directory: string): Promise<void>;
  /** Which of the directories cannot be opened. */
  readonly refused: readonly string[];
  readonly reason: RegExp;
}

const SHARED_FILES: readonly SharedFile[] = [
  {
    name: "a data file that is a symbolic link",
    share: (directory) => shareFile(symlink, directory, "data.mdb"),
    refused: ["other"],
    reason: /data\.mdb is a symbolic link/,
  },
  {
    name: "a data file that is a symbolic link which leads nowhere",
    async share(directory) {
      await mkdir(join(directory, "other"));
      await symlink(join(directory, "nothing"), join(directory, "other", "data.mdb"));
    },
    refused: ["other"],
    reason: /data\.mdb is a symbolic link/,
  },
  {
    name: "a data file with a hard link in another directory",
    share: (directory) => shareFile(link, directory, "data.mdb"),
    refused: ["data", "other"],
    reason: /data\.mdb has 2 names/,
  },
  {
    name: "a data file with a hard link in its own directory",
    share: (directory) =>
      link(join(directory, "data", "data.mdb"), join(directory, "data", "copy.mdb")),
    refused: ["data"],
    reason: /data\.mdb has 2 names/,
  },
  {
    name: "a data file with a hard link in a directory like that of a creator, elsewhere",
    async share(directory) {
      await mkdir(join(directory, ".new-1"));
      await link(join(directory, "data", "data.mdb"), join(directory, ".new-1", "data.mdb"));
      await mkdir(join(directory, "data", ".new-2"));
      await writeFile(join(directory, "data", ".new-2", "data.mdb"), "another");
    },
    refused: ["data"],
    reason: /data\.mdb has 2 names/,
  },
  {
    name: "a lock file that is a symbolic link",
    share: (directory) => shareFile(symlink, directory, "lock.mdb"),
    refused: ["other"],
    reason: /lock\.mdb is a symbolic link/,
  },
  {
    name: "a lock file with a hard link in another directory",
    share: (directory) => shareFile(link, directory, "lock.mdb"),
    refused: ["data", "other"],
    reason: /lock\.mdb has 2 names/,
  },
];

for (const { name, share, refused, reason } of SHARED_FILES) {
  test(`own files: ${name} is refused`, () =>
    withDirectory(async (directory) => {
      const path = join(directory, "data");
      await appendOnce(path);
      await share(directory);
      for (const place of refused) {
        const refusedPath = join(directory, place);
        const before = await readdir(refusedPath);
        for (const readOnly of [false, true]) {
          for (const verifyOnOpen of ["bounded", "none"] as const) {
            const error = await assertFails(
              () => LmdbPersistenceProvider.open({ path: refusedPath, readOnly, verifyOnOpen }),
              "OPEN_FAILED",
            );
            assert.match(error.message, reason);
            assert.ok(error.message.includes(`"${refusedPath}"`), error.message);
          }
        }
        assert.deepEqual(await readdir(refusedPath), before);
      }
    }));
}

test("own files: one that another process has open cannot be opened by another name", () =>
  withDirectory(async (directory) => {
    const path = join(directory, "data");
    await using provider = await LmdbPersistenceProvider.open({ path });
    const journal = provider.createMessageJournal<string>();
    await journal.append("a", "first");
    await shareFile(link, directory, "data.mdb");
    const { outcome } = await openInChild(join(directory, "other"));
    assert.equal(outcome, "OPEN_FAILED");
    assert.equal(await journal.append("a", "second"), 1);
    // Those that have it open go on, and it can be opened again without its second name.
    await rm(join(directory, "other"), { recursive: true });
    assert.equal((await openInChild(path)).outcome, "read first, wrote 2");
  }));

test("own files: a copy is another database", () =>
  withDirectory(async (directory) => {
    await appendOnce(join(directory, "data"));
    await shareFile(copyFile, directory, "data.mdb");
    for (const place of ["data", "other"]) {
      assert.equal(await appendOnce(join(directory, place)), 1);
    }
  }));

test("own files: a directory that is a link, or was renamed, is opened", () =>
  withDirectory(async (directory) => {
    const path = join(directory, "data");
    await appendOnce(path);
    await symlink(path, join(directory, "link"));
    assert.equal(await appendOnce(join(directory, "link")), 1);
    await rename(path, join(directory, "renamed"));
    assert.equal(await appendOnce(join(directory, "renamed")), 2);
  }));

test("own files: the second name that a killed creator has left is removed", () =>
  withDirectory(async (path) => {
    await appendOnce(path);
    await mkdir(join(path, ".new-killed"));
    await link(join(path, "data.mdb"), join(path, ".new-killed", "data.mdb"));
    await writeFile(join(path, ".new-killed", "lock.mdb"), "");
    {
      await using provider = await LmdbPersistenceProvider.open({ path, readOnly: true });
      assert.equal(await provider.isHealthy(), true);
    }
    assert.ok((await readdir(path)).includes(".new-killed"), "a reader has removed it");
    assert.equal(await appendOnce(path), 1);
    assert.deepEqual((await readdir(path)).sort(), ["data.mdb", "lock.mdb"]);
    assert.equal((await stat(join(path, "data.mdb"))).nlink, 1);
  }));

for (const beside of ["beside its lock file", "without a lock file"]) {
  test(`own files: a data file that was emptied is refused, ${beside}`, () =>
    withDirectory(async (path) => {
      await appendOnce(path);
      await truncate(join(path, "data.mdb"));
      if (beside === "without a lock file") await rm(join(path, "lock.mdb"));
      const before = await readdir(path);
      for (const readOnly of [false, true]) {
        for (const verifyOnOpen of ["bounded", "none"] as const) {
          const error = await assertFails(
            () => LmdbPersistenceProvider.open({ path, readOnly, verifyOnOpen }),
            "OPEN_FAILED",
          );
          assert.match(error.message, /data\.mdb is empty: restore it, or remove it/);
        }
      }
      assert.deepEqual(await readdir(path), before);
      assert.equal((await stat(join(path, "data.mdb"))).size, 0);
      await rm(join(path, "data.mdb"));
      assert.equal(await appendOnce(path), 0);
    }));
}

for (const blocks of [0, 1, 8, 64]) {
  const { unavailable, wrapper } = withLimit(`trap "" XFSZ; ulimit -f ${blocks}`);
  const name = `own files: a creation with room for ${blocks} blocks names the path in its error`;
  testUnless(unavailable, name, () =>
    withDirectory(async (path) => {
      const { outcome, message = "" } = await openInChild(path, wrapper);
      assert.equal(outcome, "OPEN_FAILED");
      assert.ok(message.includes(`LMDB environment at "${path}"`), message);
      assert.deepEqual(await readdir(path), []);
    }));
}

const shimIsUnavailable = shimUnavailable("creation");
for (const code of ["EACCES", "EMLINK", "ENOSYS", "EPERM", "EXDEV"] as const) {
  testUnless(
    shimIsUnavailable,
    `own files: a file system that answers ${code} to a hard link`,
    () =>
      withDirectory(async (directory) => {
        const path = join(directory, "data");
        await mkdir(path);
        const shim = join(directory, "shim.so");
        compileShim("creation", shim);
        const wrapper = ["env", `LD_PRELOAD=${shim}`, `LINK_ERROR=${constants.errno[code]}`];
        assert.deepEqual(await openInChild(path, wrapper), {
          outcome: "read undefined, wrote 0",
        });
        assert.deepEqual((await readdir(path)).sort(), ["data.mdb", "lock.mdb"]);
        assert.equal((await openInChild(path)).outcome, "read new, wrote 1");
      }),
  );
}

testUnless(
  shimIsUnavailable,
  "own files: what a dead creator has not flushed is flushed",
  () =>
    withDirectory(async (directory) => {
      const shim = join(directory, "shim.so");
      compileShim("creation", shim);
      const flushedBy = async (path: string, name: string) => {
        const log = join(directory, name);
        const { outcome } = await openInChild(path, [
          "env",
          `LD_PRELOAD=${shim}`,
          `FLUSH_LOG=${log}`,
        ]);
        assert.match(outcome, /wrote/);
        return new Set((await readFile(log, "utf8")).trim().split("\n"));
      };
      // It has created the directories and died. Only the outermost was there before.
      const existing = join(directory, "existing");
      await mkdir(existing);
      await chmod(existing, 0o755);
      const [outer, path] = [join(existing, "new"), join(existing, "new", "data")];
      await mkdir(outer, { mode: 0o700 });
      await mkdir(path, { mode: 0o700 });
      assert.deepEqual(await flushedBy(path, "1"), new Set([existing, outer, path]));
      // It has created the data file and died, or has not: that cannot be told.
      assert.deepEqual(await flushedBy(path, "2"), new Set([path]));
    }),
);

/** Registers a test, or a skipped one that says why it cannot run on this machine. */
function testUnless(unavailable: string | undefined, name: string, run: () => Promise<void>): void {
  if (unavailable === undefined) test(name, run);
  else test.skip(`${name} (cannot be arranged here: ${unavailable})`, run);
}

/** Gives a file of the database in "data" a place in the directory "other". */
async function shareFile(
  share: (from: string, to: string) => Promise<void>,
  directory: string,
  name: string,
): Promise<void> {
  await mkdir(join(directory, "other"));
  await share(join(directory, "data", name), join(directory, "other", name));
}

async function appendOnce(path: string): Promise<number> {
  await using provider = await LmdbPersistenceProvider.open({ path });
  return await provider.createMessageJournal<string>().append("a", "message");
}

async function openInChild(path: string, wrapper: readonly string[] = []): Promise<Attempt> {
  await using child = new Child("lmdb/children/opener", { attempts: [{ path }] }, { wrapper });
  return await child.report<Attempt>();
}
