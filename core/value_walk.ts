/**
 * The walk that a codec makes over a value before it encodes it: it refuses what would not come back
 * as it went in, and replaces what the format cannot hold by itself.
 *
 * It runs for every message, so the common case, strings and numbers in plain objects, costs one
 * pass without allocations. Nothing is copied unless something inside has to be replaced, and the
 * path to a value is put together only when it is refused.
 *
 * @module
 */

import { PersistenceError } from "./errors.ts";

/** A value may stand inside at most this many arrays, objects, Maps and Sets. */
export const MAX_DEPTH = 100;

/**
 * What a value may weigh. An object that is referred to twice is stored twice, so a few dozen
 * objects can stand for more data than there is memory: this stops them.
 */
const MAX_WEIGHT = 2 ** 31;
/** So 2^26 values are too many, whatever they are. */
const VALUE_WEIGHT = 32;
/** About what a copy or a placeholder occupies in memory until the value is encoded. */
const COPY_WEIGHT = 512;

/** Ordinary names that were met, each in the one slot of 256 that it can stand in. */
const KNOWN_NAMES: string[] = new Array<string>(256).fill("");
const MAX_KNOWN_NAME_LENGTH = 64;

const MAX_PATH_LENGTH = 200;
const IDENTIFIER = /^[A-Za-z_$][\w$]*$/;

/** All runtimes have it, and it takes half the time of a regular expression. */
type Es2024String = string & { isWellFormed(): boolean };

/** One step of a path: an array index, a property name, or how to get at an entry of a collection. */
export type PathStep = number | string | { readonly accessor: string };

/** The walk, but for what a format does with values that not every format can hold. */
export abstract class ValueWalk {
  readonly #path: PathStep[] = [];
  readonly #ancestors: object[] = [];
  #weight = 0;

  /**
   * Says what stands for a value that is neither null, a boolean, a finite number (but -0), an
   * ordinary text, an array nor a plain object.
   *
   * @param value The value.
   * @param depth The number of steps that lead to it.
   * @returns What is encoded instead, or the value itself.
   * @throws {PersistenceError} `UNENCODABLE` where the format cannot hold it.
   */
  protected abstract lowerSpecial(value: unknown, depth: number): unknown;

  /**
   * Says what stands for an object with property names that are no ordinary texts.
   *
   * @param object The object. Its values have been lowered.
   * @returns What is encoded instead, or the object itself.
   */
  protected abstract lowerOddlyNamed(object: Readonly<Record<string, unknown>>): unknown;

  /**
   * Checks a value and everything inside.
   *
   * @param value The value.
   * @param depth The number of steps that lead to it.
   * @returns The value itself, or what has to be encoded instead. The value is not changed.
   * @throws {PersistenceError} `UNENCODABLE` where it would not come back as it went in.
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
   * Checks the items of a collection.
   *
   * @param collection The collection, to find cycles.
   * @param items What is in it.
   * @param stepTo How to get at the item with this index.
   * @param depth The number of steps that lead to the collection.
   * @returns What has to be encoded instead of the items, in an array of its own.
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
   * Counts what stands for a value until it is encoded.
   *
   * @param bytes The length of the binary data that belongs to it.
   */
  protected countPlaceholder(bytes: number): void {
    this.#addWeight(COPY_WEIGHT + bytes);
  }

  /**
   * Refuses a value.
   *
   * @param value The value.
   * @param depth The number of steps that lead to it.
   * @param subject What it is, where that is not what it seems to be.
   */
  protected refuse(value: unknown, depth: number, subject: string = describe(value)): never {
    throw unencodable(subject + this.#describePath(depth));
  }

  #lowerObject(value: object, depth: number): unknown {
    const prototype: unknown = Object.getPrototypeOf(value);
    if (prototype === Object.prototype || prototype === null) {
      return this.#lowerPlainObject(value as Record<string, unknown>, depth);
    }
    // The prototype of arrays is an array, in every realm; that of a subclass is none.
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
    // `for in` is several times faster than `Object.keys`, and also gives what somebody may have
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
    // Before anything is copied: a sparse array may be much longer than the memory.
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

  /** A cycle has no end, so looking for it can wait until the values are too deep. */
  #enter(container: object, depth: number): void {
    if (depth === MAX_DEPTH) this.#refuseDepth(container);
    this.#ancestors[depth] = container;
  }

  #addWeight(weight: number): void {
    this.#weight += weight;
    if (this.#weight > MAX_WEIGHT) {
      throw unencodable("a value of more than 2^26 parts or 2 GiB");
    }
  }

  #refuseDepth(container: object): never {
    const containers = [...this.#ancestors.slice(0, MAX_DEPTH), container];
    const depth = containers.findIndex((one, index) => containers.indexOf(one) !== index);
    if (depth >= 0) throw unencodable(`a cycle${this.#describePath(depth)}`);
    throw unencodable(`a value inside more than ${MAX_DEPTH} others`);
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
 * Reports whatever went wrong while a value was encoded.
 *
 * @param error What was thrown: by the walk, by the format, or by a getter or a proxy in the value.
 * @returns The error with code `UNENCODABLE`.
 */
export function asUnencodable(error: unknown): PersistenceError {
  if (error instanceof PersistenceError && error.code === "UNENCODABLE") return error;
  const reason = error instanceof Error ? error.message : String(error);
  return new PersistenceError("UNENCODABLE", `the value cannot be encoded: ${reason}`, {
    cause: error,
  });
}

/** The message goes into that of the caller, so it does not begin with "Cannot". */
function unencodable(subject: string): PersistenceError {
  return new PersistenceError("UNENCODABLE", `${subject} cannot be encoded`);
}

/**
 * Whether UTF-8 can hold a text. A lone surrogate would be replaced, and decoders take a byte order
 * mark at the beginning away.
 */
function isOrdinaryText(text: string): boolean {
  return (text as Es2024String).isWellFormed() && text.charCodeAt(0) !== 0xfeff;
}

/** Messages have few different names, so most are known from the one before. */
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

/** Also `Object.prototype` of another realm. */
function isObjectPrototype(prototype: unknown): boolean {
  return Object.getPrototypeOf(prototype) === null &&
    Object.hasOwn(prototype as object, "isPrototypeOf");
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
    : "an object with a prototype of its own";
}

function describeStep(step: PathStep): string {
  if (typeof step === "number") return `[${step}]`;
  if (typeof step === "object") return `.${step.accessor}`;
  return IDENTIFIER.test(step) ? `.${step}` : `[${JSON.stringify(step)}]`;
}
