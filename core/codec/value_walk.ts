/**
 * The walk over a value before a codec encodes it. It refuses what would not come back unchanged,
 * and replaces what the format has no type for.
 *
 * It runs for every message, so the common case, strings and numbers in plain objects, costs one
 * pass without allocations. Nothing is copied unless something inside has to be replaced, and the
 * path to a value is built only when the value is refused.
 *
 * @module
 */

import { PersistenceError } from "../errors/persistence_error.ts";
import { isObjectPrototype } from "../util/plain_object.ts";
import { isWellFormed, messageOf } from "../util/text.ts";

/** How many levels deep arrays, objects, Maps and Sets may be nested. */
export const MAX_DEPTH = 100;

/**
 * The maximum weight of a value. An object that is referenced twice is stored twice, so a few dozen
 * objects can amount to more data than there is memory: this limit prevents that.
 */
const MAX_WEIGHT = 2 ** 31;
/** The weight of each value, so that there are at most 2^26, whatever they are. */
const VALUE_WEIGHT = 32;
/** Roughly the bytes that a copy or a placeholder occupies in memory until the value is encoded. */
const COPY_WEIGHT = 512;

/** Ordinary names that were seen, each in the only one of 256 slots that it can be in. */
const KNOWN_NAMES: string[] = new Array<string>(256).fill("");
const MAX_KNOWN_NAME_LENGTH = 64;

const MAX_PATH_LENGTH = 200;
const IDENTIFIER = /^[A-Za-z_$][\w$]*$/;

/** One step of a path: an array index, a property name, or the accessor of a collection's item. */
export type PathStep = number | string | { readonly accessor: string };

/** The walk. A subclass decides what to do with values that not every format has a type for. */
export abstract class ValueWalk {
  readonly #path: PathStep[] = [];
  #root: object | undefined;
  /** The containers below the root. Most values have none: a first item would reserve room for 17. */
  readonly #ancestors: object[] = [];
  #weight = 0;

  /**
   * Replaces a value that is neither null, a boolean, a finite number except -0, an ordinary text,
   * an array nor a plain object.
   *
   * @param value The value.
   * @param depth The length of the path to the value.
   * @returns What is encoded instead, or the value itself.
   * @throws {PersistenceError} `UNENCODABLE` if the format cannot hold the value.
   */
  protected abstract lowerSpecial(value: unknown, depth: number): unknown;

  /**
   * Replaces an object with property names that are not ordinary texts.
   *
   * @param object The object. Its values have been lowered.
   * @returns What is encoded instead, or the object itself.
   */
  protected abstract lowerOddlyNamed(object: Readonly<Record<string, unknown>>): unknown;

  /**
   * Checks a value and everything in it, and replaces what the format has no type for.
   *
   * @param value The value. It is not changed.
   * @param depth The length of the path to the value.
   * @returns What is encoded instead, or the value itself.
   * @throws {PersistenceError} `UNENCODABLE` if the value would not come back unchanged.
   */
  lower(value: unknown, depth = 0): unknown {
    switch (typeof value) {
      case "string":
        this.#addWeight(value.length);
        return isOrdinaryText(value) ? value : this.lowerSpecial(value, depth);
      case "number":
        return isOrdinaryNumber(value) ? value : this.lowerSpecial(value, depth);
      case "boolean":
        return value;
      case "object":
        return value === null ? null : this.#lowerObject(value, depth);
      default:
        return this.lowerSpecial(value, depth);
    }
  }

  /**
   * Checks the items of a collection, and replaces what the format has no type for.
   *
   * @param collection The collection, to find cycles.
   * @param items The items of the collection.
   * @param stepTo Returns the step to the item with this index.
   * @param depth The length of the path to the collection.
   * @returns What is encoded instead of the items, in a new array.
   * @throws {PersistenceError} `UNENCODABLE` if an item would not come back unchanged.
   */
  protected lowerItems(
    collection: object,
    items: Iterable<unknown>,
    stepTo: (index: number) => PathStep,
    depth: number,
  ): unknown[] {
    this.#enter(collection, depth);
    const lowered: unknown[] = [];
    for (const item of items) {
      this.#path[depth] = stepTo(lowered.length);
      lowered.push(this.lower(item, depth + 1));
      this.#addWeight(VALUE_WEIGHT);
    }
    return lowered;
  }

  /**
   * Adds the weight of a placeholder, which replaces a value until the value is encoded.
   *
   * @param bytes The length of the binary data of the placeholder.
   * @throws {PersistenceError} `UNENCODABLE` if the whole value is too large.
   */
  protected countPlaceholder(bytes: number): void {
    this.#addWeight(COPY_WEIGHT + bytes);
  }

  /**
   * Refuses a value.
   *
   * @param value The value.
   * @param depth The length of the path to the value.
   * @param subject The name of the value in the error message. By default it is found by the value.
   * @throws {PersistenceError} `UNENCODABLE`, always.
   */
  protected refuse(value: unknown, depth: number, subject: string = describe(value)): never {
    throw unencodable(subject + this.#describePath(depth));
  }

  #lowerObject(value: object, depth: number): unknown {
    const prototype: unknown = Object.getPrototypeOf(value);
    if (prototype === Object.prototype || prototype === null) {
      return this.#lowerPlainObject(value as Record<string, unknown>, depth);
    }
    // The prototype of arrays is itself an array, in every realm; that of a subclass is not.
    if (Array.isArray(value) && Array.isArray(prototype)) return this.#lowerArray(value, depth);
    if (isObjectPrototype(prototype)) {
      return this.#lowerPlainObject(value as Record<string, unknown>, depth);
    }
    return this.lowerSpecial(value, depth);
  }

  #lowerPlainObject(object: Record<string, unknown>, depth: number): unknown {
    this.#enter(object, depth);
    let copy: Record<string, unknown> | undefined;
    let isOddlyNamed = false;
    let weight = 0;
    // `for in` is several times faster than `Object.keys`, but it also visits properties that were
    // added to Object.prototype.
    for (const name in object) {
      weight += VALUE_WEIGHT + name.length;
      if (!isOrdinaryName(name)) isOddlyNamed = true;
      else if (name === "__proto__") this.#refuseProto(depth);
      const item = object[name];
      if (typeof item === "string" && isOrdinaryText(item)) {
        weight += item.length;
        continue;
      }
      if (typeof item === "number" && isOrdinaryNumber(item)) continue;
      if (!Object.hasOwn(object, name)) continue;
      this.#path[depth] = name;
      const lowered = this.lower(item, depth + 1);
      if (Object.is(lowered, item)) continue;
      copy ??= { ...object };
      copy[name] = lowered;
    }
    this.#addWeight(copy === undefined ? weight : weight + COPY_WEIGHT);
    return isOddlyNamed ? this.lowerOddlyNamed(copy ?? object) : copy ?? object;
  }

  #lowerArray(array: readonly unknown[], depth: number): unknown {
    this.#enter(array, depth);
    // Before anything is copied: a sparse array may be much longer than memory allows.
    this.#addWeight(array.length * VALUE_WEIGHT);
    let copy: unknown[] | undefined;
    for (let index = 0; index < array.length; index++) {
      const item = array[index];
      if (typeof item === "number" && isOrdinaryNumber(item)) continue;
      this.#path[depth] = index;
      const lowered = this.lower(item, depth + 1);
      if (Object.is(lowered, item)) continue;
      if (copy === undefined) {
        this.#addWeight(COPY_WEIGHT);
        copy = [...array];
      }
      copy[index] = lowered;
    }
    return copy ?? array;
  }

  /** A cycle exceeds every depth, so the search for it can wait until the maximum is reached. */
  #enter(container: object, depth: number): void {
    if (depth === 0) this.#root = container;
    else if (depth < MAX_DEPTH) this.#ancestors[depth - 1] = container;
    else this.#refuseDepth(container);
  }

  #addWeight(weight: number): void {
    this.#weight += weight;
    if (this.#weight > MAX_WEIGHT) {
      throw unencodable("a value of more than 2^26 parts or 2 GiB");
    }
  }

  #refuseDepth(container: object): never {
    const containers = [this.#root, ...this.#ancestors.slice(0, MAX_DEPTH - 1), container];
    const depth = containers.findIndex((one, index) => containers.indexOf(one) !== index);
    if (depth >= 0) throw unencodable(`a cycle${this.#describePath(depth)}`);
    throw unencodable(`a value nested more than ${MAX_DEPTH} levels deep`);
  }

  #refuseProto(depth: number): never {
    throw unencodable(`a property "__proto__"${this.#describePath(depth)}`);
  }

  #describePath(depth: number): string {
    if (depth === 0) return "";
    const path = this.#path.slice(0, depth).map(describeStep).join("");
    return ` at ${path.length <= MAX_PATH_LENGTH ? path : `${path.slice(0, MAX_PATH_LENGTH)}…`}`;
  }
}

/**
 * Turns an error that was thrown while a value was encoded into one with the code `UNENCODABLE`.
 *
 * @param error The error: of the walk, of the format, or of a getter or proxy in the value.
 * @returns The same error if it has this code; otherwise one with it as its cause.
 */
export function asUnencodable(error: unknown): PersistenceError {
  if (error instanceof PersistenceError && error.code === "UNENCODABLE") return error;
  const reason = messageOf(error);
  return new PersistenceError("UNENCODABLE", `the value cannot be encoded: ${reason}`, {
    cause: error,
  });
}

/** The message becomes part of the caller's, so it does not begin with "Cannot". */
function unencodable(subject: string): PersistenceError {
  return new PersistenceError("UNENCODABLE", `${subject} cannot be encoded`);
}

/**
 * Whether a text comes back unchanged from UTF-8. A lone surrogate would be replaced, and decoders
 * remove a byte order mark at the beginning.
 */
function isOrdinaryText(text: string): boolean {
  return isWellFormed(text) && text.charCodeAt(0) !== 0xfeff;
}

/** Messages have few different names, so most of them were seen in an earlier message. */
function isOrdinaryName(name: string): boolean {
  const last = name.length - 1;
  const slot = (name.charCodeAt(0) + 31 * name.charCodeAt(last) + 7 * last) & 255;
  if (KNOWN_NAMES[slot] === name) return true;
  if (!isOrdinaryText(name)) return false;
  if (last < MAX_KNOWN_NAME_LENGTH) KNOWN_NAMES[slot] = name;
  return true;
}

function isOrdinaryNumber(value: number): boolean {
  return Number.isFinite(value) && !Object.is(value, -0);
}

function describe(value: unknown): string {
  switch (typeof value) {
    case "bigint":
    case "string":
    case "symbol":
      return `a ${typeof value}`;
    case "function":
      return value.name === "" ? "a function" : `the function ${value.name}`;
    case "object":
      return describeObject(value);
    default:
      return Object.is(value, -0) ? "-0" : String(value);
  }
}

function describeObject(value: object | null): string {
  const prototype: unknown = Object.getPrototypeOf(value);
  const hasClass = Object.hasOwn(prototype as object, "constructor");
  const name: unknown = hasClass ? (prototype as object).constructor?.name : undefined;
  return typeof name === "string" && name !== ""
    ? `an instance of ${name}`
    : "an object with a custom prototype";
}

function describeStep(step: PathStep): string {
  if (typeof step === "number") return `[${step}]`;
  if (typeof step === "object") return `.${step.accessor}`;
  return IDENTIFIER.test(step) ? `.${step}` : `[${JSON.stringify(step)}]`;
}
