// Bar charts as SVG, for light and dark pages.

/** One bar. */
export interface Bar {
  readonly label: string;
  readonly value: number;
  readonly kind: "ours" | "peer" | "limit";
}

/** Bars that share a scale. */
export interface Panel {
  readonly title: string;
  readonly subtitle: string;
  readonly bars: readonly Bar[];
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

/** A chart: panels in rows of so many. */
export interface ChartOptions {
  readonly title: string;
  readonly footer: string;
  readonly columns: number;
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

const PANEL_WIDTH = 356;
const LABEL_WIDTH = 150;
const VALUE_WIDTH = 52;
const BAR_HEIGHT = 14;
const BAR_STEP = 19;
const PANEL_HEAD = 44;
const PANEL_GAP = 18;
const MARGIN = 20;
const TITLE_HEIGHT = 44;
const FOOTER_HEIGHT = 30;

/** Draws a chart. */
export function drawChart(
  { title, footer, columns, panels, theme }: ChartOptions,
): string {
  const rows = Array.from(
    { length: Math.ceil(panels.length / columns) },
    (_, row) => panels.slice(row * columns, (row + 1) * columns),
  );
  const width = 2 * MARGIN + columns * PANEL_WIDTH;
  const parts: string[] = [];
  let y = TITLE_HEIGHT;
  for (const row of rows) {
    parts.push(
      ...row.map((panel, column) => drawPanel(panel, MARGIN + column * PANEL_WIDTH, y, theme)),
    );
    y += Math.max(...row.map(heightOf)) + PANEL_GAP;
  }
  const height = y + FOOTER_HEIGHT;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" ` +
    `height="${height}" role="img" font-family="system-ui, sans-serif">`,
    `<title>${escape(title)}</title>`,
    hatching(theme),
    `<rect width="${width}" height="${height}" fill="${theme.background}"/>`,
    text(MARGIN, 26, title, { fill: theme.text, size: 16, weight: 600 }),
    ...parts,
    text(MARGIN, height - 14, footer, { fill: theme.muted, size: 10 }),
    "</svg>",
    "",
  ].join("\n");
}

function drawPanel(
  { title, subtitle, bars }: Panel,
  x: number,
  y: number,
  theme: Theme,
): string {
  const longest = Math.max(...bars.map(({ value }) => value));
  const room = PANEL_WIDTH - LABEL_WIDTH - VALUE_WIDTH;
  const parts = bars.map(({ label, value, kind }, index) => {
    const top = y + PANEL_HEAD + index * BAR_STEP;
    const baseline = top + BAR_HEIGHT - 3;
    const length = Math.max(1, room * value / longest);
    const fill = kind === "ours" ? theme.ours : kind === "peer" ? theme.peer : "url(#hatched)";
    const weight = kind === "ours" ? 600 : 400;
    return [
      text(x + LABEL_WIDTH - 6, baseline, label, {
        fill: theme.text,
        size: 11,
        weight,
        anchor: "end",
      }),
      `<rect x="${x + LABEL_WIDTH}" y="${top}" width="${length.toFixed(1)}" ` +
      `height="${BAR_HEIGHT}" rx="2" fill="${fill}"/>`,
      text(x + LABEL_WIDTH + length + 5, baseline, short(value), {
        fill: theme.muted,
        size: 11,
        weight,
      }),
    ].join("\n");
  });
  return [
    text(x, y + 16, title, { fill: theme.text, size: 12, weight: 600 }),
    text(x, y + 32, subtitle, { fill: theme.muted, size: 11 }),
    ...parts,
  ].join("\n");
}

function heightOf({ bars }: Panel): number {
  return PANEL_HEAD + bars.length * BAR_STEP;
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

/** A number with about three digits. */
export function short(value: number): string {
  if (value >= 1e6) return `${(value / 1e6).toFixed(2)} M`;
  if (value >= 1e4) return `${Math.round(value / 1e3)} k`;
  if (value >= 1e3) return `${(value / 1e3).toFixed(1)} k`;
  return value >= 100 ? String(Math.round(value)) : value.toPrecision(2);
}

/** Text within SVG. */
export function escape(content: string): string {
  return content.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
