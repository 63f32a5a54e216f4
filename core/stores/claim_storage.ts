/**
 * Marks a storage as one of this package, with the codec that it is written with. So a storage is
 * never read with a codec that did not write it.
 *
 * @module
 */

import { PersistenceError } from "../errors/persistence_error.ts";
import { codecNameIn, encodeStoreInfo, STORE_INFO_KEY } from "../format/store_info.ts";
import type { Codec } from "../ports/codec.ts";
import type { Storage, StoredEntry } from "../ports/storage.ts";

const SUBJECT = "store information";

/**
 * Makes sure that a storage belongs to this package and was written with this codec. A new storage is
 * marked, unless it is open read-only.
 *
 * @param storage The storage.
 * @param codec The codec that it is opened with.
 * @throws {PersistenceError} `CODEC_MISMATCH` if it was written with another codec;
 *   `UNSUPPORTED_FORMAT` if by a newer version; `CORRUPT` if its mark is damaged or missing; and what
 *   the storage rejects with.
 */
export async function claimStorage(storage: Storage, codec: Codec): Promise<void> {
  const stored = await storage.get("meta", STORE_INFO_KEY) ?? await markStorage(storage, codec);
  const name = stored && codecNameIn(stored);
  if (name !== undefined && name !== codec.name) {
    throw new PersistenceError(
      "CODEC_MISMATCH",
      `Cannot open storage: it was written with codec "${name}", not "${codec.name}"`,
    );
  }
}

/** Marks a new storage. Another process may be faster: then its mark counts. */
async function markStorage(storage: Storage, codec: Codec): Promise<StoredEntry | undefined> {
  await assertUnused(storage);
  const value = encodeStoreInfo(codec.name);
  const put = { type: "put", keyspace: "meta", key: STORE_INFO_KEY, value, version: 0 } as const;
  const condition = { keyspace: "meta", key: STORE_INFO_KEY, version: undefined } as const;
  try {
    await storage.commit([{ conditions: [condition], changes: [put] }]);
  } catch (error) {
    // An empty storage that is open read-only stays empty.
    if (error instanceof PersistenceError && error.code === "READ_ONLY") return undefined;
    throw error;
  }
  return await storage.get("meta", STORE_INFO_KEY);
}

/** Without this check, another codec could write to old data whose mark was lost to damage. */
async function assertUnused(storage: Storage): Promise<void> {
  const { entries } = await storage.stats();
  if (entries.log + entries.heads + entries.entries + entries.snapshots === 0) return;
  // Another process may have marked and used it between the two reads.
  if (await storage.get("meta", STORE_INFO_KEY)) return;
  throw new PersistenceError("CORRUPT", `Cannot open storage: it has data but no ${SUBJECT}`);
}
