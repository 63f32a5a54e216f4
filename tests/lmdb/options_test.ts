import assert from "node:assert/strict";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { open } from "lmdb";
import {
  LmdbEnvironmentManager,
  type LmdbEnvironmentOptions,
  LmdbPersistenceProvider,
  type LmdbProviderOptions,
} from "../../adapters/lmdb/mod.ts";
import { KEYSPACES } from "../../core/ports/storage.ts";
import { assertRefused } from "../conformance/fixture.ts";
import { test } from "../harness.ts";
import { withDirectory } from "../temporary_directory.ts";

const NOT_INTEGERS: readonly unknown[] = [NaN, Infinity, -Infinity, 1.5, 2 ** 53];

/** Values that an option must not have: of a wrong type, and out of range. */
interface BadValues {
  readonly name: keyof LmdbEnvironmentOptions;
  readonly ofWrongType: readonly unknown[];
  readonly outOfRange: readonly unknown[];
}

const OPTIONS: readonly BadValues[] = [
  {
    name: "path",
    ofWrongType: [undefined, null, 7, {}, ["data"], new URL("file:///data")],
    outOfRange: ["", "\0", "da\0ta"],
  },
  {
    name: "mapSize",
    ofWrongType: [null, "1048576", 10n, {}],
    outOfRange: [...NOT_INTEGERS, -1, 0, 2 ** 20 - 1, 2 ** 44 + 1],
  },
  {
    name: "maxDbs",
    ofWrongType: [null, "100", true],
    outOfRange: [...NOT_INTEGERS, -1, 0, 3, 65_536],
  },
  {
    name: "maxReaders",
    ofWrongType: [null, "126", []],
    outOfRange: [...NOT_INTEGERS, -1, 0, 65_536],
  },
  { name: "readOnly", ofWrongType: [null, 0, 1, "true", {}], outOfRange: [] },
  {
    name: "durability",
    ofWrongType: [null, 1, true, {}],
    outOfRange: ["", "FULL", "strict", "toString"],
  },
  {
    name: "verifyOnOpen",
    ofWrongType: [null, 1, true, false, {}],
    outOfRange: ["", "Full", "fast", "true", "toString"],
  },
  {
    name: "commitTimeoutMs",
    ofWrongType: [null, "30000", {}],
    outOfRange: [...NOT_INTEGERS, -1, 0, 2 ** 31],
  },
];

for (const { name, ofWrongType, outOfRange } of OPTIONS) {
  test(`options: bad values of ${name} are refused and nothing is created`, () =>
    withDirectory(async (directory) => {
      const path = join(directory, "data");
      const refuse = async (value: unknown, type: "type" | "range") => {
        // As a caller without type checks would pass it.
        const options = { path, [name]: value } as LmdbEnvironmentOptions;
        for (const opened of [LmdbEnvironmentManager, LmdbPersistenceProvider]) {
          const error = await assertRefused(() => opened.open(options), type);
          assert.ok(error.message.includes(name), error.message);
        }
      };
      for (const value of ofWrongType) await refuse(value, "type");
      for (const value of outOfRange) await refuse(value, "range");
      assert.deepEqual(await readdir(directory), []);
    }));
}

test("options: anything but an object is refused", async () => {
  for (const options of [undefined, null, "data", 7]) {
    const open = () => LmdbEnvironmentManager.open(options as unknown as LmdbEnvironmentOptions);
    await assertRefused(open, "type");
  }
});

const BOTH = [LmdbEnvironmentManager, LmdbPersistenceProvider];
const MISSPELT: readonly [name: string, meant: string, openers: typeof BOTH][] = [
  ["durabilty", "durability", BOTH],
  ["durabilities", "durability", BOTH],
  ["mapsize", "mapSize", BOTH],
  ["maxDBs", "maxDbs", BOTH],
  ["maxReader", "maxReaders", BOTH],
  ["readonly", "readOnly", BOTH],
  ["verfiyOnOpen", "verifyOnOpen", BOTH],
  ["commitTimeout", "commitTimeoutMs", BOTH],
  ["pth", "path", BOTH],
  ["codecs", "codec", [LmdbPersistenceProvider]],
  ["maxMesageBytes", "maxMessageBytes", [LmdbPersistenceProvider]],
];
for (const [name, meant, openers] of MISSPELT) {
  test(`options: "${name}" is refused, "${meant}" is named, and nothing is created`, () =>
    withDirectory(async (directory) => {
      const options = { path: join(directory, "data"), [name]: "none" };
      for (const opened of openers) {
        const { message } = await assertRefused(() => opened.open(options), "type");
        assert.equal(
          message,
          `Cannot open LMDB environment: there is no option "${name}", do you mean "${meant}"?`,
        );
      }
      assert.deepEqual(await readdir(directory), []);
    }));
}

test("options: those of a provider are none of an environment", () =>
  withDirectory(async (directory) => {
    const options: LmdbProviderOptions = { path: join(directory, "data"), maxPendingMessages: 5 };
    const { message } = await assertRefused(() => LmdbEnvironmentManager.open(options), "type");
    const known = OPTIONS.map(({ name }) => `"${name}"`).join(", ");
    assert.ok(message.endsWith(`"maxPendingMessages", the options are ${known}`), message);
    assert.deepEqual(await readdir(directory), []);
    await (await LmdbPersistenceProvider.open(options)).close();
  }));

test("options: a bad one of a provider is refused before anything is created", () =>
  withDirectory(async (directory) => {
    const path = join(directory, "data");
    const open = (options: object) => LmdbPersistenceProvider.open({ path, ...options });
    await assertRefused(() => open({ maxPendingMessages: 0 }), "range");
    await assertRefused(() => open({ codec: {} }), "type");
    assert.deepEqual(await readdir(directory), []);
  }));

const REACHING: readonly [Partial<LmdbEnvironmentOptions>, mapSize: number, maxDbs: number][] = [
  [{}, 10 * 2 ** 30, 100],
  [{ mapSize: 2 ** 21, maxDbs: 7 }, 2 ** 21, 7],
  [{ mapSize: 2 ** 44, maxDbs: 300 }, 2 ** 44, 300],
];
for (const [options, mapSize, maxDbs] of REACHING) {
  test(`options: mapSize and maxDbs reach LMDB: ${JSON.stringify(options)}`, () =>
    withDirectory(async (path) => {
      await using environment = await LmdbEnvironmentManager.open({ path, ...options });
      assert.equal(environment.mapSize, mapSize);
      // `lmdb` opens a path only once in a process, so this shows what it was opened with before.
      const root = open({ path, noSubdir: false, overlappingSync: false });
      try {
        assert.equal(Reflect.get(root.getStats(), "mapSize"), mapSize);
        for (let count = KEYSPACES.length; count < maxDbs; count++) root.openDB(`${count}`, {});
        assert.throws(() => root.openDB("one more", {}), /MDB_DBS_FULL/);
      } finally {
        await root.close();
      }
    }));
}

const LIMITS: readonly Partial<LmdbEnvironmentOptions>[] = [
  { mapSize: 2 ** 20, maxDbs: KEYSPACES.length, maxReaders: 1, commitTimeoutMs: 2 ** 31 - 1 },
  { mapSize: 2 ** 44, maxDbs: 65_535, maxReaders: 65_535, commitTimeoutMs: 20_000 },
];
for (const options of LIMITS) {
  test(`options: the limits themselves work: ${JSON.stringify(options)}`, () =>
    withDirectory(async (path) => {
      await using provider = await LmdbPersistenceProvider.open({ path, ...options });
      assert.equal(await provider.createMessageJournal().append("a", 1), 0);
      assert.equal((await provider.stats()).storage.limitBytes, options.mapSize);
    }));
}

test("options: undefined stands for the default", () =>
  withDirectory(async (path) => {
    const options: { [Name in keyof LmdbEnvironmentOptions]: unknown } = {
      path,
      mapSize: undefined,
      maxDbs: undefined,
      maxReaders: undefined,
      readOnly: undefined,
      durability: undefined,
      verifyOnOpen: undefined,
      commitTimeoutMs: undefined,
    };
    await using environment = await LmdbEnvironmentManager.open(options as LmdbEnvironmentOptions);
    await using other = await LmdbEnvironmentManager.open({ path });
    assert.equal(environment.shared, other.shared);
  }));
