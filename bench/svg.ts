// Bar charts as SVG, for light and dark pages.
import { short } from "./numbers.ts";

/** One bar, and between what half of its samples is. */
export interface Bar {
  readonly value: number;
  readonly low: number;
  readonly high: number;
}

/** The bars of one label, one to a column; `undefined` where there is none. */
export interface BarLine {
  readonly label: string;
  readonly kind: "ours" | "peer" | "limit";
  readonly bars: readonly (Bar | undefined)[];
}

/** Bars that share a scale, in all columns. */
export interface Panel {
  readonly title: string;
  readonly subtitle: string;
  readonly lines: readonly BarLine[];
}

/** Colours. */
export interface Theme {
  readonly name: "light" | "dark";
  readonly background: string;
  readonly text: string;
  readonly muted: string;
  readonly ours: string;
  readonly peer: string;
}

/** A chart: panels below one another. */
export interface ChartOptions {
  readonly title: string;
  readonly footer: readonly string[];
  readonly columns: readonly string[];
  readonly panels: readonly Panel[];
  readonly theme: Theme;
}

/** Those of the two kinds of pages. */
export const themes: readonly Theme[] = [
  {
    name: "light",
    background: "#ffffff",
    text: "#1f2328",
    muted: "#59636e",
    ours: "#0b6e4f",
    peer: "#aab4bf",
  },
  {
    name: "dark",
    background: "#0d1117",
    text: "#f0f6fc",
    muted: "#9198a1",
    ours: "#3fb98a",
    peer: "#57606a",
  },
];

const LABEL_WIDTH = 200;
const COLUMN_WIDTH = 216;
const VALUE_WIDTH = 58;
const BAR_HEIGHT = 14;
const BAR_STEP = 19;
const PANEL_HEAD = 60;
const PANEL_GAP = 22;
const MARGIN = 20;
const TITLE_HEIGHT = 44;
const FOOTER_STEP = 14;

/** Draws a chart. */
export function drawChart({ title, footer, columns, panels, theme }: ChartOptions): string {
  const parts: string[] = [];
  let y = TITLE_HEIGHT;
  for (const panel of panels) {
    parts.push(drawPanel(panel, columns, y, theme));
    y += PANEL_HEAD + panel.lines.length * BAR_STEP + PANEL_GAP;
  }
  const width = 2 * MARGIN + LABEL_WIDTH + columns.length * COLUMN_WIDTH;
  const height = y + footer.length * FOOTER_STEP + MARGIN;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" ` +
    `height="${height}" role="img" font-family="system-ui, sans-serif">`,
    `<title>${escape(title)}</title>`,
    hatching(theme),
    `<rect width="${width}" height="${height}" fill="${theme.background}"/>`,
    text(MARGIN, 26, title, { fill: theme.text, size: 16, weight: 600 }),
    ...parts,
    ...footer.map((line, index) =>
      text(MARGIN, y + (index + 1) * FOOTER_STEP, line, { fill: theme.muted, size: 10 })
    ),
    "</svg>",
    "",
  ].join("\n");
}

function drawPanel(
  { title, subtitle, lines }: Panel,
  columns: readonly string[],
  y: number,
  theme: Theme,
): string {
  const bars = lines.flatMap(({ bars }) => bars).filter((bar) => bar !== undefined);
  const longest = Math.max(...bars.map(({ value, high }) => Math.max(value, high)));
  return [
    text(MARGIN, y + 16, title, { fill: theme.text, size: 12, weight: 600 }),
    text(MARGIN, y + 32, subtitle, { fill: theme.muted, size: 11 }),
    ...columns.map((column, index) =>
      text(columnAt(index), y + 51, column, { fill: theme.text, size: 11, weight: 600 })
    ),
    ...lines.map((line, index) =>
      drawLine(line, y + PANEL_HEAD + index * BAR_STEP, longest, theme)
    ),
  ].join("\n");
}

function drawLine(
  { label, kind, bars }: BarLine,
  top: number,
  longest: number,
  theme: Theme,
): string {
  const baseline = top + BAR_HEIGHT - 3;
  const weight = kind === "ours" ? 600 : 400;
  const perPixel = longest / (COLUMN_WIDTH - VALUE_WIDTH);
  const labelled = { fill: theme.text, size: 11, weight, anchor: "end" } as const;
  const valued = { fill: theme.muted, size: 11, weight };
  return [
    text(MARGIN + LABEL_WIDTH - 8, baseline, label, labelled),
    ...bars.map((bar, index) => {
      const x = columnAt(index);
      if (bar === undefined) return text(x, baseline, "–", valued);
      const end = x + Math.max(1, bar.value / perPixel);
      const high = x + bar.high / perPixel;
      return [
        drawBar(x, end, top, kind === "limit" ? "url(#hatched)" : theme[kind]),
        drawSpread(x + bar.low / perPixel, high, top + BAR_HEIGHT / 2, theme),
        text(Math.max(end, high) + 5, baseline, short(bar.value), valued),
      ].join("\n");
    }),
  ].join("\n");
}

function columnAt(index: number): number {
  return MARGIN + LABEL_WIDTH + index * COLUMN_WIDTH;
}

function drawBar(start: number, end: number, top: number, fill: string): string {
  return `<rect x="${start}" y="${top}" width="${(end - start).toFixed(1)}" ` +
    `height="${BAR_HEIGHT}" rx="2" fill="${fill}"/>`;
}

function drawSpread(low: number, high: number, y: number, { text }: Theme): string {
  return `<line x1="${low.toFixed(1)}" y1="${y}" x2="${high.toFixed(1)}" y2="${y}" ` +
    `stroke="${text}" stroke-opacity="0.6" stroke-width="2"/>`;
}

function hatching({ peer }: Theme): string {
  return '<defs><pattern id="hatched" width="5" height="5" patternUnits="userSpaceOnUse" ' +
    `patternTransform="rotate(45)"><rect width="2" height="5" fill="${peer}"/></pattern></defs>`;
}

/** How a text is drawn. */
export interface TextOptions {
  readonly fill: string;
  readonly size: number;
  readonly weight?: number;
  readonly anchor?: "start" | "end";
}

/** Draws a text. */
export function text(
  x: number,
  y: number,
  content: string,
  { fill, size, weight = 400, anchor = "start" }: TextOptions,
): string {
  return `<text x="${x.toFixed(1)}" y="${y}" font-size="${size}" font-weight="${weight}" ` +
    `text-anchor="${anchor}" fill="${fill}">${escape(content)}</text>`;
}

/** Text within SVG. */
export function escape(content: string): string {
  return content.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
