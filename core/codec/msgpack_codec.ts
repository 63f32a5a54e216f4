/**
 * The default codec: MessagePack, with extension types for values that it has no type for.
 *
 * @module
 */

import { Decoder, Encoder, type ExtensionCodecType } from "@msgpack/msgpack";
import type { Codec } from "../ports/codec.ts";
import { decodeExtension } from "./msgpack_extensions.ts";
import { checkStructure } from "./msgpack_validator.ts";
import { MessagePackWalk, toExtension } from "./msgpack_walk.ts";
import { asUnencodable, MAX_DEPTH } from "./value_walk.ts";

/** A larger buffer is not kept, or one large snapshot would occupy its memory for good. */
const MAX_KEPT_BUFFER_BYTES = 1_048_576;

/**
 * The default codec: {@link https://msgpack.org | MessagePack}, with extension types for values
 * that it has no type for. Its name is `"msgpack"`. `docs/format.md` describes the bytes.
 *
 * These values come back unchanged: null, undefined, booleans, numbers (including NaN, ±Infinity
 * and -0), bigint, strings (even with lone surrogates), `Date` (even an invalid one), `RegExp`,
 * `Map`, `Set`, `ArrayBuffer`, all typed arrays except `Float16Array`, and arrays and plain objects
 * of them, up to 100 levels deep, 2^26 values and 2 GiB. With these differences:
 *
 * - A typed array comes back with its own buffer, which contains only the elements of the array. A
 *   `Buffer` comes back as a `Uint8Array`, which has other methods: a replay sees
 *   `toString("hex")` give something else. A resizable `ArrayBuffer` comes back with a fixed length.
 * - Holes in arrays come back as undefined.
 * - An object without a prototype comes back as an ordinary object.
 * - The `lastIndex` of a `RegExp`, properties with a symbol as name, non-enumerable properties, and
 *   properties that were added to an array, `Map` or the like are omitted.
 * - An object that is referenced twice comes back as two copies.
 * - A getter is stored as the value that it returns. It is called more than once and must return
 *   the same kind of value each time.
 *
 * What another realm has made (`node:vm`, test runners) is taken for what it is, and comes back as of
 * this one.
 *
 * Everything else is refused, with a message that names it: functions, symbols, instances of other
 * classes, views of a `SharedArrayBuffer`, cycles, and objects with an own property `__proto__`.
 *
 * @example Encoding and decoding
 * ```ts
 * import { MessagePackCodec } from "@cajun/persistence";
 *
 * const codec = new MessagePackCodec();
 * const bytes = codec.encode({ at: new Date(0), tags: new Set(["new"]), total: 12n });
 * console.log(codec.decode(bytes)); // { at: 1970-01-01T00:00:00.000Z, tags: Set { "new" }, total: 12n }
 * ```
 */
export class MessagePackCodec implements Codec {
  /** Always `"msgpack"`. */
  readonly name = "msgpack";

  readonly #decoder: Decoder = new Decoder({ extensionCodec: this.#createExtensions() });
  readonly #encodeNested = (items: unknown[]): Uint8Array => this.#encodeLowered(items).slice();
  #encoder: Encoder = this.#createEncoder();

  /**
   * Encodes one value.
   *
   * @param value The value to encode.
   * @returns The bytes, in memory that the next call reuses.
   * @throws {PersistenceError} `UNENCODABLE` if the value would not come back unchanged. The
   *   message names the offending part and its path.
   */
  encode(value: unknown): Uint8Array {
    try {
      return this.#encodeLowered(new MessagePackWalk(this.#encodeNested).lower(value));
    } catch (error) {
      throw asUnencodable(error);
    }
  }

  /**
   * Decodes one value.
   *
   * @param bytes Exactly the bytes of one value.
   * @returns The value. It shares no memory with the bytes.
   * @throws {Error} If the bytes are not an encoded value.
   */
  decode(bytes: Uint8Array): unknown {
    checkStructure(bytes);
    return this.#decoder.decode(bytes);
  }

  #encodeLowered(value: unknown): Uint8Array {
    const bytes = this.#encoder.encodeSharedRef(value);
    if (bytes.length > MAX_KEPT_BUFFER_BYTES) this.#encoder = this.#createEncoder();
    return bytes;
  }

  #createEncoder(): Encoder {
    return new Encoder({ extensionCodec: this.#createExtensions(), maxDepth: MAX_DEPTH + 1 });
  }

  #createExtensions(): ExtensionCodecType<undefined> {
    const decodeNested = (payload: Uint8Array): unknown => this.#decoder.decode(payload);
    return {
      tryToEncode: toExtension,
      decode: (payload, type) => decodeExtension(type, payload, decodeNested),
    };
  }
}
