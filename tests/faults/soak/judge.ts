/** What is measured once a second. */
export interface SoakSample {
  /** Since the beginning. */
  readonly seconds: number;
  /** Messages acknowledged to the writer that lives on, in this second. */
  readonly messages: number;
  /** How long an append took, in milliseconds. */
  readonly p50: number;
  readonly p99: number;
  /** Of its own, without the mapped file. */
  readonly writerBytes: number;
  readonly readerBytes: number;
  readonly fileBytes: number;
}

/** A figure, and whether it stayed bounded. */
export interface SoakVerdict {
  readonly what: string;
  readonly unit: string;
  /** Its median in the second quarter, when the load has been balanced by retention. */
  readonly before: number;
  /** Its median in the last quarter. */
  readonly after: number;
  /** What it may have been in the last quarter: at the most, or at the least for throughput. */
  readonly limit: number;
  readonly isBounded: boolean;
}

/** A run is judged from so many samples on. */
export const MIN_SAMPLES = 40;

const MIB = 2 ** 20;

interface Figure {
  readonly what: string;
  readonly unit: string;
  readonly of: (sample: SoakSample) => number;
  /** What it may become. */
  readonly limit: (before: number) => number;
  /** Whether less is worse. */
  readonly isFloor?: boolean;
}

/** Limits leave room for the noise of a shared machine, not for growth without end. */
const FIGURES: readonly Figure[] = [
  {
    what: "file",
    unit: "MiB",
    of: ({ fileBytes }) => fileBytes / MIB,
    limit: (before) => 1.1 * before + 2,
  },
  {
    what: "memory of the writer",
    unit: "MiB",
    of: ({ writerBytes }) => writerBytes / MIB,
    limit: (before) => 1.25 * before + 24,
  },
  {
    what: "memory of the reader",
    unit: "MiB",
    of: ({ readerBytes }) => readerBytes / MIB,
    limit: (before) => 1.25 * before + 24,
  },
  { what: "append, p50", unit: "ms", of: ({ p50 }) => p50, limit: (before) => 2 * before + 5 },
  { what: "append, p99", unit: "ms", of: ({ p99 }) => p99, limit: (before) => 3 * before + 25 },
  {
    what: "messages acknowledged",
    unit: "per second",
    of: ({ messages }) => messages,
    limit: (before) => 0.7 * before,
    isFloor: true,
  },
];

/**
 * Judges whether all figures stay bounded over time, by comparing the last quarter of a run with the
 * second one.
 *
 * @param samples What was measured, at least {@linkcode MIN_SAMPLES} of them.
 * @returns A verdict on each figure.
 */
export function judge(samples: readonly SoakSample[]): SoakVerdict[] {
  if (samples.length < MIN_SAMPLES) {
    throw new Error(`${samples.length} samples are too few to judge`);
  }
  const quarter = samples.length / 4;
  const second = samples.slice(Math.floor(quarter), Math.floor(2 * quarter));
  const last = samples.slice(Math.floor(3 * quarter));
  return FIGURES.map(({ what, unit, of, limit: limitOf, isFloor = false }) => {
    const before = medianOf(second.map(of));
    const after = medianOf(last.map(of));
    const limit = limitOf(before);
    return {
      what,
      unit,
      before,
      after,
      limit,
      isBounded: isFloor ? after >= limit : after <= limit,
    };
  });
}

function medianOf(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}
