import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { open } from "lmdb";
import { LmdbPersistenceProvider } from "../../adapters/lmdb/mod.ts";
import type { PersistenceErrorCode } from "../../core/errors/persistence_error.ts";
import { assertFails } from "../conformance/fixture.ts";
import { randomFrom } from "../conformance/random.ts";
import { test } from "../harness.ts";
import { withDirectory } from "../temporary_directory.ts";

interface ForeignFile {
  readonly name: string;
  /** Puts the file "data.mdb" into a directory. */
  make(path: string): Promise<unknown>;
  readonly code: PersistenceErrorCode;
}

const FOREIGN_FILES: readonly ForeignFile[] = [
  { name: "a text", make: writing(() => "once upon a time ".repeat(1_000)), code: "CORRUPT" },
  { name: "a short text", make: writing(() => "x"), code: "CORRUPT" },
  { name: "zeros", make: writing(() => new Uint8Array(100_000)), code: "CORRUPT" },
  { name: "a page of zeros", make: writing(() => new Uint8Array(4_096)), code: "CORRUPT" },
  { name: "random bytes", make: writing(() => randomBytes(100_000)), code: "CORRUPT" },
  { name: "few random bytes", make: writing(() => randomBytes(100)), code: "CORRUPT" },
  {
    name: "a database of another program",
    make: (path) => writeWithLmdb(path, "cache"),
    code: "UNSUPPORTED_FORMAT",
  },
];
for (const { name, make, code } of FOREIGN_FILES) {
  test(`foreign file: ${name} is refused and left as it is`, () =>
    withDirectory(async (path) => {
      await make(path);
      const before = await readFile(join(path, "data.mdb"));
      for (const readOnly of [false, true]) {
        const error = await assertFails(
          () => LmdbPersistenceProvider.open({ path, readOnly }),
          code,
        );
        assert.ok(error.message.includes(path), error.message);
      }
      assert.deepEqual(await readFile(join(path, "data.mdb")), before);
    }));
}

test("foreign file: databases of another program beside ours are left alone", () =>
  withDirectory(async (path) => {
    await (await LmdbPersistenceProvider.open({ path })).close();
    await writeWithLmdb(path, "cache");
    {
      await using provider = await LmdbPersistenceProvider.open({ path });
      assert.equal(await provider.createMessageJournal().append("a", 1), 0);
    }
    const root = open({ path, noSubdir: false, overlappingSync: false });
    assert.equal(root.openDB("cache", {}).get("key"), "value");
    await root.close();
  }));

function writing(content: () => string | Uint8Array): ForeignFile["make"] {
  return (path) => writeFile(join(path, "data.mdb"), content());
}

function randomBytes(length: number): Uint8Array {
  const random = randomFrom();
  return Uint8Array.from({ length }, () => random.below(256));
}

async function writeWithLmdb(path: string, name: string): Promise<void> {
  const root = open({ path, noSubdir: false, overlappingSync: false });
  await root.openDB(name, {}).put("key", "value");
  await root.close();
}
