// What a workload reports: our figure beside those of the others.
import { type Latency, medianOf, ratioOf, type Rounds } from "./measure.ts";

/** A figure that is to be reached. */
export interface Target {
  readonly against: string;
  readonly bound: "at least" | "at most";
  readonly ratio: number;
}

/** What became of a target. */
export interface Outcome extends Target {
  readonly actual: number;
  readonly reached: boolean;
}

/** A contestant of ours beside others, all measured in the same rounds. */
export interface Comparison {
  readonly workload: string;
  /** What was done, in words. */
  readonly title: string;
  readonly unit: string;
  readonly ours: number;
  readonly others: Readonly<Record<string, number>>;
  /** Ours divided by theirs: the median over the rounds. */
  readonly ratios: Readonly<Record<string, number>>;
  readonly targets: readonly Outcome[];
  /** In milliseconds, where single operations were timed. */
  readonly latencies?: Readonly<Record<string, Latency>>;
  /** What else there is to say. */
  readonly notes?: readonly string[];
}

/** What is compared. */
export interface ComparisonOptions {
  readonly workload: string;
  readonly title: string;
  readonly unit: string;
  readonly rounds: Rounds;
  readonly ours: string;
  readonly others: readonly string[];
  readonly targets?: readonly Target[];
  readonly latencies?: ReadonlyMap<string, Latency>;
  readonly notes?: readonly string[];
}

/** Compares a contestant with others. A target against somebody who did not take part is left out. */
export function compare(options: ComparisonOptions): Comparison {
  const {
    workload,
    title,
    unit,
    rounds,
    ours,
    others,
    targets = [],
    latencies,
    notes,
  } = options;
  const ratios = Object.fromEntries(
    others.map((name) => [name, ratioOf(rounds, ours, name)]),
  );
  return {
    workload,
    title,
    unit,
    ours: medianOf(rounds, ours),
    others: Object.fromEntries(
      others.map((name) => [name, medianOf(rounds, name)]),
    ),
    ratios,
    targets: judge(targets, ratios),
    ...(latencies && { latencies: Object.fromEntries(latencies) }),
    ...(notes && { notes }),
  };
}

/** Says which targets were reached. */
export function judge(
  targets: readonly Target[],
  ratios: Readonly<Record<string, number>>,
): Outcome[] {
  return targets.flatMap((target) => {
    const actual = ratios[target.against];
    if (actual === undefined) return [];
    const reached = target.bound === "at least"
      ? actual >= target.ratio
      : actual <= target.ratio;
    return [{ ...target, actual, reached }];
  });
}
