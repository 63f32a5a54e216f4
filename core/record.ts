/**
 * The envelope of every stored value:
 *
 * | offset | bytes | content |
 * |---|---|---|
 * | 0 | 4 | checksum of the bytes from offset 4 on, seeded with the key: see `checksum.ts` |
 * | 4 | 1 | version of the record's format |
 * | 5 | | what the format says |
 *
 * Every version of every format begins like this, so that damage and a newer format can always be
 * told apart. Integers in values are little-endian.
 *
 * @module
 */

import { checksumOf } from "./checksum.ts";
import { PersistenceError, type PersistenceErrorDetails } from "./errors.ts";
import { readUint32, writeUint32 } from "./keys.ts";

/** The length of the envelope: the content begins here. */
export const RECORD_HEADER_BYTES = 5;

const CHECKSUM_BYTES = 4;

/**
 * Fills in the envelope of a record whose content is complete.
 *
 * @param key The key that the record will stand under.
 * @param record The record, its first {@linkcode RECORD_HEADER_BYTES} bytes free.
 * @param version The version of the record's format: an integer from 1 to 255.
 * @param end Where that which the envelope covers ends. Default: with the record.
 */
export function sealRecord(
  key: Uint8Array,
  record: Uint8Array,
  version: number,
  end: number = record.length,
): void {
  record[CHECKSUM_BYTES] = version;
  writeUint32(record, 0, checksumOf(key, record, CHECKSUM_BYTES, end), "little-endian");
}

/**
 * What a record says of its version, before it is verified.
 *
 * @param record The record.
 * @returns The version, or `undefined` where the record is too short to have one.
 */
export function recordVersion(record: Uint8Array): number | undefined {
  return record[CHECKSUM_BYTES];
}

/**
 * Verifies the envelope of a stored record.
 *
 * @param key The key that the record was found under.
 * @param record The record.
 * @param newestVersion The newest version of the format that the caller reads, and all before it.
 * @param subject What the record is, for the error's message: `journal of actor "x"`.
 * @param details The actor and sequence number, for the error.
 * @param end Where that which the envelope covers ends. Default: with the record.
 * @returns The version of its format.
 * @throws {PersistenceError} `CORRUPT` where the checksum does not fit; `UNSUPPORTED_FORMAT` where
 *   the record is sound but of another version.
 */
export function verifyRecord(
  key: Uint8Array,
  record: Uint8Array,
  newestVersion: number,
  subject: string,
  details: PersistenceErrorDetails,
  end: number = record.length,
): number {
  if (record.length < RECORD_HEADER_BYTES) {
    throw new PersistenceError(
      "CORRUPT",
      `Cannot read ${subject}: the record has ${record.length} bytes, which is too short`,
      details,
    );
  }
  if (readUint32(record, 0, "little-endian") !== checksumOf(key, record, CHECKSUM_BYTES, end)) {
    throw new PersistenceError(
      "CORRUPT",
      `Cannot read ${subject}: the checksum does not fit`,
      details,
    );
  }
  const found = recordVersion(record) ?? 0;
  if (found === 0 || found > newestVersion) {
    const readable = newestVersion === 1 ? "1" : `1 to ${newestVersion}`;
    throw new PersistenceError(
      "UNSUPPORTED_FORMAT",
      `Cannot read ${subject}: it has format version ${found}, this package reads ${readable}`,
      details,
    );
  }
  return found;
}
