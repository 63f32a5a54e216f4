import assert from "node:assert/strict";
import fc from "fast-check";
import {
  decodeTag,
  encodeTag,
  MAX_SCHEMA_VERSION,
  tagLength,
  TagTable,
} from "../../core/format/schema_tag.ts";
import { test } from "../harness.ts";
import { inputs } from "../repetitions.ts";

const names = fc.string({ unit: "binary", minLength: 1, maxLength: 60 })
  .filter((name) => new TextEncoder().encode(name).length <= 255);
const schemas = fc.tuple(names, fc.integer({ min: 1, max: MAX_SCHEMA_VERSION }))
  .map(([name, version]) => ({ name, version }));

test("tags come back from payloads, whatever follows them", () => {
  fc.assert(fc.property(schemas, fc.uint8Array(), (schema, rest) => {
    const tag = encodeTag(schema);
    const payload = Uint8Array.of(...rest, ...tag, ...rest);
    assert.equal(tagLength(payload, rest.length, payload.length), tag.length);
    assert.deepEqual(decodeTag(payload.subarray(rest.length, rest.length + tag.length)), schema);
  }));
});

test("a table finds the tags that were added, and no others", () => {
  const lists = fc.uniqueArray(schemas, {
    minLength: 1,
    maxLength: 20,
    selector: ({ name, version }) => `${version} ${name}`,
  });
  fc.assert(fc.property(lists, fc.uint8Array(), (list, rest) => {
    const [absent, ...known] = list;
    const table = new TagTable<object>();
    for (const schema of known) table.set(encodeTag(schema), schema);
    for (const schema of known) {
      const payload = Uint8Array.of(...rest, ...encodeTag(schema), ...rest);
      const length = tagLength(payload, rest.length, payload.length);
      assert.equal(table.get(payload, rest.length, length), schema);
    }
    const payload = encodeTag(absent ?? assert.fail());
    assert.equal(table.get(payload, 0, payload.length), undefined);
  }));
});

test("bytes that do not begin with a tag are refused, and never read beyond their end", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 12 }), (payload) => {
      let length: number;
      try {
        length = tagLength(payload, 0, payload.length);
      } catch {
        // Refused, as it should be if it is not a tag: the rest checks that it is one.
        return;
      }
      assert.ok(length <= payload.length);
      try {
        const { name, version } = decodeTag(payload.subarray(0, length));
        assert.ok(name.length > 0 && version > 0 && version <= MAX_SCHEMA_VERSION);
      } catch (error) {
        assert.ok(error instanceof Error, "a bad version or name");
      }
    }),
    { numRuns: inputs.bytes },
  );
  const broken = [[], [1], [1, 0], [1, 2, 0x61], [0x80, 0x80, 0x80, 0x80, 0x80, 1, 1, 0x61]];
  for (const bytes of broken) {
    assert.throws(() => tagLength(Uint8Array.from(bytes), 0, bytes.length));
  }
  for (const bytes of [[0, 1, 0x61], [0xff, 0xff, 0xff, 0xff, 0x0f, 1, 0x61], [1, 1, 0xff]]) {
    assert.throws(() => decodeTag(Uint8Array.from(bytes)));
  }
});
