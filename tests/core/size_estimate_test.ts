import assert from "node:assert/strict";
import { MessagePackCodec } from "../../core/codec/msgpack_codec.ts";
import { estimateBytes } from "../../core/util/size_estimate.ts";
import { test } from "../harness.ts";

test("size estimate: it is about what the codec needs", () => {
  const codec = new MessagePackCodec();
  const values = [
    { type: "deposited", amount: 12.5, at: 1_700_000_000_000.5 },
    ["x".repeat(1_000), "y".repeat(10)],
    new Map([["a", 1.5], ["b", 2.5]]),
    new Set([1.5, 2.5, 3.5]),
    new Uint8Array(10_000),
    new Float64Array(1_000),
    { nested: [{ a: { b: [1.5, null, "text"] } }] },
  ];
  for (const value of values) {
    const ratio = estimateBytes(value) / codec.encode(value).length;
    assert.ok(ratio > 0.5 && ratio < 2, `${ratio}`);
  }
});
