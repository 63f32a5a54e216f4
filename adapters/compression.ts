/**
 * A codec that compresses what another one encodes. A value is stored as a byte that says how, and
 * what it says:
 *
 * | byte | content |
 * |---|---|
 * | 0 | what the other codec encodes, as it is |
 * | 1 | the same, deflated (RFC 1951) |
 * | 2 | the same, compressed by Zstandard (RFC 8878) |
 *
 * @module
 */

import * as zlib from "node:zlib";
import { checkInteger, checkOptions } from "../core/errors/arguments.ts";
import {
  ArgumentRangeError,
  ArgumentTypeError,
  PersistenceError,
} from "../core/errors/persistence_error.ts";
import type { Codec, CodecPlace } from "../core/ports/codec.ts";
import type { OptionNames } from "../core/util/option_names.ts";

const PLAIN = 0;
const OPERATION = "make codec";
/** As large as a value may be. */
const MAX_VALUE_BYTES = 2 ** 30;
const DEFAULT_MIN_BYTES = 256;
/** As large as a state may be, by default. */
const DEFAULT_MAX_BYTES = 2 ** 28;

/** How values are compressed. */
export type CompressionMethod = "deflate" | "zstd";

/** Options of a {@linkcode CompressingCodec}. */
export interface CompressionOptions {
  /**
   * How new values are compressed. `"zstd"` is faster; it needs Node 22.15, Bun or Deno. What was
   * compressed in the other way can be read in any case, if the runtime has it.
   *
   * @default {"deflate"}
   */
  method?: CompressionMethod;
  /**
   * Values of fewer bytes are stored as they are, since they would hardly become smaller: an integer
   * of at least 0.
   *
   * @default {256}
   */
  minBytes?: number;
  /**
   * How many bytes a value may have before it is compressed: an integer from 1 to 2^30. What says
   * that it has more when it is read is not decompressed: a few bytes could fill the memory.
   *
   * @default {256 MiB}
   */
  maxBytes?: number;
}

const OPTION_NAMES: OptionNames<CompressionOptions> = {
  method: true,
  minBytes: true,
  maxBytes: true,
};

interface Limit {
  readonly maxOutputLength: number;
}

interface Compression {
  readonly byte: number;
  readonly compress: ((bytes: Uint8Array) => Uint8Array) | undefined;
  readonly decompress: ((bytes: Uint8Array, limit: Limit) => Uint8Array) | undefined;
}

/** What Node 20 does not have. */
interface Zstandard {
  zstdCompressSync?(bytes: Uint8Array): Uint8Array;
  zstdDecompressSync?(bytes: Uint8Array, limit: Limit): Uint8Array;
}

const { zstdCompressSync, zstdDecompressSync } = zlib as Zstandard;

const COMPRESSIONS: Readonly<Record<CompressionMethod, Compression>> = {
  deflate: {
    byte: 1,
    compress: (bytes) => zlib.deflateRawSync(bytes),
    decompress: (bytes, limit) => zlib.inflateRawSync(bytes, limit),
  },
  zstd: {
    byte: 2,
    compress: zstdCompressSync,
    decompress: zstdDecompressSync,
  },
};

/**
 * A codec that compresses what another one encodes, if that makes it smaller. Each value is
 * compressed by itself, so it pays for large states, and for messages of a few hundred bytes and more.
 * To encrypt as well, pass it to `EncryptingCodec`: what is encrypted cannot be compressed. How long a
 * compressed value is tells something of its content.
 *
 * @example Large states
 * ```ts
 * import { MessagePackCodec } from "@cajun/persistence";
 * import { CompressingCodec } from "@cajun/persistence/compression";
 * import { MemoryPersistenceProvider } from "@cajun/persistence/memory";
 *
 * const codec = new CompressingCodec(new MessagePackCodec());
 * await using provider = await MemoryPersistenceProvider.open({ codec });
 * const snapshots = provider.createSnapshotStore<string>();
 * await snapshots.saveSnapshot("book-1", "once upon a time ".repeat(1_000), 0);
 * console.log((await provider.stats()).storage.usedBytes < 2_000); // true
 * ```
 */
export class CompressingCodec implements Codec {
  /** The name of the byte format: that of the other codec, and `+zip`. */
  readonly name: string;

  readonly #inner: Codec;
  readonly #byte: number;
  readonly #compress: (bytes: Uint8Array) => Uint8Array;
  readonly #minBytes: number;
  readonly #maxBytes: number;

  /**
   * Makes the codec.
   *
   * @param inner Encodes what is compressed.
   * @param options How, and from which size on.
   * @throws {ArgumentTypeError | ArgumentRangeError} `INVALID_ARGUMENT` if an argument is invalid or
   *   unknown, or the runtime cannot compress in this way.
   */
  constructor(inner: Codec, options: CompressionOptions = {}) {
    if (typeof inner?.encode !== "function" || typeof inner.decode !== "function") {
      throw new ArgumentTypeError("Cannot make codec: the inner one must have encode and decode");
    }
    checkOptions(options, OPERATION, OPTION_NAMES);
    const {
      method = "deflate",
      minBytes = DEFAULT_MIN_BYTES,
      maxBytes = DEFAULT_MAX_BYTES,
    } = options;
    if (!Object.hasOwn(COMPRESSIONS, method)) {
      throw new ArgumentRangeError(
        `Cannot ${OPERATION}: method must be "deflate" or "zstd", not "${String(method)}"`,
      );
    }
    const { byte, compress } = COMPRESSIONS[method];
    if (!compress) {
      throw new ArgumentRangeError(`Cannot ${OPERATION}: this runtime has no method "${method}"`);
    }
    this.#inner = inner;
    this.#byte = byte;
    this.#compress = compress;
    this.#minBytes = checkInteger(minBytes, "minBytes", 0, Number.MAX_SAFE_INTEGER, OPERATION);
    this.#maxBytes = checkInteger(maxBytes, "maxBytes", 1, MAX_VALUE_BYTES, OPERATION);
    this.name = `${inner.name}+zip`;
  }

  /**
   * Encodes a value, and compresses it if that makes it smaller.
   *
   * @param value The value.
   * @param place Whose value it is.
   * @returns The bytes, in memory of their own.
   * @throws {PersistenceError} `UNENCODABLE` if the other codec refuses it; `TOO_LARGE`.
   */
  encode(value: unknown, place?: CodecPlace): Uint8Array {
    const plain = this.#inner.encode(value, place);
    if (plain.length > this.#maxBytes) {
      throw new PersistenceError(
        "TOO_LARGE",
        `Cannot compress value: it has ${plain.length} bytes, the limit is ${this.#maxBytes}`,
      );
    }
    if (plain.length < this.#minBytes) return tagged(PLAIN, plain);
    const compressed = this.#compress(plain);
    return compressed.length < plain.length ? tagged(this.#byte, compressed) : tagged(PLAIN, plain);
  }

  /**
   * Decompresses and decodes a value.
   *
   * @param bytes What {@linkcode CompressingCodec.encode} has returned.
   * @param place Whose value it is.
   * @returns The value.
   * @throws {Error} If it is damaged, or the runtime cannot decompress it.
   */
  decode(bytes: Uint8Array, place?: CodecPlace): unknown {
    const content = bytes.subarray(1);
    if (bytes[0] === PLAIN) return this.#inner.decode(content, place);
    for (const [method, { byte, decompress }] of Object.entries(COMPRESSIONS)) {
      if (bytes[0] !== byte) continue;
      if (!decompress) throw new Error(`this runtime has no method "${method}"`);
      const limit = { maxOutputLength: this.#maxBytes };
      return this.#inner.decode(decompress(content, limit), place);
    }
    throw new Error(`there is no compression ${bytes[0]}`);
  }
}

function tagged(byte: number, content: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(content.length + 1);
  bytes[0] = byte;
  bytes.set(content, 1);
  return bytes;
}
