/**
 * The classes that JavaScript has built in, recognized in whatever realm an object was made. Test
 * runners and `node:vm` run code in realms, and each has classes of its own, so `instanceof` says
 * nothing there. What an object is can be told by what only a real one has inside.
 *
 * @module
 */

import { isObjectPrototype } from "./plain_object.ts";

/** Each reads something inside of an object, and throws if the object does not have it. */
const READERS: ReadonlyMap<string, (this: unknown) => unknown> = new Map([
  ["Date", Date.prototype.getTime as () => unknown],
  ["RegExp", getterOf(RegExp.prototype, "source")],
  ["Map", getterOf(Map.prototype, "size")],
  ["Set", getterOf(Set.prototype, "size")],
  ["ArrayBuffer", getterOf(ArrayBuffer.prototype, "byteLength")],
  ...typeof SharedArrayBuffer === "undefined"
    ? []
    : [["SharedArrayBuffer", getterOf(SharedArrayBuffer.prototype, "byteLength")] as const],
]);

/** The most common classes, by their prototypes in our realm: that is the fastest way. */
const OWN_CLASSES: ReadonlyMap<unknown, string> = new Map(
  [Date, RegExp, Map, Set, ArrayBuffer].map(({ name, prototype }) => [prototype, name]),
);

/** A typed array that can be stored. */
export type TypedArray =
  | Uint8Array
  | Int8Array
  | Uint8ClampedArray
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array
  | Float32Array
  | Float64Array
  | BigInt64Array
  | BigUint64Array;

/** A class of typed arrays. */
export interface TypedArrayConstructor {
  readonly name: string;
  readonly prototype: object;
  readonly BYTES_PER_ELEMENT: number;
  new (buffer: ArrayBuffer): TypedArray;
}

/**
 * The classes of typed arrays that can be stored. Their order is part of what is stored: the types of
 * MessagePack are numbered so.
 */
export const TYPED_ARRAYS: readonly TypedArrayConstructor[] = [
  Uint8Array,
  Int8Array,
  Uint8ClampedArray,
  Int16Array,
  Uint16Array,
  Int32Array,
  Uint32Array,
  Float32Array,
  Float64Array,
  BigInt64Array,
  BigUint64Array,
];

const TYPED_ARRAY_PROTOTYPE: object = Object.getPrototypeOf(Uint8Array.prototype);
const nameOfTypedArray = getterOf(TYPED_ARRAY_PROTOTYPE, Symbol.toStringTag);

/**
 * Finds the built-in class that an object is an instance of, also by a subclass.
 *
 * @param object The object.
 * @returns Its name, such as `"Map"` or `"Uint8Array"`; `undefined` if it is neither a `Date`, a
 *   `RegExp`, a `Map`, a `Set`, a typed array nor a buffer, whatever it pretends to be.
 */
export function builtInOf(object: object): string | undefined {
  if (ArrayBuffer.isView(object)) return nameOfTypedArray.call(object) as string | undefined;
  // This name can be forged: it only says what to look for.
  const name = Object.prototype.toString.call(object).slice("[object ".length, -1);
  return isReal(name, object) ? name : undefined;
}

/**
 * Finds the built-in class of an object that is not an instance of a subclass.
 *
 * @param object The object.
 * @returns Its name, as {@linkcode builtInOf} gives it; `undefined` if it is of another class.
 */
export function exactBuiltInOf(object: object): string | undefined {
  const prototype: unknown = Object.getPrototypeOf(object);
  const ownClass = OWN_CLASSES.get(prototype);
  if (ownClass !== undefined) return isReal(ownClass, object) ? ownClass : undefined;
  const name = builtInOf(object);
  if (name === undefined) return undefined;
  if (isPrototypeOf(name, prototype)) return name;
  // Fake timers make their dates by a subclass, which denies that on each of them.
  const isDenied = Object.hasOwn(object, "constructor") && object.constructor?.name === name;
  return isDenied || isPrototypeOfBuffer(name, prototype) ? name : undefined;
}

/**
 * Whether a value is an array of bytes.
 *
 * @param value The value.
 * @returns Whether it is a `Uint8Array`, also by a subclass such as `Buffer`.
 */
export function isUint8Array(value: unknown): value is Uint8Array {
  if (value instanceof Uint8Array) return true;
  return ArrayBuffer.isView(value) && builtInOf(value) === "Uint8Array";
}

/**
 * Whether a value is an error.
 *
 * @param value The value.
 * @returns Whether it is an instance of `Error`, of whatever realm, also by a subclass.
 */
export function isError(value: unknown): value is Error {
  return value instanceof Error || Object.prototype.toString.call(value) === "[object Error]";
}

/** Whether an object has inside what an instance of a built-in class has. */
function isReal(name: string, object: object): boolean {
  try {
    const read = READERS.get(name);
    read?.call(object);
    return read !== undefined;
  } catch {
    return false;
  }
}

/** Whether it is the prototype of a built-in class: nothing but that of objects comes after it. */
function isPrototypeOf(name: string, prototype: unknown): prototype is object {
  if (!isObject(prototype) || nameOfClass(prototype) !== name) return false;
  const parent: unknown = Object.getPrototypeOf(prototype);
  if (!isObject(parent)) return false;
  return isObjectPrototype(
    READERS.has(name) ? parent : Object.getPrototypeOf(parent),
  );
}

/** The only subclass that is common, and it has nothing but its bytes. */
function isPrototypeOfBuffer(name: string, prototype: unknown): boolean {
  return name === "Uint8Array" && isObject(prototype) && nameOfClass(prototype) === "Buffer" &&
    isPrototypeOf(name, Object.getPrototypeOf(prototype));
}

function nameOfClass(prototype: object): unknown {
  return Object.hasOwn(prototype, "constructor") ? prototype.constructor?.name : undefined;
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}

function getterOf(prototype: object, name: string | symbol): (this: unknown) => unknown {
  const getter = Object.getOwnPropertyDescriptor(prototype, name)?.get;
  if (!getter) throw new TypeError(`This runtime has no getter ${String(name)}`);
  return getter;
}
