import assert from "node:assert/strict";
import fc from "fast-check";
import { compareBytes, readUint53, writeUint53 } from "../../core/util/bytes.ts";
import { test } from "../harness.ts";

test("integers of 53 bits come back in either byte order; larger ones are NaN", () => {
  fc.assert(fc.property(fc.maxSafeNat(), (value) => {
    const bytes = new Uint8Array(10);
    for (const order of ["big-endian", "little-endian"] as const) {
      writeUint53(bytes, 1, value, order);
      assert.equal(readUint53(bytes, 1, order), value);
    }
  }));
  const tooLarge = Uint8Array.from([0, 0x20, 0, 0, 0, 0, 0, 0]);
  assert.equal(readUint53(tooLarge, 0, "big-endian"), NaN);
  assert.equal(readUint53(tooLarge, 1, "big-endian"), NaN);
  assert.equal(readUint53(tooLarge, -1, "big-endian"), NaN);
});

test("bytes compare as unsigned bytes, a prefix first", () => {
  const ordered = [[], [0], [0, 0], [0x7f], [0x7f, 0xff], [0x80], [0xff]];
  for (let a = 0; a < ordered.length; a++) {
    for (let b = 0; b < ordered.length; b++) {
      const order = compareBytes(
        Uint8Array.from(ordered[a] ?? []),
        Uint8Array.from(ordered[b] ?? []),
      );
      assert.equal(Math.sign(order), Math.sign(a - b));
    }
  }
});
