/**
 * Makes any value that the format "msgpack" can hold into one that a MessagePack encoder can.
 *
 * The encoder asks about every object, so what it can be told then, {@linkcode toExtension} says
 * then, and a message with a `Date` costs no copy. The walk before replaces the rest: what an encoder
 * writes without asking, and what has to be encoded as a whole before.
 *
 * @module
 */

import { ExtData } from "@msgpack/msgpack";
import {
  encodeBigint,
  encodeCodeUnits,
  encodeRegExp,
  encodeTime,
  EXTENSION,
  typedArrayType,
} from "./extensions.ts";
import { ValueWalk } from "./value_walk.ts";

const NO_BYTES = new Uint8Array(0);
const UNDEFINED = new ExtData(EXTENSION.undefined, NO_BYTES);
const NEGATIVE_ZERO = new ExtData(EXTENSION.negativeZero, NO_BYTES);

/** The walk over a value before it is encoded as MessagePack. */
export class RichValueWalk extends ValueWalk {
  readonly #encodeNested: (items: unknown[]) => Uint8Array;

  /** @param encodeNested Encodes what a walk returned. The result is kept, so it must not change. */
  constructor(encodeNested: (items: unknown[]) => Uint8Array) {
    super();
    this.#encodeNested = encodeNested;
  }

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

  protected override lowerOddlyNamed(object: Readonly<Record<string, unknown>>): unknown {
    const items = Object.entries(object).flatMap(([name, value]) => [this.lower(name), value]);
    return this.#placeholder(EXTENSION.oddlyNamedObject, this.#encodeNested(items));
  }

  /**
   * The class is told by the prototype, and what an instance holds is read with the methods of that
   * class: they throw where an object only pretends.
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
        return this.#lowerView(instance, depth);
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

  #lowerView(instance: object, depth: number): unknown {
    if (!ArrayBuffer.isView(instance) || viewType(instance) === undefined) {
      return this.refuse(instance, depth);
    }
    if (isShared(instance.buffer)) {
      return this.refuse(instance, depth, "a view on a SharedArrayBuffer");
    }
    this.countPlaceholder(instance.byteLength);
    return instance;
  }

  #placeholder(type: number, payload: Uint8Array): ExtData {
    this.countPlaceholder(payload.length);
    return new ExtData(type, payload);
  }
}

/**
 * The extension that stands for an object in what a walk returned.
 *
 * @param object What the encoder came upon: an object, an array or a function.
 * @returns The extension, or `null` where the encoder shall encode the object itself.
 */
export function toExtension(object: unknown): ExtData | null {
  const prototype: unknown = Object.getPrototypeOf(object);
  if (prototype === Object.prototype || Array.isArray(object)) return null;
  if (object instanceof ExtData) return object;
  if (prototype === Date.prototype) {
    return new ExtData(EXTENSION.date, encodeTime(Date.prototype.getTime.call(object)));
  }
  if (prototype === ArrayBuffer.prototype) {
    return new ExtData(EXTENSION.arrayBuffer, new Uint8Array(object as ArrayBuffer));
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

/** Node's `Buffer` is the one subclass that is everywhere, and nothing but its bytes. */
function viewType(view: ArrayBufferView): number | undefined {
  const prototype: unknown = Object.getPrototypeOf(view);
  const isBuffer = Object.getPrototypeOf(prototype) === Uint8Array.prototype &&
    (prototype as Uint8Array).constructor.name === "Buffer";
  return typedArrayType(isBuffer ? Uint8Array.prototype : prototype);
}

/** Another thread could change it while it is encoded. */
function isShared(buffer: ArrayBufferLike): boolean {
  return typeof SharedArrayBuffer !== "undefined" && buffer instanceof SharedArrayBuffer;
}
