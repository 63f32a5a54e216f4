/** A source of random numbers that repeats itself for the same seed. */
export interface Random {
  /** The seed. */
  readonly seed: number;
  /**
   * A random integer.
   *
   * @param bound The integer above the highest result, at least 1.
   * @returns An integer from 0 to `bound - 1`.
   */
  below(bound: number): number;
}

/**
 * A source of random numbers: Mulberry32, which is small, and good enough to pick test cases.
 *
 * @param seed An integer. Default: a different one each time.
 * @returns The source.
 */
export function randomFrom(seed: number = Math.floor(Math.random() * 2 ** 32)): Random {
  let state = seed;
  return {
    seed,
    below(bound: number): number {
      state = (state + 0x6d2b79f5) | 0;
      let mixed = Math.imul(state ^ (state >>> 15), state | 1);
      mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
      return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * bound);
    },
  };
}

/**
 * Runs a randomised case, and names the seed if it fails. Such a case has the word "random" in
 * its name: by that the fault rig finds it, and runs it with many seeds.
 *
 * @param seed The seed, or `undefined` for a different one each time.
 * @param run The case.
 */
export async function withRandom(
  seed: number | undefined,
  run: (random: Random) => Promise<void>,
): Promise<void> {
  const random = randomFrom(seed);
  try {
    await run(random);
  } catch (error) {
    throw new Error(`failed with seed ${random.seed}: ${error}`, { cause: error });
  }
}
