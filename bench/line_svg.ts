// Curves over time as SVG, for light and dark pages.
import { short } from "./numbers.ts";
import { escape, text, type Theme } from "./svg.ts";

/** One curve. */
export interface Curve {
  readonly label: string;
  readonly values: readonly number[];
  readonly kind: "ours" | "peer";
}

/** Curves that share an axis, which begins at 0. */
export interface CurvePanel {
  readonly title: string;
  readonly unit: string;
  readonly curves: readonly Curve[];
}

/** A chart: panels in rows of two, over the same time. */
export interface CurveChartOptions {
  readonly title: string;
  readonly footer: string;
  readonly panels: readonly CurvePanel[];
  /** How long it took, in seconds. */
  readonly seconds: number;
  /** Moments to be marked, in seconds. */
  readonly marks: readonly number[];
  readonly theme: Theme;
}

const COLUMNS = 2;
const PANEL_WIDTH = 420;
const PANEL_HEIGHT = 150;
const AXIS_WIDTH = 46;
const PANEL_HEAD = 26;
const PANEL_GAP = 34;
const MARGIN = 20;
const TITLE_HEIGHT = 44;
const FOOTER_HEIGHT = 30;
/** A curve has no more points: each is the highest of those that it stands for. */
const MAX_POINTS = 300;

interface Place {
  readonly x: number;
  readonly y: number;
}

/** Draws a chart. */
export function drawCurves(options: CurveChartOptions): string {
  const { title, footer, panels, theme } = options;
  const rows = Math.ceil(panels.length / COLUMNS);
  const width = 2 * MARGIN + COLUMNS * (PANEL_WIDTH + MARGIN);
  const height = TITLE_HEIGHT + rows * (PANEL_HEIGHT + PANEL_HEAD + PANEL_GAP) + FOOTER_HEIGHT;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" ` +
    `height="${height}" role="img" font-family="system-ui, sans-serif">`,
    `<title>${escape(title)}</title>`,
    `<rect width="${width}" height="${height}" fill="${theme.background}"/>`,
    text(MARGIN, 26, title, { fill: theme.text, size: 16, weight: 600 }),
    ...panels.map((panel, index) =>
      drawPanel(panel, {
        x: MARGIN + (index % COLUMNS) * (PANEL_WIDTH + MARGIN),
        y: TITLE_HEIGHT + Math.floor(index / COLUMNS) * (PANEL_HEIGHT + PANEL_HEAD + PANEL_GAP),
      }, options)
    ),
    text(MARGIN, height - 14, footer, { fill: theme.muted, size: 10 }),
    "</svg>",
    "",
  ].join("\n");
}

function drawPanel(
  { title, unit, curves }: CurvePanel,
  { x, y }: Place,
  { seconds, marks, theme }: CurveChartOptions,
): string {
  const highest = Math.max(1e-9, ...curves.flatMap(({ values }) => values));
  const left = x + AXIS_WIDTH;
  const top = y + PANEL_HEAD;
  const bottom = top + PANEL_HEIGHT;
  const room = PANEL_WIDTH - AXIS_WIDTH;
  const label = { fill: theme.muted, size: 10 };
  const legend = curves.map(({ label, kind }, index) =>
    text(x + PANEL_WIDTH - 90 * (curves.length - 1 - index), y + 16, label, {
      fill: theme[kind],
      size: 11,
      weight: 600,
      anchor: "end",
    })
  );
  return [
    text(x, y + 16, `${title} (${unit})`, { fill: theme.text, size: 12, weight: 600 }),
    ...(curves.length > 1 ? legend : []),
    ...[0, 0.5, 1].map((part) => {
      const at = bottom - part * PANEL_HEIGHT;
      return line(left, at, left + room, at, theme.muted, 0.25) +
        text(left - 6, Math.round(at) + 3, short(part * highest), { ...label, anchor: "end" });
    }),
    ...marks.map((mark) => {
      const at = left + room * mark / seconds;
      return line(at, bottom, at, bottom + 4, theme.muted, 1);
    }),
    ...curves.map(({ values, kind }) => {
      const points = thinned(values).map((value, index, all) => {
        const along = left + room * index / Math.max(1, all.length - 1);
        return `${along.toFixed(1)},${(bottom - PANEL_HEIGHT * value / highest).toFixed(1)}`;
      });
      return `<polyline points="${points.join(" ")}" fill="none" stroke="${theme[kind]}" ` +
        'stroke-width="1.5" stroke-linejoin="round"/>';
    }),
    text(left, bottom + 16, "0", label),
    text(left + room, bottom + 16, `${(seconds / 60).toFixed(1)} min`, { ...label, anchor: "end" }),
  ].join("\n");
}

function line(x1: number, y1: number, x2: number, y2: number, color: string, opacity: number) {
  return `<line x1="${x1.toFixed(1)}" y1="${y1.toFixed(1)}" x2="${x2.toFixed(1)}" ` +
    `y2="${y2.toFixed(1)}" stroke="${color}" stroke-opacity="${opacity}"/>`;
}

function thinned(values: readonly number[]): number[] {
  const step = Math.max(1, Math.ceil(values.length / MAX_POINTS));
  return Array.from(
    { length: Math.ceil(values.length / step) },
    (_, index) => Math.max(...values.slice(index * step, (index + 1) * step)),
  );
}
