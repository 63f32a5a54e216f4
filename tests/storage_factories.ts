import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { LmdbEnvironmentManager, LmdbStorage } from "../adapters/lmdb/mod.ts";
import { MemoryDatabase, MemoryStorage } from "../adapters/memory.ts";
import type { Storage } from "../core/ports/storage.ts";
import type { StorageFactory } from "./conformance/mod.ts";
import { DelayedStorage } from "./delayed_storage.ts";
import { fastDirectory } from "./temporary_directory.ts";

/** Places in memory. */
export const memoryFactory: StorageFactory = await inMemory((storage) => storage);

/** Places in memory that answer late. Each opening has other delays. */
export const delayedFactory: StorageFactory = await inMemory(
  (storage, opening) => new DelayedStorage(storage, opening),
);

/**
 * Places in directories of their own, in memory if possible: that commits survive a power loss is
 * shown by a fault.
 *
 * @returns The factory.
 */
export async function lmdbFactory(): Promise<StorageFactory> {
  const emptyDatabase = await makeEmptyDatabase();
  return {
    // Stated here again: if the storage lost a capability, its cases would be skipped unnoticed.
    supports: {
      reopen: true,
      processCrash: true,
      multipleProcesses: true,
      readOnly: true,
      sizeLimit: true,
    },
    async createPlace() {
      const path = await mkdtemp(join(fastDirectory(), "cajun-conformance-"));
      await writeFile(join(path, "data.mdb"), emptyDatabase);
      return {
        async openStorage({ readOnly = false, limitBytes } = {}) {
          const environment = await LmdbEnvironmentManager.open({
            path,
            readOnly,
            ...(limitBytes !== undefined && { mapSize: limitBytes }),
          });
          return new LmdbStorage(environment);
        },
        cleanup: () => rm(path, { recursive: true }),
      };
    },
  };
}

async function inMemory(
  wrap: (storage: Storage, opening: number) => Storage,
): Promise<StorageFactory> {
  let openings = 0;
  return {
    supports: (await MemoryStorage.open()).supports,
    createPlace() {
      const database = new MemoryDatabase();
      return Promise.resolve({
        async openStorage({ readOnly = false, limitBytes } = {}) {
          const storage = await MemoryStorage.open({
            database,
            readOnly,
            ...(limitBytes !== undefined && { maxBytes: limitBytes }),
          });
          return wrap(storage, openings++);
        },
        cleanup: () => Promise.resolve(),
      });
    },
  };
}

/** Creating a database takes several flushes, copying an empty one none; hundreds are needed. */
async function makeEmptyDatabase(): Promise<Uint8Array> {
  const path = await mkdtemp(join(fastDirectory(), "cajun-conformance-"));
  await (await LmdbEnvironmentManager.open({ path })).close();
  const bytes = await readFile(join(path, "data.mdb"));
  await rm(path, { recursive: true });
  return bytes;
}
