// Measures contestants side by side: one after the other within a round, several rounds. A machine
// that is busy with something else for a second then disturbs a round and not a contestant, and the
// median of the rounds' ratios is what two contestants are compared by.

/** Something that is measured. */
export interface Contestant {
  readonly name: string;
  /** Does so many operations, to the last one's end. */
  run(operations: number): Promise<void> | void;
  /** The part of a round's operations that it does; for those that would take too long. */
  readonly share?: number;
}

/** How much is measured. */
export interface Effort {
  readonly rounds: number;
  /** In each round, by each contestant. */
  readonly operations: number;
}

/** What was measured in each round, by contestant. */
export type Rounds = ReadonlyMap<string, readonly number[]>;

/** Measures operations per second. */
export async function measureRates(
  contestants: readonly Contestant[],
  { rounds, operations }: Effort,
): Promise<Rounds> {
  return await inRounds(contestants, rounds, async (contestant, isWarmUp) => {
    const own = Math.ceil(
      operations * (contestant.share ?? 1) * (isWarmUp ? 0.25 : 1),
    );
    const startedAt = performance.now();
    await contestant.run(own);
    return own / ((performance.now() - startedAt) / 1_000);
  });
}

/** How long operations took, in milliseconds. */
export interface Latency {
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

/** Latencies of contestants. */
export interface Latencies {
  /** Over all rounds. */
  readonly overall: ReadonlyMap<string, Latency>;
  /** The p50 of each round. */
  readonly p50: Rounds;
}

/** Measures the time of single operations, one awaited after the other. */
export async function measureLatencies(
  contestants: readonly Contestant[],
  { rounds, operations }: Effort,
): Promise<Latencies> {
  const times = new Map<string, number[]>(
    contestants.map(({ name }) => [name, []]),
  );
  const p50 = await inRounds(
    contestants,
    rounds,
    async (contestant, isWarmUp) => {
      const own: number[] = [];
      for (let index = 0; index < operations; index++) {
        const startedAt = performance.now();
        await contestant.run(1);
        own.push(performance.now() - startedAt);
      }
      if (!isWarmUp) times.get(contestant.name)?.push(...own);
      return quantile(own, 0.5);
    },
  );
  const overall = Array.from(
    times,
    ([name, all]) => [name, latencyOf(all)] as const,
  );
  return { overall: new Map(overall), p50 };
}

/** The median of what was measured for a contestant. */
export function medianOf(rounds: Rounds, name: string): number {
  return quantile(measured(rounds, name), 0.5);
}

/** The median of the ratios of two contestants, each of one round. */
export function ratioOf(
  rounds: Rounds,
  name: string,
  otherName: string,
): number {
  const others = measured(rounds, otherName);
  return quantile(
    measured(rounds, name).map((value, index) => value / others[index]!),
    0.5,
  );
}

/** p50, p99 and maximum of times. */
export function latencyOf(times: readonly number[]): Latency {
  return {
    p50: quantile(times, 0.5),
    p99: quantile(times, 0.99),
    max: quantile(times, 1),
  };
}

/** The smallest value that the given part of all values does not exceed. */
export function quantile(values: readonly number[], part: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(sorted.length * part) - 1)] ?? NaN;
}

async function inRounds(
  contestants: readonly Contestant[],
  rounds: number,
  measure: (contestant: Contestant, isWarmUp: boolean) => Promise<number>,
): Promise<Rounds> {
  const results = new Map<string, number[]>(
    contestants.map(({ name }) => [name, []]),
  );
  for (const contestant of contestants) await measure(contestant, true);
  for (let round = 0; round < rounds; round++) {
    // Each time another one begins, so that nobody always follows the same neighbour.
    const first = round % contestants.length;
    for (
      const contestant of [
        ...contestants.slice(first),
        ...contestants.slice(0, first),
      ]
    ) {
      results.get(contestant.name)?.push(await measure(contestant, false));
    }
  }
  return results;
}

function measured(rounds: Rounds, name: string): readonly number[] {
  const values = rounds.get(name);
  if (values === undefined) throw new Error(`Nothing was measured for ${name}`);
  return values;
}
