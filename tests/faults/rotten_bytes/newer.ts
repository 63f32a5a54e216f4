import { LmdbEnvironmentManager, LmdbStorage } from "../../../adapters/lmdb/mod.ts";
import { sealEnvelope } from "../../../core/format/envelope.ts";
import { HEAD_BYTES_BEFORE_TAIL } from "../../../core/format/head.ts";
import { collectorKey, LOG_VERSION } from "../../../core/format/log_keys.ts";
import type { Keyspace, StoredEntry } from "../../../core/ports/storage.ts";
import { compareBytes } from "../../../core/util/bytes.ts";
import { newerLogRecord } from "../../conformance/recovery/reopen_suite.ts";
import type { Random } from "../../conformance/random.ts";

const KEYSPACES: readonly Keyspace[] = ["meta", "log", "heads", "entries", "snapshots"];
const NEWER_VERSION = 255;
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
  const keyspace = KEYSPACES[random.below(KEYSPACES.length)] ?? "heads";
  const entry = pick(storage, keyspace, random);
  const value = new Uint8Array(entry.value);
  const end = keyspace === "heads" ? HEAD_BYTES_BEFORE_TAIL : value.length;
  const { key, version } = entry;
  if (keyspace === "log") newerLogRecord(key, value);
  else sealEnvelope(key, value, NEWER_VERSION, end);
  await storage.commit([{
    conditions: [],
    changes: [{ type: "put", keyspace, key, value, version }],
  }]);
}

function pick(storage: LmdbStorage, keyspace: Keyspace, random: Random): StoredEntry {
  const entries = storage.scan(keyspace, {
    start: Uint8Array.of(0),
    end: new Uint8Array(8).fill(255),
    // The latest snapshot of an actor is the one that is read.
    reverse: keyspace === "snapshots" || keyspace === "log",
    maxEntries: keyspace === "snapshots" ? 1 : RECORDS_READ,
    maxBytes: 2 ** 30,
  });
  // Reading journals does not need their order, nor records that have been collected.
  const newest = entries.find(({ version }) => version === LOG_VERSION.record);
  // Nor does it need to know who collects the log.
  const read = entries.filter(({ key }) => compareBytes(key, collectorKey(0)) !== 0);
  const entry = keyspace === "log" ? newest : read[random.below(read.length)];
  if (!entry) throw new Error(`there is nothing in "${keyspace}"`);
  return entry;
}
