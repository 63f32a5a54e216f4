// The parts that each message passes through, one by one, in microseconds.
import { crc32 } from "node:zlib";
import { do_not_optimize } from "mitata";
import { MsgpackrCodec } from "../../adapters/msgpackr.ts";
import { addressOf } from "../../core/format/actor_address.ts";
import { FrameBuilder, FrameCursor, readFrame } from "../../core/format/frame.ts";
import { PLAIN_HEADER } from "../../core/format/payload.ts";
import { entryKey } from "../../core/format/keys.ts";
import { checksumOf } from "../../core/format/xxh32.ts";
import { ByteArena } from "../../core/util/byte_arena.ts";
import { type Codec, JsonCodec } from "../../mod.ts";
import { compare, type Comparison } from "../comparison.ts";
import type { Context } from "../context.ts";
import { type Contestant, type ContestantKind, measureCosts } from "../measure.ts";
import { circulate, encodeAll } from "../messages.ts";
import type { Workload } from "./workload.ts";

interface Part {
  readonly name: string;
  readonly title: string;
  readonly ours: () => unknown;
  readonly others: Readonly<Record<string, () => unknown>>;
}

const ACTOR_ID = "account-1";
const FRAME_ENTRIES = 500;
const FRAME_TIME = 1_700_000_000_000;

/** The micro parts. */
export const micro: Workload = {
  name: "micro",
  title: "The parts that each message passes through",
  async run(context) {
    const comparisons: Comparison[] = [];
    for (const part of [...codecParts(context), ...frameParts(context)]) {
      comparisons.push(await measurePart(part, context.quick));
    }
    return comparisons;
  },
};

async function measurePart(
  { name, title, ours, others }: Part,
  isQuick: boolean,
): Promise<Comparison> {
  const contestants = [
    calling("ours", "ours", ours),
    ...Object.entries(others).map(([name, work]) => calling(name, "peer", work)),
  ];
  const measured = await measureCosts(contestants, {
    rounds: isQuick ? 3 : 5,
    milliseconds: isQuick ? 30 : 100,
  });
  return compare({
    name,
    title,
    unit: "µs",
    measured,
    ours: "ours",
    others: Object.keys(others),
  });
}

function calling(
  name: string,
  kind: ContestantKind,
  work: () => unknown,
): Contestant {
  return { name, kind, run: () => do_not_optimize(work()) };
}

function codecParts(context: Context): Part[] {
  const codecs: Record<string, Codec> = {
    msgpackr: new MsgpackrCodec(),
    JSON: new JsonCodec(),
  };
  const pool = context.messages(120);
  const encoding = (codec: Codec): () => unknown => {
    const next = circulate(pool);
    return () => codec.encode(next());
  };
  const decoding = (codec: Codec): () => unknown => {
    const next = circulate(encodeAll(codec, pool));
    return () => codec.decode(next());
  };
  const others = (work: (codec: Codec) => () => unknown): Part["others"] =>
    Object.fromEntries(
      Object.entries(codecs).map(([name, codec]) => [name, work(codec)]),
    );
  return [
    {
      name: "micro-encode",
      title: "encode a message of 120 B",
      ours: encoding(context.codec),
      others: others(encoding),
    },
    {
      name: "micro-decode",
      title: "decode a message of 120 B",
      ours: decoding(context.codec),
      others: others(decoding),
    },
  ];
}

function frameParts(context: Context): Part[] {
  const payloads = encodeAll(context.codec, context.messages(120))
    .slice(0, FRAME_ENTRIES)
    .map((bytes) => ({ header: PLAIN_HEADER, bytes }));
  const actor = addressOf("", ACTOR_ID, "measure");
  const key = entryKey(actor.key, FRAME_ENTRIES - 1);
  const seal = (): Uint8Array => {
    const frame = new FrameBuilder(FRAME_TIME, 0, new ByteArena());
    for (const payload of payloads) frame.append(payload, FRAME_TIME);
    return frame.seal(key);
  };
  const record = seal().slice();
  const walk = (): number => {
    const cursor = new FrameCursor(
      readFrame(actor, key, record),
      0,
      Infinity,
    );
    let bytes = 0;
    while (cursor.advance()) bytes += cursor.payloadEnd - cursor.payloadStart;
    return bytes;
  };
  const size = `${Math.round(record.length / 1_000)} KB`;
  return [
    {
      name: "micro-frame-seal",
      title: `fill and seal a frame of ${FRAME_ENTRIES} messages, ${size}`,
      ours: seal,
      others: {},
    },
    {
      name: "micro-frame-open",
      title: "verify it and walk over its messages",
      ours: walk,
      others: {},
    },
    {
      name: "micro-checksum",
      title: `the checksum of ${size}`,
      ours: () => checksumOf(key, record, 0),
      others: { "crc32 of node:zlib": () => crc32(record) },
    },
    {
      name: "micro-keys",
      title: "the key of an actor and of an entry",
      ours: () => entryKey(addressOf("", ACTOR_ID, "measure").key, 12_345),
      others: {},
    },
  ];
}
