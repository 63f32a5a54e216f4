/**
 * A codec that encrypts what another one encodes. A value is stored as
 *
 * | bytes | content |
 * |---|---|
 * | 1 | the version: 1 |
 * | 1 | how many bytes the name of the key has |
 * | | the name of the key, in UTF-8 |
 * | 24 | the nonce: random |
 * | | what the other codec encodes, encrypted with XChaCha20 |
 * | 16 | the authenticator: Poly1305 |
 *
 * The version, the name of the key, and kind and id of the actor are authenticated: a value that is
 * moved to another actor cannot be read. With 24 random bytes no nonce comes twice
 * (draft-irtf-cfrg-xchacha-03, section 3.1).
 *
 * @module
 */

import { xchacha20poly1305 } from "@noble/ciphers/chacha.js";
import { ArgumentTypeError, PersistenceError } from "../../core/errors/persistence_error.ts";
import type { Codec, CodecPlace } from "../../core/ports/codec.ts";
import { checkKey, KEY_BYTES, type KeyProvider } from "./keys.ts";

const VERSION = 1;
/** Version, and length of the name of the key. */
const FIXED_BYTES = 2;
const NONCE_BYTES = 24;
const TAG_BYTES = 16;
const NOWHERE: CodecPlace = { kind: "", actorId: "" };

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * A codec that encrypts what another one encodes, with authentication and a random nonce for each
 * value. What is encrypted: messages, states, effects and metadata. What is not: kinds and ids of
 * actors, sequence numbers, times, names and versions of schemas, and how long each value is.
 *
 * When a key is dropped, what it covers can be read nowhere any more. Entries stay and keep their
 * numbers, with `isErased`; recoveries pass over them; effects become dead letters. States hold what
 * is known of all that went into them, so with keys that belong to persons rather than to actors,
 * delete the snapshots of the actors that knew the person when you drop a key.
 *
 * @example A key for each actor
 * ```ts
 * import { MessagePackCodec } from "@cajun/persistence";
 * import {
 *   EncryptingCodec,
 *   type EncryptionKey,
 *   type KeyProvider,
 * } from "@cajun/persistence/encryption";
 * import { MemoryPersistenceProvider } from "@cajun/persistence/memory";
 *
 * // Yours are kept elsewhere, and outlive the process. No id is ever used for another key.
 * const keys = new Map<string, EncryptionKey>();
 * const idOfActor = new Map<string, string>();
 * const keysOfActors: KeyProvider = {
 *   encryptionKey({ kind, actorId }) {
 *     const known = keys.get(idOfActor.get(`${kind}/${actorId}`) ?? "");
 *     const made = { id: crypto.randomUUID(), key: crypto.getRandomValues(new Uint8Array(32)) };
 *     const key = known ?? made;
 *     keys.set(key.id, key);
 *     idOfActor.set(`${kind}/${actorId}`, key.id);
 *     return key;
 *   },
 *   decryptionKey: (id) => keys.get(id)?.key,
 * };
 * const codec = new EncryptingCodec(new MessagePackCodec(), keysOfActors);
 * await using provider = await MemoryPersistenceProvider.open({ codec });
 * const journal = provider.createMessageJournal<string>({ kind: "patient" });
 * await journal.append("ada", "has a cold");
 * console.log((await journal.readFrom("ada", 0))[0]?.message); // has a cold
 * keys.delete(idOfActor.get("patient/ada") ?? "");
 * console.log((await journal.readFrom("ada", 0))[0]?.isErased); // true
 * ```
 */
export class EncryptingCodec implements Codec {
  /** The name of the byte format: that of the other codec, and `+xchacha`. */
  readonly name: string;

  readonly #inner: Codec;
  readonly #keys: KeyProvider;

  /**
   * Makes the codec.
   *
   * @param inner Encodes what is encrypted.
   * @param keys Where the keys are.
   * @throws {ArgumentTypeError} `INVALID_ARGUMENT` if one of them is not what it must be.
   */
  constructor(inner: Codec, keys: KeyProvider) {
    if (typeof inner?.encode !== "function" || typeof inner.decode !== "function") {
      throw new ArgumentTypeError("Cannot make codec: the inner one must have encode and decode");
    }
    if (typeof keys?.encryptionKey !== "function" || typeof keys.decryptionKey !== "function") {
      throw new ArgumentTypeError(
        "Cannot make codec: keys must have encryptionKey and decryptionKey",
      );
    }
    this.#inner = inner;
    this.#keys = keys;
    this.name = `${inner.name}+xchacha`;
  }

  /**
   * Encodes and encrypts a value.
   *
   * @param value The value.
   * @param place Whose value it is.
   * @returns The bytes, in memory of their own.
   * @throws {PersistenceError} `UNENCODABLE` if the other codec, or the key provider, refuses it.
   */
  encode(value: unknown, place: CodecPlace = NOWHERE): Uint8Array {
    const plain = this.#inner.encode(value, place);
    const key = this.#keys.encryptionKey(place, value);
    const id = checkKey(key);
    const headerBytes = FIXED_BYTES + id.length;
    const start = headerBytes + NONCE_BYTES;
    const bytes = new Uint8Array(start + plain.length + TAG_BYTES);
    bytes[0] = VERSION;
    bytes[1] = id.length;
    bytes.set(id, FIXED_BYTES);
    const nonce = bytes.subarray(headerBytes, start);
    // Not from a supply that was made before: two copies of a virtual machine would both use it.
    crypto.getRandomValues(nonce);
    const known = knownText(bytes.subarray(0, headerBytes), place);
    xchacha20poly1305(key.key, nonce, known).encrypt(plain, bytes.subarray(start));
    return bytes;
  }

  /**
   * Decrypts and decodes a value.
   *
   * @param bytes What {@linkcode EncryptingCodec.encode} has returned.
   * @param place Whose value it is.
   * @returns The value.
   * @throws {PersistenceError} `ERASED` if its key was dropped.
   * @throws {Error} If it is damaged, or belongs to another actor, or the key is not the right one.
   */
  decode(bytes: Uint8Array, place: CodecPlace = NOWHERE): unknown {
    const [version, idBytes = 0] = bytes;
    const headerBytes = FIXED_BYTES + idBytes;
    const start = headerBytes + NONCE_BYTES;
    if (version === undefined || bytes.length < start + TAG_BYTES) {
      throw new Error("the encrypted value is too short");
    }
    if (version !== VERSION) throw new Error(`the version of the encryption is ${version}`);
    const id = decoder.decode(bytes.subarray(FIXED_BYTES, headerBytes));
    const key = this.#keys.decryptionKey(id, place);
    if (key === undefined) {
      throw new PersistenceError("ERASED", `Cannot decrypt value: its key "${id}" was dropped`);
    }
    if (key.length !== KEY_BYTES) throw new Error(`the key "${id}" has ${key.length} bytes`);
    const known = knownText(bytes.subarray(0, headerBytes), place);
    const nonce = bytes.subarray(headerBytes, start);
    return this.#inner.decode(decrypt(key, nonce, known, bytes.subarray(start), id), place);
  }
}

function decrypt(
  key: Uint8Array,
  nonce: Uint8Array,
  known: Uint8Array,
  encrypted: Uint8Array,
  id: string,
): Uint8Array {
  try {
    return xchacha20poly1305(key, nonce, known).decrypt(encrypted);
  } catch (cause) {
    throw new Error(
      `it is damaged, or that of another actor, or "${id}" was another key when it was encrypted`,
      { cause },
    );
  }
}

/** What is authenticated, and not encrypted. The length tells where the kind ends. */
function knownText(header: Uint8Array, { kind, actorId }: CodecPlace): Uint8Array {
  const place = encoder.encode(`${kind.length} ${kind}${actorId}`);
  const known = new Uint8Array(header.length + place.length);
  known.set(header);
  known.set(place, header.length);
  return known;
}
