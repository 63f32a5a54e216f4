/**
 * Values of another realm, as `node:vm`, Jest and vitest make them.
 *
 * @module
 */

import { createContext, runInContext } from "node:vm";
import { type NamedValue, richValues } from "./conformance/values.ts";

const realm = createContext({});

/**
 * Runs code in another realm.
 *
 * @param code The code: one expression.
 * @returns What it gives.
 */
export function inOtherRealm(code: string): unknown {
  return runInContext(`(${code})`, realm);
}

/** What makes again a value in the realm that this is run in. Symbols and functions are no values. */
const REMAKE = `function remake(value, tagOf) {
  const again = (item) => remake(item, tagOf);
  if (typeof value !== "object" || value === null) return value;
  const tag = tagOf(value);
  switch (tag) {
    case "Object":
      return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, again(item)]));
    case "Array":
      return Array.from(value, again);
    case "Map":
      return new Map([...value].map(([key, item]) => [again(key), again(item)]));
    case "Set":
      return new Set([...value].map(again));
    case "Date":
      return new Date(value.getTime());
    case "RegExp":
      return new RegExp(value.source, value.flags);
    case "ArrayBuffer":
      return new Uint8Array(new Uint8Array(value)).buffer;
    default:
      return new globalThis[tag](value);
  }
}`;

/** All rich values as another realm has them, each with the same in ours. */
export const foreignValues: readonly (readonly [...NamedValue, foreign: unknown])[] = (() => {
  const remake = inOtherRealm(REMAKE) as (
    value: unknown,
    tagOf: (value: object) => string,
  ) => unknown;
  const tagOf = (value: object) => Object.prototype.toString.call(value).slice(8, -1);
  return richValues
    .filter(([name]) => !/70,000|100 deep/.test(name))
    .map(([name, value]) => [name, value, remake(value, tagOf)] as const);
})();

/** What no codec encodes, as another realm has it. */
export const foreignRefusedValues: readonly NamedValue[] = [
  "new (class Account { balance = 1 })()",
  "new (class Items extends Array {})()",
  "new (class Items extends Map {})()",
  "new (class Items extends Set {})()",
  "new (class Day extends Date {})()",
  "new (class Bytes extends Uint8Array {})()",
  "new (class Date2 extends Date {})()",
  "new (class Date extends globalThis.Date {})()",
  "Object.create({ inherited: 1 })",
  "Object.create(Date.prototype)",
  "Object.create(Map.prototype)",
  "Object.create(RegExp.prototype)",
  "Object.create(Uint8Array.prototype)",
  "Object.create(ArrayBuffer.prototype)",
  "Object.create({ [Symbol.toStringTag]: 'Date', constructor: Date })",
  "Object.setPrototypeOf(new Map(), class Cart {}.prototype)",
  "new Error('x')",
  "Promise.resolve()",
  "new WeakMap()",
  "Object(1)",
  "new DataView(new ArrayBuffer(1))",
  "new SharedArrayBuffer(1)",
  "new Uint8Array(new SharedArrayBuffer(1))",
  "() => 1",
].map((code): NamedValue => [`${code} of another realm`, inOtherRealm(code)]);
