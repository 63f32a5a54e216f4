import assert from "node:assert/strict";

/**
 * Asserts that a value came back as it went in: the same kinds, the same contents, the same order.
 *
 * Not `deepStrictEqual`: Bun's takes time exponential in the depth of Sets, and tells `/(?:)/` from
 * `new RegExp("")`, although nothing else does.
 *
 * @param actual What came back.
 * @param expected What went in.
 * @param name What it is called.
 */
export function assertSameValue(actual: unknown, expected: unknown, name: string): void {
  assert.ok(isSameValue(actual, expected), `${name} did not come back as it went in`);
}

/** Whether they are of the same kinds, with the same contents in the same order. */
export function isSameValue(actual: unknown, expected: unknown): boolean {
  if (typeof actual !== "object" || actual === null) return Object.is(actual, expected);
  if (typeof expected !== "object" || expected === null) return false;
  if (Object.getPrototypeOf(actual) !== Object.getPrototypeOf(expected)) return false;
  const parts = partsOf(actual);
  const expectedParts = partsOf(expected);
  return parts.length === expectedParts.length &&
    parts.every((part, index) => isSameValue(part, expectedParts[index]));
}

/** What makes an object what it is, beside its prototype, as simpler values. */
function partsOf(value: object): unknown[] {
  if (value instanceof Date) return [value.getTime()];
  if (value instanceof RegExp) return [value.source, value.flags];
  if (value instanceof Map) return [...value].flat();
  if (value instanceof Set) return [...value];
  if (value instanceof ArrayBuffer) return [...new Uint8Array(value)];
  if (ArrayBuffer.isView(value)) {
    // The bits, so that -0 and every NaN count.
    return [...new Uint8Array(value.buffer, value.byteOffset, value.byteLength)];
  }
  if (Array.isArray(value)) return [...value];
  return Object.entries(value).flat();
}
