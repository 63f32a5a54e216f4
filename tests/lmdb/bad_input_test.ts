import assert from "node:assert/strict";
import { chmod, lstat, mkdir, readdir, rmdir, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { LmdbPersistenceProvider, type LmdbProviderOptions } from "../../adapters/lmdb/mod.ts";
import type { PersistenceErrorCode } from "../../core/errors/persistence_error.ts";
import { assertFails } from "../conformance/fixture.ts";
import { test } from "../harness.ts";
import { Child } from "../processes/child.ts";
import {
  obeyingFileModes,
  type Restriction,
  withReadOnlyFileSystem,
} from "../processes/restrictions.ts";
import { withDirectory } from "../temporary_directory.ts";
import type { Attempt } from "./children/opener.ts";

interface BadPlace {
  readonly name: string;
  /** Makes the place in a directory, and returns the path to open. */
  prepare(directory: string): Promise<string>;
}

const BAD_PLACES: readonly BadPlace[] = [
  {
    name: "a file",
    async prepare(directory) {
      await writeFile(join(directory, "file"), "text");
      return join(directory, "file");
    },
  },
  {
    name: "a path below a file",
    async prepare(directory) {
      await writeFile(join(directory, "file"), "text");
      return join(directory, "file", "below", "it");
    },
  },
  {
    name: "a link that leads nowhere",
    async prepare(directory) {
      await symlink(join(directory, "nowhere"), join(directory, "link"));
      return join(directory, "link");
    },
  },
  {
    name: "a link that leads to itself",
    async prepare(directory) {
      await symlink(join(directory, "link"), join(directory, "link"));
      return join(directory, "link", "data");
    },
  },
  {
    name: "a name that is too long",
    prepare: (directory) => Promise.resolve(join(directory, "x".repeat(300))),
  },
  {
    name: "a directory whose data file is a directory",
    async prepare(directory) {
      await mkdir(join(directory, "data", "data.mdb"), { recursive: true });
      return join(directory, "data");
    },
  },
];

for (const { name, prepare } of BAD_PLACES) {
  for (const readOnly of [false, true]) {
    test(`bad input: ${name}${readOnly ? ", read-only" : ""}`, () =>
      withDirectory(async (directory) => {
        const path = await prepare(directory);
        const before = await contentOf(directory);
        const error = await assertFails(
          () => LmdbPersistenceProvider.open({ path, readOnly }),
          "OPEN_FAILED",
        );
        assert.ok(error.message.includes(`"${path}"`), error.message);
        assert.deepEqual(await contentOf(directory), before);
      }));
  }
}

test("bad input: a lock file that is a directory", () =>
  withDirectory(async (path) => {
    await mkdir(join(path, "lock.mdb"));
    const before = await contentOf(path);
    const error = await assertFails(() => LmdbPersistenceProvider.open({ path }), "OPEN_FAILED");
    assert.ok(error.message.includes(path), error.message);
    assert.deepEqual(await contentOf(path), before);
  }));

test("bad input: what failed to open can be opened once the cause is gone", () =>
  withDirectory(async (directory) => {
    const path = join(directory, "data");
    for (const name of ["data.mdb", "lock.mdb"]) {
      const file = join(path, name);
      await mkdir(file, { recursive: true });
      await assertFails(() => LmdbPersistenceProvider.open({ path }), "OPEN_FAILED");
      await rmdir(file);
    }
    await using provider = await LmdbPersistenceProvider.open({ path });
    assert.equal(await provider.isHealthy(), true);
  }));

/** What happens to a process that must obey the modes of files. */
interface RefusedPlace {
  readonly name: string;
  /** Takes rights away from a directory with a database in "data" and a directory "empty". */
  prepare(directory: string): Promise<void>;
  readonly path?: string;
  readonly options?: Partial<LmdbProviderOptions>;
  /** The code of the error, or what reading and writing returns. */
  readonly outcome: PersistenceErrorCode | "read old, wrote 1" | "read old, wrote READ_ONLY";
}

const REFUSED_PLACES: readonly RefusedPlace[] = [
  {
    name: "a directory that may not be searched",
    prepare: (directory) => chmod(join(directory, "data"), 0),
    outcome: "PERMISSION_DENIED",
  },
  {
    name: "a directory below one that may not be searched",
    prepare: (directory) => chmod(directory, 0),
    outcome: "PERMISSION_DENIED",
  },
  {
    name: "a new directory in one that may not be written",
    prepare: (directory) => chmod(directory, 0o500),
    path: join("new", "data"),
    outcome: "PERMISSION_DENIED",
  },
  {
    name: "a new database in a directory that may not be written",
    prepare: (directory) => chmod(join(directory, "empty"), 0o500),
    path: "empty",
    outcome: "PERMISSION_DENIED",
  },
  {
    name: "a data file that may not be read",
    prepare: (directory) => chmod(join(directory, "data", "data.mdb"), 0),
    outcome: "PERMISSION_DENIED",
  },
  {
    name: "a data file that may not be read, unverified",
    prepare: (directory) => chmod(join(directory, "data", "data.mdb"), 0),
    options: { verifyOnOpen: "none" },
    outcome: "PERMISSION_DENIED",
  },
  {
    name: "a data file that may not be written",
    prepare: (directory) => chmod(join(directory, "data", "data.mdb"), 0o400),
    outcome: "PERMISSION_DENIED",
  },
  {
    name: "a data file that may not be written, read-only",
    prepare: (directory) => chmod(join(directory, "data", "data.mdb"), 0o400),
    options: { readOnly: true },
    outcome: "read old, wrote READ_ONLY",
  },
  {
    name: "a lock file that may not be written",
    prepare: (directory) => chmod(join(directory, "data", "lock.mdb"), 0o400),
    outcome: "PERMISSION_DENIED",
  },
  {
    name: "a lock file that may not be written, read-only",
    prepare: (directory) => chmod(join(directory, "data", "lock.mdb"), 0o400),
    options: { readOnly: true },
    outcome: "PERMISSION_DENIED",
  },
  {
    name: "a directory that may not be written but whose files may",
    prepare: (directory) => chmod(join(directory, "data"), 0o500),
    outcome: "PERMISSION_DENIED",
  },
];

testWith(
  obeyingFileModes,
  "bad input: what the modes of files do not allow",
  () =>
    withDirectory(async (root) => {
      const places: (RefusedPlace & { directory: string; opened: string; before: string[] })[] = [];
      for (const place of REFUSED_PLACES) {
        const directory = join(root, `${places.length}`);
        await makeDatabase(directory);
        const before = await contentOf(directory);
        const opened = join(directory, place.path ?? "data");
        await place.prepare(directory);
        places.push({ ...place, directory, opened, before });
      }
      // One child for all attempts: starting one takes longer than all that it does.
      const attempts = places.map(({ opened, options }) => ({ path: opened, ...options }));
      const results = await openIn(obeyingFileModes, attempts);
      for (const { directory } of places) await giveAllRights(directory);

      for (const [index, { name, outcome, directory, opened, before }] of places.entries()) {
        const { outcome: actual, message } = results[index] ?? {};
        assert.equal(actual, outcome, `${name}: ${message}`);
        if (message === undefined) continue;
        assert.ok(message.includes(`"${opened}"`), message);
        assert.deepEqual(await contentOf(directory), before, name);
      }
    }),
);

testWith(
  withReadOnlyFileSystem(tmpdir()),
  "bad input: a read-only file system",
  () =>
    withDirectory(async (directory) => {
      await makeDatabase(directory);
      const before = await contentOf(directory);
      const path = join(directory, "data");
      const refused = [path, join(directory, "new"), join(directory, "new", "data")];
      const results = await openIn(withReadOnlyFileSystem(directory), [
        ...refused.map((path) => ({ path })),
        { path, readOnly: true },
      ]);
      for (const [index, path] of refused.entries()) {
        const { outcome, message = "" } = results[index] ?? {};
        assert.equal(outcome, "PERMISSION_DENIED", message);
        assert.match(message, /read-only.*; readOnly: true may work$/i);
        assert.ok(message.includes(`"${path}"`), message);
      }
      assert.equal(results[refused.length]?.outcome, "read old, wrote READ_ONLY");
      assert.deepEqual(await contentOf(directory), before);
    }),
);

/** Registers a test, or a skipped one that says why it cannot run on this machine. */
function testWith({ unavailable }: Restriction, name: string, run: () => Promise<void>): void {
  if (unavailable === undefined) test(name, run);
  else test.skip(`${name} (cannot be arranged here: ${unavailable})`, run);
}

/** Makes a database in "data", and a directory "empty". */
async function makeDatabase(directory: string): Promise<void> {
  await mkdir(join(directory, "empty"), { recursive: true });
  await using provider = await LmdbPersistenceProvider.open({ path: join(directory, "data") });
  await provider.createMessageJournal<string>().append("a", "old");
}

async function giveAllRights(directory: string): Promise<void> {
  await chmod(directory, 0o700);
  for (const name of await readdir(directory)) await chmod(join(directory, name), 0o700);
}

async function openIn(
  restriction: Restriction,
  attempts: readonly LmdbProviderOptions[],
): Promise<Attempt[]> {
  await using child = new Child("lmdb/children/opener", { attempts }, restriction);
  const results: Attempt[] = [];
  while (results.length < attempts.length) results.push(await child.report<Attempt>());
  return results;
}

/** The paths and sizes of everything in a directory. `readdir` of Bun follows links. */
async function contentOf(directory: string): Promise<string[]> {
  const content = [];
  for (const name of (await readdir(directory)).sort()) {
    const path = join(directory, name);
    const stats = await lstat(path);
    content.push(`${path} ${stats.size}`, ...(stats.isDirectory() ? await contentOf(path) : []));
  }
  return content;
}
