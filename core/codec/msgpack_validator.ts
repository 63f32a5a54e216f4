/**
 * Checks that bytes are one well-formed value of the format "msgpack" before a library decodes
 * them.
 *
 * MessagePack libraries trust the bytes: a few bytes can claim an array of four billion items,
 * arrays nested a million levels deep, or a property named `__proto__`. And a library returns
 * binary data as a view of its input. So everything that an encoder of this format does not write
 * is refused, and lengths are compared with the bytes that follow.
 *
 * @module
 */

import { isExtension, isNested } from "./msgpack_extensions.ts";
import { MAX_DEPTH } from "./value_walk.ts";

const PROTO = new TextEncoder().encode("__proto__");

/**
 * Checks one encoded value.
 *
 * @param bytes Exactly the bytes of the value.
 * @returns Whether the value has extensions.
 * @throws {Error} If the bytes are not such a value.
 */
export function checkStructure(bytes: Uint8Array): boolean {
  const check = new StructureCheck(bytes);
  const end = check.value(0, bytes.length, 0);
  if (end !== bytes.length) throw new Error(`the value ends at byte ${end} of ${bytes.length}`);
  return check.hasExtensions;
}

class StructureCheck {
  readonly #bytes: Uint8Array;
  hasExtensions = false;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** Checks the value that begins at an offset, and returns the offset after it. */
  value(start: number, limit: number, depth: number): number {
    if (start >= limit) throw new Error(`the bytes end at ${limit}, in the middle of a value`);
    const token = this.#bytes[start] ?? 0;
    const next = start + 1;
    if (token < 0x80 || token >= 0xe0) return next;
    if (token >= 0xa0 && token < 0xc0) return this.#text(next, token & 0x1f, limit);
    if (token < 0x90) return this.#map(next, token & 0x0f, limit, depth);
    if (token < 0xa0) return this.#array(next, token & 0x0f, limit, depth);
    switch (token) {
      case 0xc0: // nil
      case 0xc2: // false
      case 0xc3: // true
        return next;
      case 0xcc: // uint 8
      case 0xd0: // int 8
        return this.#skip(next, 1, limit);
      case 0xcd: // uint 16
      case 0xd1: // int 16
        return this.#skip(next, 2, limit);
      case 0xca: // float 32
      case 0xce: // uint 32
      case 0xd2: // int 32
        return this.#skip(next, 4, limit);
      case 0xcb: // float 64
      case 0xcf: // uint 64
      case 0xd3: // int 64
        return this.#skip(next, 8, limit);
      case 0xd9: // str 8
        return this.#text(next + 1, this.#uint(next, 1, limit), limit);
      case 0xda: // str 16
        return this.#text(next + 2, this.#uint(next, 2, limit), limit);
      case 0xdb: // str 32
        return this.#text(next + 4, this.#uint(next, 4, limit), limit);
      case 0xdc: // array 16
        return this.#array(next + 2, this.#uint(next, 2, limit), limit, depth);
      case 0xdd: // array 32
        return this.#array(next + 4, this.#uint(next, 4, limit), limit, depth);
      case 0xde: // map 16
        return this.#map(next + 2, this.#uint(next, 2, limit), limit, depth);
      case 0xdf: // map 32
        return this.#map(next + 4, this.#uint(next, 4, limit), limit, depth);
      case 0xd4: // fixext 1
        return this.#extension(next, 1, limit, depth);
      case 0xd5: // fixext 2
        return this.#extension(next, 2, limit, depth);
      case 0xd6: // fixext 4
        return this.#extension(next, 4, limit, depth);
      case 0xd7: // fixext 8
        return this.#extension(next, 8, limit, depth);
      case 0xd8: // fixext 16
        return this.#extension(next, 16, limit, depth);
      case 0xc7: // ext 8
        return this.#extension(next + 1, this.#uint(next, 1, limit), limit, depth);
      case 0xc8: // ext 16
        return this.#extension(next + 2, this.#uint(next, 2, limit), limit, depth);
      case 0xc9: // ext 32
        return this.#extension(next + 4, this.#uint(next, 4, limit), limit, depth);
      default:
        throw new Error(`byte ${start} is 0x${token.toString(16)}, which does not begin a value`);
    }
  }

  #array(start: number, count: number, limit: number, depth: number): number {
    this.#checkContainer(start, count, limit, depth);
    let offset = start;
    for (let index = 0; index < count; index++) offset = this.value(offset, limit, depth + 1);
    return offset;
  }

  #map(start: number, count: number, limit: number, depth: number): number {
    this.#checkContainer(start, 2 * count, limit, depth);
    let offset = start;
    for (let index = 0; index < count; index++) {
      offset = this.value(this.#name(offset, limit), limit, depth + 1);
    }
    return offset;
  }

  /** An item has at least one byte, so there cannot be more items than bytes. */
  #checkContainer(start: number, items: number, limit: number, depth: number): void {
    if (depth >= MAX_DEPTH) throw new Error(`a value is nested more than ${MAX_DEPTH} levels deep`);
    if (items > limit - start) {
      throw new Error(
        `${items} items begin at byte ${start}, but only ${limit - start} bytes follow`,
      );
    }
  }

  #name(start: number, limit: number): number {
    const headerBytes = textHeaderBytes(this.#bytes[start] ?? 0);
    if (headerBytes === 0) throw new Error(`byte ${start} does not begin a property name`);
    const end = this.value(start, limit, MAX_DEPTH);
    if (this.#isProto(start + headerBytes, end)) throw new Error(`a property is named "__proto__"`);
    return end;
  }

  #isProto(start: number, end: number): boolean {
    if (end - start !== PROTO.length) return false;
    // A loop, because ordinary names also have this length, and a callback takes several times as
    // long.
    for (let index = 0; index < PROTO.length; index++) {
      if (this.#bytes[start + index] !== PROTO[index]) return false;
    }
    return true;
  }

  #extension(typeOffset: number, length: number, limit: number, depth: number): number {
    this.hasExtensions = true;
    const start = typeOffset + 1;
    const end = this.#skip(start, length, limit);
    const type = this.#bytes[typeOffset] ?? 0;
    if (!isExtension(type)) throw new Error(`unknown extension type ${type}`);
    if (isNested(type) && this.value(start, end, depth) !== end) {
      throw new Error(`the value in the extension at byte ${start} ends before byte ${end}`);
    }
    return end;
  }

  #uint(offset: number, length: number, limit: number): number {
    this.#skip(offset, length, limit);
    let value = 0;
    for (let index = 0; index < length; index++) {
      value = value * 256 + (this.#bytes[offset + index] ?? 0);
    }
    return value;
  }

  /** A library that reads a truncated character to its end would continue at another offset. */
  #text(start: number, length: number, limit: number): number {
    const end = start + length;
    if (end > limit) throw new Error(`the bytes end at ${limit}, in the middle of a value`);
    const bytes = this.#bytes;
    const last = (bytes[end - 1] ?? 0) | (bytes[end - 2] ?? 0) | (bytes[end - 3] ?? 0);
    // Nearly all texts end with single-byte characters: then none is truncated.
    if (last >= 0x80) this.#checkLastCharacter(start, end);
    return end;
  }

  /** None of the last bytes may begin a character that is longer than the rest of the text. */
  #checkLastCharacter(start: number, end: number): void {
    const byteAt = (offset: number) => offset < start ? 0 : this.#bytes[offset] ?? 0;
    if (byteAt(end - 1) >= 0xc0 || byteAt(end - 2) >= 0xe0 || byteAt(end - 3) >= 0xf0) {
      throw new Error(`the text before byte ${end} ends within a character`);
    }
  }

  #skip(start: number, length: number, limit: number): number {
    const end = start + length;
    if (end > limit) throw new Error(`the bytes end at ${limit}, in the middle of a value`);
    return end;
  }
}

/** The number of bytes before the first character of a text, or 0 if the value is not a text. */
function textHeaderBytes(token: number): number {
  if (token >= 0xa0 && token < 0xc0) return 1;
  switch (token) {
    case 0xd9:
      return 2;
    case 0xda:
      return 3;
    case 0xdb:
      return 5;
    default:
      return 0;
  }
}
