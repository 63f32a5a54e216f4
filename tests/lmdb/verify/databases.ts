import { Buffer } from "node:buffer";
import { mkdir } from "node:fs/promises";
import {
  type LmdbBinding,
  type LmdbDatabase,
  type LmdbRange,
  openBinding,
} from "../../../adapters/lmdb/binding.ts";
import { checkEnvironmentOptions } from "../../../adapters/lmdb/options.ts";
import { checksumOf } from "../../../core/format/xxh32.ts";
import { type Keyspace, KEYSPACES } from "../../../core/ports/storage.ts";
import type { Random } from "../../conformance/random.ts";

/** What a data file holds: by keyspace and key, the version and a checksum of the value. */
export type Content = Record<string, string>;

/** To be passed as a copy: `lmdb` writes into it. */
const EVERYTHING: LmdbRange = {
  start: Uint8Array.of(0),
  end: new Uint8Array(16).fill(255),
  reverse: false,
  exclusiveStart: false,
  inclusiveEnd: false,
  limit: Number.MAX_SAFE_INTEGER,
  versions: true,
};

/**
 * Opens an environment like the adapter, but without flushes: these tests are not about power
 * losses.
 */
export async function openDatabases(path: string): Promise<LmdbBinding> {
  await mkdir(path, { recursive: true });
  return await openBinding(checkEnvironmentOptions({ path, durability: "none" }));
}

/** One of the four databases. */
export function databaseOf({ databases }: LmdbBinding, keyspace: Keyspace): LmdbDatabase {
  const database = databases[keyspace];
  if (!database) throw new Error(`${keyspace} has no database`);
  return database;
}

/**
 * Reads everything, in all ways that LMDB can read.
 *
 * @param binding The environment.
 * @returns The content.
 * @throws {Error} If two ways disagree.
 */
export function contentOf(binding: LmdbBinding): Content {
  const content: Content = {};
  for (const keyspace of KEYSPACES) {
    const database = databaseOf(binding, keyspace);
    const names: string[] = [];
    for (const { key, value, version } of database.getRange({ ...EVERYTHING })) {
      const name = `${keyspace}/${hexOf(key)}`;
      names.push(name);
      content[name] = textOf(key, value, version);
      const entry = database.getEntry(key);
      if (!entry || textOf(key, entry.value, entry.version) !== content[name]) {
        throw new Error(`get and getRange disagree on ${name}`);
      }
    }
    const sorted = [...new Set(names)].sort();
    if (names.join() !== sorted.join()) throw new Error(`the keys of ${keyspace} are out of order`);
    const { start, end } = EVERYTHING;
    const range = { ...EVERYTHING, start: end, end: start, reverse: true, inclusiveEnd: true };
    const reversed = [...database.getKeys(range)].map(({ key }) => `${keyspace}/${hexOf(key)}`);
    if (reversed.reverse().join() !== names.join()) {
      throw new Error(`the keys of ${keyspace} differ backwards`);
    }
    if (database.getStats().entryCount !== names.length) {
      throw new Error(`the number of records of ${keyspace} is wrong`);
    }
  }
  return content;
}

/** Fills an environment with records so that it has every kind of page. */
export async function fillDatabases(binding: LmdbBinding, random: Random): Promise<void> {
  const heads = databaseOf(binding, "heads");
  const entries = databaseOf(binding, "entries");
  const snapshots = databaseOf(binding, "snapshots");
  await binding.root.batch(() => {
    databaseOf(binding, "meta").put(Uint8Array.of(1), bytesOf(random, 30), 1);
    for (let actor = 0; actor < 40; actor++) {
      heads.put(keyOf(actor, random.below(30)), bytesOf(random, 20), actor);
    }
    for (let number = 0; number < 500; number++) {
      entries.put(keyOf(number, random.below(30)), bytesOf(random, 150), number);
    }
  });
  // Long keys make a deep tree out of few records.
  await binding.root.batch(() => {
    for (let number = 0; number < 60; number++) {
      const length = random.below(8) === 0 ? 20_000 : 300;
      snapshots.put(keyOf(number, 500 + random.below(1_400)), bytesOf(random, length), number);
    }
  });
  for (let round = 0; round < 6; round++) await changeDatabases(binding, random);
}

/** Commits once: puts of all sizes, and removals. */
export async function changeDatabases(binding: LmdbBinding, random: Random): Promise<void> {
  const databases = (["heads", "entries", "snapshots"] as const).map((keyspace) =>
    databaseOf(binding, keyspace)
  );
  await binding.root.batch(() => {
    for (const database of databases) {
      const keys = [...database.getKeys({ ...EVERYTHING })].map(({ key }) => key);
      for (let count = 0; count < 15; count++) {
        const key = keys[random.below(keys.length)];
        if (key && count % 3 !== 0) database.remove(key);
        else if (key) database.put(key, bytesOf(random, 4_000), count);
        database.put(keyOf(random.below(5_000), random.below(60)), bytesOf(random, 300), count);
      }
    }
  });
}

/** Frees so many pages with one commit that the record of the free list needs pages of its own. */
export async function freeManyPages(binding: LmdbBinding, random: Random): Promise<void> {
  const snapshots = databaseOf(binding, "snapshots");
  const keys = Array.from({ length: 350 }, (_, number) => keyOf(10_000 + number, 10));
  // Every second one stays, so that the free pages do not form a run.
  await binding.root.batch(() => {
    for (const key of keys) snapshots.put(key, bytesOf(random, 5_000), 1);
  });
  await binding.root.batch(() => {
    for (const key of keys.filter((_, index) => index % 2 === 0)) snapshots.remove(key);
  });
  await binding.root.batch(() => {
    for (const key of keys) snapshots.remove(key);
  });
}

function keyOf(number: number, padding: number): Uint8Array {
  const key = new Uint8Array(4 + padding).fill(number % 251);
  new DataView(key.buffer).setUint32(0, number);
  return key;
}

function bytesOf(random: Random, maxLength: number): Uint8Array {
  return new Uint8Array(random.below(maxLength)).fill(random.below(256));
}

function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}

function textOf(key: Uint8Array, value: Uint8Array, version: number | undefined): string {
  return `${version}:${value.length}:${checksumOf(key, value, 0)}`;
}
