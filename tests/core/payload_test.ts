import assert from "node:assert/strict";
import fc from "fast-check";
import { appendToFrames } from "../../core/commit/pending_frames.ts";
import { MessagePackCodec } from "../../core/codec/msgpack_codec.ts";
import { PersistenceError } from "../../core/errors/persistence_error.ts";
import { addressOf } from "../../core/format/actor_address.ts";
import { encodedValue } from "../../core/format/encoded_run.ts";
import type { FrameBuilder } from "../../core/format/frame.ts";
import {
  encodeHeader,
  partsOf,
  PLAIN_HEADER,
  unknownFlags,
  writePayload,
} from "../../core/format/payload.ts";
import { encodeTag } from "../../core/format/schema_tag.ts";
import { MESSAGE, PlainPayloads, STATE } from "../../core/schema/payloads.ts";
import { SchemaPayloads } from "../../core/schema/schema_payloads.ts";
import { ByteArena } from "../../core/util/byte_arena.ts";
import { test } from "../harness.ts";
import { inputs } from "../repetitions.ts";

const codec = new MessagePackCodec();
const actor = addressOf("cart", "42", "test");
const tags = fc.option(
  fc.record({
    name: fc.string({ minLength: 1, maxLength: 60 }),
    version: fc.integer({ min: 1, max: 2 ** 31 - 1 }),
  }).map(encodeTag),
  { nil: undefined },
);
const someBytes = fc.uint8Array({ maxLength: 400 });
const metadata = fc.option(someBytes, { nil: undefined });

/** Where and when a payload is stored that is all of these bytes. */
function stored(bytes: Uint8Array) {
  const place = { actor, sequenceNumber: 7, timeMs: 5 };
  return { ...place, bytes, payloadStart: 0, payloadEnd: bytes.length };
}

function written(header: Uint8Array, bytes: Uint8Array): Uint8Array {
  const target = new Uint8Array(header.length + bytes.length);
  assert.equal(writePayload(target, 0, { header, bytes }), target.length);
  return target;
}

test("tag, metadata and value come back from a payload, wherever it stands", () => {
  fc.assert(
    fc.property(tags, metadata, someBytes, someBytes, (tag, metadata, value, before) => {
      const header = encodeHeader(tag, metadata);
      const target = new Uint8Array(before.length + header.length + value.length + 3).fill(0xff);
      target.set(before);
      const start = before.length;
      const end = writePayload(target, start, { header, bytes: value });
      assert.equal(unknownFlags(target, start, end), 0);
      const { tagBytes, metadataBytes, headerBytes } = partsOf(target, start, end);
      const valueStart = start + headerBytes;
      assert.deepEqual(target.slice(start + 1, start + 1 + tagBytes), tag ?? new Uint8Array(0));
      assert.equal(metadataBytes, metadata?.length);
      assert.deepEqual(
        target.slice(valueStart - (metadataBytes ?? 0), valueStart),
        metadata ?? new Uint8Array(0),
      );
      assert.deepEqual(target.slice(valueStart, end), value);
      assert.deepEqual([...target.subarray(end)], [0xff, 0xff, 0xff]);
    }),
    { numRuns: inputs.values },
  );
});

test("the bytes of a payload are those that the table describes", () => {
  const value = Uint8Array.of(0x01);
  const tag = encodeTag({ name: "a", version: 3 });
  const data = Uint8Array.of(0x80);
  assert.deepEqual([...written(PLAIN_HEADER, value)], [0x00, 0x01]);
  assert.deepEqual([...written(encodeHeader(undefined, undefined), value)], [0x00, 0x01]);
  assert.deepEqual([...written(encodeHeader(tag, undefined), value)], [1, 3, 1, 0x61, 0x01]);
  assert.deepEqual([...written(encodeHeader(undefined, data), value)], [2, 1, 0x80, 0x01]);
  assert.deepEqual([...written(encodeHeader(tag, data), value)], [3, 3, 1, 0x61, 1, 0x80, 0x01]);
});

test("a payload of a newer version is unsupported, not corrupt", () => {
  for (const nouns of [MESSAGE, STATE]) {
    const readers = [
      new PlainPayloads(codec, nouns),
      new SchemaPayloads(codec, nouns, { name: "note", version: 1 }),
    ];
    for (const payloads of readers) {
      for (const flags of [0x04, 0x80, 0xff, 0xfc]) {
        const payload = stored(Uint8Array.of(flags, 0x01));
        assert.throws(() => payloads.decode(payload), (error) => {
          assert.ok(error instanceof PersistenceError);
          const { code, actorId, kind, sequenceNumber, message } = error;
          assert.deepEqual(
            [code, actorId, kind, sequenceNumber],
            ["UNSUPPORTED_FORMAT", "42", "cart", 7],
          );
          assert.match(
            message,
            /actor "42" of kind "cart": the (message|state) at 7 was stored by/,
          );
          return true;
        });
      }
    }
  }
});

/** Lengths that are not there, or reach beyond the end. */
const FORGED_LENGTHS = [
  [],
  [0x01],
  [0x01, 0x01, 0xff, 0x61],
  [0x01, 0x01, 0x00, 0x61],
  [0x02],
  [0x02, 0x05, 0x80, 0x01],
  [0x02, 0xff, 0xff, 0xff, 0xff, 0x0f, 0x80],
  [0x02, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01, 0x80],
  [0x02, 0x80],
  [0x03, 0x01, 0x01, 0x61, 0x09, 0x80],
];

test("a forged length is corrupt, even if the codec decodes any bytes", () => {
  const lenient = { name: "any", encode: () => new Uint8Array(0), decode: () => ({}) };
  const schema = { name: "a", version: 1, onUnknown: () => ({}) };
  for (const bytes of FORGED_LENGTHS) {
    // More bytes follow in the record: they belong to the next entry.
    const record = Uint8Array.from([...bytes, ...new Uint8Array(300).fill(0x01)]);
    const payload = { ...stored(record), payloadEnd: bytes.length };
    for (
      const payloads of [
        new PlainPayloads(lenient, MESSAGE),
        new SchemaPayloads(lenient, MESSAGE, schema),
      ]
    ) {
      assert.throws(() => payloads.decode(payload), { code: "CORRUPT" }, `[${bytes}]`);
    }
  }
});

test("metadata that is no plain object is corrupt", () => {
  const forged = [
    [0x02, 0x00, 0x01],
    [0x02, 0x01, 0x01, 0x01],
    [0x02, 0x01, 0xc0, 0x01],
    [0x02, 0x01, 0x90, 0x01],
    [0x02, 0x01, 0x81, 0x01],
  ];
  const payloads = new SchemaPayloads(codec, MESSAGE, {
    name: "a",
    version: 1,
    unversioned: { name: "a", version: 1 },
  });
  for (const bytes of forged) {
    assert.throws(
      () => payloads.decode(stored(Uint8Array.from(bytes))),
      { code: "CORRUPT", actorId: "42", kind: "cart", sequenceNumber: 7 },
      `[${bytes}]`,
    );
  }
  const sound = payloads.decode(stored(Uint8Array.from([0x03, 1, 1, 0x61, 1, 0x80, 0x05])));
  assert.deepEqual(sound, { value: 5, schema: { name: "a", version: 1 }, metadata: {} });
});

test("upcasters, unversioned and onUnknown are given the metadata, if there is any", () => {
  const places: unknown[] = [];
  const payloads = new SchemaPayloads(codec, MESSAGE, {
    name: "note",
    version: 2,
    upcasters: {
      1: (value: unknown, place): unknown => {
        places.push(place);
        return value;
      },
    },
    unversioned: (_, place) => {
      places.push(place);
      return { name: "note", version: 2 };
    },
    onUnknown: ({ schema: _, value, ...place }) => {
      places.push(place);
      return value;
    },
  });
  const place = { actorId: "42", sequenceNumber: 7, timestamp: new Date(5) };
  const headers = [{ name: "note", version: 1 }, undefined, { name: "memo", version: 1 }];
  for (const tag of headers.map((schema) => schema && encodeTag(schema))) {
    for (const metadata of [undefined, { tenant: "eu" }]) {
      const encoded = metadata && payloads.encodeMetadata(metadata, "append to", actor);
      const bytes = written(encodeHeader(tag, encoded), Uint8Array.of(0x05));
      assert.equal(payloads.decode(stored(bytes)).value, 5);
      assert.deepEqual(places.splice(0), [metadata ? { ...place, metadata } : place]);
    }
  }
});

test("payloads with and without tags and metadata share a frame", () => {
  const arena = new ByteArena();
  const tag = encodeTag({ name: "note", version: 1 });
  const data = codec.encode({ tenant: "eu" }).slice();
  const headers = [
    PLAIN_HEADER,
    encodeHeader(tag, undefined),
    encodeHeader(undefined, data),
    encodeHeader(tag, data),
  ];
  let frames: FrameBuilder[] = [];
  for (const header of [...headers, ...headers]) {
    frames = appendToFrames(frames, encodedValue(header, Uint8Array.of(1)), 1_000, arena);
  }
  assert.deepEqual(frames.map(({ count }) => count), [8]);
});
