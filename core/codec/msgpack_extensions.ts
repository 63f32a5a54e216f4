/**
 * The MessagePack extension types of the format "msgpack", for values that MessagePack has no type
 * for. This is a storage format: the meaning of a number in this table never changes.
 *
 * | type | value | payload |
 * |---|---|---|
 * | 1 | undefined | empty |
 * | 2 | the number -0 | empty |
 * | 3 | bigint | 1 byte sign (0: at least zero, 1: below), then the magnitude without leading zeros |
 * | 4 | string that UTF-8 cannot hold | its UTF-16 code units, 2 bytes each |
 * | 5 | Date | 8 bytes: float64, milliseconds since 1970; NaN: an invalid date |
 * | 6 | RegExp | 1 byte number of flags, the flags in ASCII, the UTF-16 code units of the source |
 * | 7 | Map | MessagePack array: key, value, key, value and so on, in order |
 * | 8 | Set | MessagePack array of the members, in order |
 * | 9 | ArrayBuffer | its bytes |
 * | 10 | object with a name that UTF-8 cannot hold | MessagePack array: name, value and so on |
 * | 16 | Uint8Array | its elements, 1 byte each |
 * | 17 | Int8Array | its elements, 1 byte each |
 * | 18 | Uint8ClampedArray | its elements, 1 byte each |
 * | 19 | Int16Array | its elements, 2 bytes each |
 * | 20 | Uint16Array | its elements, 2 bytes each |
 * | 21 | Int32Array | its elements, 4 bytes each |
 * | 22 | Uint32Array | its elements, 4 bytes each |
 * | 23 | Float32Array | its elements, 4 bytes each |
 * | 24 | Float64Array | its elements, 8 bytes each |
 * | 25 | BigInt64Array | its elements, 8 bytes each |
 * | 26 | BigUint64Array | its elements, 8 bytes each |
 *
 * Everything longer than one byte is little-endian, like all machines that the supported runtimes
 * run on. A MessagePack array in a payload follows the same rules as the whole value. UTF-8 cannot
 * hold a string, by this definition, if the string has lone surrogates or begins with U+FEFF, which
 * decoders treat as a byte order mark.
 *
 * @module
 */

import { exactBuiltInOf, TYPED_ARRAYS, type TypedArray } from "../util/built_ins.ts";

/** The numbers of the extension types. */
export const EXTENSION = {
  undefined: 1,
  negativeZero: 2,
  bigint: 3,
  text: 4,
  date: 5,
  regExp: 6,
  map: 7,
  set: 8,
  arrayBuffer: 9,
  oddlyNamedObject: 10,
} as const;

/** The others follow, in the order of {@linkcode TYPED_ARRAYS}. */
const FIRST_TYPED_ARRAY = 16;

/** Limits how much of a long string is on the stack at once. */
const CODE_UNITS_AT_ONCE = 4_096;

const DATE_BYTES = 8;

/**
 * Whether the payload of an extension type is a MessagePack array.
 *
 * @param type The extension type.
 * @returns Whether it is one.
 */
export function isNested(type: number): boolean {
  return type === EXTENSION.map || type === EXTENSION.set || type === EXTENSION.oddlyNamedObject;
}

/**
 * Whether a number is an extension type.
 *
 * @param type The number.
 * @returns Whether it is one.
 */
export function isExtension(type: number): boolean {
  return (type >= EXTENSION.undefined && type <= EXTENSION.oddlyNamedObject) ||
    (type >= FIRST_TYPED_ARRAY && type < FIRST_TYPED_ARRAY + TYPED_ARRAYS.length);
}

/**
 * Finds the extension type of a view of a buffer.
 *
 * @param view The view.
 * @returns The extension type, or `undefined` if it is neither a typed array nor a `Buffer`.
 */
export function viewType(view: ArrayBufferView): number | undefined {
  const prototype: unknown = Object.getPrototypeOf(view);
  let index = TYPED_ARRAYS.findIndex((constructor) => constructor.prototype === prototype);
  if (index < 0) {
    const name = exactBuiltInOf(view);
    index = TYPED_ARRAYS.findIndex((constructor) => constructor.name === name);
  }
  return index < 0 ? undefined : FIRST_TYPED_ARRAY + index;
}

/**
 * Encodes a bigint.
 *
 * @param value The bigint.
 * @returns The payload: its sign and its magnitude.
 */
export function encodeBigint(value: bigint): Uint8Array {
  const isNegative = value < 0n;
  // Only the conversion to and from base 16 takes time in proportion to the length.
  const digits = value === 0n ? "" : (isNegative ? -value : value).toString(16);
  const bytes = new Uint8Array(1 + Math.ceil(digits.length / 2));
  bytes[0] = isNegative ? 1 : 0;
  for (let index = 1, end = digits.length; index < bytes.length; index++, end -= 2) {
    bytes[index] = Number.parseInt(digits.slice(Math.max(0, end - 2), end), 16);
  }
  return bytes;
}

function decodeBigint(bytes: Uint8Array): bigint {
  const sign = bytes[0];
  if (sign !== 0 && sign !== 1) throw new Error(`the sign of a bigint must be 0 or 1, not ${sign}`);
  const digits: string[] = [];
  for (let index = bytes.length - 1; index > 0; index--) {
    digits.push((bytes[index] ?? 0).toString(16).padStart(2, "0"));
  }
  const magnitude = BigInt(`0x0${digits.join("")}`);
  return sign === 1 ? -magnitude : magnitude;
}

/**
 * Encodes a string that UTF-8 cannot hold.
 *
 * @param text The string.
 * @returns The payload: its UTF-16 code units.
 */
export function encodeCodeUnits(text: string): Uint8Array {
  const bytes = new Uint8Array(2 * text.length);
  for (let index = 0; index < text.length; index++) {
    const unit = text.charCodeAt(index);
    bytes[2 * index] = unit & 0xff;
    bytes[2 * index + 1] = unit >> 8;
  }
  return bytes;
}

function decodeCodeUnits(bytes: Uint8Array): string {
  const units = new Uint16Array(copyBuffer(bytes));
  let text = "";
  for (let start = 0; start < units.length; start += CODE_UNITS_AT_ONCE) {
    text += String.fromCharCode(...units.subarray(start, start + CODE_UNITS_AT_ONCE));
  }
  return text;
}

/**
 * Encodes the time of a `Date`.
 *
 * @param timeMs The time, in milliseconds since 1970, or NaN.
 * @returns The payload: a float64.
 */
export function encodeTime(timeMs: number): Uint8Array {
  const bytes = new Uint8Array(DATE_BYTES);
  new DataView(bytes.buffer).setFloat64(0, timeMs, true);
  return bytes;
}

function decodeTime(bytes: Uint8Array): Date {
  if (bytes.length !== DATE_BYTES) {
    throw new Error(`a Date must have ${DATE_BYTES} bytes, not ${bytes.length}`);
  }
  return new Date(new DataView(bytes.buffer, bytes.byteOffset).getFloat64(0, true));
}

/**
 * Encodes a `RegExp`.
 *
 * @param source The source of the `RegExp`.
 * @param flags The flags of the `RegExp`.
 * @returns The payload: the flags and the source.
 */
export function encodeRegExp(source: string, flags: string): Uint8Array {
  const units = encodeCodeUnits(source);
  const bytes = new Uint8Array(1 + flags.length + units.length);
  bytes[0] = flags.length;
  for (let index = 0; index < flags.length; index++) bytes[1 + index] = flags.charCodeAt(index);
  bytes.set(units, 1 + flags.length);
  return bytes;
}

function decodeRegExp(bytes: Uint8Array): RegExp {
  const sourceOffset = 1 + (bytes[0] ?? 0);
  const flags = String.fromCharCode(...bytes.subarray(1, sourceOffset));
  return new RegExp(decodeCodeUnits(bytes.subarray(sourceOffset)), flags);
}

/**
 * Decodes an extension.
 *
 * @param type The extension type.
 * @param payload The payload. The result shares no memory with it.
 * @param decodeNested Decodes a payload that is itself MessagePack.
 * @returns The value.
 * @throws {Error} If the extension type does not exist, or the payload is not one of this type.
 */
export function decodeExtension(
  type: number,
  payload: Uint8Array,
  decodeNested: (payload: Uint8Array) => unknown,
): unknown {
  switch (type) {
    case EXTENSION.undefined:
      return undefined;
    case EXTENSION.negativeZero:
      return -0;
    case EXTENSION.bigint:
      return decodeBigint(payload);
    case EXTENSION.text:
      return decodeCodeUnits(payload);
    case EXTENSION.date:
      return decodeTime(payload);
    case EXTENSION.regExp:
      return decodeRegExp(payload);
    case EXTENSION.map:
      return new Map(toPairs(toArray(decodeNested(payload))));
    case EXTENSION.set:
      return new Set(toArray(decodeNested(payload)));
    case EXTENSION.arrayBuffer:
      return copyBuffer(payload);
    case EXTENSION.oddlyNamedObject:
      return toObject(toPairs(toArray(decodeNested(payload))));
    default:
      return decodeTypedArray(type, payload);
  }
}

function decodeTypedArray(type: number, payload: Uint8Array): TypedArray {
  const constructor = TYPED_ARRAYS[type - FIRST_TYPED_ARRAY];
  if (constructor === undefined) throw new Error(`unknown extension type ${type}`);
  return new constructor(copyBuffer(payload));
}

function toObject(pairs: readonly [unknown, unknown][]): Record<string, unknown> {
  const object: Record<string, unknown> = {};
  for (const [name, value] of pairs) {
    if (typeof name !== "string" || name === "__proto__") {
      throw new Error(`an object has an invalid property name: ${String(name)}`);
    }
    object[name] = value;
  }
  return object;
}

function toPairs(items: readonly unknown[]): [unknown, unknown][] {
  if (items.length % 2 !== 0) throw new Error("a key has no value");
  const pairs: [unknown, unknown][] = [];
  for (let index = 0; index < items.length; index += 2) {
    pairs.push([items[index], items[index + 1]]);
  }
  return pairs;
}

function toArray(value: unknown): unknown[] {
  if (!Array.isArray(value)) throw new Error("the payload of an extension type is not an array");
  return value;
}

/** The copy begins at the start of its buffer, so it is aligned for every element type. */
function copyBuffer(bytes: Uint8Array): ArrayBuffer {
  return new Uint8Array(bytes).buffer;
}
