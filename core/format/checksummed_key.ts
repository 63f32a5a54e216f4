/**
 * Keys with a checksum. A head or a snapshot that is not found has usually never existed, so a
 * damaged key could make data disappear silently. Therefore the keys of heads and snapshots end
 * with a checksum:
 *
 * | bytes | content |
 * |---|---|
 * | | the actor's key, or an entry key |
 * | 1 | 00 |
 * | 4 | checksum of what is before the 00, big-endian |
 *
 * @module
 */

import { compareBytes, writeUint32 } from "../util/bytes.ts";
import { xxh32 } from "./xxh32.ts";

/** How many bytes are added to a key: the 00 and the checksum. */
export const KEY_CHECKSUM_BYTES = 5;

const CHECKSUM_BYTES = 4;

/**
 * Adds the checksum to a key.
 *
 * @param key An actor's key or an entry key.
 * @returns The key as it is stored.
 */
export function checksummedKey(key: Uint8Array): Uint8Array {
  const checksummed = new Uint8Array(key.length + KEY_CHECKSUM_BYTES);
  checksummed.set(key);
  const checksum = xxh32(key, 0, key.length, 0);
  writeUint32(checksummed, checksummed.length - CHECKSUM_BYTES, checksum, "big-endian");
  return checksummed;
}

/**
 * Whether a stored key is undamaged.
 *
 * @param key The key as it is stored.
 * @returns Whether its checksum matches.
 */
export function hasValidChecksum(key: Uint8Array): boolean {
  const bare = key.subarray(0, key.length - KEY_CHECKSUM_BYTES);
  return bare.length > 0 && compareBytes(checksummedKey(bare), key) === 0;
}
