/**
 * Plain objects.
 *
 * @module
 */

/**
 * Whether a value is a plain object: made by a literal, with or without a prototype, in any realm.
 *
 * @param value The value.
 * @returns False for an array, an instance of a class, and a value that is not an object.
 */
export function isPlainObject(value: unknown): value is Readonly<Record<string, unknown>> {
  if (typeof value !== "object" || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}

/**
 * Whether a value is the prototype of plain objects, `Object.prototype`, of any realm.
 *
 * @param value The value.
 * @returns Whether it is one.
 */
export function isObjectPrototype(value: unknown): boolean {
  if (value === Object.prototype) return true;
  return typeof value === "object" && value !== null && Object.getPrototypeOf(value) === null &&
    Object.hasOwn(value, "isPrototypeOf");
}
