/**
 * A codec for people who want to read what is stored.
 *
 * @module
 */

import type { Codec } from "./codec.ts";
import { asUnencodable, ValueWalk } from "./value_walk.ts";

/**
 * JSON in UTF-8, for data that other tools have to read. Its name is `"json"`.
 *
 * Only what JSON can hold comes back as it went in: null, booleans, finite numbers, strings, and
 * arrays and plain objects of them, up to 100 levels deep. Everything else is refused, also what
 * `JSON.stringify` would leave out or convert without a word: undefined, NaN, ±Infinity, -0, bigint,
 * `Date`, `Map` and other instances of classes, functions, symbols, cycles, holes in arrays, and
 * objects with a property `__proto__` of their own. An object without prototype comes back as an
 * ordinary one; properties that are not enumerable or have a symbol as name are left out.
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
   * @param value What to encode.
   * @returns The bytes.
   * @throws {PersistenceError} `UNENCODABLE` where the value would not come back as it went in. The
   *   message names what is to blame and where it is.
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
   * @throws {Error} where the bytes are no JSON in UTF-8, or a property is named `__proto__`.
   */
  decode(bytes: Uint8Array): unknown {
    const text = this.#textDecoder.decode(bytes);
    // No encoder of ours writes such a name, and who copies its object would change a prototype.
    return MAY_NAME_PROTO.test(text) ? JSON.parse(text, refuseProto) : JSON.parse(text);
  }
}

/** The name, or one of its characters escaped, which `JSON.stringify` never does. */
const MAY_NAME_PROTO = /__proto__|\\u00(?:5f|6f|7[024])/i;

function refuseProto(name: string, value: unknown): unknown {
  if (name === "__proto__") throw new Error('a property is named "__proto__"');
  return value;
}

class JsonWalk extends ValueWalk {
  /** Any string will do: `JSON.stringify` escapes lone surrogates. */
  protected override lowerSpecial(value: unknown, depth: number): unknown {
    return typeof value === "string" ? value : this.refuse(value, depth);
  }

  protected override lowerOddlyNamed(object: Readonly<Record<string, unknown>>): unknown {
    return object;
  }
}
