/**
 * A faster codec that reads and writes the same bytes as the default one, on the package
 * `msgpackr`.
 *
 * @module
 */

import { Packr } from "msgpackr/pack";
import { MessagePackCodec } from "../core/codec/msgpack_codec.ts";
import { checkStructure } from "../core/codec/msgpack_validator.ts";
import { asUnencodable, ValueWalk } from "../core/codec/value_walk.ts";
import type { Codec } from "../core/ports/codec.ts";

/**
 * Whether a message is being encoded. `msgpackr` encodes into a buffer that all its instances in
 * the process share, so a getter in a message that itself encodes something would write into the
 * middle of the message.
 */
let isPacking = false;

/**
 * A codec that reads and writes the same bytes as the default one, `MessagePackCodec`, with the
 * same limits. It takes less time for plain messages: those that hold nothing but null, booleans,
 * numbers, strings, arrays and plain objects. Its name is `"msgpack"`, so data that was written
 * with one of the two codecs can be opened with the other.
 *
 * A message that holds anything else, such as a `Date` or undefined, is left to `MessagePackCodec`:
 * extensions of `msgpackr` are registered for the whole process, and could collide with those of
 * the application.
 *
 * @example Opening a provider with it
 * ```ts
 * import { MemoryPersistenceProvider } from "@cajun/persistence/memory";
 * import { MsgpackrCodec } from "@cajun/persistence/msgpackr";
 *
 * await using provider = await MemoryPersistenceProvider.open({ codec: new MsgpackrCodec() });
 * const journal = provider.createMessageJournal<{ amount: number }>();
 * await journal.append("account-1", { amount: 5 });
 * console.log((await journal.readFrom("account-1", 0))[0]?.message); // { amount: 5 }
 * ```
 */
export class MsgpackrCodec implements Codec {
  /** The name of the format: `"msgpack"`. */
  readonly name = "msgpack";

  readonly #richCodec = new MessagePackCodec();
  readonly #packr = new Packr({
    useRecords: false,
    mapsAsObjects: true,
    variableMapSize: true,
    int64AsType: "number",
    copyBuffers: true,
  });

  /**
   * Encodes one value.
   *
   * @param value The value to encode.
   * @returns The bytes, in memory that the next call may use again.
   * @throws {PersistenceError} `UNENCODABLE` if the value could not be decoded to an equal one. The
   *   message names the part that is to blame, and where it is.
   */
  encode(value: unknown): Uint8Array {
    if (isPacking || !isPlain(value)) return this.#richCodec.encode(value);
    isPacking = true;
    try {
      return this.#packr.pack(value);
    } catch {
      // `msgpackr` fails on some plain objects, such as those with properties "constructor" and
      // "toJSON". If the value is to blame, this fails again, and says why.
      return this.#richCodec.encode(value);
    } finally {
      isPacking = false;
    }
  }

  /**
   * Decodes one value.
   *
   * @param bytes Exactly the bytes of one value.
   * @returns The value. It shares no memory with the bytes.
   * @throws {Error} If the bytes are not those of one value.
   */
  decode(bytes: Uint8Array): unknown {
    if (checkStructure(bytes)) return this.#richCodec.decode(bytes);
    // A new view, because `msgpackr` leaves a property on the one that it gets.
    return this.#packr.unpack(bytes.subarray());
  }
}

function isPlain(value: unknown): boolean {
  const walk = new PlainWalk();
  try {
    walk.lower(value);
  } catch (error) {
    throw asUnencodable(error);
  }
  return walk.isPlain;
}

/** Finds out whether a value is plain, and refuses one that cannot be encoded. */
class PlainWalk extends ValueWalk {
  isPlain = true;

  protected override lowerSpecial(value: unknown): unknown {
    if (typeof value !== "number" || Object.is(value, -0)) this.isPlain = false;
    return value;
  }

  protected override lowerOddlyNamed(object: Readonly<Record<string, unknown>>): unknown {
    this.isPlain = false;
    return object;
  }
}
