/**
 * Addresses of actors: kind, id, and the key that both make.
 *
 * @module
 */

import { checkActorId, checkKind } from "../errors/arguments.ts";
import { actorKey, decodeActorKey } from "./keys.ts";

/** An actor, and the key under which everything of it is stored. */
export interface ActorAddress {
  /** The kind, or an empty string if the actor has no kind. */
  readonly kind: string;
  /** The id, which is unique within the kind. */
  readonly actorId: string;
  /** The actor's key: see `keys.ts`. */
  readonly key: Uint8Array;
}

const NO_KIND = new Uint8Array(0);
/** Most calls are about the kind of the call before, whose bytes cost as much as a small read. */
let lastKind = "";
let lastKindBytes: Uint8Array = NO_KIND;

/**
 * Checks kind and id of an actor, and makes its key.
 *
 * @param kind The kind: a well-formed string of at most 128 bytes of UTF-8; an empty string if the
 *   actor has no kind.
 * @param actorId The id: a non-empty, well-formed string of at most 512 bytes of UTF-8.
 * @param operation The caller's operation, for the error message: `"append"`.
 * @returns The address.
 * @throws {ArgumentTypeError | ArgumentRangeError} `INVALID_ARGUMENT` if one of them is invalid.
 */
export function addressOf(kind: string, actorId: string, operation: string): ActorAddress {
  const id = checkActorId(actorId, operation);
  return { kind, actorId, key: actorKey(kindBytes(kind, operation), id) };
}

function kindBytes(kind: string, operation: string): Uint8Array {
  if (kind === lastKind) return lastKindBytes;
  const bytes = kind === "" ? NO_KIND : checkKind(kind, operation);
  lastKind = kind;
  lastKindBytes = bytes;
  return bytes;
}

/**
 * A text that no other actor has, to find an actor by in a map.
 *
 * @param actor The actor.
 * @returns The text. It is not stored.
 */
export function nameOf({ kind, actorId }: ActorAddress): string {
  return `${kind.length} ${kind}${actorId}`;
}

/**
 * Decodes the address in an actor's key, or in a key that begins with one.
 *
 * @param key The key.
 * @returns The address, or `undefined` if the bytes are not such a key.
 */
export function addressIn(key: Uint8Array): ActorAddress | undefined {
  const decoded = decodeActorKey(key);
  if (!decoded) return undefined;
  const { kind, actorId, length } = decoded;
  return { kind, actorId, key: key.slice(0, length) };
}
