/**
 * What a storage holds, written when it is first used: the record `store` in the keyspace "meta".
 * So a storage is never read with a codec that did not write it.
 *
 * | offset | bytes | content |
 * |---|---|---|
 * | 0 | 5 | the envelope, see `envelope.ts` |
 * | 5 | | JSON in UTF-8: `{"codec": name of the codec}` |
 *
 * @module
 */

import { PersistenceError } from "../errors/persistence_error.ts";
import { ENVELOPE_BYTES, sealEnvelope, verifyEnvelope } from "../format/envelope.ts";
import type { Codec } from "../ports/codec.ts";
import type { Storage, StoredEntry } from "../ports/storage.ts";

const STORE_INFO_VERSION = 1;
const STORE_INFO_KEY: Uint8Array = new TextEncoder().encode("store");
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
  const name = stored && codecNameOf(stored);
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
  const value = encodeInfo(codec);
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

function encodeInfo(codec: Codec): Uint8Array {
  const json = new TextEncoder().encode(JSON.stringify({ codec: codec.name }));
  const value = new Uint8Array(ENVELOPE_BYTES + json.length);
  value.set(json, ENVELOPE_BYTES);
  sealEnvelope(STORE_INFO_KEY, value, STORE_INFO_VERSION);
  return value;
}

function codecNameOf({ key, value }: StoredEntry): string {
  verifyEnvelope(key, value, STORE_INFO_VERSION, SUBJECT, {});
  try {
    const info: unknown = JSON.parse(
      new TextDecoder().decode(value.subarray(ENVELOPE_BYTES)),
    );
    if (typeof info === "object" && info && "codec" in info && typeof info.codec === "string") {
      return info.codec;
    }
  } catch (cause) {
    throw new PersistenceError("CORRUPT", `Cannot read ${SUBJECT}: it is not JSON`, { cause });
  }
  throw new PersistenceError("CORRUPT", `Cannot read ${SUBJECT}: it does not name a codec`);
}
