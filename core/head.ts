/**
 * Head records: what is known of an actor's journal as a whole, and its last few entries (see
 * `tail.ts`). Every commit that touches a journal is conditional on the version of its head, so two
 * writers can neither interleave nor overwrite.
 *
 * | offset | bytes | content |
 * |---|---|---|
 * | 0 | 5 | the record's envelope, see `record.ts`; its checksum covers what is before the tail |
 * | 5 | 8 | next sequence number |
 * | 13 | 8 | first retained sequence number: what is below it has been truncated |
 * | 21 | 8 | first sequence number of the tail; equal to the next one where there is none |
 * | 29 | | the tail: a frame as it would stand in the space "entries", its own checksum included |
 *
 * It stands in the space "heads" under the actor's key, guarded (see `guarded_key.ts`). Its version
 * in the storage goes up by one with every change; it is never deleted. Version 1 of the format had
 * no tail and ended at offset 21.
 *
 * @module
 */

import type { ByteArena } from "./byte_arena.ts";
import { PersistenceError } from "./errors.ts";
import { assertNothingMisplaced, guardKey } from "./guarded_key.ts";
import { numberedKey, numberedKeysEnd, readUint53, writeUint53 } from "./keys.ts";
import { RECORD_HEADER_BYTES, recordVersion, sealRecord, verifyRecord } from "./record.ts";
import type { Change, Storage, StoredEntry } from "./storage.ts";

const HEAD_VERSION = 2;
const VERSION_WITHOUT_TAIL = 1;
const NEXT_OFFSET = RECORD_HEADER_BYTES;
const FIRST_OFFSET = NEXT_OFFSET + 8;
const TAIL_FIRST_OFFSET = FIRST_OFFSET + 8;
const NO_BYTES = new Uint8Array(0);

/**
 * Where the tail begins, and what the envelope covers ends. This holds for every later version of
 * the format, too, so that damage and a newer format can be told apart.
 */
export const HEAD_BYTES_BEFORE_TAIL: number = TAIL_FIRST_OFFSET + 8;

/** What is known of an actor's journal as a whole. */
export interface Head {
  /** The version of the record, or `undefined` where the actor has no journal yet. */
  readonly version: number | undefined;
  /** The sequence number that the next append gets. */
  readonly nextSequenceNumber: number;
  /** The lowest sequence number that is retained; equal to the next one where none is. */
  readonly firstSequenceNumber: number;
  /** The sequence number of the first entry in the tail; equal to the next one where none is. */
  readonly tailSequenceNumber: number;
}

/** A head as it was read. */
export interface StoredHead extends Head {
  /** The record of the tail, which has not been verified. Empty where there is none. */
  readonly tail: Uint8Array;
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
): Promise<StoredHead> {
  const key = headKey(actor);
  const stored = await storage.get("heads", key) ??
    await neverWritten(storage, actorId, actor, key);
  if (stored) return { version: stored.version, ...decodeHead(actorId, key, stored.value) };
  return {
    version: undefined,
    nextSequenceNumber: 0,
    firstSequenceNumber: 0,
    tailSequenceNumber: 0,
    tail: NO_BYTES,
  };
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
 * @param tail The record of its tail, empty where there is none.
 * @param arena Where the record is made.
 * @returns The change.
 */
export function putHead(
  key: Uint8Array,
  head: Head & { readonly version: number },
  tail: Uint8Array,
  arena: ByteArena,
): Change {
  const value = arena.allocate(HEAD_BYTES_BEFORE_TAIL + tail.length);
  writeUint53(value, NEXT_OFFSET, head.nextSequenceNumber, "little-endian");
  writeUint53(value, FIRST_OFFSET, head.firstSequenceNumber, "little-endian");
  writeUint53(value, TAIL_FIRST_OFFSET, head.tailSequenceNumber, "little-endian");
  sealRecord(key, value, HEAD_VERSION, HEAD_BYTES_BEFORE_TAIL);
  value.set(tail, HEAD_BYTES_BEFORE_TAIL);
  return { type: "put", space: "heads", key, value, version: head.version };
}

function decodeHead(
  actorId: string,
  key: Uint8Array,
  value: Uint8Array,
): Omit<StoredHead, "version"> {
  const hasTail = recordVersion(value) !== VERSION_WITHOUT_TAIL;
  const end = hasTail ? Math.min(HEAD_BYTES_BEFORE_TAIL, value.length) : value.length;
  verifyRecord(key, value, HEAD_VERSION, `head of actor "${actorId}"`, { actorId }, end);
  const nextSequenceNumber = readUint53(value, NEXT_OFFSET, "little-endian");
  const firstSequenceNumber = readUint53(value, FIRST_OFFSET, "little-endian");
  const tailSequenceNumber = hasTail
    ? readUint53(value, TAIL_FIRST_OFFSET, "little-endian")
    : nextSequenceNumber;
  const isWhole = end === (hasTail ? HEAD_BYTES_BEFORE_TAIL : TAIL_FIRST_OFFSET);
  const isOrdered = firstSequenceNumber <= nextSequenceNumber &&
    tailSequenceNumber <= nextSequenceNumber;
  if (!isWhole || !isOrdered) {
    throw new PersistenceError("CORRUPT", `Cannot read head of actor "${actorId}": malformed`, {
      actorId,
    });
  }
  return {
    nextSequenceNumber,
    firstSequenceNumber,
    tailSequenceNumber,
    tail: value.subarray(end),
  };
}
