/**
 * THE CODEC PORT: turns messages and states into bytes and back.
 *
 * A codec must be deterministic about its format: what any version of it wrote, every later version
 * must read. Its {@linkcode Codec.name} names that format. It is stored with the data when a storage
 * is first used, and opening the storage with a codec of another name fails with `CODEC_MISMATCH`.
 * Two codecs that read and write the same bytes share one name.
 *
 * @example A codec that gzips another one's output would look like this
 * ```ts
 * import type { Codec } from "@cajun/persistence";
 *
 * const upperCase: Codec = {
 *   name: "upper-case",
 *   encode: (value) => new TextEncoder().encode(String(value).toUpperCase()),
 *   decode: (bytes) => new TextDecoder().decode(bytes),
 * };
 * console.log(upperCase.decode(upperCase.encode("hello"))); // "HELLO"
 * ```
 */
export interface Codec {
  /** The name of the byte format: 1 to 64 characters of `a-z`, `0-9`, `.`, `_`, `+` and `-`. */
  readonly name: string;

  /**
   * Encodes one value.
   *
   * @param value What the caller wants to store.
   * @returns The bytes. The caller copies them before it calls the codec again and never changes
   *   them, so a codec may return a view on a buffer that it uses again.
   * @throws {PersistenceError} `UNENCODABLE` where the value would not come back as it went in. Any
   *   other error is wrapped into one.
   */
  encode(value: unknown): Uint8Array;

  /**
   * Decodes what {@linkcode Codec.encode} returned.
   *
   * @param bytes Exactly the bytes of one value. The result must not share memory with them.
   * @returns The value.
   * @throws Any error where the bytes are not such a value; the caller reports it as `CORRUPT`.
   */
  decode(bytes: Uint8Array): unknown;
}
