import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import * as zlib from "node:zlib";
import fc from "fast-check";
import {
  CompressingCodec,
  type CompressionMethod,
  type CompressionOptions,
} from "../adapters/compression.ts";
import { EncryptingCodec, KeyRing } from "../adapters/encryption/mod.ts";
import { MemoryPersistenceProvider } from "../adapters/memory.ts";
import { type Codec, MessagePackCodec } from "../mod.ts";
import { anyRichValue, assertSurvivesDamage, transfer } from "./codec_checks.ts";
import { assertSameValue } from "./conformance/same_value.ts";
import { richValues } from "./conformance/values.ts";
import { test } from "./harness.ts";
import { inputs } from "./repetitions.ts";

const methods: readonly CompressionMethod[] = "zstdCompressSync" in zlib
  ? ["deflate", "zstd"]
  : ["deflate"];

for (const method of methods) {
  const codec = new CompressingCodec(new MessagePackCodec(), { method, minBytes: 0 });

  test(`CompressingCodec, ${method}: any value comes back, by every method`, () => {
    const readers = methods.map((other) =>
      new CompressingCodec(new MessagePackCodec(), { method: other })
    );
    const comesBack = (value: unknown, name = "the value") => {
      for (const reader of readers) assertSameValue(transfer(codec, reader, value), value, name);
    };
    for (const [name, value] of richValues) comesBack(value, name);
    fc.assert(fc.property(anyRichValue, (value) => comesBack(value)), { numRuns: inputs.values });
  });

  test(`CompressingCodec, ${method}: damaged bytes give an error or a value`, () => {
    assertSurvivesDamage(codec, inputs.damaged);
  });

  test(`CompressingCodec, ${method}: what would become no smaller is stored as it is`, () => {
    const text = "once upon a time ".repeat(100);
    assert.ok(codec.encode(text).length < 100);
    const noise = new Uint8Array(randomBytes(5_000));
    assert.equal(codec.encode(noise).length, new MessagePackCodec().encode(noise).length + 1);
    const small = new CompressingCodec(new MessagePackCodec(), { method, minBytes: 5_000 });
    assert.equal(small.encode(text).length, new MessagePackCodec().encode(text).length + 1);
  });
}

test("CompressingCodec: a value that would grow beyond its limit is refused", () => {
  for (const method of methods) {
    const options = { method, minBytes: 0, maxBytes: 100_000 };
    const codec = new CompressingCodec(new MessagePackCodec(), options);
    const generous = new CompressingCodec(new MessagePackCodec(), { method });
    const text = "x".repeat(99_990);
    assert.equal(codec.decode(generous.encode(text)), text);
    const bomb = generous.encode("x".repeat(50_000_000));
    assert.ok(bomb.length < 100_000);
    assert.throws(() => codec.decode(bomb));
    assert.throws(
      () => codec.encode("x".repeat(100_000)),
      (error: Error) => "code" in error && error.code === "TOO_LARGE",
    );
  }
});

test("CompressingCodec: what is not compressed in a way that it knows is refused", () => {
  const codec = new CompressingCodec(new MessagePackCodec());
  for (const bytes of [[], [3, 1, 2], [255]]) {
    assert.throws(() => codec.decode(Uint8Array.from(bytes)));
  }
});

test("CompressingCodec: a bad option is refused", () => {
  for (const options of [{ method: "brotli" }, { minBytes: -1 }, { maxBytes: 0 }, { minBits: 1 }]) {
    assert.throws(
      () => new CompressingCodec(new MessagePackCodec(), options as CompressionOptions),
      (error: Error) => "code" in error && error.code === "INVALID_ARGUMENT",
    );
  }
  assert.throws(() => new CompressingCodec({} as Codec), /encode and decode/);
});

test("compression and encryption together: what is compressed is encrypted", async () => {
  const keys = new KeyRing([{ id: "1", key: new Uint8Array(randomBytes(32)) }]);
  const codec = new EncryptingCodec(new CompressingCodec(new MessagePackCodec()), keys);
  assert.equal(codec.name, "msgpack+zip+xchacha");
  await using provider = await MemoryPersistenceProvider.open({ codec });
  const snapshots = provider.createSnapshotStore<string>();
  await snapshots.saveSnapshot("book", "once upon a time ".repeat(1_000), 0);
  assert.ok((await provider.stats()).storage.usedBytes < 2_000);
  assert.equal((await snapshots.getLatestSnapshot("book"))?.state.length, 17_000);
  keys.drop("1");
  assert.equal((await snapshots.getLatestSnapshot("book"))?.isErased, true);
});
