/**
 * Everything that makes values of stored bytes, and sound bytes of each kind to begin with.
 *
 * @module
 */

import assert from "node:assert/strict";
import { MsgpackrCodec } from "../../../adapters/msgpackr.ts";
import { JsonCodec } from "../../../core/codec/json_codec.ts";
import { MessagePackCodec } from "../../../core/codec/msgpack_codec.ts";
import { PersistenceError } from "../../../core/errors/persistence_error.ts";
import { type ActorAddress, addressIn, addressOf } from "../../../core/format/actor_address.ts";
import { checksummedKey } from "../../../core/format/checksummed_key.ts";
import { ENVELOPE_BYTES, sealEnvelope } from "../../../core/format/envelope.ts";
import { FrameBuilder, FrameCursor, readFrame } from "../../../core/format/frame.ts";
import { HEAD_BYTES_BEFORE_TAIL, headKey, putHead } from "../../../core/format/head.ts";
import { actorKey, entryKey, sequenceNumberOf } from "../../../core/format/keys.ts";
import { decodeTag, encodeTag, tagLength } from "../../../core/format/schema_tag.ts";
import { encodeSnapshot } from "../../../core/format/snapshot_record.ts";
import type { Codec } from "../../../core/ports/codec.ts";
import { PersistenceProvider } from "../../../core/provider.ts";
import { loadHead } from "../../../core/read/load_head.ts";
import { assertNoDamagedNeighbor } from "../../../core/read/missing_key.ts";
import { claimStorage } from "../../../core/stores/claim_storage.ts";
import { ByteArena } from "../../../core/util/byte_arena.ts";
import { compareBytes, readUint32 } from "../../../core/util/bytes.ts";
import type { Random } from "../../conformance/random.ts";
import { isSameValue } from "../../conformance/same_value.ts";
import { richValues } from "../../conformance/values.ts";
import { forgedMessagePack } from "./inputs.ts";
import { ForgedStorage } from "./forged_storage.ts";
import { logTargets } from "./log_targets.ts";
import { payloadTargets, somePayload } from "./payload_targets.ts";
import { recordTargets } from "./record_targets.ts";

/** One kind of bytes that is decoded. */
export interface FuzzTarget {
  readonly name: string;
  /** Sound bytes. */
  sound(random: Random): Uint8Array;
  /** Bytes that a forger would make who knows the format, if that takes more than changing some. */
  forged?(random: Random): Uint8Array;
  /** Makes the checksum of a record right again, as a forger would. */
  seal?(bytes: Uint8Array, random: Random): void;
  /** Decodes. Throws or rejects if the bytes are refused. */
  decode(bytes: Uint8Array): unknown;
  /** Whether an error is one that the caller is told of. */
  isRefusal(error: unknown): boolean;
}

const ACTOR = "actor";
const actor = addressOf("", ACTOR, "test");
const frameKey = entryKey(actor.key, 1_000);
const snapshotKey = checksummedKey(entryKey(actor.key, 7));
const arena = new ByteArena();
const NEWER_VERSION = 255;
const LARGEST_SOUND_BYTES = 3_000;

/** All targets. */
export async function fuzzTargets(): Promise<FuzzTarget[]> {
  return [
    frames,
    keys,
    guardedKeys,
    heads,
    await snapshots(),
    storeInfo,
    tags,
    ...payloadTargets,
    ...recordTargets,
    ...logTargets,
    codec("msgpack", new MessagePackCodec(), forgedMessagePack),
    codec("msgpackr", new MsgpackrCodec(), forgedMessagePack),
    bothCodecs,
    codec("json", new JsonCodec(), forgedJson),
  ];
}

const frames: FuzzTarget = {
  name: "frame",
  sound: (random) => soundFrame(random).slice(),
  seal: (bytes, random) => seal(frameKey, bytes, random),
  decode: (bytes) => {
    const cursor = new FrameCursor(readFrame(actor, frameKey, bytes), 0, Infinity);
    const payloads: Uint8Array[] = [];
    while (cursor.advance()) {
      payloads.push(bytes.slice(cursor.payloadStart, cursor.payloadEnd));
    }
    return payloads;
  },
  isRefusal: isRecordError,
};

function soundFrame(random: Random, key: Uint8Array = frameKey): Uint8Array {
  const frame = new FrameBuilder(1_700_000_000_000, 0, arena);
  for (let left = 1 + random.below(30); left > 0; left--) {
    frame.append(somePayload(random), 1_700_000_000_000 + random.below(2 ** 31));
  }
  return frame.seal(key);
}

const keys: FuzzTarget = {
  name: "key",
  sound: (random) => entryKey(someAddress(random).key, random.below(2 ** 31)),
  decode: (bytes) => {
    const address = addressIn(bytes);
    if (address) {
      // What is taken for an actor's key is the only one of this actor.
      const encoder = new TextEncoder();
      const key = actorKey(encoder.encode(address.kind), encoder.encode(address.actorId));
      if (compareBytes(key, address.key) !== 0) throw new Error("another key of the same actor");
      if (compareBytes(key, bytes.subarray(0, key.length)) !== 0) throw new Error("another key");
    }
    return [address, sequenceNumberOf(bytes)];
  },
  isRefusal: () => false,
};

function someAddress(random: Random): ActorAddress {
  return addressOf(random.below(2) === 0 ? "" : idOf(random), idOf(random), "test");
}

const guardedKeys: FuzzTarget = {
  name: "guarded key",
  sound: (random) => checksummedKey(someAddress(random).key),
  decode: async (bytes) => {
    const storage = new ForgedStorage({ key: bytes, value: new Uint8Array(0), version: 0 });
    const range = { start: actor.key, end: actor.key };
    await assertNoDamagedNeighbor(storage, "heads", range, actor, "journal");
  },
  isRefusal: isRecordError,
};

const heads: FuzzTarget = {
  name: "head",
  sound: (random) => {
    const next = 100 + random.below(2 ** 31 - 100);
    const tail = random.below(2) === 0
      ? new Uint8Array(0)
      : soundFrame(random, entryKey(actor.key, next - 1));
    const first = random.below(next);
    const incarnation = 1 + random.below(2 ** 31);
    const position = incarnation + 1 + random.below(2 ** 31);
    const change = putHead(headKey(actor.key), {
      nextSequenceNumber: next,
      firstSequenceNumber: first,
      originSequenceNumber: random.below(first + 1),
      incarnation,
      resetPosition: random.below(2) === 0 ? 0 : position - 1,
      position,
      tailSequenceNumber: next - (tail.length === 0 ? 0 : readUint32(tail, 5, "little-endian")),
      tail,
    });
    return change.type === "put" ? change.value.slice() : new Uint8Array(0);
  },
  seal: (bytes, random) =>
    seal(headKey(actor.key), bytes, random, Math.min(HEAD_BYTES_BEFORE_TAIL, bytes.length)),
  decode: async (bytes) => {
    const storage = new ForgedStorage({ key: headKey(actor.key), value: bytes, version: 1 });
    const head = await loadHead(storage, actor) ?? assert.fail("the head is not seen");
    const { nextSequenceNumber, firstSequenceNumber, tailSequenceNumber, tail } = head;
    const isSound = Number.isSafeInteger(nextSequenceNumber) &&
      Number.isSafeInteger(firstSequenceNumber) && firstSequenceNumber >= 0 &&
      firstSequenceNumber <= nextSequenceNumber && tailSequenceNumber <= nextSequenceNumber;
    if (!isSound) throw new Error(`a head of ${firstSequenceNumber} to ${nextSequenceNumber}`);
    if (tailSequenceNumber === nextSequenceNumber) return;
    const key = entryKey(actor.key, nextSequenceNumber - 1);
    const cursor = new FrameCursor(readFrame(actor, key, tail), 0, Infinity);
    while (cursor.advance());
  },
  isRefusal: isRecordError,
};

async function snapshots(): Promise<FuzzTarget> {
  const storage = new ForgedStorage(undefined);
  const provider = await PersistenceProvider.openOn(storage);
  const store = provider.createSnapshotStore<unknown>();
  return {
    name: "snapshot",
    sound: (random) => {
      const bytes = pick(sharedBytes, random);
      const payload = random.below(2) === 0
        ? somePayload(random)
        : { ...somePayload(random), bytes };
      return encodeSnapshot(snapshotKey, payload, 1_700_000_000_000);
    },
    seal: (bytes, random) => seal(snapshotKey, bytes, random),
    decode: async (bytes) => {
      storage.entry = { key: snapshotKey, value: bytes, version: 0 };
      const latest = await store.getLatestSnapshot(ACTOR);
      if (latest?.sequenceNumber !== 7) throw new Error("the snapshot is not seen");
      return latest.state;
    },
    isRefusal: isRecordError,
  };
}

const tags: FuzzTarget = {
  name: "tag of a schema",
  sound: (random) => encodeTag({ name: idOf(random), version: 1 + random.below(2 ** 31 - 1) }),
  decode: (bytes) => decodeTag(bytes.subarray(0, tagLength(bytes, 0, bytes.length))),
  isRefusal: isCodecError,
};

const STORE_KEY = new TextEncoder().encode("store");
const storeInfo: FuzzTarget = {
  name: "store information",
  sound: () => {
    const json = new TextEncoder().encode('{"codec":"msgpack"}');
    const record = new Uint8Array(ENVELOPE_BYTES + json.length);
    record.set(json, ENVELOPE_BYTES);
    sealEnvelope(STORE_KEY, record, 1);
    return record;
  },
  seal: (bytes, random) => seal(STORE_KEY, bytes, random),
  decode: async (bytes) => {
    const storage = new ForgedStorage({ key: STORE_KEY, value: bytes, version: 0 });
    await claimStorage(storage, new MessagePackCodec());
  },
  isRefusal: (error) =>
    isRecordError(error) || (error instanceof PersistenceError && error.code === "CODEC_MISMATCH"),
};

/** A codec as a target. */
export function codec(
  name: string,
  tried: Codec,
  forged: (random: Random) => Uint8Array,
): FuzzTarget {
  const sound = soundBytes(tried);
  return {
    name,
    sound: (random) => pick(sound, random),
    forged,
    decode: (bytes) => tried.decode(bytes),
    isRefusal: isCodecError,
  };
}

const msgpack = new MessagePackCodec();
const msgpackr = new MsgpackrCodec();
const sharedBytes = soundBytes(msgpack);

/** Two codecs of one name must agree on every input. */
const bothCodecs: FuzzTarget = {
  name: "msgpack and msgpackr",
  sound: (random) => pick(sharedBytes, random),
  forged: forgedMessagePack,
  decode: (bytes) => {
    const one = outcomeOf(msgpack, bytes);
    const other = outcomeOf(msgpackr, bytes);
    const isSame = one.isRefused === other.isRefused &&
      (one.isRefused || isSameValue(other.value, one.value));
    // Libraries put different characters in place of what is no UTF-8.
    if (isSame || !textsStandIn(bytes, [one.value, other.value])) return undefined;
    throw new Error("they differ");
  },
  isRefusal: () => false,
};

/** Whether every text of a value stands in the bytes as it is. */
function textsStandIn(bytes: Uint8Array, value: unknown): boolean {
  if (typeof value === "string") {
    const latin1 = (part: Uint8Array) => String.fromCharCode(...part);
    return latin1(bytes).includes(latin1(new TextEncoder().encode(value)));
  }
  if (typeof value !== "object" || value === null) return true;
  return Object.entries(value).flat().every((part) => textsStandIn(bytes, part));
}

function outcomeOf(codec: Codec, bytes: Uint8Array): { isRefused: boolean; value?: unknown } {
  try {
    return { isRefused: false, value: codec.decode(bytes) };
  } catch {
    // That it is refused is what is asked.
    return { isRefused: true };
  }
}

/** Encoded values of every kind, alone and within others; not the longest ones. */
function soundBytes(codec: Codec): Uint8Array[] {
  const values = richValues.flatMap(([, value]) => [
    value,
    [value, 1_000],
    { type: "event", at: value, constructor: 1 },
  ]);
  return values.flatMap((value) => {
    const bytes = encoded(codec, value);
    return bytes && bytes.length <= LARGEST_SOUND_BYTES ? [bytes] : [];
  });
}

function encoded(codec: Codec, value: unknown): Uint8Array | undefined {
  try {
    return codec.encode(value).slice();
  } catch (error) {
    // JSON cannot hold all of them, and some are as deep as can be.
    if (error instanceof PersistenceError && error.code === "UNENCODABLE") return undefined;
    throw error;
  }
}

function pick(list: readonly Uint8Array[], random: Random): Uint8Array {
  return list[random.below(list.length)] ?? new Uint8Array(0);
}

function forgedJson(random: Random): Uint8Array {
  const texts = [
    '{"__proto__":{"polluted":1}}',
    '{"\\u005f_proto__":{"polluted":1}}',
    '{"a":[{"__proto__":null}]}',
    '{"constructor":{"prototype":{"polluted":1}}}',
    `${"[".repeat(random.below(20_000))}`,
    `${"[".repeat(5_000)}${"]".repeat(5_000)}`,
    "1e999",
    '"\\ud800"',
    "\ufeff1",
  ];
  return new TextEncoder().encode(texts[random.below(texts.length)] ?? "");
}

function idOf(random: Random): string {
  const characters = ["a", "\0", "\u00ff", "é", "😀", "z"];
  const length = 1 + random.below(20);
  return Array.from({ length }, () => characters[random.below(characters.length)]).join("");
}

/** Now and then of a newer version. */
function seal(key: Uint8Array, bytes: Uint8Array, random: Random, end = bytes.length): void {
  if (bytes.length < ENVELOPE_BYTES) return;
  sealEnvelope(key, bytes, random.below(10) === 0 ? NEWER_VERSION : 1, end);
}

function isRecordError(error: unknown): boolean {
  return error instanceof PersistenceError &&
    ["CORRUPT", "UNSUPPORTED_FORMAT", "UNKNOWN_SCHEMA"].includes(error.code);
}

/** Codecs throw whatever says clearly why; not that they ran out of something. */
function isCodecError(error: unknown): boolean {
  return error instanceof Error && error.message.length > 0 &&
    !/call stack|recursion|out of memory|allocation/i.test(error.message);
}
