import assert from "node:assert/strict";
import { LmdbEnvironmentManager, LmdbStorage } from "../../adapters/lmdb/mod.ts";
import { type Keyspace, KEYSPACES, MAX_KEY_BYTES } from "../../core/ports/storage.ts";
import { test } from "../harness.ts";
import { withDirectory } from "../temporary_directory.ts";

const KEYS = 300;

/** As long as the port allows, and equal but for the last two bytes. */
function longKey(index: number): Uint8Array {
  const key = new Uint8Array(MAX_KEY_BYTES).fill(0x61);
  key.set([index >> 8, index & 0xff], MAX_KEY_BYTES - 2);
  return key;
}

async function openStorage(path: string): Promise<LmdbStorage> {
  return new LmdbStorage(await LmdbEnvironmentManager.open({ path, verifyOnOpen: "full" }));
}

test("long keys: whole trees of them are sound, and nothing of them is lost", () =>
  withDirectory(async (path) => {
    const indexes = Array.from({ length: KEYS }, (_, index) => index);
    {
      await using storage = await openStorage(path);
      await storage.commit(KEYSPACES.map((keyspace) => ({
        conditions: [],
        changes: indexes.map((index) => ({
          type: "put",
          keyspace,
          key: longKey(index),
          value: Uint8Array.of(index & 0xff),
          version: index,
        })),
      })));
    }
    {
      await using storage = await openStorage(path);
      for (const keyspace of KEYSPACES) {
        assert.deepEqual(await versionsIn(storage, keyspace), indexes);
      }
      await storage.commit(KEYSPACES.map((keyspace) => ({
        conditions: indexes.map((index) => ({ keyspace, key: longKey(index), version: index })),
        changes: indexes.filter((index) => index % 2 === 0)
          .map((index) => ({ type: "delete", keyspace, key: longKey(index) })),
      })));
    }
    await using storage = await openStorage(path);
    for (const keyspace of KEYSPACES) {
      assert.deepEqual(await versionsIn(storage, keyspace), indexes.filter((index) => index % 2));
      assert.equal((await storage.get(keyspace, longKey(KEYS - 1)))?.version, KEYS - 1);
    }
  }));

async function versionsIn(storage: LmdbStorage, keyspace: Keyspace): Promise<number[]> {
  const entries = await storage.scan(keyspace, {
    start: longKey(0),
    end: longKey(KEYS),
    maxEntries: KEYS + 1,
    maxBytes: 2 ** 20,
  });
  return entries.map(({ version }) => version);
}
