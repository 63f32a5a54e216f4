// The parts that each message passes through, one by one, in nanoseconds: `mitata` measures them.
import { crc32 } from "node:zlib";
import { MsgpackrCodec } from "../../adapters/msgpackr.ts";
import { ByteArena } from "../../core/byte_arena.ts";
import { checksumOf } from "../../core/checksum.ts";
import { FrameCursor, OpenFrame, openFrame } from "../../core/frame.ts";
import { actorKey, numberedKey } from "../../core/keys.ts";
import { type Codec, JsonCodec } from "../../mod.ts";
import type { Comparison } from "../comparison.ts";
import type { Context } from "../context.ts";
import { circulate, encodeAll } from "../messages.ts";
import type { Workload } from "./workload.ts";

/** The part of the package `mitata` that is used. */
interface MitataModule {
  measure(
    work: () => unknown,
    options: { min_cpu_time: number },
  ): Promise<{ p50: number }>;
  do_not_optimize(value: unknown): void;
}

interface Part {
  readonly workload: string;
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
  async run(context) {
    const mitata = await loadMitata(context);
    if (mitata === undefined) return [];
    const comparisons: Comparison[] = [];
    for (const part of [...codecParts(context), ...frameParts(context)]) {
      comparisons.push(
        await measurePart(mitata, part, context.quick ? 1e8 : 5e8),
      );
    }
    return comparisons;
  },
};

async function measurePart(
  { measure, do_not_optimize }: MitataModule,
  { workload, title, ours, others }: Part,
  nanoseconds: number,
): Promise<Comparison> {
  const measureOne = async (work: () => unknown): Promise<number> => {
    const { p50 } = await measure(() => do_not_optimize(work()), {
      min_cpu_time: nanoseconds,
    });
    return p50;
  };
  const own = await measureOne(ours);
  const theirs: Record<string, number> = {};
  for (const [name, work] of Object.entries(others)) {
    theirs[name] = await measureOne(work);
  }
  return {
    workload,
    title,
    unit: "ns (p50)",
    ours: own,
    others: theirs,
    ratios: Object.fromEntries(
      Object.entries(theirs).map(([name, time]) => [name, own / time]),
    ),
    targets: [],
  };
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
      workload: "micro-encode",
      title: "encode a message of 120 B",
      ours: encoding(context.codec),
      others: others(encoding),
    },
    {
      workload: "micro-decode",
      title: "decode a message of 120 B",
      ours: decoding(context.codec),
      others: others(decoding),
    },
  ];
}

function frameParts(context: Context): Part[] {
  const payloads = encodeAll(context.codec, context.messages(120)).slice(
    0,
    FRAME_ENTRIES,
  );
  const actor = actorKey(ACTOR_ID, "measure");
  const key = numberedKey(actor, FRAME_ENTRIES - 1);
  const seal = (): Uint8Array => {
    const frame = new OpenFrame(FRAME_TIME, 0, new ByteArena());
    for (const payload of payloads) frame.append(payload, FRAME_TIME);
    return frame.seal(key);
  };
  const record = seal().slice();
  const walk = (): number => {
    const cursor = new FrameCursor(
      openFrame(ACTOR_ID, key, record),
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
      workload: "micro-frame-seal",
      title: `fill and seal a frame of ${FRAME_ENTRIES} messages, ${size}`,
      ours: seal,
      others: {},
    },
    {
      workload: "micro-frame-open",
      title: "verify it and walk over its messages",
      ours: walk,
      others: {},
    },
    {
      workload: "micro-checksum",
      title: `the checksum of ${size}`,
      ours: () => checksumOf(key, record, 0),
      others: { "crc32 of node:zlib": () => crc32(record) },
    },
    {
      workload: "micro-keys",
      title: "the key of an actor and of an entry",
      ours: () => numberedKey(actorKey(ACTOR_ID, "measure"), 12_345),
      others: {},
    },
  ];
}

async function loadMitata(context: Context): Promise<MitataModule | undefined> {
  try {
    // A type checker must not look for it: it is installed for the bench only.
    const specifier: string = "mitata";
    return await import(specifier);
  } catch (error) {
    context.tellUnavailable(
      "mitata",
      error instanceof Error ? error.message : String(error),
    );
    return undefined;
  }
}
