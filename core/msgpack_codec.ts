/**
 * The default codec: MessagePack with extension types for everything else that a message may hold.
 *
 * @module
 */

import { Decoder, Encoder, type ExtensionCodecType } from "@msgpack/msgpack";
import type { Codec } from "./codec.ts";
import { decodeExtension } from "./extensions.ts";
import { checkStructure } from "./msgpack_structure.ts";
import { RichValueWalk, toExtension } from "./rich_values.ts";
import { asUnencodable, MAX_DEPTH } from "./value_walk.ts";

/** A larger buffer is not kept: one large snapshot would occupy its memory for good. */
const MAX_KEPT_BUFFER_BYTES = 1_048_576;

/**
 * The default codec: {@link https://msgpack.org | MessagePack}, with extension types for what it has
 * no type for. Its name is `"msgpack"`. `ARCHITECTURE.md` describes the bytes.
 *
 * These come back as they went in: null, undefined, booleans, numbers (also NaN, ±Infinity and -0),
 * bigint, strings (also with lone surrogates), `Date` (also an invalid one), `RegExp`, `Map`, `Set`,
 * `ArrayBuffer`, all typed arrays but `Float16Array`, and arrays and plain objects of them, up to
 * 100 levels deep, 2^26 values and 2 GiB. With these differences:
 *
 * - A typed array comes back as a copy with a buffer of its own, which holds only what the array
 *   showed; a `Buffer` comes back as `Uint8Array`, a resizable `ArrayBuffer` with a fixed length.
 * - Holes in arrays come back as undefined.
 * - An object without prototype comes back as an ordinary one.
 * - `lastIndex` of a `RegExp`, properties with a symbol as name, properties that are not enumerable
 *   and properties that were added to an array, `Map` or the like are left out.
 * - What is referred to twice comes back as two copies.
 * - A getter is stored as the value that it gives. It is called more than once and must give the
 *   same kind of value each time.
 *
 * Anything else is refused by name: functions, symbols, instances of other classes, what is backed
 * by a `SharedArrayBuffer`, cycles, and objects with a property `__proto__` of their own.
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
   * @param value What to encode.
   * @returns The bytes, in memory that the next call uses again.
   * @throws {PersistenceError} `UNENCODABLE` where the value would not come back as it went in. The
   *   message names what is to blame and where it is.
   */
  encode(value: unknown): Uint8Array {
    try {
      return this.#encodeLowered(new RichValueWalk(this.#encodeNested).lower(value));
    } catch (error) {
      throw asUnencodable(error);
    }
  }

  /**
   * Decodes one value.
   *
   * @param bytes Exactly the bytes of one value.
   * @returns The value. It shares no memory with the bytes.
   * @throws {Error} where the bytes are not such a value.
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
