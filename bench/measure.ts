// Measures contestants side by side. In each round mitata measures one after the other, and there are
// several rounds. A machine that is busy with something else for a second then disturbs a round and
// not a contestant, and the median of the rounds' ratios is what two contestants are compared by.
import { measure } from "mitata";

/** Something that is measured. */
export interface Contestant {
  readonly name: string;
  readonly kind: ContestantKind;
  /** Does so many operations, to the last one's end. */
  run(operations: number): Promise<void> | void;
  /** The part of a round's operations that it does; for those that would take too long. */
  readonly share?: number;
}

/** What a contestant is. A limit is not a store, but what a store is held against. */
export type ContestantKind = "ours" | "peer" | "limit";

/** How much is measured. */
export interface Effort {
  readonly rounds: number;
  /** In each round, by each contestant. */
  readonly operations: number;
}

/** What was measured, by the contestant's name. */
export type Measured = ReadonlyMap<string, Measurement>;

/** What was measured of a contestant. */
export interface Measurement {
  readonly kind: ContestantKind;
  /** mitata's samples of all rounds. */
  readonly samples: readonly number[];
  /** mitata's p50 of each round. */
  readonly rounds: readonly number[];
}

/** What mitata says of a measurement, as far as it is used. */
interface Statistics {
  readonly samples: readonly number[];
  readonly p50: number;
}

/** Before it measures, mitata calls once what it measures: with so large a part of the operations. */
const WARM_UP_PART = 0.25;

/** Of what is so fast that only many calls can be timed. */
const CALLS_PER_SAMPLE = 256;

/**
 * mitata would collect all garbage before each measurement. On Node that makes unawaited appends a
 * quarter slower beside encoding alone, which a process that just runs on does not see.
 */
const noCollection = { gc: false } as const;

/** A sample is one call, and none is left out. Else mitata calls what is fast many times a sample. */
const singleCalls = {
  ...noCollection,
  min_cpu_time: 0,
  batch_threshold: -1,
  samples_threshold: Infinity,
} as const;

/** Measures operations per second. A sample is all operations of a round. */
export async function measureRates(
  contestants: readonly Contestant[],
  { rounds, operations }: Effort,
): Promise<Measured> {
  return await inRounds(contestants, rounds, async (contestant) => {
    const all = Math.ceil(operations * (contestant.share ?? 1));
    let next = Math.ceil(all * WARM_UP_PART);
    const run = (): Promise<void> | void => {
      const own = next;
      next = all;
      return contestant.run(own);
    };
    const nanoseconds = await measure(run, { ...singleCalls, min_samples: 1, max_samples: 1 });
    return convert(nanoseconds, (time) => all / (time / 1e9));
  });
}

/** Measures the milliseconds of single operations, one awaited after the other. */
export async function measureLatencies(
  contestants: readonly Contestant[],
  { rounds, operations }: Effort,
): Promise<Measured> {
  return await inRounds(contestants, rounds, async (contestant) => {
    const nanoseconds = await measure(() => contestant.run(1), {
      ...singleCalls,
      min_samples: operations,
      max_samples: operations,
      warmup_samples: Math.floor(operations * WARM_UP_PART),
      // Warm up however long that takes.
      warmup_threshold: Infinity,
    });
    return convert(nanoseconds, (time) => time / 1e6);
  });
}

/** Measures the microseconds of what is so fast that only many calls can be timed. */
export async function measureCosts(
  contestants: readonly Contestant[],
  { rounds, milliseconds }: { readonly rounds: number; readonly milliseconds: number },
): Promise<Measured> {
  return await inRounds(contestants, rounds, async (contestant) => {
    const nanoseconds = await measure(() => contestant.run(1), {
      ...noCollection,
      min_cpu_time: milliseconds * 1e6,
      batch_samples: CALLS_PER_SAMPLE,
    });
    return convert(nanoseconds, (time) => time / 1e3);
  });
}

function convert(
  { samples, p50 }: Statistics,
  toUnit: (nanoseconds: number) => number,
): Statistics {
  return { samples: samples.map(toUnit), p50: toUnit(p50) };
}

async function inRounds(
  contestants: readonly Contestant[],
  rounds: number,
  measureOne: (contestant: Contestant) => Promise<Statistics>,
): Promise<Measured> {
  const results = contestants.map(({ name, kind }) => ({
    name,
    kind,
    samples: [] as number[],
    rounds: [] as number[],
  }));
  for (let round = 0; round < rounds; round++) {
    for (let turn = 0; turn < contestants.length; turn++) {
      // Each time another one begins, so that nobody always follows the same neighbour.
      const index = (round + turn) % contestants.length;
      const { samples, p50 } = await measureOne(contestants[index]!);
      results[index]?.samples.push(...samples);
      results[index]?.rounds.push(p50);
    }
  }
  return new Map(results.map(({ name, ...measurement }) => [name, measurement]));
}
