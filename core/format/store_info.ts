/**
 * Records of the keyspace "meta" that stand for the whole storage. Both are the envelope (see
 * `envelope.ts`) and text in UTF-8:
 *
 * | key | text |
 * |---|---|
 * | `store` | what the storage holds, as JSON: `{"codec": name of the codec}` |
 * | `health` | the probe of the last health check: the time in milliseconds since 1970, and a count |
 *
 * @module
 */

import { PersistenceError } from "../errors/persistence_error.ts";
import type { StoredEntry } from "../ports/storage.ts";
import { ENVELOPE_BYTES, sealEnvelope, verifyEnvelope } from "./envelope.ts";

const VERSION = 1;
const SUBJECT = "store information";

/** The key of what the storage holds. */
export const STORE_INFO_KEY: Uint8Array = new TextEncoder().encode("store");
/** The key of the probe. */
export const HEALTH_KEY: Uint8Array = new TextEncoder().encode("health");

/**
 * Makes the record of what the storage holds.
 *
 * @param codecName The name of the codec that it is written with.
 * @returns The record.
 */
export function encodeStoreInfo(codecName: string): Uint8Array {
  return sealed(STORE_INFO_KEY, JSON.stringify({ codec: codecName }));
}

/**
 * Reads the name of the codec that a storage was written with.
 *
 * @param stored The record.
 * @returns The name.
 * @throws {PersistenceError} `CORRUPT`, `UNSUPPORTED_FORMAT`.
 */
export function codecNameIn({ key, value }: StoredEntry): string {
  verifyEnvelope(key, value, VERSION, SUBJECT, {});
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

/**
 * Makes the probe of a health check.
 *
 * @param timeMs The time, in milliseconds since 1970.
 * @param count How many there were.
 * @returns The record.
 */
export function encodeProbe(timeMs: number, count: number): Uint8Array {
  return sealed(HEALTH_KEY, `${timeMs} ${count}`);
}

/**
 * Verifies the probe of a health check.
 *
 * @param stored The record.
 * @throws {PersistenceError} `CORRUPT`, `UNSUPPORTED_FORMAT`.
 */
export function verifyProbe({ key, value }: StoredEntry): void {
  verifyEnvelope(key, value, VERSION, "probe of the health check", {});
}

function sealed(key: Uint8Array, text: string): Uint8Array {
  const bytes = new TextEncoder().encode(text);
  const record = new Uint8Array(ENVELOPE_BYTES + bytes.length);
  record.set(bytes, ENVELOPE_BYTES);
  sealEnvelope(key, record, VERSION);
  return record;
}
