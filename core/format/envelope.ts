/**
 * The envelope of every stored value:
 *
 * | offset | bytes | content |
 * |---|---|---|
 * | 0 | 4 | checksum of the bytes from offset 4 on, seeded with the key: see `xxh32.ts` |
 * | 4 | 1 | version of the record's format |
 * | 5 | | the content, which depends on the format and its version |
 *
 * A stored value as a whole is called a record. Every version of every format begins with the
 * envelope, so that damage can always be distinguished from a newer format. Integers in values are
 * little-endian.
 *
 * @module
 */

import { PersistenceError, type PersistenceErrorDetails } from "../errors/persistence_error.ts";
import { readUint32, writeUint32 } from "../util/bytes.ts";
import { checksumOf } from "./xxh32.ts";

/** The length of the envelope, and the offset of the content. */
export const ENVELOPE_BYTES = 5;

const CHECKSUM_BYTES = 4;

/**
 * Writes the envelope of a record whose content is complete.
 *
 * @param key The key under which the record will be stored.
 * @param record The record. Its first {@linkcode ENVELOPE_BYTES} bytes are overwritten.
 * @param version The version of the record's format: an integer from 1 to 255.
 * @param end The offset at which the checksum stops. By default it covers the whole record.
 */
export function sealEnvelope(
  key: Uint8Array,
  record: Uint8Array,
  version: number,
  end: number = record.length,
): void {
  record[CHECKSUM_BYTES] = version;
  writeUint32(record, 0, checksumOf(key, record, CHECKSUM_BYTES, end), "little-endian");
}

/**
 * Verifies the envelope of a stored record.
 *
 * @param key The key under which the record is stored.
 * @param record The record.
 * @param version The version of the format that the caller can read.
 * @param subject A phrase for the record, for the error message: `journal of actor "x"`.
 * @param details The actor and sequence number, for the error.
 * @param end The offset at which the checksum stops. By default it covers the whole record.
 * @throws {PersistenceError} `CORRUPT` if the checksum does not match; `UNSUPPORTED_FORMAT` if it
 *   does, but the record has another version.
 */
export function verifyEnvelope(
  key: Uint8Array,
  record: Uint8Array,
  version: number,
  subject: string,
  details: PersistenceErrorDetails,
  end: number = record.length,
): void {
  if (record.length < ENVELOPE_BYTES) {
    throw new PersistenceError(
      "CORRUPT",
      `Cannot read ${subject}: the record is too short (${record.length} bytes)`,
      details,
    );
  }
  if (readUint32(record, 0, "little-endian") !== checksumOf(key, record, CHECKSUM_BYTES, end)) {
    throw new PersistenceError("CORRUPT", `Cannot read ${subject}: checksum mismatch`, details);
  }
  const found = record[CHECKSUM_BYTES];
  if (found === version) return;
  throw new PersistenceError(
    "UNSUPPORTED_FORMAT",
    `Cannot read ${subject}: its format has version ${found}, but this package reads only version ${version}`,
    details,
  );
}
