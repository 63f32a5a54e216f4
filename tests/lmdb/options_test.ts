import assert from "node:assert/strict";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import {
  LmdbEnvironmentManager,
  type LmdbEnvironmentOptions,
  LmdbPersistenceProvider,
} from "../../adapters/lmdb/mod.ts";
import { assertRefused } from "../conformance/fixture.ts";
import { test } from "../harness.ts";
import { withDirectory } from "./support_directory.ts";

const NO_INTEGERS: readonly unknown[] = [NaN, Infinity, -Infinity, 1.5, 2 ** 53];

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
    outOfRange: [...NO_INTEGERS, -1, 0, 2 ** 20 - 1, 2 ** 44 + 1],
  },
  {
    name: "maxDbs",
    ofWrongType: [null, "100", true],
    outOfRange: [...NO_INTEGERS, -1, 0, 3, 65_536],
  },
  {
    name: "maxReaders",
    ofWrongType: [null, "126", []],
    outOfRange: [...NO_INTEGERS, -1, 0, 65_536],
  },
  { name: "readOnly", ofWrongType: [null, 0, 1, "true", {}], outOfRange: [] },
  {
    name: "durability",
    ofWrongType: [null, 1, true, {}],
    outOfRange: ["", "FULL", "strict", "toString"],
  },
  { name: "verifyOnOpen", ofWrongType: [null, 0, 1, "false"], outOfRange: [] },
  {
    name: "commitTimeoutMs",
    ofWrongType: [null, "30000", {}],
    outOfRange: [...NO_INTEGERS, -1, 0, 2 ** 31],
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

test("options: those that are no object are refused", async () => {
  for (const options of [undefined, null, "data", 7]) {
    const open = () => LmdbEnvironmentManager.open(options as unknown as LmdbEnvironmentOptions);
    await assertRefused(open, "type");
  }
});

const LIMITS: readonly Partial<LmdbEnvironmentOptions>[] = [
  { mapSize: 2 ** 20, maxDbs: 4, maxReaders: 1, commitTimeoutMs: 2 ** 31 - 1 },
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
