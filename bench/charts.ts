// The results as charts: those that README shows, and one for each workload.
import type { JoinedComparison, JoinedContestant, JoinedWorkload } from "./side_by_side.ts";
import { type BarLine, drawChart, type Panel, type Theme, themes } from "./svg.ts";

/** What is said below and beside all charts. */
export interface ChartFrame {
  readonly columns: readonly string[];
  readonly footer: readonly string[];
}

/** A chart as a file. */
export interface ChartFile {
  readonly name: string;
  readonly svg: string;
}

interface Chart {
  readonly name: string;
  readonly title: string;
  readonly comparisons: readonly JoinedComparison[];
}

/** Charts of comparisons of several workloads. */
const overviews = [
  {
    name: "throughput",
    title: "Durable messages of 120 bytes per second",
    names: ["bulk-1000-streamed", "unawaited-turns", "actors", "replay"],
  },
  {
    name: "latency",
    title: "How long a caller has to wait",
    names: ["sequential", "recovery"],
  },
] as const;

/** Draws all charts, for light and dark pages. */
export function drawCharts(workloads: readonly JoinedWorkload[], frame: ChartFrame): ChartFile[] {
  const all = workloads.flatMap(({ comparisons }) => comparisons);
  const charts: Chart[] = [
    ...overviews.map(({ names, ...rest }) => ({
      ...rest,
      comparisons: names.flatMap((name) => all.filter((comparison) => comparison.name === name)),
    })),
    ...workloads,
  ];
  return charts
    .filter(({ comparisons }) => comparisons.length > 0)
    .flatMap((chart) => themes.map((theme) => draw(chart, frame, theme)));
}

/** The name of the file of a chart. */
export function chartFile(chart: string, theme: Theme["name"]): string {
  return `${chart}-${theme}.svg`;
}

function draw({ name, title, comparisons }: Chart, frame: ChartFrame, theme: Theme): ChartFile {
  return {
    name: chartFile(name, theme.name),
    svg: drawChart({ ...frame, title, panels: comparisons.map(panelOf), theme }),
  };
}

function panelOf({ title, unit, contestants }: JoinedComparison): Panel {
  return { title, subtitle: describeUnit(unit), lines: contestants.map(lineOf) };
}

function lineOf({ name, kind, figures }: JoinedContestant): BarLine {
  return {
    label: name.replace(/^ours\b.*/, "@cajun/persistence"),
    kind,
    bars: figures.map((figure) =>
      figure && { value: figure.p50, low: figure.p25, high: figure.p75 }
    ),
  };
}

/** A unit, and whether much or little of it is better. */
export function describeUnit(unit: string): string {
  return `${unit}, ${unit.endsWith("/s") ? "more" : "less"} is better`;
}
