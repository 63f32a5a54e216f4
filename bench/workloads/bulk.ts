// Batches for one actor, each with one flush: of 100, 1,000 and 5,000 messages.
import { compare, type Comparison, type Target } from "../comparison.ts";
import type { Context } from "../context.ts";
import { type Contestant, type Effort, measureRates } from "../measure.ts";
import { circulate, encodeAll, type MessageBytes } from "../messages.ts";
import { EmmettStore } from "../peers/emmett.ts";
import { FileAppend, OneFilePerMessage } from "../peers/files.ts";
import { encodingAlone } from "../peers/limits.ts";
import { LevelStore } from "../peers/level.ts";
import { OurStore } from "../peers/ours.ts";
import { RawLmdbStore } from "../peers/raw_lmdb.ts";
import { openPeers, openSequentialPeers } from "../peers/stores.ts";
import type { Store } from "../peers/store.ts";
import type { Workload } from "./workload.ts";

const ACTOR_ID = "account-1";

/** So many batches may be under way where they are not awaited one after the other. */
const BATCHES_IN_FLIGHT = 16;

const MAX_EMMETT_BATCH = 1_000;

const AWAITED = "ours, awaited";
const STREAMED = "ours, streamed";

/** What is measured. */
export interface BulkOptions {
  readonly name: string;
  readonly batchSize: number;
  readonly messageBytes: MessageBytes;
  readonly effort: Effort;
  readonly targets?: readonly Target[];
  /** Whether one file per message takes part. */
  readonly withFiles?: boolean;
}

/** `appendBatch`, one after the other and with several under way. */
export const bulk: Workload = {
  name: "bulk",
  title: "Batches for one actor, each with one flush",
  async run(context) {
    const comparisons: Comparison[] = [];
    for (const batchSize of [100, 1_000, 5_000]) {
      // So long that filling and emptying the pipeline takes but a small part of the time.
      const total = batchSize === 100 ? 20_000 : 200_000;
      comparisons.push(
        ...await compareBulk(context, {
          name: `bulk-${batchSize}`,
          batchSize,
          messageBytes: 120,
          effort: {
            rounds: context.quick ? 3 : 7,
            operations: context.quick ? total * 0.4 : total,
          },
          ...(batchSize === 1_000 && { targets: bulkTargets, withFiles: true }),
        }),
      );
    }
    return comparisons;
  },
};

const bulkTargets: readonly Target[] = [
  { against: "SQLite", bound: "at least", ratio: 3 },
  { against: "encoding alone", bound: "at least", ratio: 0.8 },
  { against: "one file per message", bound: "at least", ratio: 50 },
];

/** Compares bulk appends, awaited and streamed, both with the targets. */
export async function compareBulk(
  context: Context,
  options: BulkOptions,
): Promise<Comparison[]> {
  const { name, batchSize, messageBytes, effort, targets = [], withFiles } = options;
  await using resources = new AsyncDisposableStack();
  const ours = resources.use(await OurStore.open(context));
  // Emmett fails with larger batches: "too many SQL variables".
  const open = batchSize > MAX_EMMETT_BATCH ? openPeers : openSequentialPeers;
  const peers = await open(context, resources);
  // What is synchronous, or refuses to do two things at once, gains nothing from several in flight.
  const streaming = new Set<Store>(
    peers.filter((peer) => peer instanceof RawLmdbStore || peer instanceof LevelStore),
  );
  const awaitedPeers = peers.map((peer) => awaited(context, peer.name, peer, options));
  const streamedPeers = [...streaming].map((peer) =>
    streamed(context, `${peer.name}, streamed`, peer, options)
  );
  const limits = [
    encodingAlone(context, messageBytes),
    await fileAppend(context, resources, options),
    ...(withFiles ? [await oneFilePerMessage(context, messageBytes)] : []),
  ];
  const measured = await measureRates([
    awaited(context, AWAITED, ours, options),
    streamed(context, STREAMED, ours, options),
    ...awaitedPeers,
    ...streamedPeers,
    ...limits,
  ], effort);

  const size = `${messageBytes} B, appendBatch of ${batchSize.toLocaleString("en")}`;
  const common = { unit: "messages/s", measured };
  const namesOf = (contestants: readonly Contestant[]): string[] =>
    contestants.map(({ name }) => name);
  const synchronous = awaitedPeers.filter((_, index) => !streaming.has(peers[index]!));
  return [
    compare({
      ...common,
      name: `${name}-streamed`,
      title: `${size}, up to ${BATCHES_IN_FLIGHT} in flight`,
      ours: STREAMED,
      others: namesOf([...synchronous, ...streamedPeers, ...limits]),
      targets,
    }),
    compare({
      ...common,
      name: `${name}-awaited`,
      title: `${size}, each awaited`,
      ours: AWAITED,
      others: namesOf([...awaitedPeers, ...limits]),
      targets,
    }),
  ];
}

function awaited(
  context: Context,
  name: string,
  store: Store,
  { batchSize, messageBytes }: BulkOptions,
): Contestant {
  const takeBatch = batches(context.messages(messageBytes), batchSize);
  return {
    name,
    kind: store.kind,
    // A tenth as fast as the others.
    ...(store instanceof EmmettStore && { share: 0.1 }),
    async run(operations) {
      for (let done = 0; done < operations; done += batchSize) {
        await store.appendBatch(ACTOR_ID, takeBatch());
      }
    },
  };
}

function streamed(
  context: Context,
  name: string,
  store: Store,
  { batchSize, messageBytes }: BulkOptions,
): Contestant {
  const takeBatch = batches(context.messages(messageBytes), batchSize);
  return {
    name,
    kind: store.kind,
    async run(operations) {
      const inFlight: Promise<unknown>[] = [];
      for (let done = 0; done < operations; done += batchSize) {
        if (inFlight.length === BATCHES_IN_FLIGHT) await inFlight.shift();
        inFlight.push(store.appendBatch("account-2", takeBatch()));
      }
      await Promise.all(inFlight);
    },
  };
}

async function fileAppend(
  context: Context,
  resources: AsyncDisposableStack,
  { batchSize, messageBytes }: BulkOptions,
): Promise<Contestant> {
  const file = resources.use(await FileAppend.open(context));
  const takeBatch = batches(
    encodeAll(context.codec, context.messages(messageBytes)),
    batchSize,
  );
  return {
    name: "file append",
    kind: "limit",
    async run(operations) {
      for (let done = 0; done < operations; done += batchSize) {
        await file.append(concatenate(takeBatch()));
      }
    },
  };
}

async function oneFilePerMessage(
  context: Context,
  bytes: MessageBytes,
): Promise<Contestant> {
  const files = await OneFilePerMessage.open(context);
  const next = circulate(context.messages(bytes));
  return {
    name: "one file per message",
    kind: "peer",
    share: 0.001,
    async run(operations) {
      for (let done = 0; done < operations; done++) {
        await files.append(ACTOR_ID, next());
      }
    },
  };
}

/** Cuts a pool into batches and takes from them in a circle. */
function batches<Item>(
  pool: readonly Item[],
  size: number,
): () => readonly Item[] {
  const count = Math.floor(pool.length / size);
  return circulate(
    Array.from(
      { length: count },
      (_, index) => pool.slice(index * size, (index + 1) * size),
    ),
  );
}

function concatenate(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(
    parts.reduce((sum, part) => sum + part.length, 0),
  );
  let offset = 0;
  for (const part of parts) {
    whole.set(part, offset);
    offset += part.length;
  }
  return whole;
}
