import assert from "node:assert/strict";
import { chmod, mkdir, readdir, stat, symlink } from "node:fs/promises";
import { join, relative } from "node:path";
import process from "node:process";
import {
  LmdbEnvironmentManager,
  type LmdbEnvironmentOptions,
  LmdbPersistenceProvider,
} from "../../adapters/lmdb/mod.ts";
import { JsonCodec } from "../../core/codec/json_codec.ts";
import { assertFails } from "../conformance/fixture.ts";
import { test } from "../harness.ts";
import { withDirectory } from "../temporary_directory.ts";

const MIB = 2 ** 20;

test("environment: defaults", () =>
  withDirectory(async (path) => {
    await using environment = await LmdbEnvironmentManager.open({ path });
    assert.deepEqual(environment.shared.options, {
      path: environment.path,
      mapSize: 10 * 2 ** 30,
      maxDbs: 100,
      maxReaders: 126,
      readOnly: false,
      durability: "full",
      verifyOnOpen: "bounded",
      commitTimeoutMs: 30_000,
    });
    assert.equal(environment.mapSize, 10 * 2 ** 30);
    assert.equal(environment.readOnly, false);
    assert.equal(environment.durability, "full");
  }));

test("environment: a path opened twice is one environment, with two references", () =>
  withDirectory(async (path) => {
    const first = await LmdbEnvironmentManager.open({ path });
    const second = await LmdbEnvironmentManager.open({ path });
    assert.equal(second.shared, first.shared);
    assert.equal(first.shared.references, 2);

    await first.close();
    assert.equal(second.shared.references, 1);
    assert.equal(await isWorking(second), true);
    await second.close();
    assert.equal(second.shared.references, 0);
  }));

test("environment: a path is the same through a link and relative to the working directory", () =>
  withDirectory(async (directory) => {
    const path = join(directory, "real");
    await using first = await LmdbEnvironmentManager.open({ path });
    await symlink(path, join(directory, "link"));
    for (
      const other of [
        join(directory, "link"),
        relative(process.cwd(), path),
        `${path}/`,
        join(directory, "nothing", "..", "real"),
        `${directory}//./real`,
      ]
    ) {
      await using second = await LmdbEnvironmentManager.open({ path: other });
      assert.equal(second.shared, first.shared, other);
      assert.equal(second.path, first.path, other);
    }
  }));

test("environment: different paths are different environments", () =>
  withDirectory(async (directory) => {
    await using first = await LmdbEnvironmentManager.open({ path: join(directory, "1") });
    await using second = await LmdbEnvironmentManager.open({ path: join(directory, "2") });
    assert.notEqual(second.shared, first.shared);
  }));

test("environment: opened many times at once, it is opened once", () =>
  withDirectory(async (directory) => {
    const path = join(directory, "new");
    const opened = await Promise.all(
      Array.from({ length: 20 }, () => LmdbEnvironmentManager.open({ path })),
    );
    for (const { shared } of opened) assert.equal(shared, opened[0]?.shared);
    assert.equal(opened[0]?.shared.references, 20);
    await Promise.all(opened.map((environment) => environment.close()));
    assert.equal(opened[0].shared.references, 0);
  }));

test("environment: opened while its last user is closing it, it is opened anew", () =>
  withDirectory(async (path) => {
    for (let round = 0; round < 5; round++) {
      const provider = await LmdbPersistenceProvider.open({ path });
      const appended = provider.createMessageJournal<number>().append("a", round);
      const closing = provider.close();
      await using reopened = await LmdbPersistenceProvider.open({ path });
      await closing;
      assert.equal(await appended, round);
      const entries = await reopened.createMessageJournal<number>().readFrom("a", 0);
      assert.deepEqual(entries.map(({ message }) => message), [0, 1, 2, 3, 4].slice(0, round + 1));
    }
  }));

test("environment: opens and closes of one path in any interleaving", () =>
  withDirectory(async (path) => {
    const opening: Promise<LmdbEnvironmentManager>[] = [];
    const closing: Promise<void>[] = [];
    for (let round = 0; round < 12; round++) {
      const opened = LmdbEnvironmentManager.open({ path });
      opening.push(opened);
      if (round % 3 !== 0) closing.push(opened.then((environment) => environment.close()));
      if (round % 4 === 0) await opened;
    }
    const environments = await Promise.all(opening);
    await Promise.all(closing);
    const open = environments.filter(({ isUsable }) => isUsable);
    assert.equal(open.length, 4);
    for (const environment of open) assert.equal(environment.shared, open[0]?.shared);
    assert.equal(open[0]?.shared.references, 4);
    for (const environment of environments) await environment.close();
  }));

test("environment: closed in any order, those that are still open work", () =>
  withDirectory(async (path) => {
    for (const order of [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]]) {
      const providers = [];
      for (let count = 0; count < 3; count++) {
        providers.push(await LmdbPersistenceProvider.open({ path, durability: "none" }));
      }
      for (const [closed, index] of order.entries()) {
        await providers[index]?.close();
        const healthy: boolean[] = await Promise.all(
          providers.map((provider) => provider.isHealthy()),
        );
        assert.equal(healthy.filter(Boolean).length, 2 - closed, `order ${order}`);
      }
    }
  }));

test("environment: closing it twice counts once", () =>
  withDirectory(async (path) => {
    const first = await LmdbEnvironmentManager.open({ path });
    await using second = await LmdbEnvironmentManager.open({ path });
    await Promise.all([first.close(), first.close()]);
    await first[Symbol.asyncDispose]();
    assert.equal(second.shared.references, 1);
    assert.equal(await isWorking(second), true);
  }));

test("environment: it is usable until it is closed", () =>
  withDirectory(async (path) => {
    const first = await LmdbEnvironmentManager.open({ path });
    await using second = await LmdbEnvironmentManager.open({ path });
    assert.equal(first.isUsable, true);
    const closing = first.close();
    assert.equal(first.isUsable, false);
    await closing;
    assert.equal(first.isUsable, false);
    assert.equal(second.isUsable, true);
  }));

const others: Partial<LmdbEnvironmentOptions>[] = [
  { mapSize: 3 * MIB },
  { maxDbs: 9 },
  { maxReaders: 9 },
  { readOnly: true },
  { durability: "relaxed" },
  { durability: "none" },
  { commitTimeoutMs: 9 },
];
for (const other of others) {
  const [name = "", value] = Object.entries(other)[0] ?? [];
  test(`environment: opened again with another ${name} (${value}), it is refused`, () =>
    withDirectory(async (path) => {
      const first = await LmdbEnvironmentManager.open({ path });
      const error = await assertFails(
        () => LmdbEnvironmentManager.open({ path, ...other }),
        "OPTIONS_MISMATCH",
      );
      assert.match(error.message, new RegExp(`with ${name} .*, not ${value}`));
      assert.ok(error.message.includes(path), error.message);
      assert.equal(first.shared.references, 1);
      await first.close();
      // The refused one is not a user, so this opens the path anew.
      await using second = await LmdbEnvironmentManager.open({ path, ...other });
      assert.notEqual(second.shared, first.shared);
    }));
}

test("environment: its users need not agree on verifyOnOpen", () =>
  withDirectory(async (path) => {
    await using first = await LmdbEnvironmentManager.open({ path });
    await using second = await LmdbEnvironmentManager.open({ path, verifyOnOpen: "none" });
    assert.equal(second.shared, first.shared);
  }));

test("environment: more address space than there is cannot be reserved", () =>
  withDirectory(async (directory) => {
    const open = (name: string) =>
      LmdbEnvironmentManager.open({ path: join(directory, name), mapSize: 2 ** 44 });
    const first = await open("1");
    await using _second = await open("2");
    const error = await assertFails(() => open("3"), "OPEN_FAILED");
    assert.match(error.message, /address space/);
    await first.close();
    await using _third = await open("3");
  }));

test("environment: a provider that fails to open closes it", () =>
  withDirectory(async (path) => {
    await (await LmdbPersistenceProvider.open({ path })).close();
    await assertFails(
      () => LmdbPersistenceProvider.open({ path, codec: new JsonCodec() }),
      "CODEC_MISMATCH",
    );
    await using environment = await LmdbEnvironmentManager.open({ path, maxReaders: 9 });
    assert.equal(environment.shared.references, 1);
  }));

test("environment: directories are created for their owner only", () =>
  withDirectory(async (directory) => {
    const created = ["a", join("a", "b"), join("a", "b", "c")];
    await (await LmdbEnvironmentManager.open({ path: join(directory, "a", "b", "c") })).close();
    for (const name of created) assert.equal(await modeOf(join(directory, name)), 0o700, name);
  }));

test("environment: the mode of an existing directory is kept", () =>
  withDirectory(async (directory) => {
    const path = join(directory, "shared");
    await mkdir(path);
    await chmod(path, 0o755);
    await (await LmdbEnvironmentManager.open({ path })).close();
    assert.equal(await modeOf(path), 0o755);
  }));

test("environment: read-only, stored data can be read and nothing can be written", () =>
  withDirectory(async (path) => {
    {
      await using provider = await LmdbPersistenceProvider.open({ path });
      await provider.createMessageJournal<string>().append("a", "stored");
      await provider.createSnapshotStore<string>().saveSnapshot("a", "state", 0);
    }
    const before = await contentOf(path);
    {
      await using provider = await LmdbPersistenceProvider.open({ path, readOnly: true });
      const journal = provider.createMessageJournal<string>();
      const snapshots = provider.createSnapshotStore<string>();
      assert.equal((await journal.readFrom("a", 0))[0]?.message, "stored");
      assert.equal((await snapshots.getLatestSnapshot("a"))?.state, "state");
      assert.equal(await provider.isHealthy(), true);
      await provider.sync();
      await assertFails(() => journal.append("a", "more"), "READ_ONLY");
      await assertFails(() => journal.truncateBefore("a", 1), "READ_ONLY");
      await assertFails(() => snapshots.saveSnapshot("a", "more", 1), "READ_ONLY");
      await assertFails(() => snapshots.deleteSnapshots("a"), "READ_ONLY");
    }
    assert.deepEqual(await contentOf(path), before);
  }));

test("environment: read-only, a database that is still being created is refused", () =>
  withDirectory(async (path) => {
    const { open } = await import("lmdb");
    await open({ path, noSubdir: false, overlappingSync: false }).close();
    const readOnly = () => LmdbPersistenceProvider.open({ path, readOnly: true });
    const error = await assertFails(readOnly, "OPEN_FAILED");
    assert.match(error.message, /it has no database "meta" yet$/);
    await (await LmdbPersistenceProvider.open({ path })).close();
    await using provider = await readOnly();
    assert.deepEqual(await provider.createMessageJournal().readFrom("a", 0), []);
  }));

for (const name of ["missing", "empty"]) {
  test(`environment: read-only, a directory that is ${name} is left so`, () =>
    withDirectory(async (directory) => {
      const path = join(directory, "data");
      if (name === "empty") await mkdir(path);
      const error = await assertFails(
        () => LmdbPersistenceProvider.open({ path, readOnly: true }),
        "OPEN_FAILED",
      );
      assert.ok(error.message.includes(path), error.message);
      const expected = name === "empty" ? ["data"] : [];
      assert.deepEqual(await readdir(directory, { recursive: true }), expected);
    }));
}

for (const durability of ["full", "relaxed", "none"] as const) {
  test(`environment: durability "${durability}" works, and so does sync`, () =>
    withDirectory(async (path) => {
      {
        await using provider = await LmdbPersistenceProvider.open({ path, durability });
        const journal = provider.createMessageJournal<number>();
        const appended = [journal.append("a", 0), journal.append("a", 1)];
        await provider.sync();
        assert.deepEqual(await Promise.all(appended), [0, 1]);
        await journal.append("a", 2);
        await provider.sync();
      }
      await using provider = await LmdbPersistenceProvider.open({ path });
      const entries = await provider.createMessageJournal<number>().readFrom("a", 0);
      assert.deepEqual(entries.map(({ message }) => message), [0, 1, 2]);
    }));
}

test("environment: it works without verification", () =>
  withDirectory(async (path) => {
    for (let round = 0; round < 2; round++) {
      await using provider = await LmdbPersistenceProvider.open({ path, verifyOnOpen: "none" });
      assert.equal(await provider.createMessageJournal().append("a", round), round);
    }
  }));

async function isWorking(environment: LmdbEnvironmentManager): Promise<boolean> {
  const key = Uint8Array.of(1);
  const put = { type: "put", keyspace: "meta", key, value: key, version: 7 } as const;
  const [applied] = await environment.shared.commit([{ conditions: [], changes: [put] }]);
  return applied === true && environment.shared.get("meta", key)?.version === 7;
}

async function modeOf(path: string): Promise<number> {
  return (await stat(path)).mode & 0o777;
}

/** The names and sizes of the files. Reading changes lock.mdb: readers register in it. */
async function contentOf(path: string): Promise<[string, number, number][]> {
  const names = (await readdir(path)).filter((name) => name !== "lock.mdb").sort();
  return await Promise.all(names.map(async (name): Promise<[string, number, number]> => {
    const { size, mtimeMs } = await stat(join(path, name));
    return [name, size, mtimeMs];
  }));
}
