/**
 * The keys that values are encrypted with.
 *
 * @module
 */

import { ArgumentRangeError, ArgumentTypeError } from "../../core/errors/persistence_error.ts";
import type { CodecPlace } from "../../core/ports/codec.ts";

/** How many bytes a key has. */
export const KEY_BYTES = 32;
/** The most bytes that the id of a key may have in UTF-8. */
export const MAX_KEY_ID_BYTES = 255;

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** A key, and the name under which it is found again. */
export interface EncryptionKey {
  /**
   * Its name, which is stored with each value: 1 to 255 bytes of UTF-8. It is not secret. Never use
   * it for another key: what was encrypted with the first one could not be told from damage.
   */
  readonly id: string;
  /** 32 random bytes. */
  readonly key: Uint8Array;
}

/**
 * Where the keys are. It answers at once, so load them before they are needed. Keep them apart from
 * the store and its backups: what is dropped here must not come back with an old backup.
 */
export interface KeyProvider {
  /**
   * The key for a new value: that of its actor, say, or of the person that it is about.
   *
   * @param place The actor whose value it is.
   * @param value The value: a message, a state, an effect, or metadata.
   * @returns The key.
   * @throws {Error} Any error: then the value is refused with `UNENCODABLE`.
   */
  encryptionKey(place: CodecPlace, value: unknown): EncryptionKey;
  /**
   * The key that a stored value was encrypted with.
   *
   * @param id Its name.
   * @param place The actor whose value it is.
   * @returns The key; `undefined` if it was dropped, so that the value counts as erased.
   * @throws {Error} Any error, for example if it is not known whether the key was dropped: then
   *   reading fails with `CORRUPT`.
   */
  decryptionKey(id: string, place: CodecPlace): Uint8Array | undefined;
}

/**
 * Keys in memory. New values get the newest key, so adding one begins a rotation: older ones stay to
 * read what they were used for.
 *
 * @example Rotation, and a key that is dropped
 * ```ts
 * import { EncryptingCodec, KeyRing } from "@cajun/persistence/encryption";
 * import { MessagePackCodec } from "@cajun/persistence";
 *
 * const keys = new KeyRing([{ id: "2025", key: crypto.getRandomValues(new Uint8Array(32)) }]);
 * const codec = new EncryptingCodec(new MessagePackCodec(), keys);
 * const old = codec.encode("secret");
 * keys.add({ id: "2026", key: crypto.getRandomValues(new Uint8Array(32)) });
 * console.log(codec.decode(old)); // "secret"
 * keys.drop("2025");
 * try {
 *   codec.decode(old);
 * } catch (error) {
 *   console.log((error as { code: string }).code); // ERASED
 * }
 * ```
 */
export class KeyRing implements KeyProvider {
  /** In the order in which they were added; of those that were dropped only the names. */
  readonly #keys = new Map<string, Uint8Array | undefined>();
  #newest: EncryptionKey | undefined;

  /**
   * Takes over keys.
   *
   * @param keys The keys, the newest one last.
   * @throws {ArgumentTypeError | ArgumentRangeError} `INVALID_ARGUMENT` if one is not valid, or two
   *   have the same name.
   */
  constructor(keys: Iterable<EncryptionKey> = []) {
    for (const key of keys) this.add(key);
  }

  /**
   * Adds a key. From now on new values are encrypted with it.
   *
   * @param key The key, which is copied.
   * @throws {ArgumentTypeError | ArgumentRangeError} `INVALID_ARGUMENT` if it is not valid, or there
   *   is, or was, one of that name.
   */
  add(key: EncryptionKey): void {
    checkKey(key);
    if (this.#keys.has(key.id)) {
      throw new ArgumentRangeError(`Cannot add key: there is, or was, one with the id "${key.id}"`);
    }
    this.#newest = { id: key.id, key: key.key.slice() };
    this.#keys.set(key.id, this.#newest.key);
  }

  /**
   * Drops a key, for good: what was encrypted with it counts as erased. Its bytes are overwritten.
   *
   * @param id Its name. It may be one that this ring has never had.
   */
  drop(id: string): void {
    this.#keys.get(id)?.fill(0);
    this.#keys.set(id, undefined);
    if (this.#newest?.id === id) this.#newest = undefined;
  }

  /** See {@linkcode KeyProvider.encryptionKey}. */
  encryptionKey(): EncryptionKey {
    if (this.#newest) return this.#newest;
    throw new Error("there is no key to encrypt with: the newest one was dropped, add another one");
  }

  /** See {@linkcode KeyProvider.decryptionKey}. */
  decryptionKey(id: string): Uint8Array | undefined {
    if (this.#keys.has(id)) return this.#keys.get(id);
    throw new Error(`there is no key with the id "${id}"`);
  }
}

/**
 * Checks a key.
 *
 * @param key The key.
 * @returns The bytes of its name.
 * @throws {ArgumentTypeError | ArgumentRangeError} `INVALID_ARGUMENT` if it is not valid.
 */
export function checkKey(key: EncryptionKey): Uint8Array<ArrayBuffer> {
  if (typeof key?.id !== "string" || !isBytes(key.key)) {
    throw new ArgumentTypeError("Cannot use key: it must have an id, and a key of 32 bytes");
  }
  if (key.key.length !== KEY_BYTES) {
    throw new ArgumentRangeError(
      `Cannot use key "${key.id}": it must have ${KEY_BYTES} bytes, not ${key.key.length}`,
    );
  }
  const id = encoder.encode(key.id);
  const isWellFormed = decoder.decode(id) === key.id;
  if (id.length > 0 && id.length <= MAX_KEY_ID_BYTES && isWellFormed) return id;
  throw new ArgumentRangeError(
    `Cannot use key "${key.id}": its id must be well-formed, and have 1 to ${MAX_KEY_ID_BYTES} bytes of UTF-8`,
  );
}

function isBytes(value: unknown): value is Uint8Array {
  return ArrayBuffer.isView(value) && "BYTES_PER_ELEMENT" in value && value.BYTES_PER_ELEMENT === 1;
}
