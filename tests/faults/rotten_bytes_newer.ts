import { LmdbEnvironmentManager, LmdbStorage } from "../../adapters/lmdb/mod.ts";
import { sealRecord } from "../../core/record.ts";
import type { Space, StoredEntry } from "../../core/storage.ts";
import type { Random } from "../conformance/random.ts";

const SPACES: readonly Space[] = ["meta", "heads", "entries", "snapshots"];
const NEWER_VERSION = 2;
/** What is read of an actor begins with these; a record that nobody reads tells nothing. */
const RECORDS_READ = 40;

/**
 * Gives one record a newer version, as a later release of this package would write it.
 *
 * @param path The directory of the database.
 * @param random Which record.
 */
export async function makeOneNewer(path: string, random: Random): Promise<void> {
  const environment = await LmdbEnvironmentManager.open({ path, durability: "none" });
  await using storage = new LmdbStorage(environment);
  const space = SPACES[random.below(SPACES.length)] ?? "heads";
  const entry = pick(storage, space, random);
  const value = new Uint8Array(entry.value);
  sealRecord(entry.key, value, NEWER_VERSION);
  const { key, version } = entry;
  await storage.commit([{
    conditions: [],
    changes: [{ type: "put", space, key, value, version }],
  }]);
}

function pick(storage: LmdbStorage, space: Space, random: Random): StoredEntry {
  const entries = storage.scan(space, {
    start: Uint8Array.of(0),
    end: new Uint8Array(8).fill(255),
    // The latest snapshot of an actor is the one that is read.
    reverse: space === "snapshots",
    maxEntries: space === "snapshots" ? 1 : RECORDS_READ,
    maxBytes: 2 ** 30,
  });
  const entry = entries[random.below(entries.length)];
  if (!entry) throw new Error(`there is nothing in "${space}"`);
  return entry;
}
