/**
 * How often the tests repeat what is random, and how large they make what is to be large. `npm test`
 * runs briefly on every change; `npm run faults` is where the long runs are. What a trial is, and
 * what must come of each, does not depend on how many there are.
 *
 * @module
 */

/** How many trials a fault carries out. */
export interface FaultCounts {
  /** Within `npm test`. */
  readonly test: number;
  /** With `npm run faults -- --quick`, on all runtimes together. */
  readonly quick: number;
  /** With `npm run faults`, on all runtimes together. */
  readonly full: number;
}

const faultCounts: Readonly<Record<string, FaultCounts>> = {
  "power-loss": { test: 30, quick: 300, full: 10_000 },
  "power-loss-unsynced": { test: 40, quick: 40, full: 200 },
  "power-loss-early": { test: 40, quick: 40, full: 200 },
  "power-loss-relaxed": { test: 12, quick: 40, full: 1_000 },
  "power-loss-relaxed-loss": { test: 40, quick: 40, full: 200 },
  "kill": { test: 6, quick: 24, full: 1_000 },
  "kill-early": { test: 8, quick: 18, full: 60 },
  // In 140, each of seven disturbances.
  "opening": { test: 21, quick: 420, full: 3_000 },
  "opening-unguarded": { test: 20, quick: 60, full: 60 },
  "creation": { test: 2, quick: 3, full: 150 },
  "simulation": { test: 200, quick: 3_000, full: 100_000 },
  // Each of eleven mistakes must be found.
  "simulation-broken": { test: 550, quick: 1_100, full: 11_000 },
  // The conformance suites run these cases too, on each storage.
  "random-calls": { test: 1, quick: 6, full: 300 },
  "actors": { test: 60, quick: 180, full: 100_000 },
  "actors-lmdb": { test: 6, quick: 30, full: 1_500 },
  "many-actors": { test: 1_000, quick: 3_000, full: 30_000 },
  "long-journal": { test: 300_000, quick: 900_000, full: 3_000_000 },
  // Eight things run out in turn, from one on that the seed decides.
  "exhaustion": { test: 8, quick: 24, full: 192 },
  // From 150 on, every usual outcome must have come.
  "rotten-bytes": { test: 150, quick: 150, full: 5_000 },
  "rotten-bytes-unchecked": { test: 30, quick: 60, full: 100 },
  "data-file": { test: 25, quick: 75, full: 3_000 },
  "torn-file": { test: 25, quick: 75, full: 3_000 },
  "fuzz": { test: 5_000, quick: 60_000, full: 1_000_000 },
  // Each of seven mistakes must be found.
  "fuzz-broken": { test: 700, quick: 700, full: 7_000 },
};

/**
 * How many trials a fault carries out.
 *
 * @param name The name of the fault.
 */
export function faultCountsOf(name: string): FaultCounts {
  const counts = faultCounts[name];
  if (!counts) throw new Error(`tests/repetitions.ts does not say how often "${name}" is tried`);
  return counts;
}

/** The inputs that a property is tried with, if the usual 100 are too few. */
export const inputs = {
  /** Values of messages. */
  values: 300,
  /** Ids and sequence numbers of which keys are made. */
  keys: 2_000,
  /** Bytes that a decoder refuses. The fault "fuzz" tries many more. */
  bytes: 1_000,
  /** Damaged messages that a codec refuses. The fault "fuzz" tries many more. */
  damaged: 2_000,
} as const;

/** The seeds whose simulations are traced: here again, and on another runtime. */
export const tracedSeeds = { again: 100, elsewhere: 50 } as const;
