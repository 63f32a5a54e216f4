/**
 * Deep equality of plain data, which says where two values differ.
 *
 * @module
 */

import { builtInOf, exactBuiltInOf, isError } from "../core/util/built_ins.ts";
import { isObjectPrototype, isPlainObject } from "../core/util/plain_object.ts";
import { describeValue } from "./describe_value.ts";

/**
 * How much alike two values must be:
 *
 * - `"exact"`: the same classes, and the properties of objects and the members of Maps and Sets in the
 *   same order.
 * - `"stored"`: the same, but an object without a prototype may have become an ordinary one.
 * - `"expected"`: in any order, too.
 */
export type Likeness = "exact" | "stored" | "expected";

/** Where two values differ. */
export interface Difference {
  /** The path to it: `.items[0].price`. Empty if it is the whole value. */
  readonly path: string;
  /** What stands there; {@linkcode ABSENT} if nothing does. */
  readonly actual: unknown;
  /** What should stand there; {@linkcode ABSENT} if nothing should. */
  readonly expected: unknown;
}

/** Stands for what is not there, which is not the same as `undefined`. */
export const ABSENT: unique symbol = Symbol("absent");

const IDENTIFIER = /^[A-Za-z_$][\w$]*$/;

/**
 * Finds the first difference of two values: of their kinds, their classes, or their contents. NaN is
 * the same as NaN, and -0 is not the same as 0. Properties with a symbol as name, those that are not
 * enumerable, and those that were added to an array, a Map or a Set do not count; holes in arrays are
 * undefined.
 *
 * @param actual One value.
 * @param expected The other.
 * @param likeness How much alike they must be.
 * @returns The difference; `undefined` if there is none.
 */
export function findDifference(
  actual: unknown,
  expected: unknown,
  likeness: Likeness,
): Difference | undefined {
  return new Comparison(likeness).compare(actual, expected);
}

/**
 * Says what a difference is.
 *
 * @param difference The difference.
 * @returns A phrase.
 */
export function describeDifference({ path, actual, expected }: Difference): string {
  const place = path === "" ? "" : `at ${path} `;
  if (actual === ABSENT) return `${place}${describeValue(expected)} is missing`;
  if (expected === ABSENT) return `${place}${describeValue(actual)} is too much`;
  return `${place}expected ${describeValue(expected)}, found ${describeValue(actual)}`;
}

class Comparison {
  readonly #likeness: Likeness;
  /** What is being compared with what: a cycle leads back to it. */
  readonly #open = new Map<object, Set<object>>();

  constructor(likeness: Likeness) {
    this.#likeness = likeness;
  }

  compare(actual: unknown, expected: unknown): Difference | undefined {
    if (Object.is(actual, expected)) return undefined;
    const differs = { path: "", actual, expected };
    if (typeof actual !== "object" || typeof expected !== "object") return differs;
    if (actual === null || expected === null) return differs;
    if (this.#classOf(actual) !== this.#classOf(expected)) return differs;
    const partners = this.#open.get(actual) ?? new Set();
    if (partners.has(expected)) return undefined;
    this.#open.set(actual, partners.add(expected));
    try {
      return this.#compareObjects(actual, expected);
    } finally {
      partners.delete(expected);
      if (partners.size === 0) this.#open.delete(actual);
    }
  }

  #classOf(value: object): unknown {
    const prototype: unknown = Object.getPrototypeOf(value);
    if (prototype === null) return this.#likeness === "exact" ? null : Object.prototype;
    // What is built in is the same class in every realm.
    if (Array.isArray(value) && Array.isArray(prototype)) return Array.prototype;
    return isObjectPrototype(prototype) ? Object.prototype : exactBuiltInOf(value) ?? prototype;
  }

  /** Compares objects of the same class. */
  #compareObjects(actual: object, expected: object): Difference | undefined {
    if (Array.isArray(actual) && Array.isArray(expected)) {
      return this.#compareItems(actual, expected, (index) => `[${index}]`);
    }
    const name = builtInOf(actual);
    if (name === "Map" && builtInOf(expected) === "Map") {
      return this.#compareMaps(actual as Map<unknown, unknown>, expected as Map<unknown, unknown>);
    }
    if (name === "Set" && builtInOf(expected) === "Set") {
      return this.#compareSets(actual as Set<unknown>, expected as Set<unknown>);
    }
    const content = contentOf(actual);
    if (content === undefined) return this.#compareProperties(actual, expected);
    const isSame = this.compare(content, contentOf(expected)) === undefined;
    return isSame ? undefined : { path: "", actual, expected };
  }

  #compareItems(
    actual: readonly unknown[],
    expected: readonly unknown[],
    stepTo: (index: number) => string,
  ): Difference | undefined {
    const length = Math.max(actual.length, expected.length);
    for (let index = 0; index < length; index++) {
      const difference = this.compare(
        index < actual.length ? actual[index] : ABSENT,
        index < expected.length ? expected[index] : ABSENT,
      );
      if (difference) return under(stepTo(index), difference);
    }
    return undefined;
  }

  #compareProperties(actual: object, expected: object): Difference | undefined {
    const names = Object.keys(expected);
    const actualNames = Object.keys(actual);
    if (this.#likeness !== "expected" && names.length === actualNames.length) {
      const moved = names.some((name, index) => name !== actualNames[index]);
      if (moved) return { path: " (its properties)", actual: actualNames, expected: names };
    }
    for (const name of new Set([...names, ...actualNames])) {
      const difference = this.compare(valueAt(actual, name), valueAt(expected, name));
      if (difference) return under(stepTo(name), difference);
    }
    return undefined;
  }

  #compareMaps(
    actual: ReadonlyMap<unknown, unknown>,
    expected: ReadonlyMap<unknown, unknown>,
  ): Difference | undefined {
    if (this.#likeness !== "expected") {
      const keys = [...expected.keys()];
      return this.#compareItems([...actual.keys()], keys, (index) => `.keys()[${index}]`) ??
        this.#compareItems(
          [...actual.values()],
          [...expected.values()],
          (index) => `.get(${describeValue(keys[index])})`,
        );
    }
    for (const [key, item] of expected) {
      if (isObject(key)) continue;
      const difference = this.compare(actual.has(key) ? actual.get(key) : ABSENT, item);
      if (difference) return under(`.get(${describeValue(key)})`, difference);
    }
    for (const [key, item] of actual) {
      if (isObject(key) || expected.has(key)) continue;
      return { path: `.get(${describeValue(key)})`, actual: item, expected: ABSENT };
    }
    const hasObjectKey = ([key]: readonly [unknown, unknown]) => isObject(key);
    return under(
      ".entries()",
      this.#match([...actual].filter(hasObjectKey), [...expected].filter(hasObjectKey)),
    );
  }

  #compareSets(
    actual: ReadonlySet<unknown>,
    expected: ReadonlySet<unknown>,
  ): Difference | undefined {
    if (this.#likeness !== "expected") {
      return this.#compareItems([...actual], [...expected], (index) => `.values()[${index}]`);
    }
    const found = this.#match(
      [...actual].filter((member) => isObject(member) || !expected.has(member)),
      [...expected].filter((member) => isObject(member) || !actual.has(member)),
    );
    return under(".values()", found);
  }

  /** Compares members that may stand in any order. Equality is transitive, so any partner will do. */
  #match(actual: unknown[], expected: readonly unknown[]): Difference | undefined {
    for (const member of expected) {
      const index = actual.findIndex((other) => this.compare(other, member) === undefined);
      if (index < 0) return { path: "", actual: ABSENT, expected: member };
      actual.splice(index, 1);
    }
    return actual.length > 0 ? { path: "", actual: actual[0], expected: ABSENT } : undefined;
  }
}

/** What makes an object what it is, if that is not its properties. */
function contentOf(value: object): unknown {
  if (ArrayBuffer.isView(value)) {
    // The bits, so that -0 and every NaN count.
    return [...new Uint8Array(value.buffer, value.byteOffset, value.byteLength)];
  }
  if (isPlainObject(value)) return undefined;
  switch (builtInOf(value)) {
    case "Date":
      return (value as Date).getTime();
    case "RegExp":
      return [(value as RegExp).source, (value as RegExp).flags];
    case "ArrayBuffer":
      return [...new Uint8Array(value as ArrayBuffer)];
  }
  if (isError(value)) return { ...value, name: value.name, message: value.message };
  // What an instance without properties holds, such as a URL, cannot be seen. If it does not say so
  // itself, only the same one is the same.
  if (Object.keys(value).length > 0) return undefined;
  return "toJSON" in value && typeof value.toJSON === "function" ? value.toJSON() : Symbol();
}

function valueAt(value: object, name: string): unknown {
  return Object.hasOwn(value, name) ? Reflect.get(value, name) : ABSENT;
}

function isObject(value: unknown): boolean {
  return typeof value === "object" && value !== null;
}

function under(step: string, difference: Difference | undefined): Difference | undefined {
  return difference && { ...difference, path: step + difference.path };
}

function stepTo(name: string): string {
  return IDENTIFIER.test(name) ? `.${name}` : `[${JSON.stringify(name)}]`;
}
