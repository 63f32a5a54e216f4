/** Whose value a codec encodes or decodes. */
export interface CodecPlace {
  /** The kind of the actor, `""` if it has none. */
  readonly kind: string;
  /** The id of the actor. */
  readonly actorId: string;
}

/**
 * THE CODEC PORT: turns messages and states into bytes and back.
 *
 * The format of a codec is permanent: every later version of the codec must read what any earlier
 * one wrote. {@linkcode Codec.name} names the format. It is stored with the data when a storage is
 * first used, and opening the storage with a codec of another name fails with `CODEC_MISMATCH`. Two
 * codecs that read and write the same bytes share a name.
 *
 * @example A codec that compresses what another one encodes
 * ```ts
 * import { gunzipSync, gzipSync } from "node:zlib";
 * import { type Codec, MessagePackCodec } from "@cajun/persistence";
 * import { MemoryPersistenceProvider } from "@cajun/persistence/memory";
 *
 * const inner = new MessagePackCodec();
 * const codec: Codec = {
 *   name: "msgpack+gzip",
 *   encode: (value) => gzipSync(inner.encode(value)),
 *   decode: (bytes) => inner.decode(gunzipSync(bytes)),
 * };
 *
 * await using provider = await MemoryPersistenceProvider.open({ codec });
 * const journal = provider.createMessageJournal<{ amount: bigint }>();
 * await journal.append("account-1", { amount: 5n });
 * console.log((await journal.readFrom("account-1", 0))[0]?.message); // { amount: 5n }
 * ```
 */
export interface Codec {
  /** The name of the byte format: 1 to 64 characters of `a-z`, `0-9`, `.`, `_`, `+` and `-`. */
  readonly name: string;

  /**
   * Encodes one value.
   *
   * @param value The value to store: a message, a state, an effect, or metadata.
   * @param place Whose value it is; providers always say it. Most codecs need not know; one that
   *   encrypts takes its key by it.
   * @returns The bytes. The caller copies them before it calls the codec again and never changes
   *   them, so a codec may return a view of a buffer that it reuses.
   * @throws {PersistenceError} `UNENCODABLE` if the value would not come back unchanged. Any other
   *   error is wrapped in one with this code.
   */
  encode(value: unknown, place?: CodecPlace): Uint8Array;

  /**
   * Decodes what {@linkcode Codec.encode} returned.
   *
   * @param bytes Exactly the bytes of one value. The result must not share memory with them.
   * @param place Whose value it is; providers always say it.
   * @returns The value.
   * @throws {PersistenceError} `ERASED` if the value was made unreadable on purpose, for good: then
   *   the entry stays, without its message.
   * @throws {Error} Any other error if the bytes are not an encoded value. The caller reports it as
   *   `CORRUPT`.
   */
  decode(bytes: Uint8Array, place?: CodecPlace): unknown;
}
