/**
 * The development mode of actors: answers that cannot be changed, and handlers that must not change
 * the state.
 *
 * @module
 */

import { ArgumentTypeError } from "../errors/persistence_error.ts";
import { builtInOf, exactBuiltInOf } from "../util/built_ins.ts";
import { isObjectPrototype } from "../util/plain_object.ts";

/** The methods by which collections and dates change themselves: freezing does not stop those. */
const COLLECTION_MUTATORS = ["set", "add", "delete", "clear"];
const DATE_MUTATORS = Object.getOwnPropertyNames(Date.prototype)
  .filter((name) => name.startsWith("set"));

/** The errors that `structuredClone` copies with their class. */
const CLONEABLE_ERRORS: ReadonlySet<unknown> = new Set(
  [Error, TypeError, RangeError, SyntaxError, EvalError, URIError, ReferenceError]
    .map(({ prototype }) => prototype),
);

/**
 * A frozen copy of an answer, so that it does not share anything with the state, and changing it
 * throws at the place where it is changed.
 *
 * @param value The answer.
 * @returns The copy; the answer itself if it cannot be copied.
 */
export function frozenCopy<Value>(value: Value): Value {
  if (typeof value !== "object" || value === null) return value;
  try {
    // Something of a class, or a function, is the user's own: states have no such things.
    return isCloneable(value, new Set()) ? freeze(structuredClone(value), new Set()) : value;
  } catch {
    return value;
  }
}

function isCloneable(value: unknown, seen: Set<unknown>): boolean {
  if (typeof value !== "object" || value === null || seen.has(value)) {
    return typeof value !== "function";
  }
  seen.add(value);
  if (ArrayBuffer.isView(value)) return true;
  if (!keepsItsClass(value)) return false;
  return [...itemsOf(value), ...Object.values(value)].every((item) => isCloneable(item, seen));
}

/** Whether `structuredClone` copies an object with its class. */
function keepsItsClass(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype === null || isObjectPrototype(prototype)) return true;
  if (Array.isArray(value)) return Array.isArray(prototype);
  const name = exactBuiltInOf(value);
  return name === undefined ? CLONEABLE_ERRORS.has(prototype) : name !== "SharedArrayBuffer";
}

/** The members of a Map or a Set; of a Map, the keys and the values. */
function itemsOf(value: object): unknown[] {
  const name = builtInOf(value);
  if (name === "Map") return [...value as Map<unknown, unknown>].flat();
  return name === "Set" ? [...value as Set<unknown>] : [];
}

function freeze<Value>(value: Value, seen: Set<unknown>): Value {
  if (typeof value !== "object" || value === null || seen.has(value)) return value;
  seen.add(value);
  if (ArrayBuffer.isView(value) || builtInOf(value) === "ArrayBuffer") return value;
  for (const item of itemsOf(value)) freeze(item, seen);
  for (const name of mutatorsOf(value)) {
    Object.defineProperty(value, name, { value: refuseChange });
  }
  for (const item of Object.values(value)) freeze(item, seen);
  return Object.freeze(value);
}

function mutatorsOf(value: object): readonly string[] {
  const name = builtInOf(value);
  if (name === "Date") return DATE_MUTATORS;
  return name === "Map" || name === "Set" ? COLLECTION_MUTATORS : [];
}

function refuseChange(): never {
  throw new TypeError("Cannot change an answer of an actor: it is frozen, since debug is set");
}

/**
 * Finds out whether a callback that must not change the state has done so.
 *
 * @param encode Encodes the state as it is.
 * @returns A function that throws if the state has been changed since, naming the callback.
 */
export function watchState(encode: () => Uint8Array): (callback: string) => void {
  const before = encode().slice();
  return (callback) => {
    const after = encode();
    const isSame = after.length === before.length &&
      after.every((byte, index) => byte === before[index]);
    if (isSame) return;
    throw new ArgumentTypeError(
      `Cannot handle message: ${callback} has changed the state, which only apply may`,
    );
  };
}
