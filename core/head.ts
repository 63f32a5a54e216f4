/**
 * Head records: what is known of an actor's journal as a whole. Every commit that touches a journal
 * is conditional on the version of its head, so two writers can neither interleave nor overwrite.
 *
 * | offset | bytes | content |
 * |---|---|---|
 * | 0 | 5 | the record's envelope, see `record.ts` |
 * | 5 | 8 | next sequence number |
 * | 13 | 8 | first retained sequence number: what is below it has been truncated |
 *
 * It stands in the space "heads" under the actor's key, guarded (see `guarded_key.ts`). Its version in the storage goes up by one
 * with every change; it is never deleted.
 *
 * @module
 */

import type { ByteArena } from "./byte_arena.ts";
import { PersistenceError } from "./errors.ts";
import { assertNothingMisplaced, guardKey } from "./guarded_key.ts";
import { numberedKey, numberedKeysEnd, readUint53, writeUint53 } from "./keys.ts";
import { RECORD_HEADER_BYTES, sealRecord, verifyRecord } from "./record.ts";
import type { Change, Storage, StoredEntry } from "./storage.ts";

const HEAD_VERSION = 1;
const NEXT_OFFSET = RECORD_HEADER_BYTES;
const FIRST_OFFSET = NEXT_OFFSET + 8;
const HEAD_BYTES = FIRST_OFFSET + 8;

/** What is known of an actor's journal as a whole. */
export interface Head {
  /** The version of the record, or `undefined` where the actor has no journal yet. */
  readonly version: number | undefined;
  /** The sequence number that the next append gets. */
  readonly nextSequenceNumber: number;
  /** The lowest sequence number that is retained; equal to the next one where none is. */
  readonly firstSequenceNumber: number;
}

/**
 * The key of the head of an actor's journal.
 *
 * @param actor The actor's key.
 * @returns The key in the space "heads".
 */
export function headKey(actor: Uint8Array): Uint8Array {
  return guardKey(actor);
}

/**
 * Reads the head of an actor's journal.
 *
 * @param storage Where from.
 * @param actorId The actor.
 * @param actor The actor's key.
 * @returns The head; that of an empty journal where there is none yet.
 * @throws {PersistenceError} `CORRUPT` where it is damaged or lost.
 */
export async function loadHead(
  storage: Storage,
  actorId: string,
  actor: Uint8Array,
): Promise<Head> {
  const key = headKey(actor);
  const stored = await storage.get("heads", key) ??
    await neverWritten(storage, actorId, actor, key);
  if (stored) return { version: stored.version, ...decodeHead(actorId, key, stored.value) };
  return { version: undefined, nextSequenceNumber: 0, firstSequenceNumber: 0 };
}

/**
 * Without this, a head that was lost to damage would let the journal begin anew. Gives the head that
 * another writer has written meanwhile, if so.
 */
async function neverWritten(
  storage: Storage,
  actorId: string,
  actor: Uint8Array,
  key: Uint8Array,
): Promise<StoredEntry | undefined> {
  await assertNothingMisplaced(
    storage,
    "heads",
    { start: key, end: key },
    actorId,
    `journal of actor "${actorId}"`,
  );
  const [entry] = await storage.scan("entries", {
    start: numberedKey(actor, 0),
    end: numberedKeysEnd(actor),
    maxEntries: 1,
    maxBytes: 1,
    keysOnly: true,
  });
  if (!entry) return undefined;
  const stored = await storage.get("heads", key);
  if (stored) return stored;
  throw new PersistenceError(
    "CORRUPT",
    `Cannot read journal of actor "${actorId}": it has entries but no head`,
    { actorId },
  );
}

/**
 * The change that writes a head.
 *
 * @param key The key of the head.
 * @param head The head, with the version that it gets.
 * @param arena Where the record is made.
 * @returns The change.
 */
export function putHead(
  key: Uint8Array,
  head: Head & { readonly version: number },
  arena: ByteArena,
): Change {
  const value = arena.allocate(HEAD_BYTES);
  writeUint53(value, NEXT_OFFSET, head.nextSequenceNumber, "little-endian");
  writeUint53(value, FIRST_OFFSET, head.firstSequenceNumber, "little-endian");
  sealRecord(key, value, HEAD_VERSION);
  return { type: "put", space: "heads", key, value, version: head.version };
}

function decodeHead(
  actorId: string,
  key: Uint8Array,
  value: Uint8Array,
): Pick<Head, "nextSequenceNumber" | "firstSequenceNumber"> {
  verifyRecord(key, value, HEAD_VERSION, `head of actor "${actorId}"`, { actorId });
  const nextSequenceNumber = readUint53(value, NEXT_OFFSET, "little-endian");
  const firstSequenceNumber = readUint53(value, FIRST_OFFSET, "little-endian");
  if (value.length !== HEAD_BYTES || !(firstSequenceNumber <= nextSequenceNumber)) {
    throw new PersistenceError("CORRUPT", `Cannot read head of actor "${actorId}": malformed`, {
      actorId,
    });
  }
  return { nextSequenceNumber, firstSequenceNumber };
}
