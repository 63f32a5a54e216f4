import assert from "node:assert/strict";
import { checksumOf, xxh32 } from "../../core/format/xxh32.ts";
import { test } from "../harness.ts";

const bytesOf = (text: string) => new TextEncoder().encode(text);

test("xxh32 returns the published values", () => {
  const published: [string, number, number][] = [
    ["", 0, 0x02cc5d05],
    ["a", 0, 0x550d7456],
    ["abc", 0, 0x32d153ff],
    ["Nobody inspects the spammish repetition", 0, 0xe2293b2f],
    ["", 0x9e3779b1, 0x36b78ae7],
  ];
  for (const [text, seed, hash] of published) {
    const bytes = bytesOf(text);
    assert.equal(xxh32(bytes, 0, bytes.length, seed), hash, text);
  }
});

test("xxh32 hashes a part of an array as it hashes a copy of that part", () => {
  const bytes = Uint8Array.from({ length: 200 }, (_, index) => (index * 37) & 0xff);
  for (let start = 0; start < 8; start++) {
    for (let length = 0; length < 70; length++) {
      const copy = bytes.slice(start, start + length);
      const view = bytes.subarray(1);
      const expected = xxh32(copy, 0, length, 7);
      assert.equal(xxh32(bytes, start, start + length, 7), expected);
      if (start > 0) assert.equal(xxh32(view, start - 1, start - 1 + length, 7), expected);
    }
  }
});

test("the checksum of a value changes with every bit of it and of its key", () => {
  const key = bytesOf("actor");
  const value = Uint8Array.from({ length: 40 }, (_, index) => index);
  const sound = checksumOf(key, value, 0);
  for (const bytes of [key, value]) {
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const index = bit >> 3;
      bytes[index] = (bytes[index] ?? 0) ^ (1 << (bit & 7));
      assert.notEqual(checksumOf(key, value, 0), sound);
      bytes[index] = (bytes[index] ?? 0) ^ (1 << (bit & 7));
    }
  }
  assert.equal(checksumOf(key, value, 0), sound);
});
