// The results of the runtimes beside one another.
import type { Comparison, Figure } from "./comparison.ts";
import type { ContestantKind } from "./measure.ts";
import type { Result } from "./result.ts";

/** One of each runtime, in the order of the results; `undefined` where it has none. */
export type PerRuntime<Value> = readonly (Value | undefined)[];

/** What a workload has reported. */
export interface JoinedWorkload {
  readonly name: string;
  readonly title: string;
  readonly comparisons: readonly JoinedComparison[];
}

/** A comparison. */
export interface JoinedComparison {
  readonly name: string;
  readonly title: string;
  readonly unit: string;
  readonly contestants: readonly JoinedContestant[];
  readonly perRuntime: PerRuntime<Comparison>;
}

/** A contestant of a comparison. */
export interface JoinedContestant {
  readonly name: string;
  readonly kind: ContestantKind;
  readonly figures: PerRuntime<Figure>;
}

/** Joins what the runtimes say of the same. */
export function joinResults(results: readonly Result[]): JoinedWorkload[] {
  return join(results.map(({ workloads }) => workloads)).map(({ name, first, each }) => ({
    name,
    title: first.title,
    comparisons: join(each.map((workload) => workload?.comparisons ?? [])).map(joinComparison),
  }));
}

function joinComparison({ name, first, each }: Joined<Comparison>): JoinedComparison {
  const contestants = join(each.map((comparison) => comparison?.figures ?? []));
  return {
    name,
    title: first.title,
    unit: first.unit,
    contestants: contestants.map(({ name, first, each }) => ({
      name,
      kind: first.kind,
      figures: each,
    })),
    perRuntime: each,
  };
}

interface Joined<Value> {
  readonly name: string;
  readonly first: Value;
  readonly each: PerRuntime<Value>;
}

/** Finds those of the same name in several lists. */
function join<Value extends { readonly name: string }>(
  lists: readonly (readonly Value[])[],
): Joined<Value>[] {
  const firsts = new Map<string, Value>();
  for (const value of lists.flat()) if (!firsts.has(value.name)) firsts.set(value.name, value);
  return Array.from(firsts, ([name, first]) => ({
    name,
    first,
    each: lists.map((list) => list.find((value) => value.name === name)),
  }));
}
