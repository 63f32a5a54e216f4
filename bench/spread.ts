// How samples are spread.

/** What stands for many samples, in their unit. */
export interface Spread {
  readonly samples: number;
  readonly min: number;
  readonly p25: number;
  readonly p50: number;
  readonly p75: number;
  readonly p99: number;
  readonly max: number;
}

/** Sums samples up. */
export function spreadOf(samples: readonly number[]): Spread {
  const sorted = samples.toSorted((a, b) => a - b);
  const at = (part: number): number =>
    sorted[Math.max(0, Math.ceil(sorted.length * part) - 1)] ?? NaN;
  return {
    samples: sorted.length,
    min: at(0),
    p25: at(0.25),
    p50: at(0.5),
    p75: at(0.75),
    p99: at(0.99),
    max: at(1),
  };
}

/** The smallest value that at least half of the values do not exceed. */
export function medianOf(values: readonly number[]): number {
  return spreadOf(values).p50;
}
