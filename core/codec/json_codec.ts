/**
 * A codec for data that people and other tools have to read.
 *
 * @module
 */

import type { Codec } from "../ports/codec.ts";
import { asUnencodable, ValueWalk } from "./value_walk.ts";

/**
 * JSON in UTF-8, for data that other tools have to read. Its name is `"json"`.
 *
 * These values come back unchanged: null, booleans, finite numbers, strings, and arrays and plain
 * objects of them, up to 100 levels deep. Everything else is refused, including what
 * `JSON.stringify` would silently omit or convert: undefined, NaN, ±Infinity, -0, bigint, `Date`,
 * `Map`, `Buffer` and other class instances, functions, symbols, cycles, holes in arrays, and objects with an
 * own property `__proto__`. An object without a prototype comes back as an ordinary object;
 * non-enumerable properties and properties with a symbol as name are omitted.
 *
 * @example Encoding and decoding
 * ```ts
 * import { JsonCodec } from "@cajun/persistence";
 *
 * const codec = new JsonCodec();
 * const bytes = codec.encode({ type: "deposited", amount: 12.5 });
 * console.log(new TextDecoder().decode(bytes)); // {"type":"deposited","amount":12.5}
 * console.log(codec.decode(bytes)); // { type: "deposited", amount: 12.5 }
 * ```
 */
export class JsonCodec implements Codec {
  /** Always `"json"`. */
  readonly name = "json";

  readonly #textEncoder = new TextEncoder();
  readonly #textDecoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

  /**
   * Encodes one value.
   *
   * @param value The value to encode.
   * @returns The bytes.
   * @throws {PersistenceError} `UNENCODABLE` if the value would not come back unchanged. The
   *   message names the offending part and its path.
   */
  encode(value: unknown): Uint8Array {
    try {
      return this.#textEncoder.encode(JSON.stringify(new JsonWalk().lower(value)));
    } catch (error) {
      throw asUnencodable(error);
    }
  }

  /**
   * Decodes one value.
   *
   * @param bytes Exactly the bytes of one value.
   * @returns The value.
   * @throws {Error} If the bytes are not JSON in UTF-8, or a property is named `__proto__`.
   */
  decode(bytes: Uint8Array): unknown {
    const text = this.#textDecoder.decode(bytes);
    // Our encoder never writes such a name, and code that copies the object would set a prototype.
    return MAY_NAME_PROTO.test(text) ? JSON.parse(text, refuseProto) : JSON.parse(text);
  }
}

/** Matches the name, and escapes of its characters, which `JSON.stringify` never writes. */
const MAY_NAME_PROTO = /__proto__|\\u00(?:5f|6f|7[024])/i;

function refuseProto(name: string, value: unknown): unknown {
  if (name === "__proto__") throw new Error('a property is named "__proto__"');
  return value;
}

class JsonWalk extends ValueWalk {
  /** Accepts every string: `JSON.stringify` escapes lone surrogates. */
  protected override lowerSpecial(value: unknown, depth: number): unknown {
    return typeof value === "string" ? value : this.refuse(value, depth);
  }

  protected override lowerOddlyNamed(object: Readonly<Record<string, unknown>>): unknown {
    return object;
  }
}
