/**
 * Copies of plain data.
 *
 * @module
 */

import { exactBuiltInOf, TYPED_ARRAYS, type TypedArrayConstructor } from "./built_ins.ts";
import { isObjectPrototype } from "./plain_object.ts";

/** Deeper ones are not copied: a codec of the user's own may allow circles. */
const MAX_DEPTH = 100;

/** By their names, and by their prototypes in our realm. */
const TYPED_ARRAY_CLASSES: ReadonlyMap<unknown, TypedArrayConstructor> = new Map(
  TYPED_ARRAYS.flatMap((type) =>
    [[type.name, type], [type.prototype, type]] as [unknown, typeof type][]
  ),
);

/**
 * Copies what the codecs can store: arrays, plain objects, collections, dates, and bytes, whatever
 * is in them. So the copy shares nothing with anything, like what comes back from the storage. What
 * is something else, which only a codec of the user's own can store, is not copied.
 *
 * @param value The value.
 * @returns The copy.
 */
export function copyValue<Value>(value: Value): Value {
  return copy(value, 0) as Value;
}

function copy(value: unknown, depth: number): unknown {
  if (typeof value !== "object" || value === null || depth > MAX_DEPTH) return value;
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype === Object.prototype || prototype === null) return copyObject(value, depth + 1);
  if (prototype === Array.prototype) return copyArray(value as unknown[], depth + 1);
  if (Array.isArray(value) && Array.isArray(prototype)) return copyArray(value, depth + 1);
  if (isObjectPrototype(prototype)) return copyObject(value, depth + 1);
  return copyOther(value, depth + 1);
}

/** Engines copy the properties of an object at once much faster than one by one. */
function copyObject(value: object, depth: number): object {
  const result: Record<string, unknown> = { ...value };
  for (const name in result) {
    const property = result[name];
    if (typeof property !== "object" || property === null) continue;
    const copied = copy(property, depth);
    // By an assignment it would become the prototype.
    if (name === "__proto__") Object.defineProperty(result, name, ownProperty(copied));
    else result[name] = copied;
  }
  // Those are not stored.
  for (const symbol of Object.getOwnPropertySymbols(result)) Reflect.deleteProperty(result, symbol);
  return result;
}

function ownProperty(value: unknown): PropertyDescriptor {
  return { value, enumerable: true, configurable: true, writable: true };
}

function copyArray(values: readonly unknown[], depth: number): unknown[] {
  const result = new Array<unknown>(values.length);
  for (let index = 0; index < values.length; index++) result[index] = copy(values[index], depth);
  return result;
}

/** Also what is of another realm: the copy is of ours, like what comes back. */
function copyOther(value: object, depth: number): object {
  if (ArrayBuffer.isView(value)) return copyView(value);
  switch (exactBuiltInOf(value)) {
    case "Map": {
      const entries = [...value as Map<unknown, unknown>];
      return new Map(entries.map(([key, item]) => [copy(key, depth), copy(item, depth)]));
    }
    case "Set":
      return new Set([...value as Set<unknown>].map((item) => copy(item, depth)));
    case "Date":
      return new Date((value as Date).getTime());
    case "RegExp": {
      const { source, flags } = value as RegExp;
      return new RegExp(source, flags);
    }
    case "ArrayBuffer":
      return new Uint8Array(value as ArrayBuffer).slice().buffer;
    default:
      return value;
  }
}

/** Not by `slice`, which for a `Buffer` is a view of the same bytes. */
function copyView(view: ArrayBufferView): ArrayBufferView {
  const type = TYPED_ARRAY_CLASSES.get(Object.getPrototypeOf(view)) ??
    TYPED_ARRAY_CLASSES.get(exactBuiltInOf(view));
  if (type === undefined) return view;
  return new type(view as never);
}
