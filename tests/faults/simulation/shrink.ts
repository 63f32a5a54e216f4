import type { SimulationCase, Step } from "./case.ts";
import { simulate } from "./run.ts";

/** More runs than that make a case smaller so slowly that it is not worth the time. */
const MAX_RUNS = 3_000;

/**
 * Makes a run that fails smaller, as long as it still fails: fewer steps (delta debugging: first
 * halves are left out, then quarters, down to single steps), then plainer ones.
 *
 * @param simulation A run that fails.
 * @returns A run that fails, and of which no single step can be left out, unless that would have
 *   taken too long to find out.
 */
export async function shrink(simulation: SimulationCase): Promise<SimulationCase> {
  let runs = 0;
  let smallest = simulation;
  const tryTo = async (candidate: SimulationCase): Promise<boolean> => {
    if (runs++ >= MAX_RUNS) return false;
    const isSmaller = (await simulate(candidate)).failure !== undefined;
    if (isSmaller) smallest = candidate;
    return isSmaller;
  };
  for (let before = Infinity; smallest.steps.length < before;) {
    before = smallest.steps.length;
    for (let size = before >> 1; size >= 1; size >>= 1) {
      for (let start = 0; start < smallest.steps.length;) {
        const { steps, config } = smallest;
        const rest = [...steps.slice(0, start), ...steps.slice(start + size)];
        if (!(await tryTo({ config, steps: rest }))) start += size;
      }
    }
    await simplifyConfig(() => smallest, tryTo);
    await simplifySteps(() => smallest, tryTo);
  }
  return smallest;
}

async function simplifyConfig(
  current: () => SimulationCase,
  tryTo: (candidate: SimulationCase) => Promise<boolean>,
): Promise<void> {
  const plainer = [
    { padding: 0 },
    { maxHotBytes: 2 ** 20 },
    { minPieceBytes: 2 ** 16 },
    { providers: 1 },
    { providers: 2 },
    { readsAtOnce: true },
    { backpressure: "wait" as const },
    { maxPendingMessages: 1_000 },
    { maxPendingBytes: 1_000_000 },
  ];
  for (const change of plainer) {
    const { config, steps } = current();
    const changed = { ...config, ...change };
    if (JSON.stringify(changed) !== JSON.stringify(config)) await tryTo({ config: changed, steps });
  }
}

async function simplifySteps(
  current: () => SimulationCase,
  tryTo: (candidate: SimulationCase) => Promise<boolean>,
): Promise<void> {
  for (let index = 0; index < current().steps.length; index++) {
    for (const plainer of plainerThan(current().steps[index])) {
      const { config, steps } = current();
      await tryTo({ config, steps: steps.with(index, plainer) });
    }
  }
}

function plainerThan(step: Step | undefined): Step[] {
  switch (step?.do) {
    case "append": {
      const { expect, abortable, ...plain } = step;
      const isPlain = expect === undefined && abortable === undefined;
      return [
        ...(isPlain ? [] : [plain]),
        ...(step.count > 1 ? [{ ...step, count: 1 }, { ...step, count: 2 }] : []),
        ...(step.journal > 0 ? [{ ...step, journal: 0 }] : []),
      ];
    }
    case "answer":
      return [
        ...(step.outcome === "ok" ? [] : [{ ...step, outcome: "ok" as const }]),
        ...(step.pick > 0 ? [{ ...step, pick: 0 }] : []),
      ];
    default:
      return [];
  }
}

/**
 * A run as a test case, to be pasted into `cases_test.ts`.
 *
 * @param simulation The run.
 * @param failure What does not hold in it.
 * @returns The source text.
 */
export function printCase({ config, steps }: SimulationCase, failure: string): string {
  const lines = steps.map((step) => `    ${JSON.stringify(step)},`);
  return [
    `test(${JSON.stringify(failure)}, () =>`,
    `  assertHolds({`,
    `  config: ${JSON.stringify(config)},`,
    `  steps: [`,
    ...lines,
    `  ],`,
    `}));`,
  ].join("\n");
}
