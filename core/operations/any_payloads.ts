/**
 * Reads payloads whatever their schema, as they were stored.
 *
 * @module
 */

import type { Codec } from "../ports/codec.ts";
import {
  type DecodedPayload,
  decodeMetadata,
  decodeValue,
  erasedPayload,
  type PayloadNouns,
  type PayloadReader,
  readParts,
  readTag,
  type StoredPayload,
} from "../schema/payloads.ts";

/** Reads payloads of any schema, which are not upcast and not validated. */
export class AnyPayloads implements PayloadReader {
  readonly #codec: Codec;
  readonly #nouns: PayloadNouns;

  /**
   * @param codec Decodes the values.
   * @param nouns What the payloads contain.
   */
  constructor(codec: Codec, nouns: PayloadNouns) {
    this.#codec = codec;
    this.#nouns = nouns;
  }

  /** See {@linkcode PayloadReader.decode}. */
  decode(payload: StoredPayload): DecodedPayload {
    const parts = readParts(payload, this.#nouns);
    const schema = parts.tagBytes > 0 ? readTag(payload, parts, this.#nouns) : undefined;
    try {
      const metadata = decodeMetadata(this.#codec, payload, parts, this.#nouns);
      const value = decodeValue(this.#codec, payload, parts, this.#nouns);
      return { value, schema, metadata };
    } catch (error) {
      return erasedPayload(error, schema);
    }
  }
}
