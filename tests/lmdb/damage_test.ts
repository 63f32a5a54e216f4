import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { open } from "lmdb";
import { LmdbPersistenceProvider } from "../../adapters/lmdb/mod.ts";
import type { PersistenceErrorCode } from "../../core/errors.ts";
import { assertFails, range } from "../conformance/fixture.ts";
import { randomFrom } from "../conformance/random.ts";
import { test } from "../harness.ts";
import { Child } from "./support_child.ts";
import { writeDamagedDatabase } from "./support_damage_content.ts";
import type { DamageReport } from "./support_damage_reader.ts";
import { withDirectory } from "./support_directory.ts";

const IMAGES = Number(process.env["CAJUN_DAMAGE_IMAGES"] ?? 200);
const SEED = Number(process.env["CAJUN_DAMAGE_SEED"] ?? randomFrom().seed);

/** What may come of a damaged file. */
const ALLOWED = new Set([
  "right",
  "empty",
  ...["CORRUPT", "UNSUPPORTED_FORMAT", "OPEN_FAILED"].map((code) => `open: ${code}`),
  ...["read", "load", "append"].flatMap((attempt) =>
    ["CORRUPT", "UNSUPPORTED_FORMAT"].map((code) => `${attempt}: ${code}`)
  ),
]);

test(`damage: of ${IMAGES} damaged files none crashes the process or gives wrong data`, () =>
  withDirectory(async (directory) => {
    await writeDamagedDatabase(join(directory, "original"));
    const counts = new Map<string, number>();
    const bad: DamageReport[] = [];
    for await (const report of readImages(directory)) {
      const { outcomes = [] } = report;
      for (const outcome of outcomes) counts.set(outcome, (counts.get(outcome) ?? 0) + 1);
      if (!outcomes.every((outcome) => ALLOWED.has(outcome))) bad.push(report);
    }
    assert.deepEqual(bad, []);
    // Otherwise the damages miss what they are meant for.
    assert.ok((counts.get("right") ?? 0) > 0 && (counts.get("open: CORRUPT") ?? 0) > 0);
  }));

interface Stranger {
  readonly name: string;
  /** Puts the file "data.mdb" into a directory. */
  make(path: string): Promise<unknown>;
  readonly code: PersistenceErrorCode;
}

const STRANGERS: readonly Stranger[] = [
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
for (const { name, make, code } of STRANGERS) {
  test(`damage: ${name} is refused and left as it is`, () =>
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

test("damage: an empty file is what a crash at its creation leaves: a new database", () =>
  withDirectory(async (path) => {
    await writeFile(join(path, "data.mdb"), "");
    await assertFails(() => LmdbPersistenceProvider.open({ path, readOnly: true }), "OPEN_FAILED");
    await using provider = await LmdbPersistenceProvider.open({ path });
    assert.equal(await provider.createMessageJournal().append("a", 1), 0);
  }));

test("damage: databases of another program beside ours are left alone", () =>
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

function writing(content: () => string | Uint8Array): Stranger["make"] {
  return (path) => writeFile(join(path, "data.mdb"), content());
}

function randomBytes(length: number): Uint8Array {
  const random = randomFrom(SEED);
  return Uint8Array.from({ length }, () => random.below(256));
}

async function writeWithLmdb(path: string, name: string): Promise<void> {
  const root = open({ path, noSubdir: false, overlappingSync: false });
  await root.openDB(name, {}).put("key", "value");
  await root.close();
}

/** Has children read all images: where one crashes or hangs, another one goes on behind that image. */
async function* readImages(directory: string): AsyncGenerator<DamageReport> {
  const original = join(directory, "original", "data.mdb");
  let seeds = range(SEED, SEED + IMAGES - 1);
  while (seeds.length > 0) {
    await using child = new Child("support_damage_reader", { original, directory, seeds });
    let current: DamageReport | undefined;
    for (let report; (report = await child.next()) !== undefined;) {
      current = report as DamageReport;
      if (current.outcomes) {
        yield current;
        current = undefined;
        seeds = seeds.slice(1);
      }
    }
    const { code, signal, errors } = await child.ended;
    if (current) {
      yield { ...current, outcomes: [`ended with ${signal ?? code}: ${errors}`] };
      seeds = seeds.slice(1);
    } else {
      assert.equal(code, 0, errors);
    }
  }
}
