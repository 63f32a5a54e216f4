import assert from "node:assert/strict";
import { MessagePackCodec } from "../../core/codec/msgpack_codec.ts";
import { copyValue } from "../../core/util/copy_value.ts";
import { assertSameValue } from "../conformance/same_value.ts";
import { refusedValues, richValues } from "../conformance/values.ts";
import { test } from "../harness.ts";

const codec = new MessagePackCodec();

test("copy of a value: it is what comes back from the storage, and shares nothing", () => {
  for (const [name, value] of richValues) {
    const copy = copyValue(value);
    assertSameValue(copy, codec.decode(codec.encode(value)), name);
    const own = objectsIn(value);
    for (const object of objectsIn(copy)) assert.ok(!own.has(object), name);
  }
});

test("copy of a value: bytes are copied, also those of a Buffer", () => {
  for (const bytes of [Buffer.from([1, 2]), new Uint8Array([1, 2]), new Int16Array([1, 2])]) {
    const copy = copyValue(bytes);
    bytes[0] = 9;
    assert.deepEqual([...copy], [1, 2]);
  }
});

test("copy of a value: what cannot be copied is left alone", () => {
  for (const [name, value] of refusedValues) {
    // Some throw when they are touched, which a codec has found out before.
    if (/throws|revoked|holes|pretends/.test(name)) continue;
    copyValue(value);
  }
  class Money {}
  const money = new Money();
  assert.equal(copyValue({ money }).money, money);
  const circle: { self?: unknown } = {};
  circle.self = circle;
  assert.ok(copyValue(circle) !== circle);
});

test("copy of a value: a property __proto__ is a property like any other", () => {
  const copy = copyValue(JSON.parse('{"__proto__":{"polluted":true}}'));
  assert.equal(Object.getPrototypeOf(copy), Object.prototype);
  assert.deepEqual(Object.keys(copy), ["__proto__"]);
  assert.equal(copy.polluted, undefined);
});

test("copy of a value: properties with a symbol as name are left out, as in what is stored", () => {
  const copy = copyValue({ a: 1, [Symbol("b")]: 2 });
  assert.deepEqual(Reflect.ownKeys(copy), ["a"]);
});

function objectsIn(value: unknown, found: Set<unknown> = new Set()): Set<unknown> {
  if (typeof value !== "object" || value === null || found.has(value)) return found;
  found.add(value);
  const inside = value instanceof Map || value instanceof Set ? [...value].flat() : [];
  const items = ArrayBuffer.isView(value) ? [value.buffer] : Object.values(value);
  for (const item of [...inside, ...items]) objectsIn(item, found);
  return found;
}
