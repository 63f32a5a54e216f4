/**
 * Payloads as targets: flags, tags and metadata that are sound or forged, before what a codec has
 * encoded.
 *
 * @module
 */

import { MessagePackCodec } from "../../../core/codec/msgpack_codec.ts";
import { PersistenceError } from "../../../core/errors/persistence_error.ts";
import { addressOf } from "../../../core/format/actor_address.ts";
import {
  type EncodedPayload,
  encodeHeader,
  partsOf,
  writePayload,
} from "../../../core/format/payload.ts";
import { encodeTag } from "../../../core/format/schema_tag.ts";
import { MESSAGE, type Payloads, PlainPayloads } from "../../../core/schema/payloads.ts";
import { SchemaPayloads } from "../../../core/schema/schema_payloads.ts";
import { isPlainObject } from "../../../core/util/plain_object.ts";
import type { Random } from "../../conformance/random.ts";
import { forgedMessagePack, joined, randomBytes } from "./inputs.ts";
import type { FuzzTarget } from "./targets.ts";

const codec = new MessagePackCodec();
const actor = addressOf("", "actor", "test");
const ALL_FLAGS = 0b11;
/** Payloads stand within records: what is before and after one must not be read. */
const MARGIN_BYTES = 7;
const MARGIN_BYTE = 0x83;

const METADATA: readonly Readonly<Record<string, unknown>>[] = [
  {},
  { tenant: "eu" },
  { correlationId: "4f1c", causationId: 17, trace: { parent: "00-4bf9", sampled: true } },
  { note: "x".repeat(300) },
];
const MESSAGES: readonly unknown[] = [undefined, null, 0, "text", { type: "added", amount: 5 }, [
  {},
]];
const TAGS: readonly Uint8Array[] = [
  encodeTag({ name: "note", version: 1 }),
  encodeTag({ name: "note", version: 2 }),
  encodeTag({ name: "note", version: 2 ** 31 - 1 }),
  encodeTag({ name: "x".repeat(255), version: 1 }),
];

/** Payloads that are read without a schema, and with one. */
export const payloadTargets: readonly FuzzTarget[] = [
  target("payload", new PlainPayloads(codec, MESSAGE)),
  target(
    "payload with schema",
    new SchemaPayloads(codec, MESSAGE, {
      name: "note",
      version: 2,
      upcasters: { 1: (note: unknown, { metadata }): unknown => ({ note, metadata }) },
    }),
  ),
];

function target(name: string, payloads: Payloads): FuzzTarget {
  return {
    name,
    sound: (random) => {
      const payload = somePayload(random);
      const bytes = new Uint8Array(payload.header.length + payload.bytes.length);
      writePayload(bytes, 0, payload);
      return bytes;
    },
    forged: forgedPayload,
    decode: (bytes) => {
      const decoded = payloads.decode({
        bytes: withMargins(bytes),
        payloadStart: MARGIN_BYTES,
        payloadEnd: MARGIN_BYTES + bytes.length,
        actor,
        sequenceNumber: 3,
        timeMs: 1_700_000_000_000,
      });
      const { metadata } = decoded;
      const { headerBytes } = partsOf(bytes, 0, bytes.length);
      const [flags = 0] = bytes;
      if (flags > ALL_FLAGS) throw new Error(`the flags ${flags} were read`);
      if (headerBytes > bytes.length) throw new Error("the header is longer than the payload");
      if (metadata !== undefined && !isPlainObject(metadata)) throw new Error("no plain object");
      return decoded;
    },
    isRefusal: (error) =>
      error instanceof PersistenceError && error.sequenceNumber === 3 &&
      ["CORRUPT", "UNSUPPORTED_FORMAT", "UNKNOWN_SCHEMA"].includes(error.code),
  };
}

/**
 * A sound payload, with or without tag and metadata.
 *
 * @param random What decides.
 * @returns The payload.
 */
export function somePayload(random: Random): EncodedPayload {
  const tag = random.below(2) === 0 ? undefined : pick(TAGS, random);
  const metadata = random.below(2) === 0 ? undefined : codec.encode(pick(METADATA, random)).slice();
  return {
    header: encodeHeader(tag, metadata),
    bytes: codec.encode(pick(MESSAGES, random)).slice(),
  };
}

/** Any flags, before a tag and metadata whose lengths may claim more than there is. */
function forgedPayload(random: Random): Uint8Array {
  const tag = random.below(3) === 0 ? randomBytes(random.below(12), random) : pick(TAGS, random);
  const metadata = random.below(2) === 0
    ? forgedMessagePack(random)
    : codec.encode(pick(METADATA, random)).slice();
  return joined(
    Uint8Array.of(random.below(3) === 0 ? random.below(256) : random.below(4)),
    random.below(2) === 0 ? tag : new Uint8Array(0),
    forgedVarint(random, metadata.length),
    metadata,
    forgedMessagePack(random),
  );
}

function forgedVarint(random: Random, length: number): Uint8Array {
  switch (random.below(6)) {
    case 0:
      return Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0x0f);
    case 1:
      return Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0xff, 0xff);
    case 2:
      return Uint8Array.of(random.below(128));
    case 3:
      return randomBytes(random.below(6), random);
    default:
      return Uint8Array.of(0x80 | (length & 0x7f), length >> 7);
  }
}

function withMargins(bytes: Uint8Array): Uint8Array {
  const record = new Uint8Array(bytes.length + 2 * MARGIN_BYTES).fill(MARGIN_BYTE);
  record.set(bytes, MARGIN_BYTES);
  return record;
}

function pick<Item>(list: readonly Item[], random: Random): Item {
  const item = list[random.below(list.length)];
  if (item === undefined && list.length === 0) throw new Error("the list is empty");
  return item as Item;
}
