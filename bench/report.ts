// The comparisons as text.
import type { Comparison } from "./comparison.ts";
import { factor, short } from "./numbers.ts";
import type { Spread } from "./spread.ts";

/** Fewer samples than this have no p99. */
const MIN_P99_SAMPLES = 100;

/** A comparison as a table: one line for us, one for each of the others. */
export function describe({ name, title, unit, figures, targets, notes }: Comparison): string {
  return [
    `${name}: ${title}`,
    ...table(figures.map((figure, index) => [
      figure.name,
      `${short(figure.p50)} ${unit}`,
      describeSpread(figure),
      index === 0 ? "" : `${factor(figure.ratio)} ×`,
    ])),
    ...targets.map(({ against, bound, ratio, actual, reached }) => {
      const verdict = reached ? "reached" : "MISSED";
      return `  ${verdict}: ${factor(actual)} × ${against}, to be ${bound} ${ratio} ×`;
    }),
    ...(notes ?? []).map((note) => `  ${note}`),
    "",
  ].join("\n");
}

/** The range of the middle half, and the p99 if there are enough samples; empty for a lone value. */
export function describeSpread({ samples, p25, p75, p99 }: Spread): string {
  if (p25 === p75) return "";
  const middle = `${short(p25)}–${short(p75)}`;
  return samples < MIN_P99_SAMPLES ? middle : `${middle}, p99 ${short(p99)}`;
}

/** Right-aligned but for the first column. */
function table(rows: readonly (readonly string[])[]): string[] {
  const columns = rows[0]?.map((_, column) => rows.map((row) => row[column] ?? "")) ?? [];
  const widths = columns.map((cells) => Math.max(...cells.map((cell) => cell.length)));
  return rows.map((row) => {
    const cells = row.map((cell, column) => {
      const width = widths[column] ?? 0;
      return column === 0 ? cell.padEnd(width) : cell.padStart(width);
    });
    return `  ${cells.join("  ")}`.trimEnd();
  });
}
