/**
 * The mark of an actor that is being deleted or erased. While it stands, whatever is left of the
 * actor counts for nothing.
 *
 * | offset | bytes | content |
 * |---|---|---|
 * | 0 | 5 | the envelope, see `envelope.ts` |
 * | 5 | 1 | 0 if the head is deleted at the end, 1 if it stays and the numbering goes on |
 *
 * It is stored in the keyspace "meta". Its key is a byte 05 followed by the actor's key. Its version
 * in the storage is a random number, so no mark can be taken for another one.
 *
 * @module
 */

import { describeActor, detailsOf } from "../errors/actor_name.ts";
import { PersistenceError } from "../errors/persistence_error.ts";
import type { StorageChange, StorageCondition, StoredEntry } from "../ports/storage.ts";
import type { ActorAddress } from "./actor_address.ts";
import { ENVELOPE_BYTES, sealEnvelope, verifyEnvelope } from "./envelope.ts";
import { drawVersion } from "./random_version.ts";

const REMOVAL_VERSION = 1;
const KEY_PREFIX = 0x05;

/** Whether an actor begins anew after its removal, or its numbering goes on. */
export type RemovalMode = "delete" | "erase";

const MODES: readonly RemovalMode[] = ["delete", "erase"];

/**
 * The key of the mark of an actor.
 *
 * @param actor The actor's key.
 * @returns The key in the keyspace "meta".
 */
export function removalKey(actor: Uint8Array): Uint8Array {
  const key = new Uint8Array(1 + actor.length);
  key[0] = KEY_PREFIX;
  key.set(actor, 1);
  return key;
}

/**
 * The condition that an actor is not being removed.
 *
 * @param actor The actor.
 * @returns The condition.
 */
export function notBeingRemoved(actor: ActorAddress): StorageCondition {
  return { keyspace: "meta", key: removalKey(actor.key), version: undefined };
}

/**
 * Makes the change that marks an actor.
 *
 * @param actor The actor.
 * @param mode Whether it begins anew afterwards.
 * @returns The change.
 */
export function putRemovalMark(actor: ActorAddress, mode: RemovalMode): StorageChange {
  const key = removalKey(actor.key);
  const value = new Uint8Array(ENVELOPE_BYTES + 1);
  value[ENVELOPE_BYTES] = MODES.indexOf(mode);
  sealEnvelope(key, value, REMOVAL_VERSION);
  return { type: "put", keyspace: "meta", key, value, version: drawVersion() };
}

/**
 * Reads the mark of an actor.
 *
 * @param actor The actor.
 * @param stored The stored entry.
 * @returns Whether the actor begins anew afterwards.
 * @throws {PersistenceError} `CORRUPT`, `UNSUPPORTED_FORMAT`.
 */
export function decodeRemovalMark(actor: ActorAddress, { key, value }: StoredEntry): RemovalMode {
  const subject = `removal of ${describeActor(actor)}`;
  verifyEnvelope(key, value, REMOVAL_VERSION, subject, detailsOf(actor));
  const mode = MODES[value[ENVELOPE_BYTES] ?? -1];
  if (mode) return mode;
  throw new PersistenceError(
    "CORRUPT",
    `Cannot read ${subject}: the record is malformed`,
    detailsOf(actor),
  );
}
