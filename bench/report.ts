// The comparisons as text.
import type { Comparison } from "./comparison.ts";
import type { Latency } from "./measure.ts";

/** A comparison as a table: one line for us, one for each of the others. */
export function describe(comparison: Comparison): string {
  const { workload, title, unit, ours, others, ratios, latencies } = comparison;
  const rows = [
    ["ours", `${figure(ours)} ${unit}`, ""],
    ...Object.entries(others).map(([name, value]) => [
      name,
      `${figure(value)} ${unit}`,
      `${factor(ratios[name] ?? NaN)} ×`,
    ]),
  ].map((
    [name = "", ...cells],
  ) => [name, ...cells, describeLatency(latencies?.[name])]);
  return [
    `${workload}: ${title}`,
    ...table(rows),
    ...comparison.targets.map(({ against, bound, ratio, actual, reached }) => {
      const verdict = reached ? "reached" : "MISSED";
      return `  ${verdict}: ${
        factor(actual)
      } × ${against}, to be ${bound} ${ratio} ×`;
    }),
    ...(comparison.notes ?? []).map((note) => `  ${note}`),
    "",
  ].join("\n");
}

function describeLatency(latency: Latency | undefined): string {
  if (latency === undefined) return "";
  return `p99 ${figure(latency.p99)} ms, max ${figure(latency.max)} ms`;
}

/** Right-aligned but for the first column. */
function table(rows: readonly (readonly string[])[]): string[] {
  const columns =
    rows[0]?.map((_, column) => rows.map((row) => row[column] ?? "")) ?? [];
  const widths = columns.map((cells) =>
    Math.max(...cells.map((cell) => cell.length))
  );
  return rows.map((row) => {
    const cells = row.map((cell, column) => {
      const width = widths[column] ?? 0;
      return column === 0 ? cell.padEnd(width) : cell.padStart(width);
    });
    return `  ${cells.join("  ")}`.trimEnd();
  });
}

/** Three significant digits, and no more than are needed for whole numbers. */
function figure(value: number): string {
  if (value >= 100) return Math.round(value).toLocaleString("en");
  return value.toPrecision(3);
}

function factor(value: number): string {
  return value >= 100
    ? Math.round(value).toLocaleString("en")
    : value.toFixed(2);
}
