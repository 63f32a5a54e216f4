// What a workload reports: our figure beside those of the others.
import type { ContestantKind, Measured, Measurement } from "./measure.ts";
import { medianOf, type Spread, spreadOf } from "./spread.ts";

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

/** What was measured of a contestant. */
export interface Figure extends Spread {
  readonly name: string;
  readonly kind: ContestantKind;
  /** Our figure divided by this one: the median over the rounds. */
  readonly ratio: number;
}

/** A contestant of ours beside others, all measured in the same rounds. */
export interface Comparison {
  readonly name: string;
  /** What was done, in words. */
  readonly title: string;
  /** More is better of what ends in "/s", less of anything else. */
  readonly unit: string;
  /** Ours first. */
  readonly figures: readonly Figure[];
  readonly targets: readonly Outcome[];
  /** What else there is to say. */
  readonly notes?: readonly string[];
}

/** What is compared. */
export interface ComparisonOptions {
  readonly name: string;
  readonly title: string;
  readonly unit: string;
  readonly measured: Measured;
  readonly ours: string;
  readonly others: readonly string[];
  readonly targets?: readonly Target[];
  readonly notes?: readonly string[];
}

/** Compares a contestant with others. A target against somebody who did not take part is left out. */
export function compare(
  { name, title, unit, measured, ours, others, targets = [], notes }: ComparisonOptions,
): Comparison {
  const figures = [ours, ...others].map((name): Figure => {
    const { kind, samples } = find(measured, name);
    return { name, kind, ratio: ratioOf(measured, ours, name), ...spreadOf(samples) };
  });
  return {
    name,
    title,
    unit,
    figures,
    targets: judge(targets, figures),
    ...(notes && { notes }),
  };
}

/** Says which targets were reached. */
function judge(targets: readonly Target[], figures: readonly Figure[]): Outcome[] {
  return targets.flatMap((target) => {
    const actual = figures.find(({ name }) => name === target.against)?.ratio;
    if (actual === undefined) return [];
    const reached = target.bound === "at least" ? actual >= target.ratio : actual <= target.ratio;
    return [{ ...target, actual, reached }];
  });
}

function ratioOf(measured: Measured, ours: string, other: string): number {
  const { rounds } = find(measured, other);
  return medianOf(find(measured, ours).rounds.map((value, round) => value / rounds[round]!));
}

function find(measured: Measured, name: string): Measurement {
  const measurement = measured.get(name);
  if (measurement === undefined) throw new Error(`Nothing was measured for ${name}`);
  return measurement;
}
