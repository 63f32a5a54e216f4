/**
 * Reads payloads whatever their schema, as they were stored.
 *
 * @module
 */

import type { ActorAddress } from "../format/actor_address.ts";
import type { EncodedValue } from "../format/encoded_run.ts";
import type { Codec } from "../ports/codec.ts";
import {
  type DecodedPayload,
  decodeMetadata,
  decodeValue,
  encodeMetadata,
  erasedPayload,
  type PayloadNouns,
  type Payloads,
  PlainPayloads,
  readParts,
  readTag,
  type StoredPayload,
} from "../schema/payloads.ts";
import type { Metadata } from "../ports/metadata.ts";

/** Payloads of any schema, which are not upcast and not validated. */
export class AnyPayloads implements Payloads {
  readonly #codec: Codec;
  readonly #nouns: PayloadNouns;
  readonly #plain: PlainPayloads;

  /**
   * @param codec Decodes the values.
   * @param nouns What the payloads contain.
   */
  constructor(codec: Codec, nouns: PayloadNouns) {
    this.#codec = codec;
    this.#nouns = nouns;
    this.#plain = new PlainPayloads(codec, nouns);
  }

  /** See {@linkcode Payloads.encode}. */
  encode(
    value: unknown,
    operation: string,
    actor: ActorAddress,
    metadata?: Uint8Array,
  ): EncodedValue {
    return this.#plain.encode(value, operation, actor, metadata);
  }

  /** See {@linkcode Payloads.encodeMetadata}. */
  encodeMetadata(metadata: Metadata, operation: string, actor: ActorAddress): Uint8Array {
    return encodeMetadata(this.#codec, metadata, operation, actor);
  }

  /** See {@linkcode Payloads.decode}. */
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
