/**
 * Converts a value that the format "msgpack" can hold to one that a MessagePack encoder can encode.
 *
 * The encoder calls {@linkcode toExtension} for every object, which replaces all that can be
 * replaced at that point, so that a message with a `Date` needs no copy. The walk before it
 * replaces the rest: what an encoder writes without a call, and what has to be encoded as a whole
 * beforehand.
 *
 * @module
 */

import { ExtData } from "@msgpack/msgpack";
import { builtInOf, exactBuiltInOf } from "../util/built_ins.ts";
import {
  encodeBigint,
  encodeCodeUnits,
  encodeRegExp,
  encodeTime,
  EXTENSION,
  viewType,
} from "./msgpack_extensions.ts";
import { ValueWalk } from "./value_walk.ts";

const NO_BYTES = new Uint8Array(0);
const UNDEFINED = new ExtData(EXTENSION.undefined, NO_BYTES);
const NEGATIVE_ZERO = new ExtData(EXTENSION.negativeZero, NO_BYTES);

/** The walk over a value before it is encoded as MessagePack. */
export class MessagePackWalk extends ValueWalk {
  readonly #encodeNested: (items: unknown[]) => Uint8Array;

  /**
   * Creates a walk for one value.
   *
   * @param encodeNested Encodes items that a walk has returned. The walk keeps the result, so its
   *   bytes must not change.
   */
  constructor(encodeNested: (items: unknown[]) => Uint8Array) {
    super();
    this.#encodeNested = encodeNested;
  }

  /** See {@linkcode ValueWalk.lowerSpecial}. */
  protected override lowerSpecial(value: unknown, depth: number): unknown {
    switch (typeof value) {
      case "undefined":
        return UNDEFINED;
      case "number":
        return Object.is(value, -0) ? NEGATIVE_ZERO : value;
      case "bigint":
        return this.#placeholder(EXTENSION.bigint, encodeBigint(value));
      case "string":
        return this.#placeholder(EXTENSION.text, encodeCodeUnits(value));
      case "object":
        return this.#lowerInstance(value as object, depth);
      default:
        return this.refuse(value, depth);
    }
  }

  /** See {@linkcode ValueWalk.lowerOddlyNamed}. */
  protected override lowerOddlyNamed(object: Readonly<Record<string, unknown>>): unknown {
    const items = Object.entries(object).flatMap(([name, value]) => [this.lower(name), value]);
    return this.#placeholder(EXTENSION.oddlyNamedObject, this.#encodeNested(items));
  }

  /**
   * The prototype determines the class, and the content of an instance is read with the methods of
   * that class: they throw if the object is not a real instance. An instance of another realm is
   * recognized by what it has inside.
   */
  #lowerInstance(instance: object, depth: number): unknown {
    switch (Object.getPrototypeOf(instance)) {
      case Date.prototype:
        return instance;
      case Map.prototype:
        return this.#lowerMap(instance as Map<unknown, unknown>, depth);
      case Set.prototype:
        return this.#lowerSet(instance as Set<unknown>, depth);
      case RegExp.prototype:
        return this.#lowerRegExp(instance as RegExp);
      case ArrayBuffer.prototype:
        this.countPlaceholder((instance as ArrayBuffer).byteLength);
        return instance;
      default:
        if (ArrayBuffer.isView(instance)) return this.#lowerView(instance, depth);
        return this.#lowerForeign(instance, depth);
    }
  }

  /** Instances of a class of another realm: the encoder would not recognize them. */
  #lowerForeign(instance: object, depth: number): unknown {
    switch (exactBuiltInOf(instance)) {
      case "Date":
        return this.#placeholder(EXTENSION.date, encodeTime(timeOf(instance)));
      case "Map":
        return this.#lowerMap(instance as Map<unknown, unknown>, depth);
      case "Set":
        return this.#lowerSet(instance as Set<unknown>, depth);
      case "RegExp":
        return this.#lowerRegExp(instance as RegExp);
      case "ArrayBuffer":
        return this.#placeholder(EXTENSION.arrayBuffer, bytesOf(instance).slice());
      default:
        return this.refuse(instance, depth);
    }
  }

  #lowerMap(map: Map<unknown, unknown>, depth: number): ExtData {
    const items = this.lowerItems(map, keysAndValues(map), stepInMap, depth);
    return this.#placeholder(EXTENSION.map, this.#encodeNested(items));
  }

  #lowerSet(set: Set<unknown>, depth: number): ExtData {
    const members = Set.prototype.values.call(set);
    const items = this.lowerItems(set, members, stepInSet, depth);
    return this.#placeholder(EXTENSION.set, this.#encodeNested(items));
  }

  #lowerRegExp(regExp: RegExp): ExtData {
    return this.#placeholder(EXTENSION.regExp, encodeRegExp(regExp.source, regExp.flags));
  }

  #lowerView(view: ArrayBufferView, depth: number): unknown {
    if (viewType(view) === undefined) return this.refuse(view, depth);
    if (isShared(view.buffer)) return this.refuse(view, depth, "a view of a SharedArrayBuffer");
    this.countPlaceholder(view.byteLength);
    return view;
  }

  #placeholder(type: number, payload: Uint8Array): ExtData {
    this.countPlaceholder(payload.length);
    return new ExtData(type, payload);
  }
}

/**
 * Finds the extension that replaces an object in a value that a walk has returned.
 *
 * @param object The object that the encoder is about to encode: an object, an array or a function.
 * @returns The extension, or `null` if the encoder must encode the object itself.
 */
export function toExtension(object: unknown): ExtData | null {
  const prototype: unknown = Object.getPrototypeOf(object);
  if (prototype === Object.prototype || Array.isArray(object)) return null;
  if (object instanceof ExtData) return object;
  if (prototype === Date.prototype) {
    return new ExtData(EXTENSION.date, encodeTime(timeOf(object)));
  }
  if (prototype === ArrayBuffer.prototype) {
    return new ExtData(EXTENSION.arrayBuffer, bytesOf(object));
  }
  if (!ArrayBuffer.isView(object)) return null;
  const type = viewType(object);
  if (type === undefined) return null;
  return new ExtData(type, new Uint8Array(object.buffer, object.byteOffset, object.byteLength));
}

function* keysAndValues(map: Map<unknown, unknown>): Generator<unknown, void, undefined> {
  for (const [key, value] of Map.prototype.entries.call(map)) {
    yield key;
    yield value;
  }
}

function stepInMap(index: number): { accessor: string } {
  const collection = index % 2 === 0 ? "keys()" : "values()";
  return { accessor: `${collection}[${Math.floor(index / 2)}]` };
}

function stepInSet(index: number): { accessor: string } {
  return { accessor: `values()[${index}]` };
}

function timeOf(date: unknown): number {
  return Date.prototype.getTime.call(date);
}

function bytesOf(buffer: unknown): Uint8Array {
  return new Uint8Array(buffer as ArrayBuffer);
}

/** Another thread could change a shared buffer while it is encoded. */
function isShared(buffer: ArrayBufferLike): boolean {
  return Object.getPrototypeOf(buffer) !== ArrayBuffer.prototype &&
    builtInOf(buffer) === "SharedArrayBuffer";
}
